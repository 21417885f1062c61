//! Winning an instance, holding it, and giving it back.

mod account;
pub mod course;
pub(crate) mod diary;
pub mod entrance;
pub mod holding;
pub mod place;
pub mod settle;
pub mod status;
