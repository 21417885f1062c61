//! Winning an instance, holding it, and giving it back.

pub mod course;
pub mod holding;
pub mod place;
pub mod settle;
