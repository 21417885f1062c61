//! How people and machines look at a plan and at a status.
//!
//! Everything is given in, the time too, so that what is said depends on nothing else.

pub mod check_json;
mod condition_facts;
mod conflict_text;
mod context;
pub mod doctor_text;
pub mod explain_json;
pub mod explain_sentence;
pub mod explain_text;
mod format;
pub mod hints;
pub mod history_text;
pub mod plan_json;
pub mod plan_text;
pub mod reasons;
pub(crate) mod start_errors;
pub mod status_json;
pub mod status_text;
pub(crate) mod trace;
mod verdicts;

pub use context::Context;
