//! The files next to a lock.

pub mod counted_takeovers;
pub mod default_lock_folder;
pub mod end_request;
pub mod history_event;
pub mod history_file;
pub mod lock_file;
pub mod lock_folder;
pub mod record;
pub mod state_dir;
mod ticket_counter;
