//! Winning an instance, holding it, and giving it back.

mod account;
mod acquire;
pub(crate) mod by;
pub(crate) mod check;
pub(crate) mod chronicle;
mod claim;
pub mod course;
pub(crate) mod diary;
pub mod entrance;
mod env_file;
pub mod holding;
pub(crate) mod identity;
pub mod keeper;
mod library;
mod lost;
pub mod place;
mod queue;
pub(crate) mod refused;
mod resident;
pub mod settle;
pub mod status;
mod taken;
mod turnstile;

pub use env_file::in_env_file;
pub use identity::token;
pub use library::Guard;
pub use lost::Lost;
