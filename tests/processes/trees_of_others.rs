//! A guard whose tree has programs of others is not ended for its own bot: another bot that its bot
//! started, or the sessions and apps of a server that COMMAND was the first to start.

use std::fs;
use std::path::Path;

use monopoll_test_bots::programs;
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, send, skip, token};
use nix::sys::signal::Signal;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::write;
use crate::several_bots_in_one_guard::ready_bots;
use crate::supervisors::{path_with, peer};

/// A bot that writes its folder and script to a file with its pid.
const NAMED: &str = "import os, sys, time\n\
     name = os.path.basename(os.getcwd()) + '/' + os.path.basename(sys.argv[0])\n\
     folder = os.environ['READY_IN']\n\
     open(f'{folder}/.new-{os.getpid()}', 'w').write(name)\n\
     os.rename(f'{folder}/.new-{os.getpid()}', f'{folder}/ready-{os.getpid()}')\n\
     time.sleep(600)\n";

/// The same for node.
const NAMED_NODE: &str = "const { basename } = require('path'), fs = require('fs');\n\
     const name = `${basename(process.cwd())}/${basename(__filename)}`;\n\
     const folder = process.env.READY_IN;\n\
     fs.writeFileSync(`${folder}/.new-${process.pid}`, name);\n\
     fs.renameSync(`${folder}/.new-${process.pid}`, `${folder}/ready-${process.pid}`);\n\
     setTimeout(() => {}, 600000);\n";

/// Bots by the ends of their names.
struct Bots<'a>(&'a Stage);

impl Bots<'_> {
    /// Waits for a bot that was not asked for yet.
    fn next(&self, name: &str) -> u32 {
        let pid = self.0.wait_until(name, || {
            ready_bots(self.0).into_iter().find(|(of, _)| of.ends_with(name)).map(|(_, pid)| pid)
        });
        fs::remove_file(self.0.folder().join(format!("ready-{pid}"))).unwrap();
        pid
    }
}

/// Checks that `plan`, `run` and `stop` refuse and name this process, and that all of these live.
#[track_caller]
fn is_refused<'a>(start: &dyn Fn(&[&str]) -> Start<'a>, pid: u32, says: &str, living: &[u32]) {
    let named = format!("(pid {pid})");
    let plan = plan(start(&["plan"]));
    let reason = refusal(&plan);
    assert!(reason.contains(&named) && reason.contains(says), "{plan:#}");
    for action in ["graceful", "force", "wait"] {
        let run = start(&["run", "--on-conflict", action]).end().exits(75);
        assert!(run.err.contains(&named) && run.err.contains(says), "{run:?}");
    }
    let stop = start(&["stop"]).end();
    assert_ne!(stop.code, Some(0), "{stop:?}");
    let said = format!("{}{}", stop.out, stop.err);
    assert!(said.contains(&named) && said.contains(says), "{stop:?}");
    assert!(living.iter().all(|pid| is_alive(*pid)), "{living:?}");
}

#[track_caller]
fn acts(start: Start<'_>) {
    let plan = plan(start);
    assert_eq!(plan["verdict"], "act", "{plan:#}");
}

