//! The users of this host.

use std::path::PathBuf;

use crate::engine::fact::Fact;
use crate::engine::process::User;

#[cfg(windows)]
pub(crate) use crate::sys::machine::windows::{current_user, is_privileged};

/// Returns a user by id. Without an entry in the user database, the name is the id.
#[cfg(unix)]
pub(crate) fn user(uid: u32) -> User {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    User { id: uid.to_string(), name: user.map_or_else(|| uid.to_string(), |user| user.name) }
}

/// Returns a user by name; `Known(None)` if the user database has no such user.
#[cfg(unix)]
pub(crate) fn user_named(name: &str) -> Fact<Option<User>> {
    let entry = nix::unistd::User::from_name(name).ok();
    entry.map(|entry| entry.map(|user| User { id: user.uid.to_string(), name: user.name })).into()
}

#[cfg(windows)]
pub(crate) fn user_named(_name: &str) -> Fact<Option<User>> {
    Fact::Unknown
}

/// Returns the user's home according to the user database. `$HOME` may differ under sudo, cron or
/// systemd.
#[cfg(unix)]
pub(crate) fn home(user: &User) -> Option<PathBuf> {
    let uid: u32 = user.id.parse().ok()?;
    let entry = nix::unistd::User::from_uid(uid.into()).ok().flatten()?;
    Some(entry.dir).filter(|home| home.is_absolute())
}

#[cfg(windows)]
pub(crate) fn home(_user: &User) -> Option<PathBuf> {
    None
}

#[cfg(unix)]
pub fn current_user() -> User {
    user(rustix::process::geteuid().as_raw())
}

#[cfg(unix)]
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}
