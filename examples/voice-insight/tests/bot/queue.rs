//! Recordings of one chat are answered in their order, so many at once in all, and whoever waits
//! for long is told.

use crate::scene::Scene;
use monopoll_test_bots::endpoint::{Answer, Endpoint};
use serde_json::json;

fn gated(text: &str) -> Answer {
    Answer::Gated(json!({ "text": text }).to_string())
}

#[test]
fn recordings_of_one_chat_are_answered_in_their_order() {
    let transcription = Endpoint::new(["one", "two", "three"].map(Answer::text));
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("[app]\nat_once = 4");
    let ids = [scene.voice(5), scene.voice(5), scene.voice(5)];
    let _bot = scene.bot().start();
    let sent = scene.sent(3);
    assert_eq!(
        sent.iter().map(|sent| sent.text.as_str()).collect::<Vec<_>>(),
        ["one", "two", "three"]
    );
    assert_eq!(sent.iter().map(|sent| sent.reply_to.unwrap()).collect::<Vec<_>>(), ids);
}

#[test]
fn concurrency_is_limited_and_commands_do_not_wait() {
    let transcription = Endpoint::new([gated("hello")]);
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("[app]\nat_once = 2");
    for chat in 1..=5 {
        scene.voice(chat);
    }
    let _bot = scene.bot().start();
    scene
        .stage
        .wait_until("two to be worked on", || (transcription.asked().len() == 2).then_some(()));
    scene.message(1, "text", &json!("/status"));
    assert!(
        scene.sent(1)[0].text.contains("Messages: 5 waiting or at work, 0 answered"),
        "{:?}",
        scene.telegram.sent()
    );
    assert_eq!(transcription.asked().len(), 2);
    transcription.open();
    scene.sent(6);
    assert_eq!(transcription.asked().len(), 5);
}

#[test]
fn a_long_wait_is_announced_once_and_a_full_queue_at_once() {
    let transcription = Endpoint::new([gated("hello")]);
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("[app]\nat_once = 1\nmost_waiting = 2\nbusy_after = \"10ms\"");
    for chat in 1..=3 {
        scene.voice(chat);
    }
    let bot = scene.bot().start();
    scene.sent(2);
    assert_eq!(
        scene.sent_to(2),
        ["I have a lot to do. Your voice message is in the queue, and I answer as soon as I \
                get to it."]
    );
    assert_eq!(
        scene.sent_to(3),
        ["I have too much to do: 2 messages are waiting already, so I have to leave this one. \
                Please send it again later."]
    );
    transcription.open();
    scene.sent(4);
    assert_eq!((scene.sent_to(1), scene.sent_to(2).len()), (vec!["hello".to_owned()], 2));
    drop(bot);
}
