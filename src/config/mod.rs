//! Loads the configuration, or reports everything that is wrong with it.
//!
//! Flow: [`Sources`] lists every place that values come from. Each source is parsed into a tree
//! with locations and validated separately, even if its values do not take effect. The layers are
//! merged into [`settings::Settings`], which become a [`Config`].
//!
//! Guarantees: only [`Sources::from_process`] reads from the process. All problems of all layers
//! are reported at once, with locations. Messages contain no secrets.
//!
//! `CONTRIBUTING.md` lists the steps to add a key.

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
pub(crate) use lock_path::is_companion;
pub use lock_path::{LockPath, Placeholders};
pub use parsed_text::Parsed;
pub use problem::{Problem, Problems, render};
pub use source_text::Position;
pub(crate) use source_text::SourceName;
pub use sources::Sources;
