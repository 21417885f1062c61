//! An interrupted start leaves nothing behind and has no later effect.

use monopoll_test_bots::stage::{Stage, is_alive};
use nix::sys::signal::Signal;

#[test]
fn a_waiting_start_that_is_interrupted_leaves_nothing_behind() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let stage = Stage::new();
        let first = stage.bot(&[]).start();
        stage.ready(1);
        let second = stage.run(&[]).on_conflict("wait").start();
        second.wait_for("waiting for");
        second.signal(signal);
        second.end().exits(code).says("nothing is left behind");
        assert!(first.is_alive() && stage.lock_is_free());
        assert!(!stage.state_file("record").exists() && !stage.state_file("request").exists());
        assert_eq!(stage.events().len(), 1);
    }
}

#[test]
fn a_start_that_is_interrupted_while_the_old_one_ends_starts_nothing() {
    let stage = Stage::new();
    let first = stage.bot(&["--stubborn"]).start();
    let old = stage.ready(1);
    let second = stage.run(&["--stubborn"]).on_conflict("graceful").start();
    stage.wait_until("SIGTERM", || (stage.times(old, "got SIGTERM") == 1).then_some(()));
    second.signal(Signal::SIGTERM);
    second.end().exits(143);
    assert!(first.is_alive() && stage.lock_is_free());
    assert!(!stage.state_file("record").exists());
    assert_eq!(stage.pids_of("ready").len(), 1);
}

#[test]
fn a_start_that_is_interrupted_while_a_guard_ends_leaves_no_request_behind() {
    let stage = Stage::new();
    let _first = stage.run(&["--stubborn"]).start();
    let old = stage.ready(1);
    let second = stage.run(&["--stubborn"]).on_conflict("graceful").start();
    stage.wait_until("SIGTERM", || (stage.times(old, "got SIGTERM") == 1).then_some(()));
    second.signal(Signal::SIGINT);
    second.end().exits(130);
    assert!(!stage.state_file("request").exists() && !stage.state_file("answer").exists());
    assert_eq!(stage.pids_of("ready").len(), 1);
}

#[test]
fn a_start_that_is_killed_while_it_waits_blocks_no_other_start() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    let second = stage.run(&[]).on_conflict("wait").start();
    second.wait_for("waiting for");
    second.signal(Signal::SIGKILL);
    second.end();
    first.signal(Signal::SIGTERM);
    first.end().exits(0);
    stage.run(&["--exit", "7"]).on_conflict("refuse").end().exits(7);
}

#[test]
fn a_start_that_is_interrupted_during_its_check_ends_the_check() {
    for (signal, code) in [
        (Signal::SIGHUP, 129),
        (Signal::SIGINT, 130),
        (Signal::SIGQUIT, 131),
        (Signal::SIGTERM, 143),
    ] {
        let stage = Stage::new();
        let check = "[check]\ncommand = ['sh', '-c', 'echo $$ > checking; exec sleep 60']\n";
        let start = stage.run(&[]).config(check).start();
        let read =
            || std::fs::read_to_string(stage.folder().join("checking")).ok()?.trim().parse().ok();
        let checking = stage.wait_until("the check", read);
        start.signal(signal);
        start.end().exits(code).says("while `[check]` ran");
        stage.wait_until("the end of the check", || (!is_alive(checking)).then_some(()));
    }
}
