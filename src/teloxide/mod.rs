//! Runs a teloxide dispatcher under a guard.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use monopoll::{Config, Error, ExitStatus, Sources};
//! use teloxide::prelude::*;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> ExitCode {
//!     monopoll::exit(serve().await)
//! }
//!
//! async fn serve() -> Result<monopoll::teloxide::StopReason, Error> {
//!     let config = Config::load(&Sources::from_process()?)?;
//!     let token = monopoll::token(&config)
//!         .ok_or_else(|| Error::new(ExitStatus::Config, "no bot token is set"))?;
//!     let bot = Bot::new(token.expose());
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
//! Acquire the guard and poll. When a signal arrives, the program requests a stop, or the guard is
//! lost: stop polling, let the handlers finish their updates, confirm these to the server, and
//! release the guard.
//!
//! # Guarantees
//!
//! - No request is sent to Telegram before the guard is acquired or after it is released.
//! - On shutdown, the last offset is confirmed only after the last handler has finished, and
//!   updates that no handler received are left to the next poller. (While the bot runs, each poll
//!   confirms the updates before it, as in any long polling. A SIGKILL therefore loses the updates
//!   in progress, unless the program stores them; see [`Polling::get_updates_with`].)
//! - A 409 is retried for `telegram.conflict_window`, counted, and logged with its cause: a webhook
//!   or another poller. After that, polling ends with an error whose exit status is 75, so that a
//!   supervisor tries again later. 409s that are less than half a window, or 20 s if that is more,
//!   apart belong to the same conflict.
//! - Any other failure, such as a network outage, is retried until it is over. [`Health`] has the
//!   time since the last successful poll.
//! - An unreachable server or a rejected token causes no panic.

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

/// Acquires the guard and runs the dispatcher until SIGTERM or SIGINT arrives or the guard is lost.
/// `bot` must be the same bot as the dispatcher's. [`Polling`] has more options.
///
/// # Errors
/// Fails like [`Polling::run`].
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
