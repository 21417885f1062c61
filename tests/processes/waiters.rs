//! Many starts that wait for one guard.

use std::fs;
use std::os::unix::fs::symlink;

use monopoll_test_bots::stage::{Running, Stage, send};
use nix::sys::signal::Signal;

const WAITERS: usize = 6;

fn waiter<'a>(stage: &'a Stage, bot: &[&str]) -> Running<'a> {
    let waiter = stage.run(bot).on_conflict("wait").set("timeouts.wait='forever'").start();
    waiter.wait_for("waiting for");
    waiter
}

#[track_caller]
fn wait_until_queued(stage: &Stage, waiters: &[Running<'_>], how_many: usize) {
    stage.wait_until("a queue", || {
        (waiters.iter().filter(|waiter| waiter.is_queued()).count() == how_many).then_some(())
    });
}

#[test]
fn one_waiter_watches_the_guard_and_the_others_queue_behind_it() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    let waiters: Vec<_> = (0..WAITERS).map(|_| waiter(&stage, &[])).collect();
    for turn in 1..=WAITERS {
        wait_until_queued(&stage, &waiters, WAITERS - turn);
        send(stage.ready(turn), Signal::SIGTERM);
        stage.ready(turn + 1);
    }
    send(stage.ready(WAITERS + 1), Signal::SIGTERM);
    first.end().exits(0);
    for waiter in waiters {
        waiter.end().exits(0);
    }
    stage.assert_no_overlap();
}

#[test]
fn a_stopped_or_killed_waiter_blocks_no_other() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| waiter(&stage, &[])).collect();
    wait_until_queued(&stage, &waiters, WAITERS - 1);
    let stopped = waiters.remove(waiters.iter().position(|waiter| !waiter.is_queued()).unwrap());
    // It does not hold the start mutex, so it blocks no other start. The end of another one wakes
    // it.
    stage.wait_for_start_mutex();
    stopped.signal(Signal::SIGSTOP);
    let killed = waiters.remove(0);
    killed.signal(Signal::SIGKILL);
    for turn in 1..=waiters.len() {
        send(stage.ready(turn), Signal::SIGTERM);
        stage.ready(turn + 1);
    }
    send(stage.ready(waiters.len() + 1), Signal::SIGTERM);
    for waiter in waiters {
        waiter.end().exits(0);
    }
    stopped.signal(Signal::SIGCONT);
    send(stage.ready(WAITERS), Signal::SIGTERM);
    stopped.end().exits(0);
    first.end().exits(0);
    killed.end();
    stage.assert_no_overlap();
}

#[test]
fn a_deleted_queue_file_costs_only_the_order() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| waiter(&stage, &["--for", "100"])).collect();
    fs::remove_file(stage.state_file("queue")).unwrap();
    waiters.extend((0..WAITERS).map(|_| waiter(&stage, &["--for", "100"])));
    send(old, Signal::SIGTERM);
    first.end().exits(0);
    for waiter in waiters {
        waiter.end().exits(0);
    }
    stage.assert_no_overlap();
}

#[test]
fn a_link_in_place_of_the_queue_file_is_not_followed_and_blocks_no_start() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    let precious = stage.folder().join("precious");
    fs::write(&precious, "precious").unwrap();
    symlink(&precious, stage.state_file("queue")).unwrap();
    let waiters = [waiter(&stage, &["--for", "100"]), waiter(&stage, &["--for", "100"])];
    send(old, Signal::SIGTERM);
    for waiter in waiters {
        waiter.end().exits(0);
    }
    first.end().exits(0);
    assert_eq!(fs::read_to_string(precious).unwrap(), "precious");
    stage.assert_no_overlap();
}
