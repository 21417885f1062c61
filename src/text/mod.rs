//! Makes text safe and readable: masks secrets, quotes for a shell, cuts excerpts, underlines, colours.

pub mod command_line;
pub mod diagnostic;
pub mod excerpt;
pub mod json_schema;
pub mod mask;
pub mod quote;
pub mod style;
