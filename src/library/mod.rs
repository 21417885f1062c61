//! The guard for a Rust bot: its thread, its loss, giving it back.

mod acquire;
mod guard;
mod guard_thread;
mod in_process_claim;
mod lost;

pub use guard::Guard;
pub use lost::Lost;
