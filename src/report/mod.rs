//! How people and machines look at a plan and at a status.
//!
//! Everything is given in, the time too, so that what is said depends on nothing else.

mod advice;
mod block;
pub mod check_json;
mod command;
mod context;
pub mod diagnostic;
pub mod doctor;
pub mod document;
pub mod excerpt;
pub mod explain_document;
pub mod explain_json;
pub mod explain_text;
mod facts;
pub mod history_text;
pub mod mask;
mod paint;
pub mod plan_json;
pub mod plan_text;
pub mod status_json;
pub mod status_text;
mod verdicts;
pub mod way_out;
mod wording;

pub use context::Context;
pub use paint::Paint;
