//! What Telegram itself says about a bot: asked before a start, where the configuration wants it.
//! How a bot of teloxide's polls under a guard is in `dispatch` (feature `teloxide`).
//!
//! # Expected flow
//!
//! `run` sets out with `getWebhookInfo` on a thread beside the look at the machine, and needs the
//! answer only once it has decided, before anybody is signalled. A webhook is deleted with the
//! locks in hand, right before COMMAND is started.
//!
//! # Guarantees
//!
//! - Before a start `getUpdates` is never asked: it would evict whoever polls.
//! - The check is best effort: whatever goes wrong with it, the start goes on with a warning,
//!   within `telegram.timeout`.
//! - The token goes to `telegram.api_url` and nowhere else: no redirect is followed, and nothing
//!   that the client or the server says is repeated before the token was taken out of it. (Whoever
//!   installs a `log` logger at its trace level into a program that uses this library sees the
//!   client's own records, with the request in them.)
//! - Where nobody is asked there is no thread, no TLS and no connection.

mod api;
mod api_error;
mod background;
mod preflight;
mod proxy;
mod response;

pub use api_error::ApiError;
pub use background::Seen;
pub(crate) use preflight::FinalCheck;
pub use preflight::{Preflight, PreflightReport, look};
pub use response::Webhook;
