//! Tests of the project's own files: the documentation, the layout of the sources, and the
//! deployment files.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail, and this reads the project's own files"
)]
#![cfg_attr(
    target_os = "linux",
    expect(clippy::disallowed_macros, reason = "says why a test is skipped")
)]

mod configuration;
#[cfg(target_os = "linux")]
mod deploy;
// It names tests that exist only on this system.
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod guarantees;
mod imports;
#[cfg(target_os = "linux")]
mod kubernetes;
mod layout;
mod managed_by;
#[cfg(target_os = "linux")]
mod pictures;
#[cfg(target_os = "linux")]
mod planted;
mod prose;
// Pages show the output on Linux.
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod skips;
mod snippets;
