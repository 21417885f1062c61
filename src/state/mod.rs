//! The files beside a lock: lock, record, tickets, requests and answers, history.

pub mod event;
#[cfg(unix)]
pub mod folder;
pub mod history_file;
#[cfg(unix)]
pub mod lock;
#[cfg(unix)]
pub mod lock_dir;
pub mod record;
#[cfg(unix)]
mod small_files;
pub mod state_dir;
#[cfg(windows)]
mod windows;

#[cfg(windows)]
pub use windows::{folder, lock, lock_dir};
