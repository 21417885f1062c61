//! COMMAND under its guard: its start, its signals, its end.

pub mod child;
mod guard_exit;
pub mod guard_host;
pub mod left_behind;
mod real_guard_host;
mod run_child;
pub mod supervision;

pub(crate) use run_child::run_child;
pub(crate) use supervision::GuardEvent;
