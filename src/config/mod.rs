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
mod build_policy;
pub mod compile;
pub mod discover;
pub mod dotenv;
mod duration;
mod exposed_secrets;
mod keys;
mod layer;
mod load;
pub mod location;
pub mod lock_path;
mod log_filter;
mod overrides;
mod parse;
pub mod problem;
mod scalar;
pub mod schema;
pub mod settings;
pub mod source;
mod syntax;
mod validate;
mod value;
mod whole;

pub use api_url::{ApiUrl, Scheme};
pub use compile::{CheckCommand, Config, Logging, Telegram};
pub use discover::Sources;
pub use location::{Location, Origin};
pub use lock_path::{LockPath, Placeholders};
pub use problem::{Problem, Problems};
