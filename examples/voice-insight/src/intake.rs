//! What an update holds, and what is expected of it.
//!
//! Read from the JSON itself, as every field may be missing, null or of another kind: an update
//! that a typed reader gives up on still has a chat and a message that can be answered.

use std::fmt;

use crate::media::{Kind, Recording};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// The chat.
    pub(crate) chat: i64,
    /// The message that is answered; `None` where the update does not say.
    pub(crate) message: Option<i32>,
    /// The topic of a forum that it is in.
    pub(crate) topic: Option<i32>,
}

/// A message that expects an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// The update's number: each is answered once.
    pub(crate) update: u32,
    /// Where the answer goes.
    pub(crate) address: Address,
    /// What is asked.
    pub(crate) asks: Asks,
}

/// What a message asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Asks {
    /// What is said here?
    Transcript(Recording),
    /// The same, of something that Telegram gives no file for.
    Fileless(Kind),
    /// A command of ours.
    Command(Command),
    /// A command that is not ours, said to us alone.
    UnknownCommand,
    /// Words, said to us alone.
    Words,
    /// A picture, a document, a place: something else, sent to us alone.
    SomethingElse,
}

/// The commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// `/start`
    Start,
    /// `/help`
    Help,
    /// `/status`
    Status,
    /// `/health`
    Health,
}

/// What is done with an update.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Intake {
    /// It is answered.
    Answer(Letter),
    /// Nobody expects an answer.
    Silence(Silence),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// No new message, but an edit, a vote, a member.
    NoMessage,
    /// It does not say which chat it is from.
    NoChat,
    /// Said in a group or a channel, and not to us.
    NotToUs,
    /// Telegram's own notice: somebody joined, a title has changed, a message was pinned.
    Notice,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Silence::NoMessage => "it is no new message",
            Silence::NoChat => "it names no chat",
            Silence::NotToUs => "it was not said to the bot",
            Silence::Notice => "it is a notice of Telegram's",
        })
    }
}

/// What somebody may send beside words and recordings.
const SOMETHING_ELSE: [&str; 16] = [
    "animation",
    "checklist",
    "contact",
    "dice",
    "document",
    "game",
    "giveaway",
    "invoice",
    "location",
    "paid_media",
    "photo",
    "poll",
    "sticker",
    "story",
    "venue",
    "video",
];

/// What is expected of an update, given as Telegram sent it; `me` is the bot's user name.
pub(crate) fn intake(update: u32, body: &Value, me: &str) -> Intake {
    let Some(message) = ["message", "channel_post"]
        .iter()
        .find_map(|key| body.get(key).filter(|message| message.is_object()))
    else {
        return Intake::Silence(Silence::NoMessage);
    };
    let Some(address) = address(message) else { return Intake::Silence(Silence::NoChat) };
    match asks(message, address, me) {
        Ok(asks) => Intake::Answer(Letter { update, address, asks }),
        Err(silence) => Intake::Silence(silence),
    }
}

fn address(message: &Value) -> Option<Address> {
    let number = |key: &str| {
        message.get(key).and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok())
    };
    let chat = message.get("chat")?.get("id")?.as_i64()?;
    // Outside forums a thread is only a chain of replies, and naming it is an error.
    let in_topic = message.get("is_topic_message").and_then(Value::as_bool) == Some(true);
    Some(Address {
        chat,
        message: number("message_id"),
        topic: number("message_thread_id").filter(|_| in_topic),
    })
}

fn asks(message: &Value, address: Address, me: &str) -> Result<Asks, Silence> {
    if let Some(found) = Kind::ALL
        .into_iter()
        .find_map(|kind| Some((kind, message.get(kind.key()).filter(|value| !value.is_null())?)))
    {
        let (kind, value) = found;
        return Ok(Recording::read(kind, value).map_or(Asks::Fileless(kind), Asks::Transcript));
    }
    let private = is_private(message, address);
    if let Some(text) = message.get("text").and_then(Value::as_str) {
        return words(text, me, private);
    }
    if SOMETHING_ELSE.iter().any(|key| message.get(key).is_some_and(|value| !value.is_null())) {
        return if private { Ok(Asks::SomethingElse) } else { Err(Silence::NotToUs) };
    }
    Err(Silence::Notice)
}

