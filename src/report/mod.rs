//! How people and machines look at a plan.
//!
//! Everything is given in, the time too, so that what is said depends on nothing else.

mod advice;
mod block;
pub mod check_json;
mod command;
mod context;
pub mod diagnostic;
pub mod document;
pub mod excerpt;
pub mod mask;
mod paint;
pub mod plan_json;
pub mod plan_text;
mod wording;

pub use context::Context;
pub use paint::Paint;
