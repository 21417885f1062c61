//! A folder that was moved while its guard runs, and another one in its place: perhaps another bot.

use std::fs;

use monopoll_test_bots::stage::{Stage, Start, is_alive, token};

use crate::only_by_pwd::within;
use crate::other_bots::{plan, unnamed};
use crate::same_command::{PYTHON, bot, end, write};

const LINE: &str = "python3 main.py";

fn start<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    within(unnamed(stage, args, LINE), &stage.folder().join("bot"))
}

/// Moves the folder of the guard, and makes a new one in its place.
fn replace_folder(stage: &Stage) {
    fs::rename(stage.folder().join("bot"), stage.folder().join("alice")).unwrap();
    write(stage, "bot/main.py", &format!("{PYTHON}# bob\n"));
}

#[test]
fn the_bot_of_a_folder_that_was_moved_is_not_ended_for_the_one_in_its_place() {
    let stage = Stage::new();
    write(&stage, "bot/main.py", PYTHON);
    let (guard, pid) = bot(&stage, start(&stage, &["run"]), &stage.folder().join("bot"));
    assert_eq!(plan(start(&stage, &["plan"]))["verdict"], "act");
    replace_folder(&stage);
    for command in ["run", "stop"] {
        let refused = start(&stage, &[command]).end().exits(75);
        let folder = stage.folder().join("alice");
        assert!(refused.err.contains(&*folder.to_string_lossy()), "{refused:?}");
        assert!(refused.err.contains("monopoll stop --instance main.py-"), "{refused:?}");
        assert!(is_alive(pid));
    }
    let seen = plan(start(&stage, &["plan"]));
    assert_eq!(seen["verdict"], "refuse", "{seen:#}");
    let name = seen["instance"].as_str().unwrap();
    let _ = start(&stage, &["stop", "--instance", name]).end().exits(0);
    assert!(!is_alive(pid));
    drop(guard);
}

#[test]
fn a_folder_that_was_moved_is_the_same_bots_with_its_token_or_its_name() {
    let token = token();
    for (token, name) in [(&*token, &[][..]), ("", &["--instance", "voice"])] {
        let stage = Stage::new();
        write(&stage, "bot/main.py", PYTHON);
        let start = |command| start(&stage, &[&[command], name].concat()).env("BOT_TOKEN", token);
        let run = start("run");
        let (guard, pid) = bot(&stage, run, &stage.folder().join("bot"));
        replace_folder(&stage);
        let seen = plan(start("plan"));
        assert_eq!(seen["verdict"], "act", "{name:?}: {seen:#}");
        end(&stage, guard, pid);
    }
}

#[test]
fn a_folder_that_was_deleted_and_made_again_is_the_same() {
    let stage = Stage::new();
    write(&stage, "bot/main.py", PYTHON);
    let (guard, pid) = bot(&stage, start(&stage, &["run"]), &stage.folder().join("bot"));
    fs::remove_dir_all(stage.folder().join("bot")).unwrap();
    write(&stage, "bot/main.py", PYTHON);
    assert_eq!(plan(start(&stage, &["plan"]))["verdict"], "act");
    end(&stage, guard, pid);
}
