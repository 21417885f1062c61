//! Winning an instance, holding it, and giving it back.

mod account;
mod acquire_locks;
pub(crate) mod check_command;
pub mod entrance;
pub mod held_locks;
pub(crate) mod history_writer;
pub(crate) mod holder_identity;
pub(crate) mod in_process;
pub(crate) mod instance_name;
pub mod instance_status;
pub mod lock_keeper;
pub mod lock_set;
pub mod start;
mod start_mutex;
pub mod start_progress;
mod wait;

pub use instance_name::token;
