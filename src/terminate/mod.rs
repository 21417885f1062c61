//! Carries out a plan by sending requests to guards and signals to other processes.

pub mod execute;
mod guard_requests;
pub mod real_host;
pub mod process_control;
