//! Parses responses of the Bot API. Their text is not trusted.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::telegram::api_error::ApiError;
use crate::text::truncate;

const MAX_TEXT: usize = 201;

/// The effect of a webhook on polling.
pub(super) const POLLING_FAILS: &str = "polling fails with 409 Conflict";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The host that receives the updates. The rest of the address is secret.
    pub host: String,
}

impl Webhook {
    pub(crate) const HINT: &str =
        "call deleteWebhook, or let `--set telegram.webhook=delete` delete it at the next start";

    pub fn objection(host: &str) -> String {
        format!("a webhook to `{host}` is set, so {POLLING_FAILS}; {}", Webhook::HINT)
    }
}

/// The JSON object in every response.
#[derive(Deserialize)]
struct ResponseEnvelope {
    ok: bool,
    result: Option<Value>,
    description: Option<String>,
    parameters: Option<ResponseParameters>,
}

#[derive(Deserialize)]
struct ResponseParameters {
    retry_after: Option<u64>,
}

pub(super) fn result(status: u16, body: &[u8]) -> Result<Value, ApiError> {
    let envelope: Option<ResponseEnvelope> = serde_json::from_slice(body).ok();
    match (status, envelope) {
        (200, Some(ResponseEnvelope { ok: true, result: Some(result), .. })) => Ok(result),
        (200, Some(ResponseEnvelope { ok: true, result: None, .. }) | None) => {
            Err(ApiError::NoBotApi)
        }
        (300..=399, _) => Err(ApiError::Redirects(status)),
        // Telegram answers 404 to a malformed token.
        (401 | 404, Some(ResponseEnvelope { ok: false, .. })) => Err(ApiError::Unauthorized),
        (429, envelope) => {
            let seconds = envelope.and_then(|envelope| envelope.parameters?.retry_after);
            Err(ApiError::TooMany(seconds.map(Duration::from_secs)))
        }
        (_, envelope) => Err(ApiError::Answered(
            status,
            envelope.and_then(|envelope| envelope.description).map(|why| truncate(&why, MAX_TEXT)),
        )),
    }
}

pub(super) fn webhook(info: &Value) -> Result<Option<Webhook>, ApiError> {
    match info.get("url").and_then(Value::as_str) {
        None => Err(ApiError::NoBotApi),
        Some("") => Ok(None),
        Some(url) => Ok(Some(Webhook { host: truncate(host(url), MAX_TEXT) })),
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_parsed_by_its_status_and_its_json() {
        let unauthorized = r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#;
        for (status, body, expected) in [
            (200, r#"{"ok":true,"result":true}"#, Ok(Value::Bool(true))),
            (200, r#"{"ok":true}"#, Err(ApiError::NoBotApi)),
            (200, "<html>", Err(ApiError::NoBotApi)),
            (200, "", Err(ApiError::NoBotApi)),
            (200, "[1]", Err(ApiError::NoBotApi)),
            (200, r#"{"ok":"yes","result":1}"#, Err(ApiError::NoBotApi)),
            (
                200,
                r#"{"ok":false,"description":"no"}"#,
                Err(ApiError::Answered(200, Some("no".to_owned()))),
            ),
            (401, unauthorized, Err(ApiError::Unauthorized)),
            (
                404,
                r#"{"ok":false,"error_code":404,"description":"Not Found"}"#,
                Err(ApiError::Unauthorized),
            ),
            (401, "who are you?", Err(ApiError::Answered(401, None))),
            (404, "<html>", Err(ApiError::Answered(404, None))),
            (302, unauthorized, Err(ApiError::Redirects(302))),
            (
                429,
                r#"{"ok":false,"parameters":{"retry_after":7}}"#,
                Err(ApiError::TooMany(Some(Duration::from_secs(7)))),
            ),
            (429, "slow down", Err(ApiError::TooMany(None))),
            (500, r#"{"ok":true,"result":true}"#, Err(ApiError::Answered(500, None))),
            (502, "<html>Bad Gateway", Err(ApiError::Answered(502, None))),
        ] {
            assert_eq!(result(status, body.as_bytes()), expected, "{status} {body}");
        }
    }

    #[test]
    fn only_the_host_of_a_webhook_is_kept() {
        for (url, expected) in [
            ("https://bot.example.org/AAHdq/secret", "bot.example.org"),
            ("https://bot.example.org:8443", "bot.example.org:8443"),
            ("https://me:hunter2@bot.example.org/?x=@y", "bot.example.org"),
            ("https://[2001:db8::1]:443/x", "[2001:db8::1]:443"),
            ("bot.example.org/x", "bot.example.org"),
        ] {
            let info = serde_json::json!({ "url": url, "pending_update_count": 3 });
            assert_eq!(webhook(&info), Ok(Some(Webhook { host: expected.to_owned() })), "{url}");
        }
        assert_eq!(webhook(&serde_json::json!({ "url": "" })), Ok(None));
        assert_eq!(webhook(&serde_json::json!({ "url": 1 })), Err(ApiError::NoBotApi));
        assert_eq!(webhook(&serde_json::json!([])), Err(ApiError::NoBotApi));
    }

    #[test]
    fn a_long_description_is_cut() {
        let body =
            serde_json::json!({ "ok": false, "description": "é".repeat(100_000) }).to_string();
        let Err(ApiError::Answered(400, Some(said))) = result(400, body.as_bytes()) else {
            panic!()
        };
        assert_eq!(said.chars().count(), MAX_TEXT);
    }
}
