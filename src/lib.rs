//! One bot, one poller.

pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
#[cfg(target_os = "linux")]
pub mod guard;
pub mod host;
pub mod report;
#[cfg(target_os = "linux")]
pub mod wrap;
