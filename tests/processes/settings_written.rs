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