/// Whether nobody but the bot can be meant.
fn is_private(message: &Value, address: Address) -> bool {
    match message.get("chat").and_then(|chat| chat.get("type")).and_then(Value::as_str) {
        Some(kind) => kind == "private",
        // Groups and channels have negative numbers.
        None => address.chat > 0,
    }
}

fn words(text: &str, me: &str, private: bool) -> Result<Asks, Silence> {
    let Some(word) = text.strip_prefix('/').and_then(|text| text.split_whitespace().next()) else {
        return if private { Ok(Asks::Words) } else { Err(Silence::NotToUs) };
    };
    let (name, to) = word.split_once('@').map_or((word, None), |(name, to)| (name, Some(to)));
    if to.is_some_and(|to| !to.eq_ignore_ascii_case(me)) {
        return Err(Silence::NotToUs);
    }
    match (Command::named(name), private || to.is_some()) {
        (Some(command), _) => Ok(Asks::Command(command)),
        (None, true) => Ok(Asks::UnknownCommand),
        (None, false) => Err(Silence::NotToUs),
    }
}

impl Command {
    /// Every command, as `/help` lists them.
    pub(crate) const ALL: [Command; 4] =
        [Command::Start, Command::Help, Command::Status, Command::Health];

    /// Its name, without the slash.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Command::Start => "start",
            Command::Help => "help",
            Command::Status => "status",
            Command::Health => "health",
        }
    }

    fn named(name: &str) -> Option<Command> {
        Command::ALL.into_iter().find(|command| command.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Intake {
        intake(7, body, "InsightBot")
    }

    fn asked(message: &Value) -> Result<Asks, Silence> {
        match read(&json!({ "message": message })) {
            Intake::Answer(letter) => Ok(letter.asks),
            Intake::Silence(silence) => Err(silence),
        }
    }

    fn private(field: &str, value: &Value) -> Result<Asks, Silence> {
        asked(&json!({ "message_id": 1, "chat": { "id": 5, "type": "private" }, field: value }))
    }

    fn group(field: &str, value: &Value) -> Result<Asks, Silence> {
        asked(&json!({ "message_id": 1, "chat": { "id": -5, "type": "supergroup" }, field: value }))
    }

    #[test]
    fn each_kind_of_recording_is_known_by_its_file_whoever_sent_it() {
        for kind in Kind::ALL {
            let file = json!({ "file_id": "abc" });
            for asks in [private(kind.key(), &file), group(kind.key(), &file)] {
                let Ok(Asks::Transcript(recording)) = asks else { panic!("{}", kind.key()) };
                assert!(recording.kind == kind && recording.file == "abc");
            }
        }
    }

    #[test]
    fn a_recording_without_a_file_is_answered_too() {
        for odd in
            [json!({}), json!({ "file_id": 7 }), json!({ "file_id": "" }), json!(true), json!([])]
        {
            assert_eq!(private("voice", &odd), Ok(Asks::Fileless(Kind::Voice)));
        }
        assert_eq!(private("voice", &Value::Null), Err(Silence::Notice));
    }

    #[test]
    fn a_channel_post_has_no_sender_and_is_answered_in_the_channel() {
        let post = json!({ "channel_post": {
            "message_id": 3,
            "chat": { "id": -100, "type": "channel" },
            "voice": { "file_id": "abc" },
        } });
        let Intake::Answer(letter) = read(&post) else { panic!("it expects an answer") };
        assert_eq!(letter.address, Address { chat: -100, message: Some(3), topic: None });
        assert_eq!(letter.update, 7);
    }

    #[test]
    fn an_answer_stays_in_the_topic_of_a_forum_and_only_there() {
        let message = |extra: Value| {
            let mut message = json!({
                "message_id": 3,
                "message_thread_id": 9,
                "chat": { "id": -5 },
                "voice": { "file_id": "abc" },
            });
            message.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            address(&message).unwrap().topic
        };
        assert_eq!(message(json!({ "is_topic_message": true })), Some(9));
        assert_eq!(message(json!({})), None);
    }

    #[test]
    fn commands_are_ours_by_name_and_by_address() {
        for (text, expected) in [
            ("/start", Ok(Asks::Command(Command::Start))),
            ("/help please", Ok(Asks::Command(Command::Help))),
            ("/STATUS@insightbot", Ok(Asks::Command(Command::Status))),
            ("/health", Ok(Asks::Command(Command::Health))),
            ("/health@OtherBot", Err(Silence::NotToUs)),
        ] {
            assert_eq!(private("text", &json!(text)), expected, "{text}");
            assert_eq!(group("text", &json!(text)), expected, "{text}");
        }
    }

    #[test]
    fn in_a_group_only_what_is_said_to_the_bot_is_answered() {
        for (text, alone, among_others) in [
            ("hello", Ok(Asks::Words), Err(Silence::NotToUs)),
            ("", Ok(Asks::Words), Err(Silence::NotToUs)),
            ("/", Ok(Asks::Words), Err(Silence::NotToUs)),
            ("/dance", Ok(Asks::UnknownCommand), Err(Silence::NotToUs)),
            ("/dance@InsightBot", Ok(Asks::UnknownCommand), Ok(Asks::UnknownCommand)),
        ] {
            assert_eq!(private("text", &json!(text)), alone, "{text}");
            assert_eq!(group("text", &json!(text)), among_others, "{text}");
        }
        for key in SOMETHING_ELSE {
            assert_eq!(private(key, &json!({})), Ok(Asks::SomethingElse), "{key}");
            assert_eq!(group(key, &json!({})), Err(Silence::NotToUs), "{key}");
            assert_eq!(private(key, &Value::Null), Err(Silence::Notice), "{key}");
        }
    }

    #[test]
    fn notices_edits_and_what_names_no_chat_are_met_with_silence() {
        assert_eq!(private("new_chat_title", &json!("x")), Err(Silence::Notice));
        assert_eq!(group("left_chat_member", &json!({ "id": 1 })), Err(Silence::Notice));
        assert_eq!(
            read(&json!({ "edited_message": { "chat": { "id": 5 } } })),
            Intake::Silence(Silence::NoMessage)
        );
        for nowhere in [
            json!({}),
            json!({ "chat": 5 }),
            json!({ "chat": {} }),
            json!({ "chat": { "id": "5" } }),
            json!({ "chat": { "id": 1e30 } }),
        ] {
            assert_eq!(asked(&nowhere), Err(Silence::NoChat));
        }
        for odd in
            [json!(null), json!([]), json!(5), json!({ "message": null }), json!({ "message": [] })]
        {
            assert_eq!(read(&odd), Intake::Silence(Silence::NoMessage));
        }
    }

    #[test]
    fn a_chat_without_a_type_is_told_by_its_number() {
        assert_eq!(asked(&json!({ "chat": { "id": 5 }, "text": "x" })), Ok(Asks::Words));
        assert_eq!(asked(&json!({ "chat": { "id": -5 }, "text": "x" })), Err(Silence::NotToUs));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,9}".prop_map(Value::from)
        ];
        let key = prop_oneof![
            "message|channel_post|chat|id|type|voice|audio|video_note|file_id|file_size|duration|\
                text|from",
            "[a-z]{1,4}"
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(key.clone(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_at_all_is_a_panic(body in any_json(), message in any_json()) {
            read(&body);
            read(&json!({ "message": message }));
        }
    }
}
