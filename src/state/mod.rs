//! The files next to a lock.

pub mod default_lock_folder;
pub mod history_event;
pub mod history_file;
pub mod lock_file;
pub mod lock_folder;
pub mod protocol;
pub mod record;
pub mod state_dir;
mod ticket_counter;
