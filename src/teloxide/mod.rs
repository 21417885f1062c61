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
//! async fn serve() -> Result<monopoll::teloxide::StopReason, monopoll::Error> {
//!     let config = monopoll::Config::load(&monopoll::Sources::from_process()?)?;
//!     let bot = Bot::from_env();
//!     let echo = async |bot: Bot, message: Message| {
//!         bot.send_message(message.chat.id, "I hear you").await.map(drop)
//!     };
//!     let handler = Update::filter_message().endpoint(echo);
//!     let dispatcher = Dispatcher::builder(bot.clone(), handler).build();
//!     monopoll::teloxide::run(&config, bot, dispatcher).await
//! }
//! ```
//!
//! # Expected flow
//!
//! Acquire the guard, then poll; when a signal, the program or the guard says so, stop polling, let
//! the handlers finish the updates that they were given, confirm these to the server, give the
//! guard back.
//!
//! # Guarantees
//!
//! - No request is sent to Telegram before the guard is held, nor after it was released.
//! - Confirmed updates were handled: the last offset goes to the server after the last handler has
//!   finished, and updates that no handler was given yet are left to the next poller. (While the
//!   bot runs, an update is confirmed by the poll after it, as in every long poll: a SIGKILL loses
//!   what is being handled, unless the program stores it; see [`Polling::get_updates_with`].)
//! - A 409 is ridden out for `telegram.conflict_window`, counted, and logged with its meaning; then
//!   polling ends with an error whose exit status is 75, so that a supervisor tries again later.
//!   409s less than half a window apart, or 20 s if that is more, are one conflict. The log says
//!   whether a webhook or another poller causes it.
//! - After any other failure, such as a network that is down, the poll is repeated for as long as
//!   it takes; [`Health`] has the time since the last good one.
//! - Nothing panics when Telegram cannot be reached or does not accept the token.

mod conflict_window;
mod health;
mod listener;
mod poll_state;
mod polling;
mod shutdown;

use std::hash::Hash;

use teloxide::RequestError;
use teloxide::dispatching::Dispatcher;
use teloxide::requests::Requester;

pub use health::Health;
pub use polling::Polling;
pub use shutdown::StopReason;

use crate::config::Config;
use crate::error::Error;

/// Acquires the guard and runs the dispatcher until SIGTERM or SIGINT arrives, or the guard is
/// lost. `bot` must be the dispatcher's. [`Polling`] has more options.
///
/// # Errors
/// As [`Polling::run`].
pub async fn run<R, E, K>(
    config: &Config,
    bot: R,
    dispatcher: Dispatcher<R, E, K>,
) -> Result<StopReason, Error>
where
    R: Requester<Err = RequestError> + Clone + Send + Sync + 'static,
    R::GetUpdates: Send,
    E: Send + Sync + 'static,
    K: Hash + Eq + Clone + Send,
{
    Polling::new(bot).run(config, dispatcher).await
}
