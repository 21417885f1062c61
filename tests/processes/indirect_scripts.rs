//! Start scripts that start the bot in a roundabout way: by another script that they read, by their
//! arguments, by a function, by a pattern rule of make, or in a loop.

use monopoll_test_bots::stage::Stage;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};
use crate::script_variables::{is_the_same, planned};
use crate::start_scripts::near_misses;

/// What a start script may be, so that it leaves a doubt.
const IN_DOUBT: [&str; 9] = [
    ". ./inner.sh",
    "source inner.sh",
    "DIR=$(cd \"$(dirname \"$0\")\" && pwd)\n. \"$DIR/inner.sh\"",
    "[ -f inner.sh ] && . ./inner.sh",
    ". ./outer.sh",
    ". ./functions.sh\nstart_bot",
    ". ./functions.sh\nrun python3 main.py",
    "run() {\n  exec \"$@\"\n}\nrun python3 main.py",
    "[ -f web ] && exec python3 web.py\npython3 main.py",
];

const THE_SAME: [&str; 4] = [
    "set -- python3 main.py\nexec \"$@\"",
    "set python3 main.py; \"$@\"",
    "set -eu -- main.py\nexec python3 \"$1\"",
    "set -- python3\nset -- \"$@\" main.py\nexec \"$@\"",
];

const ANOTHER: [&str; 5] = [
    ". ./other.sh",
    "set -- python3 other.py\nexec \"$@\"",
    "run() {\n  exec \"$@\"\n}\nrun python3 other.py",
    ". ./settings.sh\nexec python3 other.py",
    ". ./missing.sh\nexec python3 other.py",
];

fn main_py() -> Stage {
    let stage = Stage::new();
    for name in ["main.py", "other.py", "web.py"] {
        write(&stage, name, PYTHON);
    }
    write(&stage, "inner.sh", "export NAME=bot\nexec python3 main.py\n");
    write(&stage, "outer.sh", ". ./inner.sh\n");
    write(&stage, "other.sh", "exec python3 other.py\n");
    write(&stage, "settings.sh", "NAME=bot\n");
    write(
        &stage,
        "functions.sh",
        "start_bot() { exec python3 main.py; }\nfunction run {\n  \"$@\"\n}\n",
    );
    stage
}

#[test]
fn the_bot_of_a_script_that_is_read_or_of_its_arguments_is_found() {
    let stage = main_py();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    let plan_of = |script: &str| {
        write(&stage, "start.sh", &format!("#!/bin/bash\n{script}\n"));
        plan(unnamed(&stage, &["plan"], "./start.sh"))
    };
    let pids = vec![u64::from(pid)];
    for script in IN_DOUBT {
        let seen = plan_of(script);
        assert!(refusal(&seen).contains("end it first (`kill"), "{script}: {seen:#}");
        assert_eq!(found(&seen), pids, "{script}: {seen:#}");
    }
    for script in THE_SAME {
        let seen = plan_of(script);
        assert_eq!((&seen["verdict"], found(&seen)), (&"act".into(), pids.clone()), "{seen:#}");
    }
    for script in ANOTHER {
        let seen = plan_of(script);
        assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{seen:#}");
    }
    end(&stage, running, pid);
    for script in [IN_DOUBT.as_slice(), &THE_SAME].concat() {
        write(&stage, "start.sh", &format!("#!/bin/bash\n{script}\n"));
        is_the_same(&stage, "./start.sh", "python3 main.py");
    }
}

#[test]
fn the_bot_of_a_pattern_rule_of_make_is_found() {
    let stage = main_py();
    let makefile = "run:\n\tpython3 main.py\n\
                    run-%:\n\tpython3 main.py\n\
                    named-%:\n\tpython3 main.py --bot $*\n\
                    set-%: use-%\n\tpython3 main.py\n\
                    use-%:\n\tcp .env.$* .env\n";
    write(&stage, "Makefile", makefile);
    for name in ["alice", "bob"] {
        write(&stage, &format!(".env.{name}"), "A=b\n");
    }
    for (running, started) in [
        ("make run", "make run-alice"),
        ("make run-alice", "make run"),
        ("make run-alice", "make run-alice"),
        ("python3 main.py", "make run-alice"),
        ("make run-alice", "python3 main.py"),
        ("python3 main.py --bot alice", "make named-alice"),
        ("make named-alice", "make named-alice"),
        ("make set-alice", "make set-alice"),
    ] {
        is_the_same(&stage, running, started);
    }
    for (running, started) in [
        ("make set-alice", "make set-bob"),
        ("python3 main.py", "make set-bob"),
        ("make set-alice", "python3 main.py"),
    ] {
        let (seen, is_found) = planned(&stage, running, started);
        let reason = refusal(&seen);
        assert!(is_found && reason.contains("first writes `.env`"), "{running}: {reason}");
    }
    for (running, started) in
        [("make named-alice", "make named-bob"), ("python3 main.py", "make named-bob")]
    {
        let (seen, is_found) = planned(&stage, running, started);
        assert_eq!((&seen["verdict"], is_found), (&"clear".into(), false), "{running}: {seen:#}");
        assert!(!near_misses(&seen).is_empty(), "{running} / {started}: {seen:#}");
    }
}

/// Each of these scripts runs the bot, so each finds what the others run.
#[test]
fn a_start_script_and_a_loop_or_another_script_find_each_other() {
    let stage = main_py();
    for (name, text) in [
        ("start.sh", "exec python3 main.py"),
        ("loop.sh", "while :; do python3 main.py; sleep 2; done"),
        ("run-bot.sh", "python3 main.py"),
        ("pause.sh", "while :; do touch ready-$$; sleep 600; python3 main.py; done"),
    ] {
        write(&stage, name, &format!("#!/bin/sh\n{text}\n"));
    }
    for running in ["./start.sh", "sh loop.sh", "./run-bot.sh", "sh pause.sh"] {
        for started in ["./start.sh", "sh loop.sh", "./run-bot.sh"] {
            let (seen, is_found) = planned(&stage, running, started);
            assert!(is_found, "{running} / {started}: {seen:#}");
            let expected = if running == "sh pause.sh" { "refuse" } else { "act" };
            assert_eq!(seen["verdict"], expected, "{running} / {started}: {seen:#}");
        }
    }
    for started in ["./start.sh", "sh loop.sh", "./run-bot.sh"] {
        for next in ["./start.sh", "sh loop.sh", "./run-bot.sh"] {
            let (guard, pid) = bot(&stage, unnamed(&stage, &["run"], started), stage.folder());
            let seen = plan(unnamed(&stage, &["plan"], next));
            assert!(found(&seen).contains(&u64::from(pid)), "{started} / {next}: {seen:#}");
            end(&stage, guard, pid);
        }
    }
}
