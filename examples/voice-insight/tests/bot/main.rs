//! The Voice-to-Insight bot as people run it: the program itself, against a Bot API server and
//! endpoints of the tests. One file a behaviour.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and real processes are started"
)]

mod commands;
mod delivery;
mod endpoints;
mod hand_over;
mod kinds;
mod queue;
mod scene;
mod validation;
