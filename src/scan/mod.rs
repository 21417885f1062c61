//! The process table as a snapshot: what concerns this start, each fact known or unknown.

pub mod capabilities;
pub mod cgroup;
pub mod command;
pub mod container;
pub mod env_marker;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub mod linux;
pub mod lock_probe;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub mod portable;
pub mod request;
pub mod script;
pub mod supervisor_detection;

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub use linux as machine;
#[cfg(any(not(target_os = "linux"), monopoll_portable))]
pub use portable as machine;
