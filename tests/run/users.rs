//! Other users' processes: shielded unless a `match` entry reaches them, and not to be signalled without permission.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
};

use crate::support::{Stage, Start, testbot};

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
    // The build folder may be out of reach for others.
    for program in [env!("CARGO_BIN_EXE_monopoll").into(), testbot()] {
        fs::copy(&program, stage.folder().join(program.file_name().unwrap())).unwrap();
    }
    stage
}

/// `./monopoll run -- ./testbot` as that somebody.
fn as_nobody<'a>(stage: &'a Stage, entry: &str) -> Start<'a> {
    let id = NOBODY.to_string();
    let config = format!("match = [{{ cmdline = '^./testbot', cwd = '{}' {entry} }}]\n", stage.folder().display());
    let start = stage.program("setpriv", &["--reuid", &id, "--regid", &id, "--clear-groups", "./monopoll", "run"]);
    fs::write(stage.folder().join("monopoll.toml"), config).unwrap();
    ["--instance", "test", "--set"]
        .into_iter()
        .fold(start, Start::argument)
        .argument(&format!("lock.paths=[\"{}\"]", stage.lock().display()))
}

#[test]
fn another_users_bot_is_shielded_by_default() {
    let stage = stage();
    let roots = stage.program("./testbot", &[]).env("TESTBOT_TOKEN_SLOT", "of root").start();
    stage.ready(1);
    let start = as_nobody(&stage, "");
    let _own = ["--on-conflict", "force", "--", "./testbot"].into_iter().fold(start, Start::argument).start();
    stage.ready(2);
    assert!(roots.is_alive());
}

#[test]
fn another_users_bot_that_may_not_be_signalled_refuses_with_77() {
    let stage = stage();
    let roots = stage.program("./testbot", &[]).start();
    stage.ready(1);
    let start = as_nobody(&stage, ", user = 'any'");
    let refused = ["--on-conflict", "force", "--", "./testbot"].into_iter().fold(start, Start::argument).end();
    refused.exits(77).says("may not be signalled");
    assert!(roots.is_alive());
    assert_eq!(stage.events().len(), 1);
}
