//! Guards and bots killed in the middle of their work.

use crate::scene::{with_all, with_each};
use monopoll_test_bots::stage::send;
use nix::sys::signal::Signal;

#[test]
fn a_terminated_guard_lets_its_bot_finish() {
    with_all(|scene| {
        let traffic = scene.traffic();
        let bot = scene.run("refuse").start();
        scene.processes(20);
        scene.close_without_a_loss(bot, traffic);
    });
}

#[test]
fn a_killed_guard_takes_its_bot_along_and_the_bot_finishes() {
    with_each(|scene| {
        let traffic = scene.traffic();
        let first = scene.run("refuse").start();
        scene.processes(20);
        first.signal(Signal::SIGKILL);
        // The bot is still working and has the lock.
        let second = scene.run("wait").start();
        scene.poller(2);
        scene.processes(20);
        scene.close_without_a_loss(second, traffic);
    });
}

/// The updates in progress are lost, see `docs/telegram.md`.
#[test]
fn a_killed_bot_is_followed_by_exactly_one() {
    with_each(|scene| {
        let traffic = scene.traffic();
        let first = scene.run("refuse").start();
        scene.processes(20);
        send(scene.poller(1), Signal::SIGKILL);
        first.end().exits(137);
        let second = scene.run("refuse").start();
        scene.poller(2);
        scene.processes(20);
        let report = scene.close(second, traffic);
        println!(
            "{:?} killed: {} lost, {} twice",
            scene.framework(),
            report.lost.len(),
            report.processed_twice.len()
        );
    });
}
