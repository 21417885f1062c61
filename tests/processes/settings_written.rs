//! A package manager or make writes `.env` before it starts the bot, as in
//! `"prebob": "cp .env.bob .env"`: the bot that reads the file is another one.

use monopoll_test_bots::stage::{Stage, is_alive};

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, write};
use crate::script_variables::{is_the_same, planned};

const TWO_BOTS: &str = r#"{"scripts": {
    "prebob": "cp .env.bob .env", "bob": "node main.js",
    "prealice": "npm run use-alice", "use-alice": "cp .env.alice .env", "alice": "node main.js",
    "predone": "cp .env.bob .env", "done": "node main.js; echo done",
    "prestart": "npm run build", "build": "echo built > built.log", "start": "node main.js"
}}"#;

const ONE_BOT: &str = r#"{"scripts": {
    "prestart": "cp .env.bob .env", "start": "node main.js",
    "predev": "[ -f .env ] || cp .env.bob .env", "dev": "node main.js"
}}"#;

const MAKEFILE: &str = ".PHONY: bob alice run use-bob use-alice build\n\
    bob: use-bob\n\tpython3 main.py\nalice: use-alice\n\tpython3 main.py\n\
    use-bob:\n\tcp .env.bob .env\nuse-alice:\n\tcp .env.alice .env\n\
    run: build\n\tpython3 main.py\nbuild:\n\techo built > built.log\n";

fn stage_with(file: &str, text: &str) -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "main.js", JAVASCRIPT);
    for name in [".env", ".env.bob", ".env.alice"] {
        write(&stage, name, &format!("WHO={name}\n"));
    }
    write(&stage, file, text);
    stage
}

#[track_caller]
fn is_in_doubt(stage: &Stage, bot_line: &str, start_line: &str) {
    let (plan, is_found) = planned(stage, bot_line, start_line);
    let reason = refusal(&plan);
    assert!(is_found && reason.contains("writes `.env`"), "{bot_line} / {start_line}: {reason}");
    assert!(reason.contains("start it with the same command line"), "{reason}");
}

#[test]
fn a_package_script_that_writes_settings_before_finds_only_the_bot_of_the_same_script() {
    let stage = stage_with("package.json", TWO_BOTS);
    is_in_doubt(&stage, "npm run alice", "npm run bob");
    is_in_doubt(&stage, "npm run bob", "npm run alice");
    is_in_doubt(&stage, "node main.js", "npm run bob");
    // Another script may have written since.
    is_in_doubt(&stage, "npm run bob", "node main.js");
    for line in ["npm run bob", "npm run alice", "npm run done", "npm start"] {
        is_the_same(&stage, line, line);
    }
    is_the_same(&stage, "node main.js", "npm start");
    is_the_same(&stage, "npm start", "node main.js");
}

#[test]
fn settings_that_are_the_only_ones_of_a_package_are_still_those_of_the_bot() {
    let stage = stage_with("package.json", ONE_BOT);
    is_in_doubt(&stage, "node main.js", "npm start");
    is_the_same(&stage, "npm start", "npm start");
    is_the_same(&stage, "npm start", "node main.js");
    // This keeps the file that is there.
    is_the_same(&stage, "node main.js", "npm run dev");
}

#[test]
fn a_recipe_whose_prerequisite_writes_settings_finds_only_the_bot_of_the_same_recipe() {
    let stage = stage_with("Makefile", MAKEFILE);
    is_in_doubt(&stage, "make alice", "make bob");
    is_in_doubt(&stage, "python3 main.py", "make bob");
    for (bot_line, start_line) in
        [("make bob", "make bob"), ("python3 main.py", "make run"), ("make run", "python3 main.py")]
    {
        is_the_same(&stage, bot_line, start_line);
    }
}

