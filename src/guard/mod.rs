//! Acquires, holds and releases an instance.

mod attempt;
mod attempt_state;
mod changed_env_file;
mod changed_settings_link;
pub(crate) mod check_command;
pub(crate) mod copy_scans;
mod env_files;
mod file_age;
pub mod follow_up;
pub mod follow_up_event;
pub mod held_locks;
mod history_writer;
pub(crate) mod instance_name;
pub mod instance_status;
mod later_copy;
pub mod lock_monitor;
pub mod lock_set;
pub mod not_started;
mod other_env_files;
pub(crate) mod parent_guard;
pub mod second_copy;
pub mod start;
mod start_deadlines;
pub mod start_event;
pub mod start_request;
#[warn(missing_docs)]
pub(crate) mod token_lookup;
mod unclear_token;

pub use token_lookup::token;
