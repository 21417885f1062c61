//! Shared test support: the stage for real processes, the Bot API server and the HTTP endpoint. The
//! bots are in `examples/`.
#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "used by tests alone, which may fail"
)]
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::disallowed_macros,
        clippy::len_without_is_empty,
        clippy::new_without_default,
        clippy::return_self_not_must_use,
        reason = "no interface but the tests'; what a test prints is shown where it fails"
    )
)]

#[cfg(target_os = "linux")]
pub mod botapi;
pub mod endpoint;
#[cfg(target_os = "linux")]
pub mod previous_version;
#[cfg(target_os = "linux")]
pub mod programs;
#[cfg(target_os = "linux")]
pub mod stage;
#[cfg(target_os = "linux")]
pub mod terminal;
