//! Winning an instance, holding it, and giving it back.

mod attempt;
pub(crate) mod check_command;
pub(crate) mod held_locks;
mod history_writer;
pub(crate) mod instance_name;
pub mod instance_status;
pub(crate) mod lock_keeper;
pub mod lock_set;
pub(crate) mod not_started;
pub(crate) mod start;
pub(crate) mod start_event;
mod start_host;
mod start_progress;
pub(crate) mod start_request;

pub use instance_name::token;