#[test]
fn a_guard_is_not_ended_with_a_bot_below_it_whose_env_file_names_another() {
    let stage = Stage::new();
    write(
        &stage,
        "alice/main.py",
        &format!(
            "import subprocess\nsubprocess.Popen(['python3', 'main.py'], cwd='../bob')\n{NAMED}"
        ),
    );
    write(&stage, "bob/main.py", NAMED);
    let (mine, other) = (token(), token());
    let number = |token: &str| token.split(':').next().unwrap().to_owned();
    write(&stage, "alice/.env", &format!("BOT_TOKEN={mine}\n"));
    let alice = stage.folder().join("alice");
    let start = |args: &[&str]| {
        unnamed(&stage, args, "python3 main.py")
            .current_dir(&alice)
            .env("PWD", &alice)
            .env("READY_IN", stage.folder())
    };
    let lock = format!("lock.paths=[\"{}/{{instance}}.lock\"]", stage.locks().display());
    let stop = || {
        let instance = format!("bot{}", number(&mine));
        stage.program(programs::monopoll(), &["--instance", &instance, "stop"]).set(&lock).end()
    };
    for (bob_env, is_another) in [
        (format!("BOT_TOKEN={other}\n"), true),
        (format!("BOT_TOKEN={mine}\n"), false),
        (String::new(), false),
    ] {
        write(&stage, "bob/.env", &bob_env);
        let guard = start(&["run"]).start();
        let bots = Bots(&stage);
        let pids = [bots.next("alice/main.py"), bots.next("bob/main.py")];
        if is_another {
            let says = format!("which names bot {}", number(&other));
            is_refused(&start, pids[1], &says, &pids);
            let stopped = stop();
            assert_ne!(stopped.code, Some(0), "{stopped:?}");
            let said = format!("{}{}", stopped.out, stopped.err);
            let named = format!("(pid {})", pids[1]);
            assert!(said.contains(&named) && said.contains(&says), "{stopped:?}");
            assert!(guard.is_alive() && pids.iter().all(|pid| is_alive(*pid)));
            // The other bot is ended first.
            send(pids[1], Signal::SIGTERM);
            stage.wait_until("its end", || (!is_alive(pids[1])).then_some(()));
        }
        acts(start(&["plan"]));
        stop().exits(0);
        assert!(!pids.iter().any(|pid| is_alive(*pid)));
        // Its bots have ended, but it may not have exited yet.
        stage.wait_until("the end of the guard", || (!guard.is_alive()).then_some(()));
    }
}

/// A stage with a start script of alice in tmux, and one for bob.
fn tmux_stage(env: &str) -> Option<Stage> {
    if !Path::new("/usr/bin/tmux").exists() {
        skip("tmux is missing; `.ci/run` installs it");
        return None;
    }
    let stage = Stage::new();
    for name in ["alice.py", "bob.py", "bob/bob.py"] {
        write(&stage, name, NAMED);
    }
    let tmux = "tmux -S tmux.sock -f /dev/null";
    let script = format!(
        "#!/bin/sh\n{tmux} new-session -d -s alice 'exec python3 alice.py'\n\
         while {tmux} has-session -t alice 2> /dev/null; do sleep 0.1; done\n"
    );
    write(&stage, "start.sh", &script);
    write(&stage, ".env", env);
    Some(stage)
}

fn tmux<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    stage.program("tmux", &[&["-S", "tmux.sock"], args].concat()).env("SHELL", "/bin/sh")
}

fn in_tmux<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    let start = unnamed(stage, args, "./start.sh").env("READY_IN", stage.folder());
    start.env("SHELL", "/bin/sh")
}

#[test]
fn a_guard_with_a_terminal_multiplexer_that_has_other_sessions_is_not_ended() {
    for env in [String::new(), format!("BOT_TOKEN={}\n", token())] {
        let Some(stage) = tmux_stage(&env) else { return };
        let start = |args: &[&str]| in_tmux(&stage, args);
        let bots = Bots(&stage);
        let guard = start(&["run"]).start();
        let alice = bots.next("alice.py");
        acts(start(&["plan"]));
        write(&stage, "bob/.env", &format!("BOT_TOKEN={}\n", token()));
        let folder = stage.folder().join("bob");
        let folder = folder.to_str().unwrap();
        for (args, name) in [
            (&["new-session", "-d", "-s", "bob", "exec python3 bob.py"][..], "bob.py"),
            (&["new-session", "-d", "-s", "bob", "-c", folder, "exec python3 bob.py"], "bob.py"),
            (&["new-window", "-d", "-t", "alice:", "-n", "bob", "exec python3 bob.py"], "bob.py"),
        ] {
            tmux(&stage, args).end().exits(0);
            let bob = bots.next(name);
            let is_told = args.contains(&"-c") && !env.is_empty();
            let says = if is_told { "which names bot" } else { "`tmux` (pid" };
            is_refused(&start, bob, says, &[alice, bob, guard.pid()]);
            let kill = if args[0] == "new-session" { "kill-session" } else { "kill-window" };
            tmux(&stage, &[kill, "-t", "bob"]).end().exits(0);
            stage.wait_until("bob's end", || (!is_alive(bob)).then_some(()));
        }
        // The server with nothing but alice ends with her.
        let second = start(&["run"]).start();
        let new = bots.next("alice.py");
        guard.end().exits(0);
        assert!(!is_alive(alice) && is_alive(new));
        start(&["stop"]).end().exits(0);
        second.end().exits(0);
    }
}

