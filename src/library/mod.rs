//! The guard for a Rust bot: its thread, its loss, giving it back.

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
