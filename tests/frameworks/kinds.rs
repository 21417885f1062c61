//! Updates of all kinds: each gets an answer.

use crate::scene::with_each;
use monopoll_test_bots::botapi::Kind;

#[test]
fn every_kind_of_update_is_answered() {
    with_each(|scene| {
        let bot = scene.run("refuse").start();
        scene.server.inject_all(&Kind::ALL);
        scene.until("everything to be taken", |report| (report.unconfirmed == 0).then_some(()));
        scene.close_without_a_loss(bot, scene.traffic());
    });
}
