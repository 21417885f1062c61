//! The lock: a whole file, for one handle that no child inherits.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use crate::{error::Error, state::lock_folder::LockFolder, sys::file_id::FileId};

/// A lock file, open and not locked.
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
}

/// A lock that is held by this process alone.
#[derive(Debug)]
pub struct HeldLock(LockFile);

impl LockFile {
    /// Opens `name` in `folder`, created if it is missing.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn open(folder: &LockFolder, name: &str) -> Result<LockFile, Error> {
        let file = folder.open_or_create(name)?;
        Ok(LockFile { path: folder.path().join(name), file })
    }

    /// Opens `name` in `folder` to examine it; `None` if it is missing.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn open_existing(folder: &LockFolder, name: &str) -> Result<Option<LockFile>, Error> {
        let Some(file) = folder.open_existing(name)? else { return Ok(None) };
        Ok(Some(LockFile { path: folder.path().join(name), file }))
    }

    /// Takes the lock, shared, and releases it at once: nothing lists the holders.
    #[must_use]
    pub fn probe_is_free(&self) -> bool {
        let free = self.file.try_lock_shared().is_ok();
        if free {
            // After a failure the lock goes with the handle.
            let _ = self.file.unlock();
        }
        free
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether no guard ever held it: not known here.
    #[must_use]
    pub fn is_new(&self) -> bool {
        false
    }

    /// The identity of the open file: not known here.
    #[must_use]
    pub fn known_id(&self) -> Option<FileId> {
        None
    }

    /// Whether the path still leads to the open file: a replacement cannot be told from it here.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        true
    }

    /// Tries once. The inner `Err` gives the file back: another process has the lock.
    ///
    /// # Errors
    /// The file system has no locks.
    pub fn try_lock(self) -> Result<Result<HeldLock, LockFile>, Error> {
        match self.file.try_lock() {
            Ok(()) => Ok(Ok(HeldLock(self))),
            Err(TryLockError::WouldBlock) => Ok(Err(self)),
            Err(TryLockError::Error(error)) => {
                Err(Error::unsafe_lock_due_to(&self.path, "the file system has no locks", error))
            }
        }
    }
}

impl HeldLock {
    /// Releases the lock and keeps the file open.
    pub fn release(self) -> Result<LockFile, Error> {
        match self.0.file.unlock() {
            Ok(()) => Ok(self.0),
            Err(error) => {
                Err(Error::unsafe_lock(&self.0.path, &error.to_string()).with_source(error))
            }
        }
    }

    /// Notes in the file that a guard held it: nothing here, where nothing reads it.
    #[expect(clippy::unused_self, reason = "as elsewhere")]
    pub fn mark_used(&self) {}

    /// The locked file.
    #[must_use]
    pub fn file(&self) -> &LockFile {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::state::lock_folder::MissingFolder;

    #[test]
    fn another_handle_gets_the_lock_once_the_first_is_closed() {
        let outer = tempfile::tempdir().unwrap();
        let folder = LockFolder::open(outer.path(), MissingFolder::Leave).unwrap().unwrap();
        assert!(LockFile::open_existing(&folder, "a.lock").unwrap().is_none());
        let held = LockFile::open(&folder, "a.lock").unwrap().try_lock().unwrap().unwrap();
        let other = LockFile::open_existing(&folder, "a.lock").unwrap().unwrap();
        assert!(!other.probe_is_free());
        let other = other.try_lock().unwrap().unwrap_err();
        drop(held);
        assert!(other.probe_is_free());
        assert!(other.try_lock().unwrap().is_ok());
    }
}
