//! One bot, one poller.

pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod guard;
pub mod host;
pub mod report;
pub mod wrap;
