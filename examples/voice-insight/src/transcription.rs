//! Speech to text: the request to an endpoint that speaks as `OpenAI`'s `/v1/audio/transcriptions`,
//! and its answer.

use crate::error::ServiceError;
use crate::media::Recording;
use crate::settings::Service;
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// These words.
    Words(String),
    /// No words: silence, music, noise.
    Nothing,
}

/// The body of the request: the recording under a name of ours, as only its extension matters.
pub(crate) fn question(service: &Service, recording: &Recording, sound: Vec<u8>) -> Form {
    let name = format!("{}.{}", recording.kind.key(), recording.extension);
    let length = sound.len() as u64;
    let file = Part::stream_with_length(Body::from(sound), length).file_name(name);
    let form = Form::new()
        .part("file", file)
        .text("model", service.model.clone())
        .text("response_format", "json");
    match &service.language {
        Some(language) => form.text("language", language.clone()),
        None => form,
    }
}

/// What the answer says; control characters are left out.
///
/// # Errors
/// It has no text.
pub(crate) fn answer(body: &Value) -> Result<Heard, ServiceError> {
    let text = body.get("text").and_then(Value::as_str).ok_or(ServiceError::Unreadable)?;
    let text: String =
        text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    // A note for music, three dots, a sign that nobody sees: Telegram may not even take it for a
    // message.
    Ok(if text.contains(char::is_alphanumeric) {
        Heard::Words(text.trim().to_owned())
    } else {
        Heard::Nothing
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_words_and_blanks_are_nothing() {
        for (text, heard) in [
            (" hello\nworld ", Heard::Words("hello\nworld".to_owned())),
            ("a\u{0}\u{1b}[2Jb", Heard::Words("a[2Jb".to_owned())),
            ("", Heard::Nothing),
            (" \n\u{7} ", Heard::Nothing),
            ("… ♪", Heard::Nothing),
            ("\u{200b}\u{2800}", Heard::Nothing),
            ("7", Heard::Words("7".to_owned())),
            ("是", Heard::Words("是".to_owned())),
        ] {
            assert_eq!(answer(&json!({ "text": text, "language": "en" })), Ok(heard));
        }
    }

    #[test]
    fn anything_else_is_no_transcript() {
        for body in [
            json!(null),
            json!("hello"),
            json!({}),
            json!({ "text": null }),
            json!({ "text": ["a"] }),
            json!({ "error": { "message": "no" } }),
        ] {
            assert_eq!(answer(&body), Err(ServiceError::Unreadable), "{body}");
        }
    }
}
