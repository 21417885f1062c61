//! Bots that run on after the processes above them were killed: a launcher, a server, or the outer
//! process of a program in one file.

use std::fs;

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, send, token};
use nix::sys::signal::Signal;

use crate::other_bots::{plan, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, found, program, write};
use crate::supervisors::peer;

/// Starts a bot below a launcher, and kills all that is above it: the launcher and its shells.
#[track_caller]
fn left_alone<'a>(stage: &'a Stage, launcher: Start<'a>) -> (Running<'a>, u32) {
    let (launcher, pid) = bot(stage, launcher, stage.folder());
    let mut above = Vec::new();
    let mut next = parent(pid);
    while next != launcher.pid() {
        above.push(next);
        next = parent(next);
    }
    // From the top, as no launcher may notice the end of its child and end properly.
    launcher.signal(Signal::SIGKILL);
    for pid in above.iter().rev() {
        send(*pid, Signal::SIGKILL);
    }
    let last = above.first().copied().unwrap_or(launcher.pid());
    stage.wait_until("an orphan", || (parent(pid) != last).then_some(()));
    assert!(is_alive(pid));
    (launcher, pid)
}

pub(crate) fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The module of a web application that polls, and stays alone when its server is killed.
const APP: &str = "import os\nopen(f'ready-{os.getpid()}', 'w').close()\n\
                   async def app(scope, receive, send):\n    pass\n";

