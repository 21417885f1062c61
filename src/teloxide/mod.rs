//! Runs a teloxide dispatcher under a guard.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use teloxide::prelude::*;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> ExitCode {
//!     monopoll::exit(serve().await)
//! }
//!
//! async fn serve() -> Result<monopoll::teloxide::End, monopoll::Error> {
//!     let config = monopoll::Config::load(&monopoll::Sources::from_process()?)?;
//!     let bot = Bot::from_env();
//!     let echo = async |bot: Bot, message: Message| bot.send_message(message.chat.id, "I hear you").await.map(drop);
//!     let dispatcher = Dispatcher::builder(bot.clone(), Update::filter_message().endpoint(echo)).build();
//!     monopoll::teloxide::run(&config, bot, dispatcher).await
//! }
//! ```
//!
//! # Expected flow
//!
//! Acquire the guard, then poll; when a signal, the program or the guard says so, stop polling, let
//! the handlers finish what they were given, confirm it to the server, give the guard back.
//!
//! # Guarantees
//!
//! - Nothing is asked of Telegram before the guard is held, and nothing after it was given back.
//! - What was confirmed was handled: the last offset goes to the server after the last handler has
//!   finished, and updates that no handler was given yet are left to whoever polls next. (While the
//!   bot runs, an update is confirmed by the poll after it, as in every long poll: a SIGKILL loses
//!   what is being handled, unless the program writes it down first; see [`Polling::asking`].)
//! - A 409 is ridden out for `telegram.conflict_window`, counted, and logged with what it means;
//!   then polling ends with an error whose exit status is 75, so that a supervisor tries again
//!   later. Conflicts that are less than half a window apart, or 20 s where that is more, are one,
//!   whatever comes between them. A webhook is told apart from another poller.
//! - Any other failure – a network that is down, a server that is busy – is tried again for as long
//!   as it takes; [`Health`] says how long the bot has been deaf.
//! - Nothing here panics where Telegram cannot be reached or does not accept the token.

mod conflict;
mod health;
mod listener;
mod shutdown;

use std::{
    future::{Future, ready},
    hash::Hash,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};

pub use health::Health;
use teloxide::{
    ApiError, RequestError, dispatching::Dispatcher, error_handlers::IgnoringErrorHandlerSafe,
    payloads::GetUpdates, requests::Requester, types::Update,
};
use tokio::time;
use tracing::{info, warn};

use crate::{
    config::Config,
    error::{Error, ExitStatus},
    library::{Guard, Lost},
    teloxide::{
        listener::{Listener, said},
        shutdown::StopSignals,
    },
};

/// How long a poll waits for an update, where nobody says otherwise: teloxide's own bot gives up a
/// connection after 17 s.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the polling has ended, where nothing is wrong. The program should exit with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// This signal asked for it.
    Signalled(&'static str),
    /// What was given to [`Polling::until`] has resolved.
    Told,
    /// The guard was lost, or was to be given back.
    Lost(Lost),
    /// The program shut the dispatcher down itself.
    ShutDown,
}

/// Acquires the guard and runs the dispatcher until SIGTERM or SIGINT arrives, or the guard is
/// lost. `bot` is the one that the dispatcher was built with. To say more than that, see
/// [`Polling`].
///
/// # Errors
/// As [`Polling::run`].
pub async fn run<R, E, K>(
    config: &Config,
    bot: R,
    dispatcher: Dispatcher<R, E, K>,
) -> Result<End, Error>
where
    R: Requester<Err = RequestError> + Clone + Send + Sync + 'static,
    R::GetUpdates: Send,
    E: Send + Sync + 'static,
    K: Hash + Eq + Clone + Send,
{
    Polling::new(bot).run(config, dispatcher).await
}

/// How a bot polls under a guard.
#[must_use = "it polls when it is run"]
pub struct Polling<R> {
    bot: R,
    timeout: Duration,
    stopping: Option<StopSignals>,
    health: Health,
    asking: Option<ListenerBuilder>,
    finishing: BoxFuture<'static, ()>,
}

/// How the server is asked for updates, where the program does that itself.
type ListenerBuilder =
    Box<dyn Fn(GetUpdates) -> BoxFuture<'static, Result<Vec<Update>, RequestError>> + Send + Sync>;

