//! Telegram: whether it is there, knows the bot, and lets it poll.

use crate::{
    config::settings::{TelegramTable, WebhookPolicy},
    doctor::Finding,
    telegram::{self, ApiError, Seen},
};

const NAME: &str = "Telegram";
const WAY_OUT: &str = telegram::Webhook::WAY_OUT;

/// What is to be said of what it said.
#[must_use]
pub fn telegram(seen: &Seen, config: &TelegramTable) -> Finding {
    let server = config.api_url.authority();
    let webhook = match seen {
        Ok(None) => {
            return Finding::ok(NAME, format!("{server} knows this bot, and no webhook is set"));
        }
        Ok(Some(webhook)) => {
            format!("{server} knows this bot, and a webhook to `{}` is set", webhook.host)
        }
        Err(trouble @ ApiError::Unauthorized) => {
            return Finding::problem(NAME, trouble.sentence(server), trouble.way_out());
        }
        Err(trouble) => return Finding::warning(NAME, trouble.sentence(server), trouble.way_out()),
    };
    match config.webhook {
        WebhookPolicy::Delete => Finding::ok(NAME, format!("{webhook}; a start deletes it")),
        WebhookPolicy::Refuse => {
            Finding::problem(NAME, format!("{webhook}: a start is refused"), WAY_OUT)
        }
        WebhookPolicy::Ignore | WebhookPolicy::Warn => {
            Finding::warning(NAME, format!("{webhook}: polling fails with 409 Conflict"), WAY_OUT)
        }
    }
}
