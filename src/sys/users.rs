//! The users of this host.

use std::io;
use std::path::PathBuf;
#[cfg(unix)]
use std::sync::OnceLock;

#[cfg(unix)]
use nix::errno::Errno;

use crate::engine::fact::Fact;
use crate::engine::process::User;
#[cfg(unix)]
use crate::sys::getent::{self, Entry};

#[cfg(windows)]
pub(crate) use crate::sys::machine::windows::{current_user, is_privileged};

/// Returns a user by id. Without an entry in the user database, the name is the id.
#[cfg(unix)]
pub(crate) fn user(uid: u32) -> User {
    let entry = if uid == own_uid() {
        own_entry().ok().flatten()
    } else {
        // A static program names other users as far as /etc/passwd does: asking for each process
        // would take too long.
        nix::unistd::User::from_uid(uid.into()).ok().flatten().map(Entry::from)
    };
    User { id: uid.to_string(), name: entry.map_or_else(|| uid.to_string(), |entry| entry.name) }
}

/// Returns a user by name; `Known(None)` if the user database has no such user.
#[cfg(unix)]
pub(crate) fn user_named(name: &str) -> Fact<Option<User>> {
    let entry = entry(nix::unistd::User::from_name(name), name).ok();
    entry.map(|entry| entry.map(|it| User { id: it.uid.to_string(), name: it.name })).into()
}

#[cfg(unix)]
impl From<nix::unistd::User> for Entry {
    fn from(user: nix::unistd::User) -> Entry {
        Entry { uid: user.uid.as_raw(), name: user.name, home: user.dir }
    }
}

#[cfg(unix)]
fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the entry of this process's user. A failure is not remembered, because it may pass.
#[cfg(unix)]
fn own_entry() -> io::Result<Option<Entry>> {
    static FOUND: OnceLock<Option<Entry>> = OnceLock::new();
    if let Some(entry) = FOUND.get() {
        return Ok(entry.clone());
    }
    let uid = own_uid();
    let entry = entry(nix::unistd::User::from_uid(uid.into()), &uid.to_string())?;
    Ok(FOUND.get_or_init(|| entry).clone())
}

/// Interprets what `getpwnam_r` or `getpwuid_r` returned for `key`, a name or an id.
#[cfg(unix)]
fn entry(found: nix::Result<Option<nix::unistd::User>>, key: &str) -> io::Result<Option<Entry>> {
    match found {
        Ok(Some(user)) => Ok(Some(user.into())),
        // The errors by which these functions say "not found", according to their manual page.
        Ok(None) | Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => {
            entry_that_was_not_found(key)
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks again. glibc says "not found" if it cannot read /etc/passwd and another source, such as
/// systemd's, does not have the user. And a static program has no sources but that file, so it asks
/// getent(1).
#[cfg(unix)]
fn entry_that_was_not_found(key: &str) -> io::Result<Option<Entry>> {
    const IS_STATIC: bool = cfg!(any(target_env = "musl", target_feature = "crt-static"));
    if let Some(entry) = getent::in_etc_passwd(key)? {
        return Ok(Some(entry));
    }
    if !IS_STATIC {
        return Ok(None);
    }
    match getent::passwd(key) {
        Fact::Known(entry) => Ok(entry),
        Fact::Unknown => {
            let why = format!("`getent passwd {key}` failed, and /etc/passwd has no entry");
            Err(io::Error::other(why))
        }
    }
}

#[cfg(windows)]
pub(crate) fn user_named(_name: &str) -> Fact<Option<User>> {
    Fact::Unknown
}

/// Returns a user's home according to the user database; `None` without an entry. `$HOME` may
/// differ under sudo, cron or systemd.
#[cfg(unix)]
pub(crate) fn home(user: &User) -> io::Result<Option<PathBuf>> {
    let Ok(uid) = user.id.parse::<u32>() else { return Ok(None) };
    let entry = if uid == own_uid() {
        own_entry()?
    } else {
        entry(nix::unistd::User::from_uid(uid.into()), &user.id)?
    };
    Ok(entry.map(|entry| entry.home).filter(|home| home.is_absolute()))
}

#[cfg(windows)]
pub(crate) fn home(_user: &User) -> io::Result<Option<PathBuf>> {
    Ok(None)
}

#[cfg(unix)]
pub fn current_user() -> User {
    user(own_uid())
}

#[cfg(unix)]
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}
