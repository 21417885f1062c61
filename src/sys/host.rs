//! This host's name and its users.

#[cfg(unix)]
use crate::engine::process::User;

#[cfg(windows)]
pub(crate) use crate::sys::machine::windows::{current_user, is_privileged};

/// Returns a user by number; the name is the number where the user database has none.
#[cfg(unix)]
pub(crate) fn user(uid: u32) -> User {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    User { id: uid.to_string(), name: user.map_or_else(|| uid.to_string(), |user| user.name) }
}

#[cfg(unix)]
pub fn current_user() -> User {
    user(rustix::process::geteuid().as_raw())
}

#[cfg(unix)]
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(unix)]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(windows)]
pub fn host_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}
