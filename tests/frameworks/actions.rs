//! A second start of a real bot under each action.

use crate::scene::{with_all, with_each};
use nix::sys::signal::Signal;

#[test]
fn graceful_loses_and_repeats_no_update() {
    with_all(|scene| {
        let traffic = scene.traffic();
        let first = scene.run("graceful").start();
        scene.processes(20);
        scene.gives_way(first, traffic).says("took over");
    });
}

#[test]
fn graceful_loses_and_repeats_no_update_of_an_unguarded_bot() {
    with_each(|scene| {
        let traffic = scene.traffic();
        let first = scene.alone().start();
        scene.processes(20);
        scene.gives_way(first, traffic);
    });
}

#[test]
fn wait_loses_and_repeats_no_update() {
    with_all(|scene| {
        let traffic = scene.traffic();
        let first = scene.run("wait").start();
        scene.processes(20);
        let second = scene.run("wait").start();
        second.wait_for("waiting for");
        scene.processes(20);
        first.signal(Signal::SIGTERM);
        scene.poller(2);
        first.end().exits(0);
        scene.processes(20);
        scene.close_without_a_loss(second, traffic);
    });
}

#[test]
fn refuse_leaves_the_running_bot_to_its_work() {
    with_each(|scene| {
        let traffic = scene.traffic();
        let first = scene.run("refuse").start();
        scene.processes(20);
        scene.run("refuse").end().exits(75).says("refuse");
        scene.processes(20);
        let report = scene.close_without_a_loss(first, traffic);
        assert_eq!(report.pollers.len(), 1);
    });
}

/// The updates in progress are lost, see `docs/telegram.md`, but two bots never poll at the same
/// time.
#[test]
fn force_loses_only_updates_that_the_old_bot_had_taken() {
    with_each(|scene| {
        let traffic = scene.traffic();
        let first = scene.run("force").start();
        scene.processes(20);
        let second = scene.run("force").start();
        scene.poller(2);
        let arrived = i64::try_from(scene.server.report().injected).unwrap();
        first.end().exits(0).says("took over");
        scene.processes(20);
        let report = scene.close(second, traffic);
        println!(
            "{:?} under force: {} lost, {} twice",
            scene.framework(),
            report.lost.len(),
            report.processed_twice.len()
        );
        assert!(
            report.lost.iter().chain(&report.processed_twice).all(|id| *id <= arrived),
            "{report:#?}"
        );
    });
}
