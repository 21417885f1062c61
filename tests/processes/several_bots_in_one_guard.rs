//! A guard whose COMMAND starts several programs is not ended for one of them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, token};

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{found, path, write};

/// A bot that writes its name to a file with its pid.
const NAMED: &str = "import os, sys, time\n\
     name = ' '.join([os.path.basename(os.getcwd()), *sys.argv])\n\
     folder = os.environ['READY_IN']\n\
     open(f'{folder}/.new-{os.getpid()}', 'w').write(name)\n\
     os.rename(f'{folder}/.new-{os.getpid()}', f'{folder}/ready-{os.getpid()}')\n\
     time.sleep(600)\n";

/// Returns the pids of the bots that have written a file with their names, by these.
pub(crate) fn ready_bots(stage: &Stage) -> BTreeMap<String, u32> {
    let entries = fs::read_dir(stage.folder()).unwrap().flatten();
    entries
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let pid = file.strip_prefix("ready-")?.parse().ok()?;
            Some((fs::read_to_string(entry.path()).ok()?, pid))
        })
        .collect()
}

/// Starts a guard and returns the pids of the bots below it by their names.
fn guard<'a>(stage: &'a Stage, line: &str, bots: usize) -> (Running<'a>, BTreeMap<String, u32>) {
    bots_below(stage, unnamed(stage, &["run"], line), bots)
}

fn bots_below<'a>(
    stage: &'a Stage,
    start: Start<'a>,
    bots: usize,
) -> (Running<'a>, BTreeMap<String, u32>) {
    let running = start.env("READY_IN", stage.folder()).start();
    let pids = stage.wait_until("the bots", || {
        let ready = ready_bots(stage);
        (ready.len() == bots).then_some(ready)
    });
    for pid in pids.values() {
        fs::remove_file(stage.folder().join(format!("ready-{pid}"))).unwrap();
    }
    (running, pids)
}

#[test]
fn a_guard_of_several_bots_is_not_ended_for_one_of_them() {
    let stage = Stage::new();
    for name in ["alice.py", "bob.py", "bot.py", "two/alice/bot.py", "two/bob/bot.py"] {
        write(&stage, name, &format!("{NAMED}# {name}\n"));
    }
    let folders = "(cd two/alice && python3 bot.py) &\n(cd two/bob && python3 bot.py) &\nwait";
    let scripts = [
        ("folders.sh", folders, "python3 bot.py"),
        ("all.sh", "python3 alice.py &\npython3 bob.py &\nwait", "python3 alice.py"),
        ("loop.sh", "for b in alice bob; do python3 $b.py & done; wait", "python3 alice.py"),
        ("args.sh", "python3 bot.py alice &\npython3 bot.py bob", "python3 bot.py alice"),
    ];
    for (script, text, _) in scripts {
        write(&stage, script, &format!("#!/bin/sh\n{text}\n"));
    }
    write(&stage, "Makefile", "all: a b\na:\n\t@python3 alice.py\nb:\n\t@python3 bob.py\n");
    let mut cases: Vec<(String, &str)> =
        scripts.iter().map(|(script, _, start)| (format!("./{script}"), *start)).collect();
    cases.push(("make -j2 all".to_owned(), "python3 alice.py"));
    for (guarded, started) in cases {
        let (running, pids) = guard(&stage, &guarded, 2);
        let folder = if guarded == "./folders.sh" { "two/alice" } else { "." };
        let folder = stage.folder().join(folder).canonicalize().unwrap();
        let start = |args: &[&str]| unnamed(&stage, args, started).current_dir(&folder);
        let names: &[&[&str]] = &[&["plan"], &["plan", "--instance", "alice"]];
        for args in names {
            let plan = plan(start(args));
            let why = refusal(&plan);
            assert!(why.contains("it also runs `python3"), "{guarded}: {plan:#}");
            assert!(why.contains("monopoll stop --instance"), "{guarded}: {plan:#}");
        }
        let refused = start(&["run"]).end().exits(75);
        assert!(refused.err.contains("which may be another bot"), "{guarded}: {refused:?}");
        let stop = start(&["stop"]).end();
        assert_ne!(stop.code, Some(0), "{guarded}: {stop:?}");
        assert!(running.is_alive() && pids.values().all(|pid| is_alive(*pid)), "{guarded}");
        // Its own command ends it.
        unnamed(&stage, &["stop"], &guarded).end().exits(0);
        assert!(!pids.values().any(|pid| is_alive(*pid)), "{guarded}");
    }
}

