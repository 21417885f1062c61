//! Across PID namespaces, a guard is asked through the lock folder, and any other holder is
//! unknown.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use monopoll_test_bots::stage::{Stage, state};
use nix::sys::signal::Signal;

/// A PID namespace with its own `/proc`.
pub(crate) const ELSEWHERE: [&str; 5] =
    ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"];

#[test]
fn a_guard_outside_is_asked_from_within_a_pid_namespace() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    let _second = stage.run(&[]).on_conflict("graceful").through(&ELSEWHERE).start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    stage.assert_no_overlap();
}

#[test]
fn a_guard_within_a_pid_namespace_is_asked_from_outside() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let first = stage.run(&[]).through(&ELSEWHERE).start();
    stage.ready(1);
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    stage.assert_no_overlap();
}

#[test]
fn a_guard_in_a_sibling_pid_namespace_is_asked() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let first = stage.run(&[]).through(&ELSEWHERE).start();
    stage.ready(1);
    let _second = stage.run(&[]).on_conflict("force").through(&ELSEWHERE).start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    stage.assert_no_overlap();
}

#[test]
fn a_guard_in_another_pid_namespace_refuses_a_start() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    stage
        .run(&[])
        .on_conflict("refuse")
        .through(&ELSEWHERE)
        .end()
        .exits(75)
        .says("another PID namespace");
    assert!(first.is_alive());
}

#[test]
fn a_guard_in_another_pid_namespace_can_be_waited_for() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    let second = stage.run(&[]).on_conflict("wait").through(&ELSEWHERE).start();
    second.wait_for("waiting for");
    first.signal(Signal::SIGTERM);
    stage.ready(2);
    first.end().exits(0);
}

#[test]
fn a_guard_in_another_pid_namespace_that_does_not_answer_is_a_refusal() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    first.signal(Signal::SIGSTOP);
    stage.wait_until("the stop", || (state(first.pid()) == Some('T')).then_some(()));
    stage.run(&[]).on_conflict("force").through(&ELSEWHERE).end().exits(75).says("did not answer");
    assert!(first.is_alive());
    assert_eq!(stage.events().len(), 1);
}

/// Starts a holder outside that is invisible from within.
fn unknown_holder(stage: &Stage) -> monopoll_test_bots::stage::Running<'_> {
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    let holder = stage
        .program("flock", &["--no-fork", "locks/x.lock", "sh", "-c", "echo > has; exec sleep 60"])
        .start();
    stage.wait_until("the lock", || stage.folder().join("has").exists().then_some(()));
    holder
}

#[test]
fn an_unknown_holder_is_refused_whatever_the_action() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    for action in ["refuse", "graceful", "force"] {
        let stage = Stage::new();
        let holder = unknown_holder(&stage);
        stage.run(&[]).on_conflict(action).through(&ELSEWHERE).end().exits(75);
        assert!(holder.is_alive(), "{action}");
    }
}

#[test]
fn an_unknown_holder_can_be_waited_for() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let holder = unknown_holder(&stage);
    let second = stage.run(&[]).on_conflict("wait").through(&ELSEWHERE).start();
    second.wait_for("waiting for");
    holder.signal(Signal::SIGTERM);
    stage.ready(1);
}

#[test]
fn as_pid_1_monopoll_passes_the_status_on() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    stage.run(&["--exit", "7", "--detached", "--as daemon"]).through(&ELSEWHERE).end().exits(7);
    stage.nth_pid_of(1, "got SIGTERM");
}

#[test]
fn the_proc_of_another_pid_namespace_is_not_trusted() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let _bot = stage.bot(&[]).start();
    stage.ready(1);
    // Without its own /proc, it would see pids of another namespace.
    let within = ["unshare", "--fork", "--pid", "--kill-child"];
    stage
        .run(&[])
        .on_conflict("force")
        .through(&within)
        .end()
        .exits(1)
        .says("/proc belongs to another PID namespace");
    assert_eq!(stage.events().len(), 1);
}
