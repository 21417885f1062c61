//! A child under a guard: its start, its signals, its end.

pub(crate) mod spawn;
pub mod supervise;
