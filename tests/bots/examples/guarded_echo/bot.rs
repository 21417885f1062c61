//! A teloxide bot with its own guard. It answers each update with its number after `$HANDLER_MS` of
//! work. `--owns-signals`: only SIGUSR1 ends it. `--shuts-down`: it shuts down its dispatcher after
//! the first update. `--health`: it logs to `$TESTBOT_LOG` when polls succeed, and when none has
//! succeeded for a second.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test program may fail, and then a test fails"
)]

use std::env;
use std::fs::OpenOptions;
use std::future::pending;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use teloxide::prelude::*;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use monopoll::internals::cli;
use monopoll::internals::config::{Config, Sources};
use monopoll::internals::error::Error;
use monopoll::teloxide::{Health, Polling, StopReason};

pub(super) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(serve());
    if let Ok(end) = &ended {
        say(&format!("end: {end}"));
    }
    monopoll::internals::error::exit(ended)
}

async fn serve() -> Result<StopReason, Error> {
    let has = |flag: &str| env::args().any(|arg| arg == flag);
    let config = Config::load(&Sources::from_process()?)?;
    cli::log_as("guarded_echo", &config.settings.log);
    let bot = Bot::from_env();
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let handler = dptree::endpoint(move |bot, update| echo(bot, update, heard.clone()));
    let dispatcher =
        Dispatcher::builder(bot.clone(), handler).distribution_function(|_| None::<()>).build();
    let token = dispatcher.shutdown_token();
    let mut polling = Polling::new(bot).timeout(Duration::from_secs(2));
    if has("--owns-signals") {
        let mut mine = signal(SignalKind::user_defined1()).unwrap();
        polling = polling.until(async move {
            mine.recv().await;
        });
    }
    if has("--shuts-down") {
        polling = polling.until(pending());
        tokio::spawn(async move {
            hearing.recv().await;
            token.shutdown().unwrap().await;
        });
    }
    if has("--health") {
        tokio::spawn(watch(polling.health()));
    }
    polling.run(&config, dispatcher).await
}

async fn echo(bot: Bot, update: Update, heard: mpsc::UnboundedSender<()>) -> ResponseResult<()> {
    let work = env::var("HANDLER_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(0);
    say(&format!("update {}", update.id.0));
    // The receiver may be gone.
    let _ = heard.send(());
    sleep(Duration::from_millis(work)).await;
    if let Some(chat) = update.chat() {
        bot.send_message(chat.id, format!("update {}", update.id.0)).await?;
    }
    Ok(())
}

async fn watch(health: Health) {
    let mut before = "";
    loop {
        let now = match health.age() {
            None => "has not heard yet",
            Some(age) if age < Duration::from_secs(4) => "hears",
            Some(_) => "is deaf",
        };
        if now != before {
            say(now);
        }
        before = now;
        sleep(Duration::from_millis(20)).await;
    }
}

fn say(event: &str) {
    let Some(path) = env::var_os("TESTBOT_LOG") else { return };
    let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
    // A single write keeps the lines of several bots apart.
    log.write_all(format!("{} {event}\n", std::process::id()).as_bytes()).unwrap();
}
