//! A teloxide bot as people write them: it answers each update with its number, after `$HANDLER_MS` of work. `$TELOXIDE_TOKEN`
//! and `$TELOXIDE_API_URL` are teloxide's own.
//!
//! teloxide confirms an update as soon as the next poll goes out, while its handler still runs; what keeps updates from being
//! lost is that a shutdown of the dispatcher waits for the handlers. Its own handler of Ctrl-C does that for SIGINT alone, so
//! SIGTERM is mapped to the same here.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test program may fail, and then a test fails")]

use std::{env, time::Duration};

use teloxide::{dispatching::ShutdownToken, prelude::*};
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn main() {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run());
}

async fn run() {
    let work = Duration::from_millis(env::var("HANDLER_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(0));
    // Taken from the first moment on: before, SIGTERM just ends a bot that has not polled.
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let mut bot =
        Dispatcher::builder(Bot::from_env(), dptree::endpoint(move |bot, update| echo(bot, update, work))).enable_ctrlc_handler().build();
    let token = bot.shutdown_token();
    tokio::spawn(async move {
        while terminated.recv().await.is_some() {
            shut_down(&token).await;
        }
    });
    bot.dispatch().await;
}

async fn echo(bot: Bot, update: Update, work: Duration) -> ResponseResult<()> {
    tokio::time::sleep(work).await;
    if let Some(chat) = update.chat() {
        bot.send_message(chat.id, format!("update {}", update.id.0)).await?;
    }
    Ok(())
}

/// Resolves when the last handler has finished; the dispatcher then returns, and with it the program.
async fn shut_down(token: &ShutdownToken) {
    loop {
        match token.shutdown() {
            Ok(done) => return done.await,
            // Not dispatching yet means not polling yet: the dispatcher is given the moment that it needs to begin.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
