//! What `monopoll run` and `monopoll plan` do to real processes. One file a behaviour; one program, so that they run side by side.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../support/mod.rs"]
mod support;

mod second_start;
