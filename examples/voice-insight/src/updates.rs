//! Updates as Telegram sends them. teloxide takes a voice message without a type or with a huge
//! size for one without content, so they are read before it sees them; and they are written down
//! before the next call confirms them.

use std::sync::Arc;

use crate::intake::{Intake, intake};
use crate::queue::Queue;
use serde::Serialize;
use serde_json::Value;
use teloxide::payloads::GetUpdates;
use teloxide::requests::{JsonRequest, Payload, Request, Requester};
use teloxide::types::Update;
use teloxide::{Bot, RequestError};
use tokio::sync::OnceCell;

/// `getUpdates`, answered with JSON as it is.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
struct Raw(GetUpdates);

impl Payload for Raw {
    type Output = Vec<Value>;

    const NAME: &'static str = "GetUpdates";
}

/// The bot's user name, once Telegram has said it: without it, nobody knows which commands are for
/// whom in a group.
pub(crate) type Me = OnceCell<String>;

/// Asks for updates, takes them, and hands them on to the dispatcher, which keeps count of them.
///
/// # Errors
/// Telegram says no, or nothing.
pub(crate) async fn ask(
    bot: Bot,
    request: GetUpdates,
    queue: Arc<Queue>,
    me: Arc<Me>,
) -> Result<Vec<Update>, RequestError> {
    let me = me
        .get_or_try_init(async || {
            bot.get_me().await.map(|me| me.user.username.clone().unwrap_or_default())
        })
        .await?
        .clone();
    let updates = JsonRequest::new(bot, Raw(request)).send().await?;
    for update in &updates {
        take(&queue, update, &me);
    }
    // One without a number cannot be confirmed, and comes again until another one is.
    Ok(updates.into_iter().filter_map(|update| serde_json::from_value(update).ok()).collect())
}

fn take(queue: &Queue, update: &Value, me: &str) {
    let Some(number) = update
        .get("update_id")
        .and_then(Value::as_u64)
        .and_then(|number| u32::try_from(number).ok())
    else {
        return tracing::warn!("an update without a number is passed over");
    };
    match intake(number, update, me) {
        Intake::Answer(letter) => queue.take(letter),
        Intake::Silence(silence) => {
            tracing::debug!(update = number, "update {number} is not answered: {silence}");
        }
    }
}
