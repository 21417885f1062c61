//! Where a user's locks are, if nothing else is said.

use std::path::PathBuf;

use known_folders::{KnownFolder, get_known_folder_path};

use crate::engine::process::User;

/// The lock folder of this user: by what the system knows of the user, never by the environment, so
/// that every start of one user meets. It is in the profile, where nobody else may write; a user
/// without one has a folder by the SID.
#[must_use]
pub fn lock_dir(user: &User) -> PathBuf {
    match get_known_folder_path(KnownFolder::LocalAppData) {
        Some(local) => local.join("monopoll"),
        None => PathBuf::from(format!(r"C:\ProgramData\monopoll-{}", user.id)),
    }
}