/// A stage with PM2's files in its own folder.
fn with_pm2<'a>(stage: &'a Stage, start: Start<'a>, program: &Path) -> Start<'a> {
    start
        .env("PM2_HOME", stage.folder().join("pm2"))
        .env("PATH", path_with(program))
        .env("READY_IN", stage.folder())
}

#[test]
fn a_guard_with_a_pm2_daemon_that_has_apps_of_others_is_not_ended() {
    let Some(program) = peer("npm/node_modules/.bin/pm2") else { return };
    let stage = Stage::new();
    for name in ["alice.py", "second.py", "bob.py"] {
        write(&stage, name, NAMED);
    }
    write(
        &stage,
        "start.sh",
        "#!/bin/sh\npm2 start alice.py --interpreter python3 --name alice &&\n\
         pm2 start second.py --interpreter python3 --name second && pm2 logs alice\n",
    );
    write(&stage, "bob.js", NAMED_NODE);
    let start = |args: &[&str]| with_pm2(&stage, unnamed(&stage, args, "./start.sh"), &program);
    let pm2 = |args: &[&str]| with_pm2(&stage, stage.program(&program, args), &program).end();
    let bots = Bots(&stage);
    let guard: Running<'_> = start(&["run"]).start();
    let own = [bots.next("alice.py"), bots.next("second.py")];
    acts(start(&["plan"]));
    // In cluster mode, an app has the environment of the daemon.
    for args in [&["bob.py", "--interpreter", "python3"][..], &["bob.js", "-i", "1"]] {
        pm2(&[&["start", "--name", "bob"], args].concat()).exits(0);
        let bob = bots.next(args[0]);
        is_refused(&start, bob, "PM2's daemon (pid", &[own[0], own[1], bob, guard.pid()]);
        pm2(&["delete", "bob"]).exits(0);
        stage.wait_until("bob's end", || (!is_alive(bob)).then_some(()));
    }
    start(&["stop"]).end().exits(0);
    assert!(!own.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn a_guard_with_a_supervisord_in_the_background_is_ended_only_with_a_single_program() {
    let Some(program) = peer("venv/bin/supervisord") else { return };
    let stage = Stage::new();
    for name in ["alice.py", "bob.py"] {
        write(&stage, name, NAMED);
    }
    let configuration = |programs: &[&str]| {
        let folder = stage.folder().display();
        let head = format!(
            "[supervisord]\nlogfile={folder}/s.log\npidfile={folder}/s.pid\n\
             childlogdir={folder}\n"
        );
        let of = |name: &&str| format!("[program:{name}]\ncommand=python3 {name}.py\n");
        head + &programs.iter().map(of).collect::<String>()
    };
    write(&stage, "background.sh", "#!/bin/sh\nsupervisord -c s.conf\nwhile :; do sleep 1; done\n");
    let bots = Bots(&stage);
    for (line, programs, is_other) in [
        ("./background.sh", &["alice"][..], false),
        ("./background.sh", &["alice", "bob"], true),
        ("supervisord -n -c s.conf", &["alice", "bob"], false),
    ] {
        write(&stage, "s.conf", &configuration(programs));
        let start = |args: &[&str]| {
            let start = unnamed(&stage, args, line).env("PATH", path_with(&program));
            start.env("READY_IN", stage.folder())
        };
        let guard = start(&["run"]).start();
        let pids: Vec<u32> = programs.iter().map(|it| bots.next(&format!("{it}.py"))).collect();
        if is_other {
            let last = pids.iter().max().unwrap();
            is_refused(&start, *last, "supervisord (pid", &pids);
            guard.signal(Signal::SIGTERM);
            guard.end();
        } else {
            acts(start(&["plan"]));
            start(&["stop"]).end().exits(0);
        }
        assert!(!pids.iter().any(|pid| is_alive(*pid)), "{line}");
    }
}
