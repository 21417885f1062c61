//! A recording, as Telegram describes it: nothing of that is believed but its file's id.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What Telegram lets a bot download, in bytes: `MAX_DOWNLOAD_FILE_SIZE` of its server, which
/// people call 20 MB.
pub(crate) const MAX_BYTES: u64 = 20 << 20;

/// What kind of recording it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Spoken into Telegram.
    Voice,
    /// Filmed in a circle.
    VideoNote,
    /// A piece of music or a recording from elsewhere.
    Audio,
}

/// A recording that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recording {
    /// What it is.
    pub(crate) kind: Kind,
    /// What Telegram calls its file.
    pub(crate) file: String,
    /// How large the message says that it is, in bytes.
    pub(crate) claims: Option<u64>,
    /// How its file's name ends, which is how endpoints tell formats apart.
    pub(crate) extension: String,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Kind; 3] = [Kind::Voice, Kind::VideoNote, Kind::Audio];

    /// The field of a message that it is in.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Kind::Voice => "voice",
            Kind::VideoNote => "video_note",
            Kind::Audio => "audio",
        }
    }

    fn usual_extension(self) -> &'static str {
        match self {
            Kind::Voice => "ogg",
            Kind::VideoNote => "mp4",
            Kind::Audio => "mp3",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Voice => "voice message",
            Kind::VideoNote => "video note",
            Kind::Audio => "audio file",
        })
    }
}

impl Recording {
    /// The recording that this field of a message describes; `None`: it names no file.
    pub(crate) fn read(kind: Kind, field: &Value) -> Option<Recording> {
        let file = field.get("file_id")?.as_str().filter(|file| !file.is_empty())?;
        let text = |key: &str| field.get(key).and_then(Value::as_str);
        let extension = text("file_name")
            .and_then(extension_of_name)
            .or_else(|| text("mime_type").and_then(extension_of_type));
        let extension = extension.unwrap_or_else(|| kind.usual_extension().to_owned());
        Some(Recording {
            kind,
            file: file.to_owned(),
            claims: field.get("file_size").and_then(Value::as_u64),
            extension,
        })
    }
}

/// Of a name that somebody else chose, only a short plain extension is taken over.
fn extension_of_name(name: &str) -> Option<String> {
    let (_, extension) = name.rsplit_once('.')?;
    let plain = (1..=5).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| extension.to_ascii_lowercase())
}

fn extension_of_type(mime: &str) -> Option<String> {
    let extension = match mime {
        "audio/ogg" | "audio/opus" => "ogg",
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/mp4" | "audio/m4a" | "audio/x-m4a" | "audio/aac" => "m4a",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/flac" | "audio/x-flac" => "flac",
        "audio/webm" => "webm",
        "video/mp4" => "mp4",
        _ => return None,
    };
    Some(extension.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn extension(kind: Kind, extra: &[(&str, &str)]) -> String {
        let mut field = json!({ "file_id": "abc" });
        for (key, value) in extra {
            field[*key] = json!(value);
        }
        Recording::read(kind, &field).unwrap().extension
    }

    #[test]
    fn the_extension_is_the_names_else_the_types_else_the_kinds() {
        assert_eq!(extension(Kind::Voice, &[]), "ogg");
        assert_eq!(extension(Kind::VideoNote, &[]), "mp4");
        assert_eq!(extension(Kind::Audio, &[]), "mp3");
        assert_eq!(extension(Kind::Audio, &[("mime_type", "audio/x-m4a")]), "m4a");
        assert_eq!(
            extension(Kind::Audio, &[("mime_type", "audio/x-m4a"), ("file_name", "talk.FLAC")]),
            "flac"
        );
        assert_eq!(extension(Kind::Audio, &[("mime_type", "application/x-sh")]), "mp3");
    }

    #[test]
    fn a_hostile_name_gets_nowhere() {
        for name in ["x.\"; rm", "x.mp3\r\nX: y", "../../etc/passwd", "x.", "x.toolong", ".ünï", ""]
        {
            assert_eq!(extension(Kind::Audio, &[("file_name", name)]), "mp3", "{name}");
        }
    }

    #[test]
    fn sizes_are_what_they_claim_or_nothing() {
        for (size, claims) in [
            (json!(0), Some(0)),
            (json!(u64::MAX), Some(u64::MAX)),
            (json!(-1), None),
            (json!("5"), None),
            (json!(1.5), None),
            (json!(null), None),
        ] {
            assert_eq!(
                Recording::read(Kind::Voice, &json!({ "file_id": "a", "file_size": size }))
                    .unwrap()
                    .claims,
                claims
            );
        }
        assert_eq!(Recording::read(Kind::Voice, &json!({ "file_id": "a" })).unwrap().claims, None);
    }
}
