//! Carries out a plan: asks guards, sends signals, one ladder.

pub mod execute;
mod guard_requests;
pub mod machine;
pub mod process_control;
