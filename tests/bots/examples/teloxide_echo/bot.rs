//! A typical teloxide bot. It answers each update with its number after `$HANDLER_MS` of work.
//! `$TELOXIDE_TOKEN` and `$TELOXIDE_API_URL` are teloxide's own variables. With `--bare`, it
//! handles no signals.
//!
//! teloxide confirms an update with the next poll, even if its handler is still running. Updates
//! are not lost only because a dispatcher waits for its handlers once its updates end. So SIGTERM
//! ends the updates. The dispatcher's `ShutdownToken`, which its Ctrl-C handler uses, is not
//! enough: a shutdown while the dispatcher hands out an update goes unnoticed (0.17) and cannot be
//! requested again.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test program may fail, and then a test fails"
)]

use std::env;
use std::time::Duration;

use teloxide::prelude::*;
use teloxide::update_listeners::{UpdateListener, polling_default};
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn main() {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run());
}

async fn run() {
    let work = Duration::from_millis(
        env::var("HANDLER_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(0),
    );
    let bot = Bot::from_env();
    let answer = dptree::endpoint(move |bot, update| echo(bot, update, work));
    if env::args().any(|arg| arg == "--bare") {
        return Dispatcher::builder(bot, answer).build().dispatch().await;
    }
    // Install the handler before the first call, so that a signal never ends the bot in the middle
    // of something.
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let mut updates = polling_default(bot.clone()).await;
    let end = updates.stop_token();
    tokio::spawn(async move {
        terminated.recv().await;
        end.stop();
    });
    Dispatcher::builder(bot, answer)
        .build()
        .dispatch_with_listener(updates, LoggingErrorHandler::new())
        .await;
}

async fn echo(bot: Bot, update: Update, work: Duration) -> ResponseResult<()> {
    tokio::time::sleep(work).await;
    if let Some(chat) = update.chat() {
        bot.send_message(chat.id, format!("update {}", update.id.0)).await?;
    }
    Ok(())
}
