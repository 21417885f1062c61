//! The project's own files: what the documentation promises, how the sources are laid out, what is
//! deployed.
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
// What it names are the tests of this system.
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod guarantees;
mod imports;
#[cfg(target_os = "linux")]
mod kubernetes;
mod layout;
mod managed_by;
#[cfg(target_os = "linux")]
mod pictures;
mod prose;
// Pages show what is printed on Linux.
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod snippets;
