//! A child under a guard: its start, its signals, its end.

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(crate) mod child;
mod event_loop;
mod run_child;

pub(crate) use event_loop::GuardEvent;
pub(crate) use run_child::run_child;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub(crate) mod portable;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod spawn;

#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub(crate) use portable as child;
