//! Another build of the bot in the same folder is listed, and never ended.

use std::os::unix::fs::symlink;

use monopoll_test_bots::stage::{Stage, is_alive};

use crate::other_bots::{plan, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, program, write};
use crate::start_scripts::near_misses;

/// Checks that a start of `started` lists what runs as `running`, with these words.
#[track_caller]
fn is_listed(stage: &Stage, running: &str, started: &str, words: &str) {
    let (process, pid) = bot(stage, program(stage, running), stage.folder());
    let seen = plan(unnamed(stage, &["plan"], started));
    assert_eq!(seen["verdict"], "clear", "{running} / {started}: {seen:#}");
    assert_eq!(near_misses(&seen), [u64::from(pid)], "{running} / {started}: {seen:#}");
    assert!(seen["near_misses"].to_string().contains(words), "{seen:#}");
    assert!(is_alive(pid));
    end(stage, process, pid);
}

#[track_caller]
fn is_left_out(stage: &Stage, running: &str, started: &str) {
    let (process, pid) = bot(stage, program(stage, running), stage.folder());
    let seen = plan(unnamed(stage, &["plan"], started));
    assert_eq!(seen["verdict"], "clear", "{running} / {started}: {seen:#}");
    assert!(near_misses(&seen).is_empty(), "{running} / {started}: {seen:#}");
    end(stage, process, pid);
}

#[test]
fn another_version_of_the_program_in_the_folder_is_a_near_miss() {
    let stage = Stage::new();
    for name in ["bot-1.0", "bot-1.1", "web-1.0", "bot_v1.py", "bot_v2.py"] {
        write(&stage, name, PYTHON);
    }
    symlink("bot-1.1", stage.folder().join("bot")).unwrap();
    let words = "with another version in its name";
    for (running, started) in [
        ("./bot-1.0", "./bot-1.1"),
        ("./bot-1.1", "./bot-1.0"),
        ("./bot-1.0", "./bot"),
        ("python3 bot_v1.py", "python3 bot_v2.py"),
        ("python3 bot-1.0 x", "python3 bot-1.1 x"),
    ] {
        is_listed(&stage, running, started, words);
    }
    is_left_out(&stage, "./web-1.0", "./bot-1.1");
    is_left_out(&stage, "python3 bot-1.0 alice", "python3 bot-1.1 bob");
}

#[test]
fn the_source_of_a_compiled_program_is_a_near_miss_and_the_other_way_around() {
    let stage = Stage::new();
    for name in ["src/index.ts", "src/web.ts", "dist/index.js"] {
        write(&stage, name, JAVASCRIPT);
    }
    let (source, built) = ("node src/index.ts", "node dist/index.js");
    is_left_out(&stage, built, source);
    write(&stage, "package.json", "{}");
    let words = "before or after it was compiled";
    is_listed(&stage, source, built, words);
    is_listed(&stage, built, source, words);
    is_left_out(&stage, "node src/web.ts", built);
}
