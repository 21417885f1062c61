//! What is wrong is found out before anything is asked of anybody.

use crate::scene::Scene;

#[test]
fn a_wrong_configuration_and_a_missing_token_are_reported_before_telegram_is_asked() {
    let mut scene = Scene::bare();
    scene
        .bot()
        .env("BOT_TOKEN", "")
        .end()
        .exits(78)
        .says("no bot token is known; set one of $BOT_TOKEN, here or in `env_file`");
    scene.configure("[app.transcription]\nurl = \"ftp://example.org\"\nmodel = \"m\"");
    let ended = scene.bot().end().exits(78).says("the configuration is wrong");
    assert!(ended.err.contains("is neither http nor https"), "{}", ended.err);
    assert!(scene.telegram.report().pollers.is_empty() && !scene.stage.lock().exists());
}

#[test]
fn a_check_says_whether_it_would_start_and_touches_nothing() {
    let mut scene = Scene::bare();
    scene.bot().argument("--check").end().exits(0);
    scene.configure("[app]\nat_once = 0");
    scene.bot().argument("--check").end().exits(78).says("the configuration is wrong");
    assert!(!scene.stage.lock().exists());
}
