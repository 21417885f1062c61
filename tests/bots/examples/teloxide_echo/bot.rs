//! A teloxide bot as people write them: it answers each update with its number, after `$HANDLER_MS`
//! of work. `$TELOXIDE_TOKEN` and `$TELOXIDE_API_URL` are teloxide's own. With `--bare` it minds no
//! signal.
//!
//! teloxide confirms an update as soon as the next poll goes out, while its handler still runs;
//! what keeps updates from being lost is that a dispatcher whose updates have ended waits for its
//! handlers. So SIGTERM ends the updates. The dispatcher's own `ShutdownToken`, which its handler
//! of Ctrl-C uses, is not enough: a shutdown that comes while the dispatcher hands out an update is
//! not heard (0.17), and cannot be asked for again.
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
    // Taken before the first call, so that there is no moment in which it would end the bot in the
    // middle of something.
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
