//! Realistic updates of many kinds, with optional fields missing and files of all sizes.

use super::methods::now;
use hyper::body::Bytes;
use serde_json::{Value, json};

/// The kind of an update. Kinds with a file make it available to `getFile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Edited,
    Voice,
    /// Without type and size.
    BareVoice,
    /// 0 seconds, 0 bytes.
    EmptyVoice,
    /// The longest duration and the largest size that the Bot API may name.
    HugeVoice,
    VideoNote,
    Audio,
    /// A post in a channel, without a sender.
    ChannelPost,
    ChannelVoice,
    /// In the name of a group: the sender is one of Telegram's own bots.
    AnonymousAdmin,
    /// In a group, without a sender.
    FromNobody,
    /// A user joined.
    NewMember,
    /// A user left.
    LeftMember,
}

impl Kind {
    pub const ALL: [Kind; 14] = [
        Kind::Text,
        Kind::Edited,
        Kind::Voice,
        Kind::BareVoice,
        Kind::EmptyVoice,
        Kind::HugeVoice,
        Kind::VideoNote,
        Kind::Audio,
        Kind::ChannelPost,
        Kind::ChannelVoice,
        Kind::AnonymousAdmin,
        Kind::FromNobody,
        Kind::NewMember,
        Kind::LeftMember,
    ];

    /// Returns the update with this number, in its own chat, and its file.
    pub(super) fn update(self, id: i64) -> (Value, Option<(String, File)>) {
        let (chat, from) = match self {
            Kind::ChannelPost | Kind::ChannelVoice => {
                (json!({ "id": -CHANNELS - id, "type": "channel", "title": "A channel" }), None)
            }
            Kind::AnonymousAdmin => (
                group(id),
                Some(json!({ "id": 1_087_968_824, "is_bot": true, "first_name": "Group" })),
            ),
            Kind::FromNobody => (group(id), None),
            Kind::NewMember | Kind::LeftMember => (group(id), Some(user(id))),
            _ => (json!({ "id": id, "type": "private", "first_name": "Someone" }), Some(user(id))),
        };
        let mut message = json!({ "message_id": id, "date": now(), "chat": chat });
        if let Some(from) = from {
            message["from"] = from;
        }
        if matches!(self, Kind::AnonymousAdmin | Kind::ChannelPost | Kind::ChannelVoice) {
            message["sender_chat"] = message["chat"].clone();
        }
        let file = self.content(id, &mut message);
        let key = match self {
            Kind::Edited => {
                message["edit_date"] = now().into();
                "edited_message"
            }
            Kind::ChannelPost | Kind::ChannelVoice => "channel_post",
            _ => "message",
        };
        (json!({ "update_id": id, key: message }), file)
    }

    fn content(self, id: i64, message: &mut Value) -> Option<(String, File)> {
        let (name, seconds, size) = match self {
            Kind::Text
            | Kind::Edited
            | Kind::ChannelPost
            | Kind::AnonymousAdmin
            | Kind::FromNobody => {
                message["text"] = format!("number {id}").into();
                return None;
            }
            Kind::NewMember => {
                message["new_chat_members"] = json!([user(id)]);
                return None;
            }
            Kind::LeftMember => {
                message["left_chat_member"] = user(id);
                return None;
            }
            Kind::Voice | Kind::BareVoice | Kind::ChannelVoice => ("voice", 3, 12_000),
            Kind::EmptyVoice => ("voice", 0, 0),
            Kind::HugeVoice => ("voice", i32::MAX, 1 << 52),
            Kind::VideoNote => ("video_note", 7, 240_000),
            Kind::Audio => ("audio", 185, 2_900_000),
        };
        let file_id = format!("{name}-{id}");
        message[name] = json!({
            "file_id": file_id,
            "file_unique_id": format!("u{file_id}"),
            "duration": seconds,
        });
        if self != Kind::BareVoice {
            message[name]["file_size"] = json!(size);
        }
        match self {
            Kind::VideoNote => message[name]["length"] = json!(240),
            Kind::BareVoice => {}
            _ => {
                message[name]["mime_type"] =
                    json!(if name == "audio" { "audio/mpeg" } else { "audio/ogg" });
            }
        }
        Some((file_id.clone(), File { path: format!("{name}/{file_id}"), size, content: None }))
    }
}

/// The ids of groups and channels are negative.
const CHANNELS: i64 = 1_000_000_000_000;

fn group(id: i64) -> Value {
    json!({ "id": -CHANNELS - id, "type": "supergroup", "title": "A group" })
}

fn user(id: i64) -> Value {
    json!({ "id": id, "is_bot": false, "first_name": "Someone" })
}

/// A file for `getFile`.
#[derive(Debug, Clone)]
pub struct File {
    pub path: String,
    pub size: u64,
    content: Option<Bytes>,
}

impl File {
    /// Creates a file with this content and download path.
    pub fn new(path: &str, content: Vec<u8>) -> File {
        File { path: path.to_owned(), size: content.len() as u64, content: Some(content.into()) }
    }

    /// Returns the content to download. For a generated file, returns zeros of its size, up to a
    /// limit.
    pub(super) fn content(&self) -> Bytes {
        let zeros = || vec![0; usize::try_from(self.size).unwrap_or(0).min(1 << 24)].into();
        self.content.clone().unwrap_or_else(zeros)
    }
}
