//! Carries out a plan by sending requests to guards and signals to other processes.

pub mod execute;
pub mod guard_requests;
pub mod process_control;
pub mod real_host;
