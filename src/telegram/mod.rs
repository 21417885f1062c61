//! Asks Telegram for the bot's webhook before a start, if `telegram.webhook` says so.
//!
//! # Expected flow
//!
//! A start asks `getWebhookInfo` on a thread of its own while it takes a snapshot, and needs the
//! answer once it has decided, before it signals any process. A webhook is deleted while the locks
//! are held, right before the child is started.
//!
//! # Guarantees
//!
//! - `getUpdates` is never called: it would evict the process that polls.
//! - After any failure the start goes on with a warning, within `telegram.timeout`.
//! - The token goes to `telegram.api_url` and nowhere else: no redirect is followed, and the token
//!   is removed from what client and server say. (A `log` logger at trace level, installed by a
//!   program that uses the library, sees the client's own records with the request in them.)
//! - Without a request there is no thread, no TLS and no connection.

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
