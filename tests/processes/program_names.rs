//! One compiled program under several names: by links, or by `exec -a`. Its name may choose the
//! bot.

use std::fs;
use std::os::unix::fs::symlink;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::Stage;
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{found, program, write};

const BY_NAME: &str = "under another name, which may choose the bot";

/// A stage with one program, `multi`, and two links to it.
fn multi() -> Stage {
    let stage = Stage::new();
    fs::copy(testbot(), stage.folder().join("multi")).unwrap();
    for name in ["alice", "bob"] {
        symlink("multi", stage.folder().join(name)).unwrap();
        write(&stage, &format!("{name}.sh"), &format!("#!/bin/bash\nexec -a {name} ./multi\n"));
        write(&stage, &format!("link-{name}.sh"), &format!("#!/bin/sh\nexec ./{name}\n"));
    }
    stage
}

/// Returns the plan of a start while the program runs, and whether it finds it.
fn planned(stage: &Stage, running: &str, started: &str) -> (Value, bool) {
    let process = program(stage, running).start();
    let pid = process.pid();
    stage.wait_until("its program", || {
        let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        exe.ends_with("multi").then_some(())
    });
    let mut start = unnamed(stage, &["plan"], "nice");
    for word in crate::same_command::words(started) {
        start = start.argument(&word);
    }
    let seen = plan(start);
    let is_found = found(&seen).contains(&u64::from(pid));
    (seen, is_found)
}

#[test]
fn a_program_under_another_name_is_another_bot_or_in_doubt() {
    let stage = multi();
    let exec = |name: &str| format!("bash -c exec -a {name} ./multi");
    for (running, started) in [
        ("./alice".to_owned(), "./bob".to_owned()),
        ("./link-alice.sh".to_owned(), "./link-bob.sh".to_owned()),
        (exec("alice"), exec("bob")),
        (exec("alice"), "./bob".to_owned()),
    ] {
        let (seen, is_found) = planned(&stage, &running, &started);
        assert!(!is_found, "{running} / {started}: {seen:#}");
        assert_eq!(seen["verdict"], "clear", "{running} / {started}: {seen:#}");
    }
    // One of both names is that of the file, so one may be the other.
    for (running, started) in [
        ("./alice".to_owned(), "./multi".to_owned()),
        ("./multi".to_owned(), "./bob".to_owned()),
        ("./multi".to_owned(), "./link-bob.sh".to_owned()),
        (exec("alice"), "./multi".to_owned()),
        ("./multi".to_owned(), exec("bob")),
    ] {
        let (seen, is_found) = planned(&stage, &running, &started);
        let reason = refusal(&seen);
        assert!(is_found && reason.contains(BY_NAME), "{running} / {started}: {reason}");
    }
    for (running, started) in [("./alice.sh", "./bob.sh"), ("./alice.sh", "./multi")] {
        let (seen, is_found) = planned(&stage, running, started);
        assert!(is_found && !refusal(&seen).is_empty(), "{running} / {started}: {seen:#}");
    }
    for (running, started) in [
        ("./alice".to_owned(), "./alice".to_owned()),
        ("./alice".to_owned(), "./link-alice.sh".to_owned()),
        ("./multi".to_owned(), "./multi".to_owned()),
        (exec("alice"), exec("alice")),
        ("./alice".to_owned(), exec("alice")),
    ] {
        let (seen, is_found) = planned(&stage, &running, &started);
        assert!(is_found, "{running} / {started}: {seen:#}");
        assert_eq!(seen["verdict"], "act", "{running} / {started}: {seen:#}");
    }
}
