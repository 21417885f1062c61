//! On which volumes a lock means what it says.

use std::path::{Component, Path, Prefix};

use crate::{error::Error, scan::capabilities::FolderFacts, state::windows::folder::unsafe_lock};

/// # Errors
/// The folder is on another host; a drive letter that stands for a share was resolved before.
pub(crate) fn insist_on_local(folder: &Path) -> Result<(), Error> {
    match folder.components().next() {
        Some(Component::Prefix(prefix))
            if matches!(prefix.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..)) =>
        {
            Err(unsafe_lock(folder, "the folder is on a network share")
                .hint("name a folder on a local disk in `lock.paths`"))
        }
        _ => Ok(()),
    }
}

/// What can be said of a folder: nothing that its being opened has not said.
#[must_use]
pub fn facts(_folder: &Path) -> Option<FolderFacts> {
    None
}
