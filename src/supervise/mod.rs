//! COMMAND under its guard: its start, its signals, its end.

mod child;
mod child_guard;
mod left_behind;
mod run_child;

pub(crate) use child_guard::GuardEvent;
pub(crate) use run_child::run_child;
