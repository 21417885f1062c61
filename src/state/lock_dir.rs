//! Where a user's locks are, if nothing else is said.

use std::path::PathBuf;

use crate::{engine::process::User, sys::filesystem};

/// What is emptied at a reboot, and what only root writes to.
const RUN: &str = if cfg!(target_os = "linux") { "/run/monopoll" } else { "/var/run/monopoll" };

/// The lock folder of this user: by the user id alone, never by the environment, so that every
/// start of one user meets.
#[must_use]
pub fn lock_dir(user: &User) -> PathBuf {
    if user.id == "0" {
        return PathBuf::from(RUN);
    }
    home(user)
        .map(|home| home.join(".local/state/monopoll"))
        .filter(|folder| filesystem::is_local_and_writable(folder))
        .unwrap_or_else(|| PathBuf::from(format!("/var/tmp/monopoll-{}", user.id)))
}

/// By the user database: `$HOME` may say something else under sudo, cron or systemd.
fn home(user: &User) -> Option<PathBuf> {
    let uid: u32 = user.id.parse().ok()?;
    let entry = nix::unistd::User::from_uid(uid.into()).ok().flatten()?;
    Some(entry.dir).filter(|home| home.is_absolute())
}