#[test]
fn a_bot_that_lost_npm_uv_or_uvicorn_is_found_and_another_bots_is_not_touched() {
    let Some(uv) = peer("launchers/bin/uv") else { return };
    let Some(uvicorn) = peer("venv/bin/uvicorn") else { return };
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "main.js", JAVASCRIPT);
    write(&stage, "app.py", APP);
    write(&stage, "package.json", r#"{"scripts": {"start": "node main.js; exit"}}"#);
    let by_uv = format!("{} run --no-project python3 main.py", uv.display());
    let by_uvicorn = format!("{} app:app --port 0 --reload --reload-dir locks", uvicorn.display());
    write(&stage, "locks/.keep", "");
    // The command tells what `npm start` and `uv run` start; only the token tells of the others.
    for (line, is_same_command) in
        [("npm start", true), (by_uv.as_str(), true), (by_uvicorn.as_str(), false)]
    {
        let (mine, other) = (token(), token());
        // In the session of PID 1, it would not count as an orphan.
        let launcher = program(&stage, line).through(&["setsid"]).env("BOT_TOKEN", &mine);
        let (launcher, pid) = left_alone(&stage, launcher);
        let start =
            |args: &[&str], token: &str| unnamed(&stage, args, line).env("BOT_TOKEN", token);
        let seen = plan(start(&["plan"], &mine));
        assert!(found(&seen).contains(&u64::from(pid)), "{line}: {seen:#}");
        let verdict = if is_same_command { "act" } else { "refuse" };
        assert_eq!(seen["verdict"], verdict, "{line}: {seen:#}");
        // Another bot of the same folder.
        let seen = plan(start(&["plan"], &other));
        assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{line}: {seen:#}");
        let acting = plan(start(&["plan"], &mine).set("same_token='act'"));
        assert_eq!(acting["verdict"], "act", "{line}: {acting:#}");
        drop(launcher);
        let (guard, own) =
            bot(&stage, start(&["run"], &mine).set("same_token='act'"), stage.folder());
        assert!(!is_alive(pid), "{line}");
        guard.signal(Signal::SIGTERM);
        guard.end();
        assert!(!is_alive(own), "{line}");
    }
}

/// Waits for two workers, and returns their pids.
#[track_caller]
fn workers(stage: &Stage) -> [u32; 2] {
    let workers = stage.wait_until("two workers", || {
        let ready = fs::read_dir(stage.folder()).unwrap().flatten();
        let pid = |name: &str| name.strip_prefix("ready-")?.parse().ok();
        let pids = ready.filter_map(|entry| pid(entry.file_name().to_str().unwrap()));
        <[u32; 2]>::try_from(pids.collect::<Vec<u32>>()).ok()
    });
    for pid in workers {
        fs::remove_file(stage.folder().join(format!("ready-{pid}"))).unwrap();
    }
    workers
}

#[test]
fn the_workers_of_a_killed_server_are_found_and_ended() {
    let Some(uvicorn) = peer("venv/bin/uvicorn") else { return };
    let Some(gunicorn) = peer("venv/bin/gunicorn") else { return };
    for (line, is_same_command) in [
        (format!("{} app:app --port 0 --workers 2", uvicorn.display()), false),
        (format!("{} -w 2 -b 127.0.0.1:0 app:app", gunicorn.display()), true),
    ] {
        let stage = Stage::new();
        write(&stage, "app.py", APP);
        let (mine, other) = (token(), token());
        // In the session of PID 1, they would not count as orphans.
        let server = program(&stage, &line).through(&["setsid"]).env("BOT_TOKEN", &mine).start();
        let left = workers(&stage);
        server.signal(Signal::SIGKILL);
        stage.wait_until("orphans", || {
            left.iter().all(|pid| parent(*pid) != server.pid()).then_some(())
        });
        let start =
            |args: &[&str], token: &str| unnamed(&stage, args, &line).env("BOT_TOKEN", token);
        let seen = plan(start(&["plan"], &mine));
        let verdict = if is_same_command { "act" } else { "refuse" };
        assert_eq!(seen["verdict"], verdict, "{line}: {seen:#}");
        let pids = found(&seen);
        assert!(left.iter().all(|pid| pids.contains(&u64::from(*pid))), "{line}: {seen:#}");
        let seen = plan(start(&["plan"], &other));
        assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{line}: {seen:#}");
        let guard = start(&["run"], &mine).set("same_token='act'").start();
        let own = workers(&stage);
        assert!(left.iter().all(|pid| !own.contains(pid) && !is_alive(*pid)), "{line}");
        guard.signal(Signal::SIGTERM);
        guard.end();
    }
}

/// Lets a program that is packed into one file unpack itself in the stage's folder.
fn unpacked<'a>(stage: &'a Stage, start: Start<'a>) -> Start<'a> {
    start.env("TMPDIR", stage.folder())
}

/// A program of `PyInstaller`, which `.ci/run` builds.
#[test]
fn a_program_that_pyinstaller_packed_is_one_bot_with_or_without_the_outer_process() {
    let Some(packed) = peer("onefile/dist/bot") else { return };
    let line = packed.display().to_string();
    for is_outer_killed in [false, true] {
        let stage = Stage::new();
        let first = unpacked(&stage, program(&stage, &line).through(&["setsid"]));
        let (outer, inner) = bot(&stage, first, stage.folder());
        assert_eq!(parent(inner), outer.pid());
        if is_outer_killed {
            outer.signal(Signal::SIGKILL);
            stage.wait_until("an orphan", || (parent(inner) != outer.pid()).then_some(()));
        }
        let (_other, another) = bot(
            &stage,
            unpacked(&stage, program(&stage, &format!("{line} other"))),
            stage.folder(),
        );
        let start = |args: &[&str]| unpacked(&stage, unnamed(&stage, args, &line));
        let seen = plan(start(&["plan"]));
        let mine = if is_outer_killed { vec![inner] } else { vec![outer.pid(), inner] };
        let mine: Vec<u64> = mine.into_iter().map(u64::from).collect();
        assert_eq!((&seen["verdict"], found(&seen)), (&"act".into(), mine), "{seen:#}");
        let (guard, own) = bot(&stage, start(&["run"]), stage.folder());
        assert!(!outer.is_alive() && !is_alive(inner) && is_alive(another));
        guard.signal(Signal::SIGTERM);
        guard.end();
        assert!(!is_alive(own));
    }
}

/// As `PyInstaller` packs a bot into one file: it unpacks itself, starts itself and waits.
#[test]
fn the_two_processes_of_a_one_file_program_are_one_bot_with_or_without_the_outer_one() {
    for is_outer_killed in [false, true] {
        let stage = Stage::new();
        let first = stage.bot(&["--one-file"]).through(&["setsid"]).start();
        let inner = stage.ready(1);
        assert_ne!(inner, first.pid());
        if is_outer_killed {
            first.signal(Signal::SIGKILL);
            stage.wait_until("an orphan", || (parent(inner) != first.pid()).then_some(()));
        }
        stage.run(&["--one-file"]).on_conflict("refuse").end().exits(75);
        assert!(is_alive(inner));
        // Another bot of the same file.
        let other = stage.bot(&["--one-file", "other"]).other_token().start();
        stage.ready(2);
        let second = stage.run(&["--one-file"]).on_conflict("graceful").start();
        let own = stage.ready(3);
        assert!(!first.is_alive() && !is_alive(inner) && other.is_alive());
        assert_eq!(stage.times(inner, "got SIGTERM"), 1);
        // Under a guard, both end with it, and the outer one hands its signal on.
        second.signal(Signal::SIGTERM);
        second.end();
        assert!(!is_alive(own));
        stage.assert_no_overlap();
    }
}
