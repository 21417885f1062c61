//! What the user wrote, and what of it is valid.

pub mod settings;
