//! Polling under a guard, from the guard's acquisition to the last confirmation.

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

/// The default timeout of a poll. teloxide's default client drops a connection after 17 s.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Configures polling under a guard.
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
    /// Creates a poller with a timeout of ten seconds that runs until SIGTERM or SIGINT arrives.
    /// The signal handlers stay installed after polling has ended. A signal that was ignored before
    /// stays ignored.
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

    /// Sets the timeout of a poll; Telegram allows at most 50 s. The timeout of the bot's HTTP
    /// client must be longer.
    pub fn timeout(self, timeout: Duration) -> Polling<R> {
        Polling { timeout, ..self }
    }

    /// Polls until `stop` resolves, without handling signals, for programs that handle them. With
    /// [`std::future::pending`], only the guard and the dispatcher's `ShutdownToken` end polling.
    pub fn until(self, stop: impl Future<Output = ()> + Send + 'static) -> Polling<R> {
        Polling { stop_source: Some(StopSource::Future(Box::pin(stop))), ..self }
    }

    /// Replaces `getUpdates`, for programs that store or parse updates themselves. An update is
    /// confirmed only by the next call, so a SIGKILL does not lose updates that `get_updates` has
    /// stored.
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

    /// Runs `work` after the last handler has finished and before the guard is released. It shares
    /// the time limit of the handlers.
    pub fn finish_with(self, work: impl Future<Output = ()> + Send + 'static) -> Polling<R> {
        Polling { last_work: work.boxed(), ..self }
    }

    /// Returns the health of the polling, for use while it runs.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Acquires the guard and polls until there is a reason to stop.
    ///
    /// # Errors
    /// Fails like [`Guard::acquire`] and [`run_under`](Self::run_under), or with 130 or 143 if a
    /// signal arrived before the guard was acquired.
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

    /// Polls under `guard`, and releases it at the end.
    ///
    /// # Errors
    /// Fails with 75 if a conflict lasted longer than `telegram.conflict_window`, or if Telegram
    /// cannot be reached at the start; with 78 if Telegram rejects the bot token at the start.
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
        // Boxed to keep the enclosing futures small.
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
                // The dispatcher does not notice its token while it hands over an update, so stop
                // the listener too.
                stop_token.stop();
                let is_shutting_down = shutdown_token.shutdown().is_ok();
                let handling = async {
                    if is_shutting_down {
                        // Only the first request can fail here, and it has succeeded.
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

/// Returns how long handlers may take. After a signal there is no limit, because its sender kills
/// after its own timeout. If the guard was lost, they get as long as the next holder waits.
fn handler_timeout(reason: StopReason, config: &Config) -> Option<Duration> {
    match reason {
        StopReason::Signal(_) | StopReason::Requested | StopReason::ShutDown => None,
        StopReason::Lost(lost) => Some(lost.within().unwrap_or(config.policy.timeouts.graceful)),
    }
}

fn cannot_poll(instance: &str, error: &RequestError) -> Error {
    // The error itself is not the cause, because it may contain the token.
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
