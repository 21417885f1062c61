//! Two start scripts that differ in what they give their bot: a file with settings that they write
//! with `echo`, a branch of git, its standard input. Neither ends the bot of the other.

use monopoll_test_bots::stage::{Stage, is_alive};

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, program, write};
use crate::script_variables::{is_the_same, planned};

/// A stage with the scripts `alice.sh` and `bob.sh`.
fn stage_with(script: &str) -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for name in ["alice", "bob"] {
        let text = script.replace("WHO", name);
        write(&stage, &format!("{name}.sh"), &format!("#!/bin/sh\n{text}\n"));
        write(&stage, &format!("configs/{name}.json"), "{}");
    }
    stage
}

#[track_caller]
fn is_in_doubt(stage: &Stage, bot_line: &str, start_line: &str) {
    let (plan, is_found) = planned(stage, bot_line, start_line);
    let reason = refusal(&plan);
    let expected = "lines that may choose another bot";
    assert!(is_found && reason.contains(expected), "{bot_line} / {start_line}: {reason}");
}

#[track_caller]
fn scripts_are_in_doubt(scripts: &[&str]) {
    for script in scripts {
        let stage = stage_with(script);
        is_in_doubt(&stage, "sh alice.sh", "sh bob.sh");
    }
}

#[test]
fn a_script_that_writes_settings_with_echo_does_not_end_the_bot_of_another() {
    scripts_are_in_doubt(&[
        "echo \"BOT_TOKEN=WHO\" > .env\nexec python3 main.py",
        "echo BOT=WHO > .env\npython3 main.py",
        "echo BOT=WHO >> .env\nexec python3 main.py",
        "printf 'BOT=%s\\n' WHO > .env 2>/dev/null\nexec python3 main.py",
        "echo BOT=WHO > config.ini; exec python3 main.py",
        "echo '{\"bot\": \"WHO\"}' >config.json\nnohup python3 main.py > bot.log 2>&1 &\nwait",
        "echo 'BOT = \"WHO\"' > settings.py && exec python3 main.py",
        "echo WHO > bot.txt\nexec python3 main.py",
        "FILE=.env\necho BOT=WHO > \"$FILE\"\nexec python3 main.py",
        "{ echo A=1; echo BOT=WHO; } > .env\nexec python3 main.py",
    ]);
    let stage = stage_with("echo WHO starts >> start.log\necho $$ > bot.pid\nexec python3 main.py");
    is_the_same(&stage, "sh alice.sh", "sh alice.sh");
    is_the_same(&stage, "python3 main.py", "sh bob.sh");
    let line = |name: &str| format!("sh -c 'echo BOT={name} > .env; exec python3 main.py'");
    let stage = stage_with("");
    let (running, pid) = bot(&stage, program(&stage, &line("alice")), stage.folder());
    let script = "echo BOT=bob > .env; exec python3 main.py";
    let start = unnamed(&stage, &["plan"], "sh -c").argument(script);
    let seen = plan(start);
    assert!(refusal(&seen).contains("lines that may choose another bot"), "{seen:#}");
    assert!(is_alive(pid));
    end(&stage, running, pid);
}

#[test]
fn a_recipe_that_writes_settings_with_echo_does_not_end_the_bot_of_another() {
    let recipe = |name: &str| {
        format!(
            "{name}:\n\t@echo BOT={name} > .env\n\tpython3 main.py\n\
             {name}-in:\n\techo {name} | python3 main.py --stdin\n"
        )
    };
    let stage = stage_with("");
    write(&stage, "Makefile", &(recipe("alice") + &recipe("bob")));
    is_in_doubt(&stage, "make alice", "make bob");
    is_in_doubt(&stage, "make alice-in", "make bob-in");
    is_the_same(&stage, "make bob", "make bob");
}

#[test]
fn a_script_that_gives_git_a_branch_does_not_end_the_bot_of_another() {
    let of_git = |script: &str| {
        let stage = stage_with(script);
        for line in [
            "git init -q -b bob .",
            "git config user.name a",
            "git config user.email a@b",
            "git commit -q --allow-empty -m x",
            "git branch alice",
        ] {
            program(&stage, line).end().exits(0);
        }
        stage
    };
    for script in [
        "git checkout -q WHO\nexec python3 main.py",
        "git switch -q WHO && exec python3 main.py",
        "git pull -q . WHO\npython3 main.py",
    ] {
        is_in_doubt(&of_git(script), "sh alice.sh", "sh bob.sh");
    }
    let stage = of_git("git fetch -q\ngit pull -q\nexec python3 main.py");
    is_the_same(&stage, "sh alice.sh", "sh bob.sh");
}

#[test]
fn a_script_that_gives_standard_input_does_not_end_the_bot_of_another() {
    scripts_are_in_doubt(&[
        "echo WHO | python3 main.py --stdin",
        "{ echo a; echo WHO; } | python3 main.py --stdin",
        "(echo WHO) | exec python3 main.py --stdin",
        "exec < configs/WHO.json\nexec python3 main.py",
    ]);
    let stage = stage_with("");
    let line = |name: &str| format!("echo {name} | python3 main.py --stdin");
    let start = program(&stage, &format!("sh -c {}", line("alice")));
    let (running, pid) = bot(&stage, start, stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], "sh -c").argument(&line("bob")));
    assert!(refusal(&seen).contains("lines that may choose another bot"), "{seen:#}");
    end(&stage, running, pid);
    // Its output goes through a pipe.
    let stage = stage_with("python3 main.py | tee bot.log");
    is_the_same(&stage, "python3 main.py", "sh bob.sh");
}
