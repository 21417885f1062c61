//! What each framework loses or repeats if the bot does not handle its shutdown: the figures of
//! `docs/telegram.md`.

use crate::scene::{Framework, Scene, Written};
use serde_json::json;

#[test]
#[ignore = "measures the frameworks and asserts nothing of them: `cargo test --test frameworks -- \
    --ignored without_recipe --nocapture`"]
fn a_takeover_of_a_bot_without_the_recipe_is_measured() {
    for framework in Framework::ALL.into_iter().filter(|it| it.is_there()) {
        measure(framework, Written::Bare);
    }
    for framework in
        [Framework::Grammy, Framework::GrammyRunner].into_iter().filter(|it| it.is_there())
    {
        measure(framework, Written::Documented);
    }
}

/// The second start runs no bot and does not poll. The next bot would receive the updates that were
/// finished but not confirmed.
fn measure(framework: Framework, written: Written) {
    let scene = Scene::new(framework);
    let traffic = scene.traffic();
    let first = scene.run_as(written, "graceful").start();
    scene.processes(20);
    let second = scene.stage.run_command("sleep", &["60"]).on_conflict("graceful").start();
    let ended = first.end();
    drop(traffic);
    let report = scene.server.report();
    drop(second);
    let figures = json!({
        "bot": format!("{framework:?}"),
        "written": format!("{written:?}"),
        "exit": ended.code,
        "lost": report.lost.len(),
        "again": report.unconfirmed - report.waiting,
        "processed": report.processed,
        "last_line": ended.err.lines().last(),
    });
    println!("{figures}");
}
