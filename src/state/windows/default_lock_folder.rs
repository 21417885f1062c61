//! The default lock folder of a user: `{lock_dir}` in `lock.paths`.

use std::path::PathBuf;

use known_folders::{KnownFolder, get_known_folder_path};

use crate::engine::process::User;

/// Depends on the user's profile, never on the environment, so that all starts of a user meet. Only
/// the user may write to the profile.
#[must_use]
pub fn default_lock_folder(user: &User) -> PathBuf {
    match get_known_folder_path(KnownFolder::LocalAppData) {
        Some(local) => local.join("monopoll"),
        None => PathBuf::from(format!(r"C:\ProgramData\monopoll-{}", user.id)),
    }
}
