//! Every kind of update that arrives in life gets a sensible answer, exactly once, or silence where
//! nobody expects one.

use std::collections::BTreeMap;

use crate::scene::{Scene, WORDS, insight};
use monopoll_test_bots::botapi::{File, Kind};
use monopoll_test_bots::endpoint::{Answer, Endpoint};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// What an answer has in it; `None`: there is none.
type Expected = Option<&'static str>;

fn expected(kind: Kind) -> Expected {
    match kind {
        Kind::Text => Some("I listen, I do not chat"),
        Kind::Voice | Kind::BareVoice | Kind::VideoNote | Kind::Audio | Kind::ChannelVoice => {
            Some(WORDS)
        }
        Kind::EmptyVoice => Some("This voice message is empty"),
        Kind::HugeVoice => {
            Some("is too large (4294967296 MB): Telegram lets bots download at most 20 MB")
        }
        Kind::Edited
        | Kind::ChannelPost
        | Kind::AnonymousAdmin
        | Kind::FromNobody
        | Kind::NewMember
        | Kind::LeftMember => None,
    }
}

/// Messages with much of what is expected missing, null or of another kind; the chat has the
/// update's number.
fn odd() -> Vec<(Value, Expected)> {
    let voice = |voice: Value| json!({ "voice": voice });
    vec![
        (voice(json!({ "file_id": "a-voice" })), Some(WORDS)),
        (
            voice(
                json!({ "file_id": "a-voice", "duration": -1, "file_size": "big", "mime_type": 7 }),
            ),
            Some(WORDS),
        ),
        (voice(json!({ "file_id": "a-voice", "duration": 1e300 })), Some(WORDS)),
        (voice(json!({})), Some("not where its file is")),
        (voice(json!({ "file_id": null })), Some("not where its file is")),
        (voice(json!({ "file_id": "gone" })), Some("does not give me the file")),
        (voice(json!({ "file_id": "liar", "file_size": 10 })), Some("is too large: Telegram")),
        (voice(Value::Null), None),
        (json!({ "video_note": { "file_id": "a-voice" } }), Some(WORDS)),
        (json!({ "audio": { "file_id": "a-voice", "file_name": "\u{202e}3pm.exe" } }), Some(WORDS)),
        (
            json!({ "voice": { "file_id": "a-voice" }, "caption": "/start", "from": null }),
            Some(WORDS),
        ),
        (json!({ "photo": [] }), Some("I can only listen")),
        (json!({ "photo": [], "caption": "/start" }), Some("I can only listen")),
        (json!({ "video": { "file_id": "v" }, "caption": "hello" }), Some("I can only listen")),
        (json!({ "photo": null }), None),
        (json!({ "document": { "file_id": "d" } }), Some("I can only listen")),
        (json!({ "text": "/dance" }), Some("I do not know this command")),
        (json!({ "text": "" }), Some("I listen, I do not chat")),
        (json!({ "text": 5 }), None),
        (json!({ "pinned_message": {} }), None),
        (json!({}), None),
    ]
}

