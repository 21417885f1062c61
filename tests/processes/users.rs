//! Other users' processes: shielded unless a `match` entry reaches them, and not to be signaled
//! without permission.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Stage, Start};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

/// A user id that nobody has.
const NOBODY: u32 = 54321;

/// A stage on which somebody without rights can start things, and a bot of root's.
fn stage() -> Stage {
    let stage = Stage::new();
    let own = |path: &std::path::Path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    own(stage.folder());
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    own(&stage.locks());
    fs::write(stage.folder().join("bots.log"), "").unwrap();
    fs::set_permissions(stage.folder().join("bots.log"), PermissionsExt::from_mode(0o666)).unwrap();
    // The build folder may be out of reach for others. cp(1) copies: a file that is open for
    // writing here could be inherited by what another test just starts, and cannot be executed as
    // long.
    let bot = testbot().display().to_string();
    stage.program("cp", &[env!("CARGO_BIN_EXE_monopoll"), &bot, "."]).end().exits(0);
    stage
}

/// An argument that no other test's bots have: somebody without rights sees little more than
/// command lines.
fn mark(stage: &Stage) -> String {
    stage.folder().file_name().unwrap().display().to_string()
}

/// `./monopoll run -- ./testbot MARK` by force, as that somebody.
fn as_nobody<'a>(stage: &'a Stage, more: &str) -> Start<'a> {
    let (id, mark) = (NOBODY.to_string(), mark(stage));
    let config = format!("match = [{{ cmdline = '^./testbot {mark}$' {more} }}]\n");
    fs::write(stage.folder().join("monopoll.toml"), config).unwrap();
    let lock = format!("lock.paths=[\"{}\"]", stage.lock().display());
    let start = stage.program(
        "setpriv",
        &["--reuid", &id, "--regid", &id, "--clear-groups", "./monopoll", "run", "--set", &lock],
    );
    ["--instance", "test", "--on-conflict", "force", "--", "./testbot", &mark]
        .into_iter()
        .fold(start, Start::argument)
}

#[test]
fn another_users_bot_is_shielded_by_default() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = stage();
    let roots = stage.program("./testbot", &[&mark(&stage)]).other_token().start();
    stage.ready(1);
    let _own = as_nobody(&stage, "").start();
    stage.ready(2);
    assert!(roots.is_alive());
}

#[test]
fn doctor_reports_that_another_users_bot_is_hidden() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = stage();
    let said = |more: &[&str]| {
        let id = NOBODY.to_string();
        let start = stage.program(
            "setpriv",
            &["--reuid", &id, "--regid", &id, "--clear-groups", "./monopoll", "doctor", "-v"],
        );
        let ended = more.iter().fold(start, |start, argument| start.argument(argument)).end();
        ended.out.contains("a bot that another user started is not found: ")
    };
    assert!(said(&[]));
    assert!(
        !said(&["--set", &format!("lock.paths=[\"{}\"]", stage.lock().display())]),
        "users who share the lock see each other"
    );
    fs::write(stage.folder().join("monopoll.toml"), "match = [{ name = 'bot', user = 'any' }]\n")
        .unwrap();
    assert!(!said(&[]), "an entry includes them");
    assert!(
        !stage.monopoll(&["doctor", "-v"]).end().out.contains("another user started"),
        "root reads everything"
    );
}

#[test]
fn another_users_bot_that_may_not_be_signaled_refuses_with_77() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = stage();
    let roots = stage.program("./testbot", &[&mark(&stage)]).start();
    stage.ready(1);
    as_nobody(&stage, ", user = 'any'")
        .end()
        .exits(77)
        .says("its environment cannot be read; run monopoll as the user");
    assert!(roots.is_alive());
    assert_eq!(stage.events().len(), 1);
}
