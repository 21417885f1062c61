//! Failures that may pass, such as a full disk: the start says to try again later, whatever it has
//! ended before. A final status would keep a supervisor from trying.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Stage, is_root};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::other_bots::unnamed;
use crate::same_command::{PYTHON, bot, end, program, write};

const NOBODY: u32 = 54322;

/// The shell line that runs its arguments with this file system in the place of the lock folder.
fn with_locks_on(options: &str) -> String {
    format!("mkdir -p locks && mount -t tmpfs -o mode=700,{options} none locks && exec \"$@\"")
}

#[test]
fn a_record_that_does_not_fit_on_the_disk_after_a_takeover_means_try_again() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let old = stage.bot(&[]).start();
    stage.ready(1);
    // One page: the ticket counter has it.
    let mount = with_locks_on("size=4k");
    let start = stage.run(&[]).on_conflict("graceful");
    let ended = start.through(&["unshare", "-m", "sh", "-c", &mount, "sh"]).end();
    assert!(!old.is_alive(), "{ended:?}");
    ended.exits(75).says("cannot write the record").says("try again later");
}

#[test]
fn a_lock_file_that_finds_no_room_means_try_again_before_anything_is_touched() {
    if !is_root() {
        return;
    }
    for inodes in 1..=3 {
        let stage = Stage::new();
        let old = stage.bot(&[]).start();
        stage.ready(1);
        let mount = with_locks_on(&format!("nr_inodes={inodes}"));
        let start = stage.run(&[]).on_conflict("graceful");
        let ended = start.through(&["unshare", "-m", "sh", "-c", &mount, "sh"]).end();
        assert!(old.is_alive(), "{ended:?}");
        ended.exits(75).says("No space left on device").says("try again later");
    }
}

#[test]
fn a_process_that_cannot_be_created_after_a_takeover_means_try_again() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    chown(stage.folder(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::write(stage.folder().join("bots.log"), "").unwrap();
    fs::set_permissions(stage.folder().join("bots.log"), PermissionsExt::from_mode(0o666)).unwrap();
    let bot = testbot().display().to_string();
    stage.program("cp", &[env!("CARGO_BIN_EXE_monopoll"), &bot, "."]).end().exits(0);
    let id = NOBODY.to_string();
    let user = ["--reuid", &id, "--regid", &id, "--clear-groups"];
    let old = stage
        .program("setpriv", &[user.as_slice(), &["./testbot", "--slow", "1500"]].concat())
        .start();
    stage.ready(1);
    let lock = format!("lock.paths=['{}']", stage.lock().display());
    let start = ["./monopoll", "run", "--set", &lock, "--instance", "test"];
    let rest = ["--on-conflict", "graceful", "--", "./testbot", "--slow", "1500"];
    let start = stage.program("setpriv", &[user.as_slice(), &start, &rest].concat()).start();
    stage.nth_pid_of(1, "got SIGTERM");
    let pid = start.pid().to_string();
    let prlimit = ["prlimit", "--pid", &pid, "--nproc=1"];
    stage.program("setpriv", &[user.as_slice(), &prlimit].concat()).end().exits(0);
    start.end().exits(75).says("Resource temporarily unavailable").says("try again later");
    assert!(!old.is_alive());
    assert_eq!(stage.pids_of("ready").len(), 1);
    assert!(!stage.state_file("record").exists());
}

/// The default lock folder is in the user's home. A start in any other folder would not see the bot
/// that runs.
#[test]
fn a_user_database_that_cannot_be_read_means_no_other_lock_folder() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let id = NOBODY.to_string();
    stage.program("cp", &[env!("CARGO_BIN_EXE_monopoll"), "."]).end().exits(0);
    let show = ["./monopoll", "config", "show", "--changed", "--", "sleep", "1"];
    let user = ["--reuid", &id, "--regid", &id, "--clear-groups"];
    let without = [user.as_slice(), &show].concat();
    let folder = format!("/var/tmp/monopoll-{id}/");
    let shown = stage.program("setpriv", &without).end().exits(0);
    assert!(shown.out.contains(&folder), "no entry, so no home: {shown:?}");
    for (error, status) in [("ENOMEM", 75), ("EMFILE", 75), ("EIO", 75), ("EACCES", 73)] {
        let inject = format!("--inject=openat:error={error}");
        let strace = ["-f", "-qq", "-o", "/dev/null", "-P", "/etc/passwd", &inject, "setpriv"];
        let end = stage.program("strace", &[strace.as_slice(), &without].concat()).end();
        assert!(!end.out.contains(&folder), "{error}: {end:?}");
        end.exits(status).says("cannot determine the lock folder");
    }
}

#[test]
fn too_few_descriptors_are_named_and_no_mount_of_proc() {
    let stage = Stage::new();
    for most in [4, 6, 8, 10] {
        let ended = stage.run(&["--exit", "0"]).fd_limit(most).end();
        if ended.code == Some(0) {
            continue;
        }
        ended.exits(75).says("Too many open files").says("ulimit -n");
    }
}

/// The bot that COMMAND starts is known by COMMAND's files only.
#[test]
fn a_file_that_says_what_command_starts_and_cannot_be_read_means_try_again() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "sub/main.py", PYTHON);
    write(&stage, "start", "#!/bin/sh\n. ./bot.env\nexec python3 main.py\n");
    write(&stage, "enters", "#!/bin/sh\ncd sub\nexec python3 main.py\n");
    write(&stage, "package.json", r#"{"scripts": {"start": "python3 main.py"}}"#);
    write(&stage, "Makefile", "run:\n\tpython3 main.py\n");
    let (old, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    let read = &[
        ("openat", "EMFILE"),
        ("openat", "EIO"),
        ("statx", "ENOMEM"),
        ("statx", "ETIMEDOUT"),
        ("read", "EIO"),
    ][..];
    let find = &[("statx", "ENOMEM"), ("statx", "ETIMEDOUT")];
    for (line, file, calls) in [
        ("sh start", "start", read),
        ("./start", "start", read),
        ("npm start", "package.json", read),
        ("make", "Makefile", read),
        ("sh start", "main.py", find),
        ("sh enters", "sub", &[("readlink", "EIO")]),
    ] {
        let file = stage.folder().join(file);
        for (call, error) in calls {
            // Only calls about this file fail.
            let (path, trace) = (file.to_str().unwrap(), format!("trace={call}"));
            let inject = format!("inject={call}:error={error}");
            let strace = ["strace", "-f", "-qq", "-b", "execve", "-o", "calls", "-P", path];
            let strace = [&strace[..], &["-e", &trace, "-e", &inject]].concat();
            let ended = unnamed(&stage, &["plan"], line).through(&strace).end();
            let traced = fs::read_to_string(stage.folder().join("calls")).unwrap();
            assert!(traced.contains("(INJECTED)"), "{line} {call} {error}: {ended:?}");
            ended.exits(75).says("try again later");
        }
    }
    end(&stage, old, pid);
}
