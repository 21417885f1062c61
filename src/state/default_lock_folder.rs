//! The default lock folder of a user: `{lock_dir}` in `lock.paths`.

use std::path::PathBuf;

use crate::engine::process::User;
use crate::error::Error;
#[cfg(unix)]
use crate::error::ExitStatus;
#[cfg(unix)]
use crate::sys::{filesystem, users};

/// The lock folder of root. Only root can write to it, and a reboot empties it.
#[cfg(unix)]
const RUN: &str = if cfg!(target_os = "linux") { "/run/monopoll" } else { "/var/run/monopoll" };

/// Depends only on the user id, not on the environment, so that all starts of a user share it.
///
/// # Errors
/// Fails if the user's home cannot be determined, or whether it is local. Any other folder could be
/// the wrong one, and a start there would not see this user's other starts.
#[cfg(unix)]
pub fn default_lock_folder(user: &User) -> Result<PathBuf, Error> {
    if user.id == "0" {
        return Ok(PathBuf::from(RUN));
    }
    let unknown = |error| {
        let what = format!("cannot determine the lock folder of user {}", user.name);
        Error::new(ExitStatus::LockFile, format!("{what}: {error}"))
            .with_hint("set `lock.paths` to a file in a folder of this user")
            .due_to(error)
    };
    if let Some(home) = users::home(user).map_err(unknown)? {
        let folder = home.join(".local/state/monopoll");
        if filesystem::is_local_and_writable(&folder).map_err(unknown)? {
            return Ok(folder);
        }
    }
    Ok(PathBuf::from(format!("/var/tmp/monopoll-{}", user.id)))
}

/// Depends only on the user's profile, not on the environment, so that all starts of a user share
/// it. Only the user can write to the profile.
#[cfg(windows)]
pub fn default_lock_folder(user: &User) -> Result<PathBuf, Error> {
    use known_folders::{KnownFolder, get_known_folder_path};

    Ok(match get_known_folder_path(KnownFolder::LocalAppData) {
        Some(local) => local.join("monopoll"),
        None => PathBuf::from(format!(r"C:\ProgramData\monopoll-{}", user.id)),
    })
}
