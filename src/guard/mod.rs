//! Winning an instance, holding it, and giving it back.

mod account;
mod acquire_locks;
pub(crate) mod by;
pub(crate) mod check;
pub mod entrance;
pub mod held_locks;
pub(crate) mod history_writer;
pub(crate) mod identity;
pub(crate) mod in_process;
pub mod lock_keeper;
pub mod lock_set;
pub mod progress;
pub(crate) mod refused;
pub mod start;
mod start_mutex;
pub mod status;
pub(crate) mod trace;
mod wait;

pub use identity::token;
