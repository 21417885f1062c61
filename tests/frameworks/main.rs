//! Real bots under `monopoll run`, with a Bot API server that keeps statistics: 20 updates per
//! second with 1.5 s of work each. Each test runs an aiogram and a teloxide echo bot in parallel;
//! tests of a graceful end run bots of all frameworks.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and real processes are started"
)]
#![expect(
    clippy::disallowed_macros,
    reason = "what a test prints is shown where it fails, and the soak prints figures"
)]

mod actions;
mod botapi_server;
mod ensure;
mod killed;
mod kinds;
mod reloaders;
mod scene;
mod sigstop;
mod soak;
#[cfg(feature = "teloxide")]
mod teloxide;
mod two_pollers;
mod without_recipe;
