//! Between the bot and Telegram: files that do not come, answers that are refused, and a server
//! with faults.

use crate::scene::{Scene, WORDS};
use monopoll_test_bots::botapi::{File, Server};
use monopoll_test_bots::endpoint::{Answer, Endpoint};
use nix::sys::signal::Signal;

#[test]
fn a_file_larger_than_20_mb_is_refused_before_the_download() {
    let transcription = Endpoint::new([Answer::text(WORDS)]);
    let scene = Scene::with_transcription(&transcription);
    scene.telegram.file("large", File::new("voice/large", vec![0; (20 << 20) + 1]));
    // A download would fail, and be said to have.
    scene.telegram.fail("file", 403, "Forbidden");
    scene.message(5, "audio", &serde_json::json!({ "file_id": "large" }));
    scene.message(
        6,
        "audio",
        &serde_json::json!({ "file_id": "large", "file_size": (20 << 20) + 1 }),
    );
    let _bot = scene.bot().start();
    scene.sent(2);
    let limit = "Telegram lets bots download at most 20 MB. Please send it in shorter pieces.";
    assert_eq!(scene.sent_to(5), [format!("This audio file is too large: {limit}")]);
    assert_eq!(scene.sent_to(6), [format!("This audio file is too large (20.1 MB): {limit}")]);
    assert!(transcription.asked().is_empty());
}

#[test]
fn a_failed_download_is_retried_and_a_lasting_failure_is_reported() {
    let transcription = Endpoint::new([Answer::text(WORDS)]);
    let scene = Scene::with_transcription(&transcription);
    for status in [500, 502, 503] {
        scene.telegram.fail("file", status, "Bad Gateway");
    }
    scene.voice(5);
    let bot = scene.bot().start();
    assert_eq!(scene.sent(1)[0].text, WORDS);
    bot.wait_for(
        "downloading from Telegram: it has a fault of its own (status 503); once more in 4ms",
    );
    for _ in 0..4 {
        scene.telegram.fail("file", 500, "Internal Server Error");
    }
    scene.voice(5);
    assert_eq!(
        scene.sent(2)[1].text,
        "I could not download this voice message from Telegram. Please send it again later."
    );
    bot.wait_for("downloading from Telegram: it has a fault of its own (status 500); given up");
}

#[test]
fn an_answer_to_a_user_who_blocked_the_bot_is_dropped_and_others_get_theirs() {
    let scene = Scene::bare();
    scene.telegram.fail("sendMessage", 403, "Forbidden: bot was blocked by the user");
    scene.voice(5);
    let bot = scene.bot().start();
    bot.wait_for("an answer is not delivered: Telegram refuses it (");
    scene.voice(6);
    scene.sent(1);
    bot.signal(Signal::SIGTERM);
    let ended = bot.end().exits(0);
    assert_eq!((scene.sent_to(5).len(), scene.sent_to(6).len()), (0, 1));
    assert_eq!(ended.err.matches("is not delivered").count(), 1, "{}", ended.err);
    assert!(scene.journal().contains("\"open\":{}"), "{}", scene.journal());
}

#[test]
fn an_answer_is_delivered_once_after_any_number_of_telegram_errors() {
    let scene = Scene::bare();
    // More often than a service is asked; as a 401 it costs no pause of the framework's.
    for _ in 0..6 {
        scene.telegram.fail("sendMessage", 401, "Unauthorized");
    }
    scene.telegram.fail("sendMessage", 502, "Bad Gateway");
    scene.voice(5);
    let bot = scene
        .bot()
        .env("MONOPOLL_APP__RETRY__FIRST", "1ms")
        .env("MONOPOLL_APP__RETRY__LONGEST", "10ms")
        .start();
    scene.sent(1);
    bot.signal(Signal::SIGTERM);
    let ended = bot.end().exits(0);
    assert_eq!(scene.telegram.sent().len(), 1);
    assert_eq!(ended.err.matches("is not delivered yet").count(), 7, "{}", ended.err);
}

#[test]
fn an_answer_follows_a_group_that_became_a_supergroup() {
    let scene = Scene::bare();
    scene.telegram.fail(
        "sendMessage",
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
    );
    scene.voice(-7);
    let _bot = scene.bot().start();
    let sent = scene.sent(1).remove(0);
    assert_eq!((sent.chat, sent.reply_to), (Server::SUPERGROUP, None));
}
