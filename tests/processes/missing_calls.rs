//! Kernels that lack a call: the start works without it.

use std::fs;

use monopoll_test_bots::stage::{Stage, Start, send};
use nix::sys::signal::Signal;

/// Makes this call of monopoll, and not of COMMAND, fail as on a kernel that lacks it.
fn without<'a>(call: &str, start: Start<'a>) -> Start<'a> {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error=ENOSYS"));
    start.through(&[
        "strace", "-f", "-qq", "-b", "execve", "-o", "calls", "-e", &trace, "-e", &inject,
    ])
}

#[test]
fn without_pidfds_conflicts_are_ended_too() {
    let stage = Stage::new();
    let other = stage.bot(&[]).start();
    stage.ready(1);
    let guard = without("pidfd_open", stage.run(&[]).on_conflict("force")).start();
    stage.ready(2);
    other.end();
    let _new = without("pidfd_open", stage.run(&[]).on_conflict("graceful")).start();
    stage.ready(3);
    guard.end();
    stage.assert_no_overlap();
    calls_failed(&stage, "pidfd_open");
}

/// Requires that calls did fail.
#[track_caller]
fn calls_failed(stage: &Stage, call: &str) {
    let calls = fs::read_to_string(stage.folder().join("calls")).unwrap();
    assert!(calls.contains(call) && calls.contains("(INJECTED)"), "{calls}");
}

#[test]
fn without_inotify_a_takeover_and_a_wait_work() {
    for action in ["graceful", "wait"] {
        let stage = Stage::new();
        let old = without("inotify_init1", stage.run(&[])).start();
        let bot = stage.ready(1);
        stage.wait_for_start_mutex();
        let _new = without("inotify_init1", stage.run(&[]).on_conflict(action)).start();
        if action == "wait" {
            send(bot, Signal::SIGTERM);
        }
        stage.ready(2);
        old.end();
        stage.assert_no_overlap();
        calls_failed(&stage, "inotify_init1");
    }
}
