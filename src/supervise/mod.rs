//! COMMAND under its guard: its start, its signals, its end.

mod child;
mod guard_exit;
mod left_behind;
mod run_child;
mod supervision;

pub(crate) use run_child::run_child;
pub(crate) use supervision::GuardEvent;
