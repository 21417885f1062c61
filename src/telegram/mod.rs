//! Checks the bot's webhook before a start, if `telegram.webhook` requires it.
//!
//! # Expected flow
//!
//! A start requests `getWebhookInfo` on a separate thread while it takes a snapshot. It needs the
//! answer after the decision and before it signals a process. A webhook is deleted with the locks
//! held, right before the child starts.
//!
//! # Guarantees
//!
//! - `getUpdates` is never called: it would evict the running poller.
//! - If the check fails, the start continues with a warning, within `telegram.timeout`.
//! - The token is sent only to `telegram.api_url`: redirects are not followed, and the token is
//!   removed from messages of the client and the server. (If a program that uses the library
//!   installs a `log` logger at trace level, that logger sees the client's own records, including
//!   the request.)
//! - If nothing is requested, there is no thread, no TLS and no connection.

mod api_error;
mod background_request;
mod bot_api;
mod proxy;
mod response;
mod webhook_preflight;

pub use api_error::ApiError;
pub use background_request::WebhookAnswer;
pub use response::Webhook;
pub(crate) use webhook_preflight::WebhookRemoval;
pub use webhook_preflight::{Preflight, PreflightReport, ask_for_webhook};
