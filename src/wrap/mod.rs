//! A child under a guard: its start, its signals, its end.

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(crate) mod child;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub(crate) mod portable;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod spawn;
pub mod supervise;

/// What a child finds in its environment: the instance, the ticket and the guard that holds it, with its start time.
pub(crate) const HELD: &str = "MONOPOLL_HELD";

#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub(crate) use portable as child;