#[test]
fn each_kind_of_message_is_answered_once_or_ignored() {
    let (transcription, summing) =
        (Endpoint::new([Answer::text(WORDS)]), Endpoint::new([insight()]));
    let scene = Scene::with_insight(&transcription, &summing);
    scene.telegram.file("a-voice", File::new("voice/a-voice.oga", b"OggS".to_vec()));
    // Larger than it says, wherever it is asked.
    let mut liar = File::new("voice/liar", vec![0; 21 << 20]);
    liar.size = 10;
    scene.telegram.file("liar", liar);
    let mut wanted: BTreeMap<i64, Expected> =
        Kind::ALL.into_iter().map(|kind| (scene.telegram.inject(kind), expected(kind))).collect();
    for (fields, expected) in odd() {
        let id = scene.telegram.inject_json(|id| {
            let mut message =
                json!({ "message_id": id, "date": 1, "chat": { "id": id, "type": "private" } });
            message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            json!({ "update_id": id, "message": message })
        });
        wanted.insert(id, expected);
    }
    let in_the_groups_name = scene.telegram.inject_json(|id| {
        let group = json!({ "id": -1_000_000_000_000 - id, "type": "supergroup", "title": "A \
            group" });
        json!({
            "update_id": id,
            "message": {
                "message_id": id,
                "chat": group,
                "sender_chat": group,
                "voice": { "file_id": "a-voice" },
            },
        })
    });
    wanted.insert(in_the_groups_name, Some(WORDS));
    let edited = json!({ "edited_message": {
        "message_id": 1,
        "chat": { "id": 1, "type": "private" },
        "voice": { "file_id": "a-voice" },
    } });
    for nothing in [
        edited,
        json!({}),
        json!({ "message": null }),
        json!({ "message": { "chat": {} } }),
        json!({ "poll": { "id": "1" } }),
    ] {
        let id = scene.telegram.inject_json(|id| {
            let mut update = nothing.clone();
            update["update_id"] = id.into();
            update
        });
        wanted.insert(id, None);
    }
    let bot = scene.bot().start();
    let answers = wanted.values().flatten().count();
    scene.sent(answers);
    // Everything that was taken is finished before it ends: nothing can follow.
    scene.stage.wait_until("the last update to be confirmed", || {
        (scene.telegram.report().unconfirmed == 0).then_some(())
    });
    bot.signal(Signal::SIGTERM);
    let ended = bot.end().exits(0);
    let sent = scene.telegram.sent();
    for (id, expected) in wanted {
        // Chats are numbered as their updates are; those of groups are far below zero.
        let texts: Vec<&str> = sent
            .iter()
            .filter(|sent| sent.chat == id || sent.chat == -1_000_000_000_000 - id)
            .map(|sent| sent.text.as_str())
            .collect();
        match expected {
            None => assert_eq!(texts, [] as [&str; 0], "update {id}"),
            Some(part) => assert!(
                matches!(texts.as_slice(), [only] if only.contains(part)),
                "update {id}: `{part}` is not in {texts:?}"
            ),
        }
    }
    assert_eq!(sent.len(), answers);
    assert!(sent.iter().all(|sent| sent.reply_to.is_some()));
    assert!(!ended.err.contains("quokka") && !ended.err.contains("marsupial"), "{}", ended.err);
    assert!(!scene.journal().contains("quokka"));
}

#[test]
fn an_answer_has_the_insight_and_stays_in_its_topic() {
    let (transcription, summing) =
        (Endpoint::new([Answer::text(WORDS)]), Endpoint::new([insight()]));
    let scene = Scene::with_insight(&transcription, &summing);
    scene.telegram.file("a-voice", File::new("voice/a-voice.oga", b"OggS".to_vec()));
    let id = scene.telegram.inject_json(|id| {
        let chat = json!({ "id": -100_500, "type": "supergroup", "title": "A \
            forum", "is_forum": true });
        let message = json!({
            "message_id": 77,
            "date": 1,
            "chat": chat,
            "message_thread_id": 9,
            "is_topic_message": true,
            "voice": { "file_id": "a-voice" },
        });
        json!({ "update_id": id, "message": message })
    });
    let _bot = scene.bot().start();
    let sent = scene.sent(1).remove(0);
    assert_eq!(
        (sent.chat, sent.reply_to, sent.topic),
        (-100_500, Some(77), Some(9)),
        "update {id}"
    );
    let expected = format!(
        "Summary\nA marsupial is to blame.\n\nTo do\n• Write it \
            again\n\nTopics\nhomework\n\nTranscript\n{WORDS}"
    );
    assert_eq!(sent.text, expected);
    let asked = &transcription.asked()[0];
    assert!(
        asked.body.contains("filename=\"voice.ogg\"") && asked.body.contains("OggS"),
        "{}",
        asked.body
    );
}