impl<R> Polling<R>
where
    R: Requester<Err = RequestError> + Clone + Send + Sync + 'static,
    R::GetUpdates: Send,
{
    /// Until SIGTERM or SIGINT arrives, each poll waiting for ten seconds. Their handlers stay
    /// installed in the process when the polling has ended; a signal that was ignored when it began
    /// stays ignored.
    pub fn new(bot: R) -> Polling<R> {
        Polling {
            bot,
            timeout: TIMEOUT,
            stopping: None,
            health: Health::default(),
            asking: None,
            finishing: ready(()).boxed(),
        }
    }

    /// How long a poll waits for an update; Telegram's longest is 50 s. The bot's HTTP client must
    /// be more patient than this.
    pub fn timeout(self, timeout: Duration) -> Polling<R> {
        Polling { timeout, ..self }
    }

    /// Polls until this resolves, and takes no signal: for a program that has signals of its own to
    /// mind. [`std::future::pending`] leaves everything to the guard and to the dispatcher's own
    /// `ShutdownToken`.
    pub fn until(self, told: impl Future<Output = ()> + Send + 'static) -> Polling<R> {
        Polling { stopping: Some(StopSignals::told_by(told)), ..self }
    }

    /// Asks the server for updates in this way, for a program that wants to see them before they
    /// count as taken: nothing of what `ask` returns is confirmed before the next time that it is
    /// called. What it writes down meanwhile, a SIGKILL does not lose; and it may read what
    /// teloxide cannot.
    pub fn asking<F>(self, ask: impl Fn(GetUpdates) -> F + Send + Sync + 'static) -> Polling<R>
    where
        F: Future<Output = Result<Vec<Update>, RequestError>> + Send + 'static,
    {
        Polling { asking: Some(Box::new(move |request| ask(request).boxed())), ..self }
    }

    /// Waits for this too before the guard is given back, within the same time as for handlers, and
    /// begins it when the last of them has finished: for work that goes on beside them.
    pub fn finishing(self, work: impl Future<Output = ()> + Send + 'static) -> Polling<R> {
        Polling { finishing: work.boxed(), ..self }
    }

    /// How it goes, to be asked while it runs.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Acquires the guard and polls until it is to end.
    ///
    /// # Errors
    /// As [`Guard::acquire`]; 130 or 143 where a signal came before the guard was held; and as
    /// [`run_under`](Self::run_under).
    pub async fn run<E, K>(
        mut self,
        config: &Config,
        dispatcher: Dispatcher<R, E, K>,
    ) -> Result<End, Error>
    where
        E: Send + Sync + 'static,
        K: Hash + Eq + Clone + Send,
    {
        let mut stopping = self.stopping.take().map_or_else(StopSignals::by_signals, Ok)?;
        let guard = tokio::select! {
            biased;
            end = stopping.wait() => return shutdown::before_the_start(end),
            guard = Guard::acquire(config) => guard?,
        };
        Polling { stopping: Some(stopping), ..self }.run_under(guard, config, dispatcher).await
    }

    /// Polls under a guard that the program has acquired, until it is to end, and gives the guard
    /// back.
    ///
    /// # Errors
    /// 75 where a conflict lasted longer than `telegram.conflict_window`, or where Telegram cannot
    /// be reached at the start; 78 where it does not accept the bot's token then.
    pub async fn run_under<E, K>(
        self,
        guard: Guard,
        config: &Config,
        mut dispatcher: Dispatcher<R, E, K>,
    ) -> Result<End, Error>
    where
        E: Send + Sync + 'static,
        K: Hash + Eq + Clone + Send,
    {
        let Polling { bot, timeout, stopping, health, asking, finishing } = self;
        let mut stopping = stopping.map_or_else(StopSignals::by_signals, Ok)?;
        let instance = guard.instance().to_owned();
        let listener = Listener::new(
            bot.clone(),
            &instance,
            timeout,
            *config.settings.telegram.conflict_window,
            health,
        )
        .asking(asking);
        let (shared, stop, token) =
            (listener.shared(), listener.stop(), dispatcher.shutdown_token());
        // Boxed, so that the futures around it stay small.
        let mut dispatching = Box::pin(
            dispatcher.try_dispatch_with_listener(listener, IgnoringErrorHandlerSafe::new()),
        );
        let end = tokio::select! {
            biased;
            end = stopping.wait() => Some(end),
            lost = guard.lost() => Some(End::Lost(lost)),
            done = &mut dispatching => done.map(|()| None).map_err(|error| unreached(&instance, &error))?,
        };
        let handled = match end {
            Some(end) => {
                info!("{instance}: {end}: polling stops, and what was taken is finished");
                // The dispatcher does not hear its token while it hands an update over, so the
                // listener is told as well.
                stop.stop();
                let hears = token.shutdown().is_ok();
                let handling = async {
                    if hears {
                        // It has had its first answer: no error is left to come.
                        let _ = dispatching.await;
                    }
                    finishing.await;
                };
                finish(handling, patience(end, config), &instance).await
            }
            None => finish(finishing, None, &instance).await,
        };
        match handled {
            HandlersDone::Everything => shared.confirm(&bot, &instance).await,
            HandlersDone::NotAll => {}
        }
        drop(guard);
        info!("{instance}: given back");
        match shared.stood_down() {
            Some(error) => Err(error),
            None => Ok(end.unwrap_or(End::ShutDown)),
        }
    }
}

/// Whether every handler has finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandlersDone {
    Everything,
    NotAll,
}

/// Waits for the handlers, as long as whoever wants the instance does.
async fn finish<T>(
    dispatching: impl Future<Output = T>,
    patience: Option<Duration>,
    instance: &str,
) -> HandlersDone {
    let Some(patience) = patience else {
        dispatching.await;
        return HandlersDone::Everything;
    };
    if time::timeout(patience, dispatching).await.is_ok() {
        return HandlersDone::Everything;
    }
    warn!(
        "{instance}: handlers still run after {}; they are left behind",
        humantime::format_duration(patience)
    );
    HandlersDone::NotAll
}

/// How long handlers may take to finish. Whoever sends a signal decides that itself; where another
/// guard has the lock already, as long as it would have given them.
fn patience(end: End, config: &Config) -> Option<Duration> {
    match end {
        End::Signalled(_) | End::Told | End::ShutDown => None,
        End::Lost(lost) => Some(lost.within().unwrap_or(config.policy.timeouts.graceful)),
    }
}

/// The first call failed: the bot has polled nothing.
fn unreached(instance: &str, error: &RequestError) -> Error {
    let said = said(error);
    match error {
        RequestError::Api(ApiError::InvalidToken) => Error::new(
            ExitStatus::Config,
            format!("{instance}: Telegram does not accept the bot's token ({said})"),
        )
        .with_hint("ask @BotFather for the token of this bot"),
        _ => Error::new(
            ExitStatus::Refused,
            format!("{instance}: Telegram cannot be reached: {said}"),
        )
        .with_hint("try again later"),
    }
}
