//! Systems other than Linux: processes as sysinfo shows them, and regular checks instead of
//! notifications.

pub mod file_watch;
pub mod poll;
pub mod process_handle;
pub(crate) mod process_table;
pub mod signals;
pub(crate) mod start_time;
#[cfg(unix)]
pub(crate) mod unix;
#[cfg(windows)]
pub(crate) mod windows;

#[cfg(unix)]
pub(crate) use unix as system;
#[cfg(windows)]
pub(crate) use windows as system;

/// Only Linux shows which memory can be released.
pub(crate) mod memory {
    pub(crate) fn share_one_heap() {}

    pub(crate) fn release_unused() {}
}
