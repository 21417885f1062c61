//! Real bots under `monopoll run`, against a Bot API server that keeps account: 20 updates a
//! second, 1.5 s of work for each. One file a behaviour; every test plays its scene with an aiogram
//! and a teloxide echo bot side by side, and where it is about an orderly end with bots of all
//! frameworks.
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
mod bare;
mod botapi_server;
mod founding;
mod frozen;
mod killed;
mod kinds;
mod reloaders;
mod scene;
mod soak;
#[cfg(feature = "teloxide")]
mod teloxide;
