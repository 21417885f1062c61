//! A child under a guard: its start, its signals, its end.

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(crate) mod child;
pub mod event_loop;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub(crate) mod portable;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod spawn;

#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub(crate) use portable as child;
