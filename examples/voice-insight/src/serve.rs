//! From the configuration to the last answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::answers::Answers;
use crate::endpoint;
use crate::journal::Journal;
use crate::queue::{Counts, Queue};
use crate::services::Services;
use crate::settings::Settings;
use crate::shutdown::{Shutdown, Stage};
use crate::status::Status;
use crate::telegram::{DOWNLOAD, Telegram};
use crate::updates::{self, Me};
use futures_util::FutureExt;
use reqwest::Url;
use teloxide::dispatching::{Dispatcher, UpdateFilterExt, UpdateHandler};
use teloxide::net::default_reqwest_settings;
use teloxide::types::Update;
use teloxide::{Bot, dptree};

use monopoll::Guard;
use monopoll::internals::config::Config;
use monopoll::internals::engine::token::Token;
use monopoll::internals::error::{Error, ExitStatus};
use monopoll::internals::guard::start_request::lock_files;
use monopoll::internals::sys::{clock, users};
use monopoll::internals::text::quote;
use monopoll::teloxide::Polling;

/// How much of the time to finish in is left for the last words to Telegram and to the lock:
/// whoever waits longer is refused.
fn last_moment(within: Duration) -> Duration {
    (within / 4).clamp(Duration::from_secs(1), Duration::from_secs(5))
}

/// Holds the instance and answers, until it is to end.
///
/// # Errors
/// The instance is not to be had, or Telegram is not.
pub(crate) async fn serve(config: &Config, settings: Settings, token: &Token) -> Result<(), Error> {
    let bot = bot(config, token, Duration::from_secs(17))?;
    let files = self::bot(config, token, DOWNLOAD)?;
    let guard = Guard::acquire(config).await?;
    #[expect(clippy::disallowed_types, reason = "since when, said by `/status`")]
    let since = clock::WallClock::now();
    let begun = clock::since_boot();
    let locks = lock_files(config, guard.instance(), &users::current_user())?;
    let polling = Polling::new(bot.clone());
    let (tell, shutdown) = Shutdown::new();
    let telegram = Telegram::new(bot.clone(), files, settings.retry, shutdown.clone());
    let counts = Arc::new(Counts::default());
    let status = Status {
        instance: guard.instance().to_owned(),
        locks,
        since,
        begun,
        health: polling.health(),
        counts: counts.clone(),
        services: services(&settings),
    };
    let answers = Answers {
        telegram: telegram.clone(),
        services: Services::new(
            endpoint::client().map_err(|error| no_client(&error))?,
            settings.retry,
            shutdown.clone(),
        ),
        transcription: settings.transcription.clone(),
        insight: settings.insight.clone(),
        status,
    };
    let journal = Journal::open(journal_path(guard.lock_path()));
    let queue = Arc::new(Queue::new(&settings, journal, telegram, answers, shutdown, counts));
    tracing::info!("{}: answers from now on. {}", guard.instance(), services(&settings));
    queue.resume();
    let (taking, finishing) = (queue.clone(), queue);
    let (lost, patience) = (guard.lost(), config.policy.timeouts.graceful);
    let (asking, me) = (bot.clone(), Arc::new(Me::new()));
    let polling = polling
        .get_updates_with(move |request| {
            updates::ask(asking.clone(), request, taking.clone(), me.clone())
        })
        .finish_with(async move {
            // Nobody hears it only where nobody works.
            let _ = tell.send(Stage::Finishing);
            let within = lost.now_or_never().and_then(monopoll::Lost::within).unwrap_or(patience);
            if tokio::time::timeout(within.saturating_sub(last_moment(within)), finishing.finish())
                .await
                .is_err()
            {
                let _ = tell.send(Stage::Dropping);
                finishing.finish().await;
            }
        });
    let dispatcher = Dispatcher::builder(bot, handler()).build();
    polling.run_under(guard, config, dispatcher).await.map(drop)
}

/// Everything is done when an update is taken, so its handler has nothing left to do; it says which
/// kinds of updates are wanted.
fn handler() -> UpdateHandler<std::convert::Infallible> {
    let nothing = || dptree::endpoint(async || Ok(()));
    dptree::entry()
        .branch(Update::filter_message().chain(nothing()))
        .branch(Update::filter_channel_post().chain(nothing()))
}

fn bot(config: &Config, token: &Token, patience: Duration) -> Result<Bot, Error> {
    let client =
        default_reqwest_settings().timeout(patience).build().map_err(|error| no_client(&error))?;
    let url = config.settings.telegram.api_url.to_string();
    // It was checked when the configuration was read.
    let address = Url::parse(&url).map_err(|_| {
        Error::new(ExitStatus::Config, format!("`telegram.api_url` is no address: {}", quote(&url)))
    })?;
    Ok(Bot::with_client(token.expose(), client).set_api_url(address))
}

fn no_client(error: &reqwest::Error) -> Error {
    Error::new(ExitStatus::Fault, format!("there is no HTTP client to be had: {error}"))
}

/// The journal lies beside the lock: the next holder of the instance finds it there.
fn journal_path(lock: &Path) -> PathBuf {
    lock.with_added_extension("journal")
}

fn services(settings: &Settings) -> &'static str {
    match (&settings.transcription, &settings.insight) {
        (None, _) => "Transcription: not set up.",
        (Some(_), None) => "Transcription: set up. Insight: not set up.",
        (Some(_), Some(_)) => "Transcription: set up. Insight: set up.",
    }
}
