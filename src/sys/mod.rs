//! Operating-system primitives: clocks, poll, wake pipe, pidfd, signals, file watch, file mutex,
//! permissions, mounts. They contain no policy and use no domain types.
//!
//! Other modules use one set of them as `machine`: Linux's own, based on its kernel, or the
//! portable one, based on sysinfo. `--cfg monopoll_portable` selects the portable set on Linux, to
//! test it there with real processes.

#[cfg(unix)]
pub mod allocator;
pub mod clock;
#[cfg(unix)]
pub(crate) mod command_output;
pub mod file_id;
pub mod file_mutex;
pub mod filesystem;
pub mod folder_owner;
#[cfg(unix)]
pub(crate) mod folder_permissions;
#[cfg(unix)]
pub(crate) mod getent;
pub mod host_names;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub mod linux;
pub mod mounts;
pub mod peer_pattern;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub mod portable;
#[cfg(unix)]
pub(crate) mod signal_numbers;
pub mod ticker;
#[cfg(unix)]
pub(crate) mod tokio_signals;
pub mod users;
pub mod wake;

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub use linux as machine;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub use portable as machine;

pub(crate) const UNFINISHED: &str = "new";