/// Its processes have the very command line of the start.
#[test]
fn a_guard_of_several_bots_is_known_by_its_own_command() {
    let stage = Stage::new();
    for name in ["alice.py", "bob.py"] {
        write(&stage, name, &format!("{NAMED}# {name}\n"));
    }
    write(
        &stage,
        "Makefile",
        "all: alice bob\nalice: ; @python3 alice.py\nbob: ; @python3 bob.py\n",
    );
    write(&stage, "all.sh", "#!/bin/sh\nfor b in alice bob; do python3 $b.py & done; wait\n");
    let python = stage.program("python3", &["-c", "import sys; print(sys.executable)"]).end();
    let python = fs::canonicalize(python.out.trim()).unwrap();
    fs::create_dir(stage.folder().join("bin")).unwrap();
    symlink(python, stage.folder().join("bin/python3")).unwrap();
    let path = format!("{}:{}", stage.folder().join("bin").display(), path());
    for (dotenv, guarded) in [
        (String::new(), "make -j2 all"),
        (String::new(), "./all.sh"),
        (format!("BOT_TOKEN={}\nBOT2_TOKEN={}\n", token(), token()), "make -j2 all"),
        (format!("BOT_TOKEN={}\nBOT2_TOKEN={}\n", token(), token()), "./all.sh"),
    ] {
        write(&stage, ".env", &dotenv);
        let start = unnamed(&stage, &["run"], guarded).env("PATH", &path);
        let (running, pids) = bots_below(&stage, start, 2);
        for started in ["python3 alice.py", "python3 bob.py"] {
            let plan = plan(
                unnamed(&stage, &["plan"], started)
                    .env("PATH", &path)
                    .env("READY_IN", stage.folder()),
            );
            let why = refusal(&plan);
            assert!(why.contains("it also runs `python3"), "{guarded} {started}: {plan:#}");
            assert!(why.contains(guarded), "{guarded} {started}: {plan:#}");
        }
        assert!(running.is_alive() && pids.values().all(|pid| is_alive(*pid)), "{guarded}");
        let same = plan(
            unnamed(&stage, &["plan"], guarded).env("PATH", &path).env("READY_IN", stage.folder()),
        );
        assert_eq!(same["verdict"], "act", "{guarded}: {same:#}");
        let stop = unnamed(&stage, &["stop"], guarded).env("PATH", &path);
        stop.env("READY_IN", stage.folder()).end().exits(0);
        assert!(!pids.values().any(|pid| is_alive(*pid)), "{guarded}");
    }
}

#[test]
fn a_guard_that_runs_only_the_bot_and_its_helpers_is_ended_for_it() {
    let stage = Stage::new();
    write(&stage, "alice.py", NAMED);
    write(&stage, "Makefile", "bot:\n\t@python3 alice.py; true\n");
    let children = "import subprocess, sys\n\
        worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n";
    write(&stage, "parent.py", &format!("{children}{NAMED}"));
    let scripts = [
        ("waits.sh", "python3 alice.py\ntrue"),
        ("tee.sh", "python3 alice.py 2>&1 | tee bot.log"),
        ("filters.sh", "python3 alice.py 2>&1 | sed -u s/a/b/ | cat >> bot.log"),
        ("background.sh", "python3 alice.py &\nwait"),
        ("parent.sh", "python3 parent.py &\nwait"),
    ];
    for (script, text) in scripts {
        write(&stage, script, &format!("#!/bin/sh\n{text}\n"));
    }
    for guarded in
        ["./waits.sh", "./tee.sh", "./filters.sh", "./background.sh", "./parent.sh", "make bot"]
    {
        let started =
            if guarded.contains("parent") { "python3 parent.py" } else { "python3 alice.py" };
        let (running, pids) = guard(&stage, guarded, 1);
        let plan = plan(unnamed(&stage, &["plan"], started));
        assert_eq!(plan["verdict"], "act", "{guarded}: {plan:#}");
        assert!(found(&plan).contains(&u64::from(running.pid())), "{guarded}: {plan:#}");
        unnamed(&stage, &["stop"], started).end().exits(0);
        assert!(!pids.values().any(|pid| is_alive(*pid)), "{guarded}");
    }
}
