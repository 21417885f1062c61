//! Updates of all kinds: nobody waits for an answer in vain.

use crate::{botapi::Kind, scene::with_each};

#[test]
fn every_kind_of_update_is_answered() {
    with_each(|scene| {
        let bot = scene.run("refuse").start();
        scene.server.inject_all(&Kind::ALL);
        scene.until("everything to be taken", |report| (report.unconfirmed == 0).then_some(()));
        scene.close_without_a_loss(bot, scene.traffic());
    });
}
