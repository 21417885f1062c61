//! COMMAND is a launcher that does not say what it starts, and the bot runs already.

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, token};

use crate::other_bots::unnamed;
use crate::same_command::{PYTHON, bot, end, program, write};

/// A launcher whose code does not name its program.
const LAUNCHER: &str = "#!/usr/bin/env python3\nimport subprocess, sys\n\
                        name = open('name').read()\n\
                        sys.exit(subprocess.run([sys.executable, name]).returncode)\n";

const COMPARED: &str = "main.py`, which COMMAND has started, with what ran before";

fn stage() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "name", "main.py");
    write(&stage, "launch", LAUNCHER);
    stage
}

fn start(stage: &Stage) -> Start<'_> {
    unnamed(stage, &["run", "-v"], "./launch")
}

#[track_caller]
fn plain<'a>(stage: &'a Stage, change: impl FnOnce(Start<'a>) -> Start<'a>) -> (Running<'a>, u32) {
    bot(stage, change(program(stage, "python3 main.py")), stage.folder())
}

#[test]
fn a_launcher_that_starts_what_runs_already_is_ended() {
    let stage = stage();
    let (first, pid) = plain(&stage, |it| it);
    let (guard, second) = bot(&stage, start(&stage), stage.folder());
    let ended = guard.end().exits(75);
    let other = format!("main.py` (pid {pid}) ran already; ending COMMAND");
    assert!(ended.err.contains(&other) && ended.err.contains("was ended; stop"), "{ended:?}");
    assert!(first.is_alive() && !is_alive(second));
    let history = unnamed(&stage, &["status", "--history"], "./launch").end();
    assert!(history.out.contains(&other), "{history:?}");
}

/// A program of an interpreter may be the bot, and what it starts a worker.
#[test]
fn what_a_python_program_starts_is_reported_and_what_it_becomes_is_ended() {
    let stage = stage();
    let becomes = "import os, sys\nos.execv(sys.executable, [sys.executable, 'main.py'])\n";
    write(&stage, "become.py", becomes);
    write(&stage, "launch.py", LAUNCHER);
    let (first, pid) = plain(&stage, |it| it);
    let start = |script: &str| unnamed(&stage, &["run", "-v"], &format!("python3 {script}"));
    let (guard, second) = bot(&stage, start("launch.py"), stage.folder());
    let report = format!("main.py` (pid {pid}) ran already; two pollers may be running");
    stage.wait_until("the report", || guard.stderr().contains(&report).then_some(()));
    assert!(guard.is_alive() && is_alive(second));
    end(&stage, guard, second);
    let (guard, second) = bot(&stage, start("become.py"), stage.folder());
    let ended = guard.end().exits(75);
    assert!(ended.err.contains(&format!("(pid {pid}) ran already; ending")), "{ended:?}");
    assert!(first.is_alive() && !is_alive(second));
}

#[test]
fn a_launcher_that_gets_the_token_elsewhere_is_compared_by_it() {
    let stage = stage();
    let launcher = "#!/usr/bin/env python3\nimport os, subprocess, sys\n\
                    os.environ['BOT_TOKEN'] = open('secret').read()\n\
                    sys.exit(subprocess.run([sys.executable, open('name').read()]).returncode)\n";
    write(&stage, "launch", launcher);
    let (mine, other) = (token(), token());
    write(&stage, "secret", &mine);
    let (_other, another) = plain(&stage, |it| it.env("BOT_TOKEN", &other));
    let (guard, second) = bot(&stage, start(&stage), stage.folder());
    stage.wait_until("the comparison", || guard.stderr().contains(COMPARED).then_some(()));
    assert!(!guard.stderr().contains("ran already"), "{}", guard.stderr());
    end(&stage, guard, second);
    let (_first, pid) = plain(&stage, |it| it.env("BOT_TOKEN", &mine));
    let (guard, _) = bot(&stage, start(&stage), stage.folder());
    let ended = guard.end().exits(75);
    assert!(ended.err.contains(&format!("(pid {pid}) ran already")), "{ended:?}");
    assert!(is_alive(another) && is_alive(pid));
}

#[test]
fn a_launcher_alone_keeps_running() {
    let stage = stage();
    let (guard, second) = bot(&stage, start(&stage), stage.folder());
    // One that begins later is not this start's to judge.
    let (_later, _) = plain(&stage, |it| it);
    stage.wait_until("the comparison", || guard.stderr().contains(COMPARED).then_some(()));
    assert!(guard.is_alive() && is_alive(second));
    assert!(!guard.stderr().contains("ran already"), "{}", guard.stderr());
}

#[test]
fn a_copy_in_doubt_is_reported_and_nothing_is_ended() {
    let stage = stage();
    let (_first, pid) = plain(&stage, |it| it.env("BOT_ENV", "alice"));
    let (guard, second) = bot(&stage, start(&stage), stage.folder());
    let report = format!("(pid {pid}) may be another bot's: it has another value of $BOT_ENV");
    stage.wait_until("the report", || guard.stderr().contains(&report).then_some(()));
    assert!(guard.is_alive() && is_alive(second) && is_alive(pid));
}

#[test]
fn a_copy_that_a_rule_ignores_is_not_reported() {
    let stage = stage();
    let (_first, pid) = plain(&stage, |it| it);
    let rule = "[[rules]]\naction = \"ignore\"\nwhen.found_by = \"command\"\n";
    let (guard, second) = bot(&stage, start(&stage).config(rule), stage.folder());
    stage.wait_until("the comparison", || guard.stderr().contains(COMPARED).then_some(()));
    assert!(guard.is_alive() && is_alive(second) && is_alive(pid));
    assert!(!guard.stderr().contains("ran already"), "{}", guard.stderr());
}
