//! The default lock folder of a user: `{lock_dir}` in `lock.paths`.

use std::path::PathBuf;

use crate::engine::process::User;

/// The lock folder of root. Only root can write to it, and a reboot empties it.
#[cfg(unix)]
const RUN: &str = if cfg!(target_os = "linux") { "/run/monopoll" } else { "/var/run/monopoll" };

/// Depends only on the user id, not on the environment, so that all starts of a user share it.
#[cfg(unix)]
pub fn default_lock_folder(user: &User) -> PathBuf {
    if user.id == "0" {
        return PathBuf::from(RUN);
    }
    crate::sys::users::home(user)
        .map(|home| home.join(".local/state/monopoll"))
        .filter(|folder| crate::sys::filesystem::is_local_and_writable(folder))
        .unwrap_or_else(|| PathBuf::from(format!("/var/tmp/monopoll-{}", user.id)))
}

/// Depends only on the user's profile, not on the environment, so that all starts of a user share
/// it. Only the user can write to the profile.
#[cfg(windows)]
pub fn default_lock_folder(user: &User) -> PathBuf {
    use known_folders::{KnownFolder, get_known_folder_path};

    match get_known_folder_path(KnownFolder::LocalAppData) {
        Some(local) => local.join("monopoll"),
        None => PathBuf::from(format!(r"C:\ProgramData\monopoll-{}", user.id)),
    }
}
