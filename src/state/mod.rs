//! The files beside a lock: the lock, the guard's record, the ticket counter, requests and answers,
//! the history.

#[cfg(unix)]
pub mod default_lock_folder;
pub mod history_event;
pub mod history_file;
#[cfg(unix)]
pub mod lock_file;
#[cfg(unix)]
pub mod lock_folder;
pub mod protocol;
pub mod record;
#[cfg(unix)]
mod small_files;
pub mod state_dir;
mod ticket_counter;
#[cfg(windows)]
mod windows;

#[cfg(windows)]
pub use windows::{default_lock_folder, lock_file, lock_folder};
