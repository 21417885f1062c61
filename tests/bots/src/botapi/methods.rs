//! The bot's calls, except `getUpdates`.

#![expect(clippy::disallowed_types, reason = "messages have dates")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::parameters::Parameters;
use super::{Sent, Telegram};
use serde_json::{Value, json};

/// The largest download that the Bot API allows.
const MAX_DOWNLOAD: u64 = 20 * 1024 * 1024;

pub(super) enum Answer {
    Result(Value),
    Failure(u16, &'static str),
}

pub(super) fn answer(telegram: &mut Telegram, method: &str, parameters: &Parameters) -> Answer {
    match method.to_ascii_lowercase().as_str() {
        "getme" => Answer::Result(me(telegram)),
        "sendmessage" | "editmessagetext" => send(telegram, parameters),
        "getfile" => file(telegram, parameters),
        "setwebhook" => {
            let evicted = telegram
                .queue
                .set_webhook(parameters.text("url").unwrap_or_default(), Instant::now());
            if let Some(evicted) = evicted {
                telegram.account.conflict(evicted);
            }
            drop_pending(telegram, parameters)
        }
        "deletewebhook" => {
            telegram.queue.set_webhook("", Instant::now());
            drop_pending(telegram, parameters)
        }
        "getwebhookinfo" => Answer::Result(json!({
            "url": telegram.queue.webhook(),
            "has_custom_certificate": false,
            "pending_update_count": telegram.queue.len(),
        })),
        "getmycommands" => Answer::Result(json!([])),
        "sendchataction"
        | "setmycommands"
        | "deletemycommands"
        | "deletemessage"
        | "answercallbackquery"
        | "setmessagereaction"
        | "close"
        | "logout" => Answer::Result(json!(true)),
        _ => Answer::Failure(404, "Not Found"),
    }
}

fn me(telegram: &Telegram) -> Value {
    let id: i64 = telegram.token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(0);
    json!({
        "id": id,
        "is_bot": true,
        "first_name": "Test",
        "username": "test_bot",
        "can_join_groups": true,
        "can_read_all_group_messages": false,
        "supports_inline_queries": false,
        "can_connect_to_business": false,
        "has_main_web_app": false,
    })
}

fn send(telegram: &mut Telegram, parameters: &Parameters) -> Answer {
    let Some(chat) = parameters.number("chat_id") else {
        return Answer::Failure(400, "Bad Request: chat_id is empty");
    };
    let text = parameters.text("text").unwrap_or_default();
    if text.is_empty() {
        return Answer::Failure(400, "Bad Request: message text is empty");
    }
    telegram.account.sent(text);
    let reply_to = parameters.inner("reply_parameters", "message_id");
    telegram.sent.push(Sent {
        chat,
        reply_to,
        topic: parameters.number("message_thread_id"),
        text: text.to_owned(),
    });
    telegram.messages += 1;
    let chat = if chat < 0 {
        json!({ "id": chat, "type": "supergroup", "title": "A group" })
    } else {
        json!({ "id": chat, "type": "private", "first_name": "Someone" })
    };
    Answer::Result(json!({
        "message_id": telegram.messages,
        "date": now(),
        "chat": chat,
        "from": me(telegram),
        "text": text,
    }))
}

fn file(telegram: &Telegram, parameters: &Parameters) -> Answer {
    let id = parameters.text("file_id").unwrap_or_default();
    match telegram.files.get(id) {
        None => Answer::Failure(400, "Bad Request: invalid file_id"),
        Some(file) if file.size > MAX_DOWNLOAD => {
            Answer::Failure(400, "Bad Request: file is too big")
        }
        Some(file) => Answer::Result(json!({
            "file_id": id,
            "file_unique_id": format!("u{id}"),
            "file_size": file.size,
            "file_path": file.path,
        })),
    }
}

fn drop_pending(telegram: &mut Telegram, parameters: &Parameters) -> Answer {
    if parameters.is_true("drop_pending_updates") {
        let confirmed = telegram.queue.drop_pending();
        telegram.account.forgotten(confirmed);
    }
    Answer::Result(json!(true))
}

/// Seconds since the epoch.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
