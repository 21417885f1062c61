//! Linux: `/proc`, pidfds, inotify, signalfd.
#![expect(clippy::disallowed_methods, reason = "this is the machine itself")]

pub mod file_watch;
pub(crate) mod memory;
pub mod pidfd;
pub mod poll;
pub(crate) mod proc_fs;
pub(crate) mod proc_stat;
pub(crate) mod reader_pool;
pub(crate) mod signals;
