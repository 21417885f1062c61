//! What the user wrote, and what of it is valid.
//!
//! Expected flow: [`Sources`] name every place a value may come from; each becomes a tree that
//! remembers its places; each tree is checked by itself, whether its values win or not; figment
//! lays them over each other into [`settings::Settings`]; [`Config`] is that, compiled.
//!
//! Guarantees: nothing is read from the process but by [`Sources::here`] – environment and working
//! directory are given –, and every problem of every layer is found in one go, with its place. A
//! secret never gets into a message.

mod api_url;
pub mod compile;
mod concealed;
mod duration;
mod exposure;
mod filter;
mod keys;
mod layer;
mod load;
pub mod lock_path;
mod node;
mod overrides;
mod parse;
pub mod place;
pub mod problem;
mod rules;
pub mod schema;
pub mod settings;
pub mod source;
pub mod sources;
mod syntax;
mod text;
mod validate;
mod whole;
pub mod wording;

pub use api_url::{ApiUrl, Scheme};
pub use compile::{CheckCommand, Config, Logging, Telegram};
pub use lock_path::{LockPath, Placeholders};
pub use place::{Origin, Place};
pub use problem::{Problem, Problems};
pub use sources::Sources;
