//! Makes text safe and readable: masks secrets, quotes, cuts excerpts, underlines and colors.

mod command_line;
mod config_secrets;
mod count;
mod diagnostic;
mod excerpt;
mod json_schema;
mod mask;
mod printable;
mod quote;
mod style;
mod suggest;

pub use command_line::{command_line, short_command_line};
pub(crate) use config_secrets::config_secret_spans;
pub use count::count;
pub use diagnostic::Diagnostic;
pub(crate) use excerpt::line_range;
pub use excerpt::{Excerpt, excerpt};
pub use json_schema::{output_schema, with_unwrapped_descriptions};
pub(crate) use mask::{MASK, SECRET_LENGTH};
pub use mask::{mask_secrets, sanitize, secret_spans};
pub use printable::{is_nonprinting, printable, truncate};
pub(crate) use quote::MAX_LINE;
pub use quote::{quote, shell_quote, short_name, short_path};
pub use style::Paint;
pub(crate) use style::Style;
pub use suggest::{closest_name, join_and, join_or};
