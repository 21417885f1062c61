//! Systems other than Linux: processes as sysinfo sees them, and a patient second look where a
//! kernel would tell.
#![expect(clippy::disallowed_methods, reason = "this is the machine itself")]

pub mod file_watch;
pub(crate) mod memory;
pub mod pidfd;
pub mod poll;
pub(crate) mod process_table;
#[cfg(unix)]
pub(crate) mod unix;
pub(crate) mod wake_pipe;
#[cfg(windows)]
pub(crate) mod windows;

#[cfg(unix)]
pub(crate) use unix as system;
#[cfg(windows)]
pub(crate) use windows as system;
