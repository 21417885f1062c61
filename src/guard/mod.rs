//! Winning an instance, holding it, and giving it back.

pub(crate) mod diary;
pub mod place;
pub mod settle;
