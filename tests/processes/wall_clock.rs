//! The wall clock jumps while a start waits: it waits as long as it was told.

use std::fs::File;
use std::time::{Duration, Instant};

use monopoll_test_bots::stage::{Running, Stage, Start, send};
use nix::sys::signal::Signal;

use crate::clock::Clock;

fn waiter<'a>(stage: &'a Stage, clock: &Clock, wait: &str) -> Running<'a> {
    let start = stage.run(&[]).on_conflict("wait").set(&format!("timeouts.wait='{wait}'"));
    let start = clock
        .variables()
        .into_iter()
        .fold(start, |it: Start<'_>, (name, value)| it.env(name, value));
    let waiter = start.start();
    waiter.wait_for("waiting for");
    waiter
}

/// Wakes the start that waits: it looks at its clock again.
fn wake(stage: &Stage) {
    stage.run(&[]).on_conflict("refuse").end().exits(75);
    File::create(stage.locks().join("changed")).unwrap();
}

#[test]
fn a_wait_outlasts_a_jump_of_the_wall_clock() {
    let stage = Stage::new();
    let Some(clock) = Clock::find(stage.folder()) else { return };
    let old = stage.run(&[]).start();
    let bot = stage.ready(1);
    let waiter = waiter(&stage, &clock, "1h");
    for jump in ["+90d", "-90d", "+1000d"] {
        clock.set(jump);
        wake(&stage);
        assert!(waiter.is_alive(), "{jump}: {}", waiter.stderr());
    }
    send(bot, Signal::SIGTERM);
    old.end();
    stage.ready(2);
    assert!(waiter.is_alive());
    stage.assert_no_overlap();
}

#[test]
fn a_wait_ends_in_time_although_the_wall_clock_was_set_back() {
    let stage = Stage::new();
    let Some(clock) = Clock::find(stage.folder()) else { return };
    let _old = stage.run(&[]).start();
    stage.ready(1);
    let began = Instant::now();
    let waiter = waiter(&stage, &clock, "3s");
    clock.set("-90d");
    wake(&stage);
    waiter.end().exits(75);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert_eq!(stage.pids_of("ready").len(), 1);
}
