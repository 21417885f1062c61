//! The folder of a lock: refuses unsafe owners, permissions and file systems, and is the only way
//! to open, read, write and remove files in it.
//!
//! Links are never followed, nothing is truncated in place, and files of other users are refused.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

#[cfg(unix)]
pub use unix::LockFolder;
#[cfg(windows)]
pub use windows::LockFolder;

use tracing::trace;

use crate::error::Error;
use crate::sys::UNFINISHED;

/// The maximum number of bytes read from a file; a record has about 500.
const MAX_READ: u64 = 64 << 10;

/// Room for a record, so that one read is enough.
const USUAL_LENGTH: usize = 1 << 10;

const REMOVE_FILE: &str = "remove it, or choose another file in `lock.paths`";
const OTHER_FOLDER: &str = "choose another folder in `lock.paths`";

impl LockFolder {
    /// Opens `path`, and creates it if it is missing; `None` if it vanished in the meantime.
    pub fn open_or_create(path: &Path) -> Result<Option<LockFolder>, Error> {
        Self::create_path(path).map_err(|error| {
            let why = format!("cannot create the folder ({error})");
            Error::unsafe_lock(path, &why).with_hint(OTHER_FOLDER).due_to(error)
        })?;
        Self::open_existing(path)
    }

    /// Opens `path` with its links resolved; `None` if it is missing.
    pub fn open_existing(path: &Path) -> Result<Option<LockFolder>, Error> {
        match fs::canonicalize(path) {
            Ok(path) => Self::open_resolved(path).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::unsafe_lock_due_to(path, "cannot access the folder", error)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a file; `None` if it is missing, of another user, or not UTF-8.
    pub(super) fn read(&self, name: &str) -> Option<String> {
        let file = self.open_existing_file(name).ok()??;
        let mut text = String::with_capacity(USUAL_LENGTH);
        file.take(MAX_READ).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Replaces a file at once; after an error it has its old content.
    pub(super) fn write(&self, name: &str, content: &str) -> io::Result<()> {
        self.write_then(name, content, |new| self.rename(new, name))
    }

    /// Writes a file that must not exist yet. The caller must read it again, because not every file
    /// system can refuse to replace a file.
    pub(super) fn write_new(&self, name: &str, content: &str) -> io::Result<()> {
        self.write_then(name, content, |new| self.rename_new(new, name))
    }

    fn write_then(
        &self,
        name: &str,
        content: &str,
        rename: impl Fn(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        require_size(content.len())?;
        let new = format!("{name}.{UNFINISHED}");
        self.remove(&new)?;
        let written = self.create(&new)?.write_all(content.as_bytes());
        written.and_then(|()| rename(&new)).inspect_err(|_| {
            // An unfinished file is of no use.
            let _ = self.remove(&new);
        })
    }

    pub(crate) fn names_with(&self, suffix: &str) -> Vec<String> {
        self.names().filter(|name| name.ends_with(suffix)).collect()
    }
}

/// Traces an access to a file that other starts and guards use at the same time, just before it.
/// The model search switches between starts at these events.
pub(super) fn trace_access(access: &'static str, file: &str) {
    trace!(access, file, "{access} {file}");
}

/// Requires that a file may have this size, because writing beyond the limit (`ulimit -f`) would
/// end this process.
#[cfg(unix)]
pub(crate) fn require_size(bytes: usize) -> io::Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    if limit.is_some_and(|limit| bytes as u64 > limit) {
        return Err(rustix::io::Errno::FBIG.into());
    }
    Ok(())
}

#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "there is a limit on Unix")]
pub(crate) fn require_size(_bytes: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitStatus;

    #[test]
    fn small_files_are_replaced_and_removed() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("locks");
        let folder = LockFolder::open_or_create(&path).unwrap().unwrap();
        folder.write("a.record", "one").unwrap();
        folder.write("a.record", "two").unwrap();
        assert_eq!(folder.read("a.record").as_deref(), Some("two"));
        folder.overwrite("a.record", "six").unwrap();
        folder.write_new("a.record", "ten").unwrap_err();
        assert_eq!(folder.read("a.record").as_deref(), Some("six"));
        assert_eq!(folder.names_with(".record"), ["a.record"]);
        folder.remove("a.record").unwrap();
        folder.remove("a.record").unwrap();
        assert_eq!(folder.read("a.record"), None);
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_is_refused_and_a_missing_folder_is_none() {
        let outer = tempfile::tempdir().unwrap();
        let folder = LockFolder::open_existing(outer.path()).unwrap().unwrap();
        std::fs::create_dir(folder.path().join("a.lock")).unwrap();
        let error = folder.open_or_create_file("a.lock").unwrap_err();
        assert_eq!(error.status(), ExitStatus::LockFile);
        assert!(folder.refuse_folder("a.lock").is_err());
        let missing = outer.path().join("none");
        assert!(LockFolder::open_existing(&missing).unwrap().is_none());
    }
}