/// `git checkout bob`, `./choose bob`: what differs before two scripts with the same line.
#[test]
fn what_differs_before_two_scripts_that_run_one_line_may_choose_the_bot() {
    for (before, shown) in [
        ("git checkout -q WHO", "first runs `git checkout -q"),
        ("git pull -q origin WHO", "first runs `git pull -q origin"),
        ("./choose WHO", "first runs `./choose"),
        ("node choose.js WHO", "first runs `node choose.js"),
        ("echo WHO > bot.txt", "first runs `echo"),
        ("cp envs/WHO/* .", "first runs `cp envs/"),
        ("ln -sfn envs/WHO current", "first runs `ln -sfn envs/"),
        ("ln -sf envs/WHO .env", "first writes `.env`"),
    ] {
        let [alice, bob] = ["alice", "bob"].map(|name| before.replace("WHO", name));
        let package = format!(
            "{{\"scripts\": {{\"prebob\": \"{bob}\", \"bob\": \"node main.js\", \
             \"prealice\": \"{alice}\", \"alice\": \"node main.js\"}}}}"
        );
        let stage = stage_with("package.json", &package);
        let makefile = format!(
            "bob: to-bob\n\tnode main.js\nto-bob:\n\t-@{bob}\n\
             alice: to-alice\n\tnode main.js\nto-alice:\n\t-@{alice}\n"
        );
        write(&stage, "Makefile", &makefile);
        write(&stage, "choose", "#!/bin/sh\n");
        write(&stage, "choose.js", "");
        for name in ["envs/alice/x", "envs/bob/x"] {
            write(&stage, name, "");
        }
        for (bot_line, start_line) in [
            ("make alice", "make bob"),
            ("make bob", "node main.js"),
            ("npm run --ignore-scripts alice", "npm run bob"),
            ("npm run --ignore-scripts bob", "npm run alice"),
        ] {
            let (plan, is_found) = planned(&stage, bot_line, start_line);
            let reason = refusal(&plan);
            let is_named = reason.contains(shown);
            assert!(is_found && is_named, "{bot_line} / {start_line}: {reason}");
        }
        is_the_same(&stage, "make bob", "make bob");
        is_the_same(&stage, "npm run --ignore-scripts bob", "npm run --ignore-scripts bob");
        // A link that a bot may have read before it was changed is a doubt of its own.
        let _ = std::fs::remove_file(stage.folder().join(".env"));
        is_the_same(&stage, "node main.js", "node main.js");
    }
    // Two builds choose nothing.
    let builds = r#"{"scripts": {"prebob": "npm run build", "bob": "node main.js",
        "prealice": "npm run lint", "alice": "node main.js",
        "build": "tsc && npm ci", "lint": "eslint ."}}"#;
    let stage = stage_with("package.json", builds);
    is_the_same(&stage, "npm run --ignore-scripts alice", "npm run --ignore-scripts bob");
}

/// Both goals have run, and the last one has written `.env`.
#[test]
fn a_bot_below_make_is_in_doubt_if_another_goal_writes_other_settings() {
    let within = "bob:\n\tcp .env.bob .env\n\tpython3 main.py\n\
                  alice:\n\tcp .env.alice .env\n\tpython3 main.py\n";
    let by_variable = "alice: WHO = alice\nbob: WHO = bob\nalice bob: env\n\tpython3 main.py\n\
                       env:\n\tcp .env.$(WHO) .env\n";
    for makefile in [MAKEFILE, within, by_variable] {
        let stage = stage_with("Makefile", makefile);
        is_in_doubt(&stage, "make alice", "python3 main.py");
        is_in_doubt(&stage, "make bob", "python3 main.py");
        is_the_same(&stage, "make alice", "make alice");
    }
    let stage = stage_with("Makefile", MAKEFILE);
    is_the_same(&stage, "make run", "python3 main.py");
    let one = "run: env\n\tpython3 main.py\nenv:\n\tcp .env.bob .env\n";
    let stage = stage_with("Makefile", one);
    is_the_same(&stage, "make run", "python3 main.py");
}

#[test]
fn two_guards_whose_scripts_write_two_settings_have_two_names() {
    let stage = stage_with("package.json", TWO_BOTS);
    let run = |name: &str| unnamed(&stage, &["run"], &format!("npm run {name}"));
    let (alice, pid) = bot(&stage, run("alice"), stage.folder());
    let other = plan(unnamed(&stage, &["plan"], "npm run bob"));
    assert!(refusal(&other).contains("writes `.env`"), "{other:#}");
    assert!(alice.is_alive() && is_alive(pid));
    let (_again, own) = bot(&stage, run("alice"), stage.folder());
    assert!(!is_alive(pid) && is_alive(own));
    alice.end().exits(0);
}
