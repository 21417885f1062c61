//! The lock: a whole file, for one handle that no child inherits.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    state::folder::{Folder, unsafe_lock},
    sys::file_id::FileId,
};

/// A lock file, open and not yet locked.
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
}

/// A lock that is held, by this process alone.
#[derive(Debug)]
pub struct HeldLock(LockFile);

impl LockFile {
    /// Opens `name` in `folder`, made if it is missing.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn open(folder: &Folder, name: &str) -> Result<LockFile, Error> {
        let file = folder.open_or_make(name)?;
        Ok(LockFile { path: folder.path().join(name), file })
    }

    /// Opens `name` in `folder` only to look at it; `None` where it is missing.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn open_existing(folder: &Folder, name: &str) -> Result<Option<LockFile>, Error> {
        let Some(file) = folder.open_existing(name)? else { return Ok(None) };
        Ok(Some(LockFile { path: folder.path().join(name), file }))
    }

    /// Takes the lock, shared, and gives it back at once: nothing lists the holders.
    #[must_use]
    pub fn is_free_by_a_probe(&self) -> bool {
        let free = self.file.try_lock_shared().is_ok();
        if free {
            // Nothing is left to do about a failure: the lock goes with the handle.
            let _ = self.file.unlock();
        }
        free
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether no guard has ever settled with it: not known here.
    #[must_use]
    pub fn is_new(&self) -> bool {
        false
    }

    /// Which file it is: std does not tell.
    #[must_use]
    pub fn known_id(&self) -> Option<FileId> {
        None
    }

    /// Whether it still lies where it was opened: what replaces a file that is open cannot be told
    /// from it here.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        true
    }

    /// One try. `Err` gives the file back: somebody else has the lock.
    ///
    /// # Errors
    /// In the inner result: the file system has no locks.
    pub fn try_lock(self) -> Result<Result<HeldLock, LockFile>, Error> {
        match self.file.try_lock() {
            Ok(()) => Ok(Ok(HeldLock(self))),
            Err(TryLockError::WouldBlock) => Ok(Err(self)),
            Err(TryLockError::Error(error)) => {
                Err(unsafe_lock(&self.path, &format!("the file system has no locks ({error})")))
            }
        }
    }
}

impl HeldLock {
    /// Gives the lock back and keeps the file open.
    ///
    /// # Errors
    /// As `UnlockFile`.
    pub fn release(self) -> Result<LockFile, Error> {
        match self.0.file.unlock() {
            Ok(()) => Ok(self.0),
            Err(error) => Err(unsafe_lock(&self.0.path, &error.to_string())),
        }
    }

    /// On other systems this notes that a guard has settled with this file; here nobody would read
    /// it.
    #[expect(clippy::unused_self, reason = "as elsewhere")]
    pub fn mark_as_settled(&self) {}

    /// The file that is locked.
    #[must_use]
    pub fn file(&self) -> &LockFile {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::state::folder::MissingFolder;

    #[test]
    fn one_handle_has_it_and_another_gets_it_afterwards() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::open(outer.path(), MissingFolder::Leave).unwrap().unwrap();
        assert!(LockFile::open_existing(&folder, "a.lock").unwrap().is_none());
        let held = LockFile::open(&folder, "a.lock").unwrap().try_lock().unwrap().unwrap();
        let other = LockFile::open_existing(&folder, "a.lock").unwrap().unwrap();
        assert!(!other.is_free_by_a_probe());
        let other = other.try_lock().unwrap().unwrap_err();
        drop(held);
        assert!(other.is_free_by_a_probe());
        assert!(other.try_lock().unwrap().is_ok());
    }
}
