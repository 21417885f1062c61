//! Winning an instance, holding it, and giving it back.

pub mod place;
pub mod settle;
