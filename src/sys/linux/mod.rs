//! Linux: `/proc`, pidfds, inotify, signalfd, netlink.
#![expect(clippy::disallowed_methods, reason = "this is the machine itself")]

mod blocked_reads;
mod diag_bytecode;
pub(crate) mod elf;
pub mod file_watch;
pub(crate) mod foreign_formats;
pub(crate) mod memory;
pub mod poll;
pub(crate) mod proc_fs;
pub mod proc_net_tcp;
pub mod proc_stat;
pub mod process_handle;
pub(crate) mod reader_pool;
pub mod signals;
pub mod sock_diag;
pub(crate) mod start_time;
pub(crate) mod write_lease;
