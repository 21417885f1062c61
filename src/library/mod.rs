//! The library for Rust bots: a guard within the program, and `run` for a child.

mod adopt_or_start;
mod event_observer;
mod guard;
mod guard_thread;
mod in_process_claim;
mod lost;
mod run;

pub(crate) use event_observer::lock_warning;
pub use guard::Guard;
pub use lost::Lost;
pub use run::run;
