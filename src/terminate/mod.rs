//! Carries out a plan: asks guards, sends signals, one ladder.

pub(crate) mod ask;
pub mod execute;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(crate) mod linux;
pub mod process_control;
