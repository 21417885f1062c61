//! Endpoints that are not there, fail, recover, or answer nonsense.

use crate::scene::{Scene, WORDS, insight};
use monopoll_test_bots::endpoint::{Answer, Endpoint};
use monopoll_test_bots::stage::SECRET;
use nix::sys::signal::Signal;

fn broken() -> Answer {
    Answer::Status(500, "<html>".to_owned())
}

#[test]
fn without_a_transcription_endpoint_the_answer_says_so() {
    let scene = Scene::bare();
    scene.voice(5);
    let bot = scene.bot().start();
    bot.wait_for("answers from now on. Transcription: not set up.");
    let sent = scene.sent(1);
    assert_eq!(
        sent[0].text,
        "I cannot transcribe recordings: no transcription endpoint is configured \
            (`app.transcription` in my config.toml)."
    );
}

#[test]
fn an_endpoint_that_recovers_is_retried_and_the_answer_is_complete() {
    let transcription = Endpoint::new([
        broken(),
        Answer::Busy("0"),
        Answer::Status(200, "nonsense".to_owned()),
        Answer::text(WORDS),
    ]);
    let scene = Scene::with_transcription(&transcription);
    scene.voice(5);
    let bot = scene.bot().start();
    assert_eq!(scene.sent(1)[0].text, WORDS);
    assert_eq!(transcription.asked().len(), 4);
    bot.wait_for(
        "the transcription service: it has a fault of its own (status 500); once more in 1ms",
    );
}

#[test]
fn a_lasting_endpoint_failure_is_reported_and_the_next_message_is_tried() {
    let transcription = Endpoint::new([broken()]);
    let scene = Scene::with_transcription(&transcription);
    scene.voice(5);
    let _bot = scene.bot().start();
    let honest = "I could not transcribe this voice message: the transcription service failed; it \
        has a fault of its own (status 500). \
        Please send it again later.";
    assert_eq!(scene.sent(1)[0].text, honest);
    transcription.answer([Answer::text(WORDS)]);
    scene.voice(5);
    assert_eq!(scene.sent(2)[1].text, WORDS);
}

#[test]
fn a_permanent_failure_is_not_retried_and_never_quotes_the_service() {
    for (answer, said) in [
        (
            Answer::Status(401, format!("{{\"error\": \"sk-{SECRET} is no key\"}}")),
            "it does not let me in (status 401)",
        ),
        (
            Answer::Status(400, "<html>quokka</html>".to_owned()),
            "it refused the request (status 400)",
        ),
        (Answer::Busy("3600"), "it takes no more requests for now"),
    ] {
        let transcription = Endpoint::new([answer]);
        let scene = Scene::with_transcription(&transcription);
        scene.voice(5);
        let bot = scene.bot().start();
        let expected = format!(
            "I could not transcribe this voice message: the transcription service failed; {said}. \
                Please send it again later."
        );
        assert_eq!(scene.sent(1)[0].text, expected);
        bot.wait_for(&format!("the transcription service: {said}; given up"));
        bot.signal(Signal::SIGTERM);
        let ended = bot.end().exits(0);
        assert!(!ended.err.contains("quokka") && !ended.err.contains(SECRET), "{}", ended.err);
        assert_eq!(transcription.asked().len(), 1);
        assert!(transcription.asked()[0].head.contains(&format!("Bearer sk-{SECRET}")));
    }
}

#[test]
fn a_service_timeout_is_retried_and_then_reported() {
    let transcription = Endpoint::new([Answer::Silence]);
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("tries = 2");
    scene.voice(5);
    let _bot = scene.bot().env("MONOPOLL_APP__TRANSCRIPTION__TIMEOUT", "300ms").start();
    let text = scene.sent(1).remove(0).text;
    assert_eq!(
        text,
        "I could not transcribe this voice message: the transcription service failed; it took too \
            long. Please send it again later."
    );
    assert_eq!(transcription.asked().len(), 2);
}

#[test]
fn a_transcript_is_sent_without_an_insight_if_that_fails() {
    for (answer, said) in [
        (broken(), "it has a fault of its own (status 500)"),
        (Answer::Status(401, String::new()), "it does not let me in (status 401)"),
        (Answer::chat(&"Ignore that. Here is a poem."), "its answer cannot be understood"),
    ] {
        let (transcription, summing) =
            (Endpoint::new([Answer::text(WORDS)]), Endpoint::new([answer]));
        let scene = Scene::with_insight(&transcription, &summing);
        scene.voice(5);
        let _bot = scene.bot().start();
        let expected = format!(
            "I could not sum this up: the insight service failed; {said}.\n\nTranscript\n{WORDS}"
        );
        assert_eq!(scene.sent(1)[0].text, expected);
    }
}

#[test]
fn a_recording_without_words_is_reported_and_not_summarized() {
    let (transcription, summing) =
        (Endpoint::new([Answer::text("  ")]), Endpoint::new([insight()]));
    let scene = Scene::with_insight(&transcription, &summing);
    scene.voice(5);
    let _bot = scene.bot().start();
    assert_eq!(scene.sent(1)[0].text, "I heard no words in this voice message.");
    assert!(summing.asked().is_empty());
}

#[test]
fn a_long_transcript_comes_in_parts_that_fit() {
    let words = "Lorem ipsum 😀 dolor. ".repeat(1000);
    let transcription = Endpoint::new([Answer::text(&words)]);
    let scene = Scene::with_transcription(&transcription);
    scene.voice(5);
    let _bot = scene.bot().start();
    let sent = scene.sent(6);
    assert!(sent.iter().all(|sent| sent.text.encode_utf16().count() <= 4096));
    let solid = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(
        solid(&sent.iter().map(|sent| sent.text.as_str()).collect::<String>()),
        solid(&words)
    );
    let replies: Vec<bool> = sent.iter().map(|sent| sent.reply_to.is_some()).collect();
    assert_eq!(replies, [true, false, false, false, false, false]);
}

#[test]
fn a_429_of_telegram_delays_the_answer_and_sends_it_once() {
    let transcription = Endpoint::new([Answer::Gated(r#"{"text": "hello"}"#.to_owned())]);
    let scene = Scene::with_transcription(&transcription);
    scene.voice(5);
    let bot = scene.bot().start();
    scene.stage.wait_until("the endpoint to be asked", || {
        (!transcription.asked().is_empty()).then_some(())
    });
    scene.telegram.flood(4, 1);
    transcription.open();
    assert_eq!(scene.sent(1)[0].text, "hello");
    bot.signal(Signal::SIGTERM);
    bot.end().exits(0);
    assert_eq!(scene.telegram.sent().len(), 1);
}
