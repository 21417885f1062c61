//! The lock: flock(2) on a file that was opened safely, kept on a descriptor that the child can
//! inherit.

use std::{
    fs::{File, TryLockError},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    state::folder::{Folder, unsafe_lock},
    sys::file_id::FileId,
};

/// Above what programs number by hand (0–2, systemd's 3…, shells' 10 and 255), below the usual
/// limit of 1,024.
const HIGH: i32 = 900;

/// What a person finds in a lock file.
const SETTLED: &[u8] = b"locked by monopoll while a bot runs; see `monopoll status`\n";

/// A lock file, open and not yet locked.
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
    id: FileId,
}

/// A lock that is held: by this process, and by whoever inherits its descriptor.
#[derive(Debug)]
pub struct HeldLock(LockFile);

impl LockFile {
    /// Opens `name` in `folder`, made if it is missing.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn open(folder: &Folder, name: &str) -> Result<LockFile, Error> {
        let path = folder.path().join(name);
        let file = folder.open_or_make(name)?;
        let failed = |error: std::io::Error| unsafe_lock(&path, &error.to_string());
        let id = FileId::of(&file).map_err(failed)?;
        let file = File::from(on_a_high_number(file.into()));
        Ok(LockFile { file, path, id })
    }

    /// Opens `name` in `folder` only to look at it; `None` where it is missing.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn open_existing(folder: &Folder, name: &str) -> Result<Option<LockFile>, Error> {
        let path = folder.path().join(name);
        let Some(file) = folder.open_existing(name)? else { return Ok(None) };
        let id = FileId::of(&file).map_err(|error| unsafe_lock(&path, &error.to_string()))?;
        Ok(Some(LockFile { file, path, id }))
    }

    /// The open file.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// Takes the lock, shared, and gives it back at once: only where the kernel does not list every
    /// holder.
    #[must_use]
    pub fn is_free_by_a_probe(&self) -> bool {
        let free = self.file.try_lock_shared().is_ok();
        if free {
            // Nothing is left to do about a failure: the lock goes with the descriptor.
            let _ = self.file.unlock();
        }
        free
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The same, where the system tells files apart.
    #[must_use]
    pub fn known_id(&self) -> Option<FileId> {
        Some(self.id)
    }

    /// Whether no guard has ever settled with it: it was just made, perhaps in the place of one
    /// that was deleted.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() == 0)
    }

    /// Whether it still lies where it was opened: one that was deleted, moved or replaced is locked
    /// for nobody but us.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        FileId::lies_at(&self.path) == Some(self.id)
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
    /// Gives the lock back and keeps the file open: another descriptor of it, such as the one that
    /// only looks, would keep the lock through a close. Nobody waits for a close by then: the lock
    /// was only tried, behind the turnstile.
    ///
    /// # Errors
    /// As flock(2).
    pub fn release(self) -> Result<LockFile, Error> {
        match self.0.file.unlock() {
            Ok(()) => Ok(self.0),
            Err(error) => Err(unsafe_lock(&self.0.path, &error.to_string())),
        }
    }

    /// Notes that a guard has settled with this file. What somebody else wrote into it stays as it
    /// is.
    pub fn mark_as_settled(&self) {
        if self.0.is_new() {
            // On a full disk it stays as new as it was, and every start looks more closely.
            let _ = rustix::io::pwrite(&self.0.file, SETTLED, 0);
        }
    }

    /// The file that is locked.
    #[must_use]
    pub fn file(&self) -> &LockFile {
        &self.0
    }
}

impl AsFd for HeldLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}

/// Where the limit on descriptors is too low for that, the low number is kept.
fn on_a_high_number(fd: OwnedFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(&fd, HIGH).unwrap_or(fd)
}
