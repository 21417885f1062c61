//! From one process to the next: nothing is lost, and nothing is answered twice.

use crate::scene::{Scene, WORDS};
use monopoll_test_bots::endpoint::{Answer, Endpoint};
use nix::sys::signal::Signal;
use serde_json::json;

fn gated() -> Answer {
    Answer::Gated(json!({ "text": WORDS }).to_string())
}

/// Each of these chats has this one answer.
#[track_caller]
fn assert_answered_once(scene: &Scene, chats: impl IntoIterator<Item = i64>) {
    for chat in chats {
        assert_eq!(scene.sent_to(chat), [WORDS], "chat {chat}");
    }
}

#[test]
fn a_takeover_during_work_loses_and_repeats_no_answer() {
    let transcription = Endpoint::new([gated()]);
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("[app]\nat_once = 1");
    for chat in 1..=5 {
        scene.voice(chat);
    }
    let first = scene.bot().start();
    scene.stage.wait_until("the first one to be worked on", || {
        (transcription.asked().len() == 1).then_some(())
    });
    let second = scene.bot().start();
    first.wait_for("takes over");
    // Arrives while nobody polls.
    scene.voice(6);
    transcription.open();
    first.end().exits(0);
    scene.sent(6);
    second.signal(Signal::SIGTERM);
    second.end().exits(0);
    assert_answered_once(&scene, 1..=6);
    // What was begun was finished, and what only waited was left: nothing was transcribed twice.
    assert_eq!(transcription.asked().len(), 6);
    let report = scene.telegram.report();
    assert_eq!(
        (report.most_at_once, report.conflicts.to_the_living, report.unconfirmed),
        (1, 0, 0),
        "{report:?}"
    );
}

#[test]
fn messages_of_a_killed_process_are_answered_by_the_next_one() {
    let transcription = Endpoint::new([gated()]);
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("[app]\nat_once = 2");
    for chat in 1..=4 {
        scene.voice(chat);
    }
    let first = scene.bot().start();
    scene
        .stage
        .wait_until("two to be worked on", || (transcription.asked().len() == 2).then_some(()));
    scene.stage.wait_until("all of them to be confirmed", || {
        (scene.telegram.report().unconfirmed == 0).then_some(())
    });
    first.signal(Signal::SIGKILL);
    drop(first);
    transcription.open();
    let second = scene.bot().start();
    second.wait_for("taken before this start and not answered, so answered now: 4");
    scene.sent(4);
    second.signal(Signal::SIGTERM);
    second.end().exits(0);
    assert_answered_once(&scene, 1..=4);
}

#[test]
fn a_process_killed_within_an_answer_is_followed_by_one_that_sends_the_rest() {
    let words = (0..39).map(|n| format!("w{n:02}").repeat(1365)).collect::<Vec<_>>().join(" ");
    let transcription = Endpoint::new([Answer::text(&words)]);
    let scene = Scene::with_transcription(&transcription);
    scene.voice(5);
    let first = scene.bot().start();
    scene.sent(3);
    first.signal(Signal::SIGKILL);
    drop(first);
    let before = scene.telegram.sent().len();
    let second = scene.bot().start();
    scene.stage.wait_until("the rest", || scene.journal().contains("\"open\":{}").then_some(()));
    second.signal(Signal::SIGTERM);
    second.end().exits(0);
    let parts: Vec<String> = scene.sent_to(5).iter().map(|text| text[..3].to_owned()).collect();
    let all: Vec<String> = (0..39).map(|n| format!("w{n:02}")).collect();
    let mut once = parts.clone();
    once.dedup();
    assert_eq!(once, all, "after {before} parts");
    // The one part that Telegram had taken when the process was killed, before it could be crossed
    // out.
    assert!(parts.len() <= all.len() + 1, "{parts:?}");
    assert_eq!(transcription.asked().len(), 1);
}

#[test]
fn work_that_exceeds_the_shutdown_time_is_left_to_the_next_process() {
    let transcription = Endpoint::new([Answer::Silence]);
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("[timeouts]\ngraceful = \"2s\"");
    scene.voice(1);
    let first = scene.bot().start();
    scene
        .stage
        .wait_until("it to be worked on", || (!transcription.asked().is_empty()).then_some(()));
    first.signal(Signal::SIGTERM);
    let ended = first.end().exits(0);
    assert!(
        ended.err.contains("is left in the journal for whoever holds the instance next"),
        "{}",
        ended.err
    );
    assert!(scene.telegram.sent().is_empty());
    transcription.answer([Answer::text(WORDS)]);
    let _second = scene.bot().start();
    scene.sent(1);
    assert_answered_once(&scene, [1]);
}

#[test]
fn a_signal_during_a_transcription_lets_it_finish_and_starts_nothing_new() {
    let transcription = Endpoint::new([gated()]);
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("[app]\nat_once = 1");
    scene.voice(1);
    scene.voice(2);
    let first = scene.bot().start();
    scene.stage.wait_until("the first one to be worked on", || {
        (transcription.asked().len() == 1).then_some(())
    });
    scene.stage.wait_until("both to be confirmed", || {
        (scene.telegram.report().unconfirmed == 0).then_some(())
    });
    first.signal(Signal::SIGTERM);
    first.wait_for("polling stops; finishing the received updates");
    transcription.open();
    first.end().exits(0);
    assert_answered_once(&scene, [1]);
    assert_eq!((scene.sent_to(2).len(), transcription.asked().len()), (0, 1));
    let _second = scene.bot().start();
    scene.sent(2);
    assert_answered_once(&scene, [1, 2]);
}

#[test]
fn a_takeover_with_too_little_time_gets_the_unfinished_work() {
    let transcription = Endpoint::new([Answer::Silence]);
    let mut scene = Scene::with_transcription(&transcription);
    scene.configure("[timeouts]\ngraceful = \"8s\"");
    scene.voice(1);
    let first = scene.bot().start();
    scene
        .stage
        .wait_until("it to be worked on", || (!transcription.asked().is_empty()).then_some(()));
    transcription.answer([Answer::text(WORDS)]);
    let second = scene.bot().start();
    let ended = first.end().exits(0);
    assert!(
        ended.err.contains("is left in the journal for whoever holds the instance next"),
        "{}",
        ended.err
    );
    second.wait_for("taken before this start and not answered, so answered now: 1");
    scene.sent(1);
    second.signal(Signal::SIGTERM);
    second.end().exits(0);
    assert_answered_once(&scene, [1]);
}
