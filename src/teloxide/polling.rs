//! Polling under a guard: its options, and what it does from the guard to the last confirmation.

use std::future::{Future, ready};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use teloxide::dispatching::Dispatcher;
use teloxide::error_handlers::IgnoringErrorHandlerSafe;
use teloxide::payloads::GetUpdates;
use teloxide::requests::Requester;
use teloxide::types::Update;
use teloxide::{ApiError, RequestError};
use tokio::time;
use tracing::{info, warn};

use crate::config::Config;
use crate::error::{Error, ExitStatus};
use crate::library::Guard;
use crate::teloxide::health::Health;
use crate::teloxide::listener::{GetUpdatesFn, Listener};
use crate::teloxide::poll_state::describe;
use crate::teloxide::shutdown::{StopReason, StopSource, before_the_guard};

/// The default time that a poll waits for an update; teloxide's own bot drops a connection after
/// 17 s.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Polls under a guard.
#[must_use = "it polls when it is run"]
pub struct Polling<R> {
    bot: R,
    timeout: Duration,
    stop_source: Option<StopSource>,
    health: Health,
    get_updates: Option<GetUpdatesFn>,
    last_work: BoxFuture<'static, ()>,
}

impl<R> Polling<R>
where
    R: Requester<Err = RequestError> + Clone + Send + Sync + 'static,
    R::GetUpdates: Send,
{
    /// Polls of ten seconds until SIGTERM or SIGINT arrives. The signal handlers stay installed
    /// when polling has ended; a signal that was ignored before stays ignored.
    pub fn new(bot: R) -> Polling<R> {
        Polling {
            bot,
            timeout: TIMEOUT,
            stop_source: None,
            health: Health::default(),
            get_updates: None,
            last_work: ready(()).boxed(),
        }
    }

    /// Sets the time that a poll waits for an update; Telegram allows 50 s at most. The timeout of
    /// the bot's HTTP client must be longer.
    pub fn timeout(self, timeout: Duration) -> Polling<R> {
        Polling { timeout, ..self }
    }

    /// Polls until `stop` resolves and handles no signals, for a program that has its own.
    /// [`std::future::pending`] leaves the end to the guard and the dispatcher's `ShutdownToken`.
    pub fn until(self, stop: impl Future<Output = ()> + Send + 'static) -> Polling<R> {
        Polling { stop_source: Some(StopSource::Future(Box::pin(stop))), ..self }
    }

    /// Replaces the request for updates, for a program that stores or parses them itself. No update
    /// that `get_updates` returns is confirmed before it is called again: what it stores, a SIGKILL
    /// does not lose.
    pub fn get_updates_with<F>(
        self,
        get_updates: impl Fn(GetUpdates) -> F + Send + Sync + 'static,
    ) -> Polling<R>
    where
        F: Future<Output = Result<Vec<Update>, RequestError>> + Send + 'static,
    {
        let get_updates: GetUpdatesFn = Box::new(move |request| get_updates(request).boxed());
        Polling { get_updates: Some(get_updates), ..self }
    }

    /// Runs `work` when the last handler has finished, and before the guard is released, within
    /// the time that handlers have.
    pub fn finish_with(self, work: impl Future<Output = ()> + Send + 'static) -> Polling<R> {
        Polling { last_work: work.boxed(), ..self }
    }

    /// The health of the polling, to be asked while it runs.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Acquires the guard and polls until a reason to stop.
    ///
    /// # Errors
    /// As [`Guard::acquire`] and [`run_under`](Self::run_under); 130 or 143 if a signal arrived
    /// before the guard was held.
    pub async fn run<E, K>(
        mut self,
        config: &Config,
        dispatcher: Dispatcher<R, E, K>,
    ) -> Result<StopReason, Error>
    where
        E: Send + Sync + 'static,
        K: Hash + Eq + Clone + Send,
    {
        let mut stop_source = self.stop_source.take().map_or_else(StopSource::signals, Ok)?;
        let guard = tokio::select! {
            biased;
            reason = stop_source.wait() => return before_the_guard(reason),
            guard = Guard::acquire(config) => guard?,
        };
        Polling { stop_source: Some(stop_source), ..self }
            .run_under(guard, config, dispatcher)
            .await
    }

    /// Polls under a guard that the program has acquired, and gives it back at the end.
    ///
    /// # Errors
    /// 75 if a conflict lasted longer than `telegram.conflict_window`, or Telegram cannot be
    /// reached at the start; 78 if Telegram does not accept the bot's token then.
    pub async fn run_under<E, K>(
        self,
        guard: Guard,
        config: &Config,
        mut dispatcher: Dispatcher<R, E, K>,
    ) -> Result<StopReason, Error>
    where
        E: Send + Sync + 'static,
        K: Hash + Eq + Clone + Send,
    {
        let Polling { bot, timeout, stop_source, health, get_updates, last_work } = self;
        let mut stop_source = stop_source.map_or_else(StopSource::signals, Ok)?;
        let instance = guard.instance().to_owned();
        let window = *config.settings.telegram.conflict_window;
        let listener = Listener::new(bot.clone(), &instance, timeout, window, health, get_updates);
        let (state, stop_token) = (Arc::clone(&listener.state), listener.stop_token.clone());
        let shutdown_token = dispatcher.shutdown_token();
        // Boxed, so that the futures around it stay small.
        let mut dispatching = Box::pin(
            dispatcher.try_dispatch_with_listener(listener, IgnoringErrorHandlerSafe::new()),
        );
        let reason = tokio::select! {
            biased;
            reason = stop_source.wait() => Some(reason),
            lost = guard.lost() => Some(StopReason::Lost(lost)),
            done = &mut dispatching => {
                done.map(|()| None).map_err(|error| cannot_poll(&instance, &error))?
            }
        };
        let handlers = match reason {
            Some(reason) => {
                info!("{instance}: {reason}: polling stops; finishing the received updates");
                // The dispatcher misses its token while it hands an update over, so the listener is
                // stopped as well.
                stop_token.stop();
                let is_shutting_down = shutdown_token.shutdown().is_ok();
                let handling = async {
                    if is_shutting_down {
                        // Errors are only those of the first request, which was answered.
                        let _ = dispatching.await;
                    }
                    last_work.await;
                };
                wait_for_handlers(handling, handler_timeout(reason, config), &instance).await
            }
            None => wait_for_handlers(last_work, None, &instance).await,
        };
        match handlers {
            Handlers::Finished => state.confirm(&bot, &instance).await,
            Handlers::Running => {}
        }
        drop(guard);
        info!("{instance}: lock released");
        match state.take_error() {
            Some(error) => Err(error),
            None => Ok(reason.unwrap_or(StopReason::ShutDown)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handlers {
    Finished,
    Running,
}

async fn wait_for_handlers(
    handling: impl Future<Output = ()>,
    timeout: Option<Duration>,
    instance: &str,
) -> Handlers {
    let Some(timeout) = timeout else {
        handling.await;
        return Handlers::Finished;
    };
    if time::timeout(timeout, handling).await.is_ok() {
        return Handlers::Finished;
    }
    warn!(
        "{instance}: handlers are still running after {}; not waiting any longer",
        humantime::format_duration(timeout)
    );
    Handlers::Running
}

/// The time that handlers have to finish: unlimited after a signal, whose sender kills when its
/// own timeout ends; as long as the next holder waits, if the guard was lost.
fn handler_timeout(reason: StopReason, config: &Config) -> Option<Duration> {
    match reason {
        StopReason::Signal(_) | StopReason::Requested | StopReason::ShutDown => None,
        StopReason::Lost(lost) => Some(lost.within().unwrap_or(config.policy.timeouts.graceful)),
    }
}

fn cannot_poll(instance: &str, error: &RequestError) -> Error {
    // The error itself is not kept as the cause: it may contain the token.
    let why = describe(error);
    match error {
        RequestError::Api(ApiError::InvalidToken) => Error::new(
            ExitStatus::Config,
            format!("{instance}: Telegram rejects the bot token ({why})"),
        )
        .with_hint("ask @BotFather for the token of this bot"),
        _ => Error::new(ExitStatus::Refused, format!("{instance}: cannot reach Telegram: {why}"))
            .with_hint("try again later"),
    }
}
