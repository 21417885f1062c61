//! Real bots under `monopoll run`, against a Bot API server that keeps account: an aiogram and a teloxide echo bot, 20 updates a
//! second, 1.5 s of work for each. One file a behaviour; every test plays its scene with both bots at once.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may fail, and real processes are started")]
#![expect(clippy::disallowed_macros, reason = "what a test prints is shown where it fails, and the soak prints figures")]

#[path = "../support/botapi/mod.rs"]
mod botapi;
#[path = "../support/mod.rs"]
mod support;

mod actions;
mod founding;
mod frozen;
mod killed;
mod kinds;
mod scene;
mod soak;
