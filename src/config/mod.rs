//! Reads what the user wrote, or says everything that is wrong with it.
//!
//! Expected flow: [`Sources`] name every place a value may come from; each is parsed into a tree
//! with locations and validated by itself, whether its values win or not; the layers are merged
//! into [`settings::Settings`], and these become a [`Config`].
//!
//! Guarantees: nothing is read from the process but by [`Sources::from_process`]; every problem of
//! every layer is found in one go, with its location; a secret never gets into a message.
//!
//! To add a key: one line in `settings.rs` or `rule_tables.rs`, and its use.

mod api_url;
pub mod dotenv;
mod duration;
pub(crate) mod find_file;
mod impossible_patterns;
pub(crate) mod key_types;
mod layers;
#[warn(missing_docs)]
mod load;
mod location;
mod lock_path;
mod log_filter;
mod overrides;
mod parsed_text;
#[warn(missing_docs)]
mod problem;
mod rule_tables;
pub mod settings;
mod source_text;
#[warn(missing_docs)]
mod sources;
mod spanned_value;
mod syntax_error;
mod validate;
mod value_types;

pub use api_url::ApiUrl;
pub(crate) use api_url::Scheme;
pub use load::Config;
pub use location::{Location, Origin};
pub use lock_path::{LockPath, Placeholders};
pub use parsed_text::Parsed;
pub use problem::{Problem, Problems, render};
pub use source_text::Position;
pub(crate) use source_text::SourceName;
pub use sources::Sources;
