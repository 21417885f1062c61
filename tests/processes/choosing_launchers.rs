//! What a launcher says may choose the bot: an option that the program can read, the lock of flock,
//! a function of make, or the link by which the folder was entered.

use std::os::unix::fs::symlink;

use monopoll_test_bots::stage::Stage;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, found, program, write};
use crate::script_variables::{is_the_same, planned};

fn stage_with(file: &str, text: &str) -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "main.js", JAVASCRIPT);
    write(&stage, file, text);
    stage
}

#[track_caller]
fn is_in_doubt(stage: &Stage, bot_line: &str, start_line: &str, difference: &str) {
    for (bot_line, start_line) in [(bot_line, start_line), (start_line, bot_line)] {
        let (plan, is_found) = planned(stage, bot_line, start_line);
        let reason = refusal(&plan);
        assert!(is_found && reason.contains(difference), "{bot_line} / {start_line}: {reason}");
    }
}

#[test]
fn an_option_that_a_program_can_read_or_that_loads_code_is_in_doubt() {
    let stage = stage_with("a.mjs", "");
    write(&stage, "b.mjs", "");
    let [a, b] = ["alice", "bob"].map(|name| format!("python3 -X bot={name} main.py"));
    is_in_doubt(&stage, &a, &b, "another `-X`");
    is_in_doubt(&stage, &a, "python3 main.py", "another `-X`");
    let [a, b] = ["a", "b"].map(|name| format!("node --experimental-loader ./{name}.mjs main.js"));
    is_in_doubt(&stage, &a, &b, "another `--experimental-loader`");
    for (bot_line, start_line) in [
        ("python3 -X dev -Xutf8=1 -W error main.py", "python3 -u -O main.py"),
        ("python3 -X bot=alice main.py", "python3 -Xbot=alice -B main.py"),
        ("node --max-old-space-size=100 main.js", "node --no-warnings main.js"),
    ] {
        is_the_same(&stage, bot_line, start_line);
    }
}

#[test]
fn another_lock_of_flock_is_in_doubt() {
    let stage = stage_with("a.lock", "");
    is_in_doubt(
        &stage,
        "flock a.lock python3 main.py",
        "flock b.lock python3 main.py",
        "another `flock`",
    );
    // flock is replaced by its command, which holds the lock then.
    is_in_doubt(
        &stage,
        "flock -F a.lock python3 main.py",
        "flock -F b.lock python3 main.py",
        "another `flock`",
    );
    for [a, b] in [
        ["flock a.lock sh -c python3 main.py; true", "flock b.lock sh -c python3 main.py; true"],
        [
            "flock -F a.lock sh -c python3 main.py; true",
            "flock -F b.lock sh -c python3 main.py; true",
        ],
    ] {
        let (running, pid) = bot(&stage, program(&stage, a), stage.folder());
        for (line, verdict) in [(a, "act"), (b, "refuse")] {
            let (before, code) = line.split_once(" -c ").unwrap();
            let start = unnamed(&stage, &["plan"], &format!("{before} -c")).argument(code);
            let seen = plan(start);
            assert_eq!(seen["verdict"], verdict, "{a} / {line}: {seen:#}");
            assert!(found(&seen).contains(&u64::from(pid)), "{a} / {line}: {seen:#}");
        }
        end(&stage, running, pid);
    }
    is_the_same(&stage, "flock -F a.lock python3 main.py", "flock a.lock python3 main.py");
    is_the_same(&stage, "flock -F a.lock python3 main.py", "python3 main.py");
    for (bot_line, start_line) in [
        ("flock -n a.lock python3 main.py", "flock -w 5 ./a.lock python3 main.py"),
        ("flock a.lock python3 main.py", "python3 main.py"),
        ("python3 main.py", "flock a.lock python3 main.py"),
    ] {
        is_the_same(&stage, bot_line, start_line);
    }
}

#[test]
fn a_variable_that_a_function_of_make_reads_may_choose_the_bot() {
    let makefile = "WHO := $(if $(BOB),bob,alice)\n\
        run:\n\tWHO=$(WHO) python3 main.py\n\
        exported: export WHO := $(shell echo $(BOB))\nexported:\n\tpython3 main.py\n\
        argument:\n\tpython3 main.py $(if $(BOB),--bob)\n\
        other:\n\tpython3 main.py\n";
    let stage = stage_with("Makefile", makefile);
    for goal in ["run", "exported", "argument"] {
        let line = format!("make {goal}");
        is_in_doubt(&stage, &format!("BOB=1 {line}"), &line, "another value of $BOB");
        is_the_same(&stage, &line, &line);
    }
    is_the_same(&stage, "BOB=1 make other", "make other");
}

#[test]
fn two_links_to_one_folder_may_be_two_bots_and_a_moved_link_is_one() {
    let stage = stage_with("code/main.py", PYTHON);
    for link in ["alice", "bob"] {
        symlink("code", stage.folder().join(link)).unwrap();
    }
    let line = "python3 main.py";
    for (running, started, is_same) in [
        ("alice", "bob", false),
        ("bob", "alice", false),
        ("alice", "alice", true),
        // A link such as `current`.
        ("alice", "code", true),
        ("code", "alice", true),
    ] {
        let [running, started] = [running, started].map(|name| stage.folder().join(name));
        let start = program(&stage, line).current_dir(&running).env("PWD", &running);
        let (process, pid) = bot(&stage, start, &running);
        let start = unnamed(&stage, &["plan"], line).current_dir(&started).env("PWD", &started);
        let plan = plan(start);
        assert!(found(&plan).contains(&u64::from(pid)), "{plan:#}");
        if is_same {
            assert_eq!(plan["verdict"], "act", "{plan:#}");
        } else {
            assert!(refusal(&plan).contains("by a link with another name"), "{plan:#}");
        }
        end(&stage, process, pid);
    }
}
