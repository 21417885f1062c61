//! Guards and bots stopped by SIGSTOP, as by a debugger or a paused container.

use crate::scene::with_each;
use monopoll_test_bots::stage::{send, state};
use nix::sys::signal::Signal;

#[test]
fn a_stopped_bot_is_continued_to_finish_gracefully() {
    with_each(|scene| {
        let traffic = scene.traffic();
        let first = scene.run("graceful").start();
        scene.processes(20);
        send(scene.poller(1), Signal::SIGSTOP);
        scene.gives_way(first, traffic).says("took over");
    });
}

#[test]
fn a_stopped_guard_is_continued_and_asked() {
    with_each(|scene| {
        let traffic = scene.traffic();
        let first = scene.run("graceful").start();
        scene.processes(20);
        first.signal(Signal::SIGSTOP);
        scene
            .stage
            .wait_until("the frozen guard", || (state(first.pid()) == Some('T')).then_some(()));
        scene.gives_way(first, traffic).says("took over");
    });
}

#[test]
fn a_stopped_bot_keeps_the_instance_and_continues_later() {
    with_each(|scene| {
        let traffic = scene.traffic();
        let guard = scene.run("refuse").start();
        scene.processes(20);
        let bot = scene.poller(1);
        send(bot, Signal::SIGSTOP);
        let before = scene.server.report().injected;
        scene.run("refuse").end().exits(75).says("refuse");
        scene
            .until("updates that pile up", |report| (report.injected >= before + 20).then_some(()));
        send(bot, Signal::SIGCONT);
        scene.processes(40);
        let report = scene.close_without_a_loss(guard, traffic);
        assert_eq!(report.pollers.len(), 1);
    });
}
