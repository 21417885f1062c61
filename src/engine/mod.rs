//! The decision, without I/O.
//!
//! [`decide::decide`] turns a [`policy::Policy`] and a [`snapshot::Snapshot`] into a
//! [`plan::Plan`]. Nothing here reads a file, a clock or a process; clippy's `disallowed-methods`
//! enforces that.

pub mod action;
mod candidates;
pub mod carried_tokens;
pub mod changed_settings;
pub mod choosing_variables;
mod classify;
pub mod command_parts;
pub mod condition;
pub mod counter_evidence;
pub mod decide;
pub mod evidence;
pub mod evidence_kind;
pub mod explain;
pub mod fact;
mod helper_programs;
pub mod instance;
pub mod ladder;
pub mod likeness;
pub mod managed_by;
pub mod near_miss;
pub mod pattern;
pub mod plan;
pub mod policy;
pub mod process;
pub mod reason;
pub mod respawn;
pub mod rules;
mod safety_rules;
mod servers_of_others;
pub mod shield;
pub mod signal;
pub mod signal_sequence;
pub mod snapshot;
pub mod takeover_limit;
pub mod ticket;
#[warn(missing_docs)]
pub mod token;
pub mod token_variables;
mod unrelated_variables;
pub(crate) mod variable_kind;
