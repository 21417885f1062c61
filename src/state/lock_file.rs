//! The lock: flock(2) on a file in a lock folder, on a descriptor that the child can inherit.

use std::{
    fs::{File, TryLockError},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use crate::{error::Error, state::lock_folder::LockFolder, sys::file_id::FileId};

/// Above the descriptors that programs number by hand (0–2, systemd's 3…, shells' 10 and 255),
/// below the usual limit of 1,024.
const LOWEST_DESCRIPTOR: i32 = 900;

/// The content of a lock file after its first start.
const CONTENT: &[u8] = b"locked by monopoll while a bot runs; see `monopoll status`\n";

/// A lock file, open and not locked.
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
    id: FileId,
}

/// A lock that is held by this process and by the processes that inherit its descriptor.
#[derive(Debug)]
pub struct HeldLock(LockFile);

impl LockFile {
    /// Opens `name` in `folder`, created if it is missing.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn open(folder: &LockFolder, name: &str) -> Result<LockFile, Error> {
        let mut lock = Self::new(folder, name, folder.open_or_create(name)?)?;
        lock.file = File::from(with_high_number(lock.file.into()));
        Ok(lock)
    }

    /// Opens `name` in `folder` to examine it; `None` if it is missing.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn open_existing(folder: &LockFolder, name: &str) -> Result<Option<LockFile>, Error> {
        folder.open_existing(name)?.map(|file| Self::new(folder, name, file)).transpose()
    }

    fn new(folder: &LockFolder, name: &str, file: File) -> Result<LockFile, Error> {
        let path = folder.path().join(name);
        match FileId::of(&file) {
            Ok(id) => Ok(LockFile { file, path, id }),
            Err(error) => Err(Error::unsafe_lock(&path, &error.to_string()).with_source(error)),
        }
    }

    /// The open file.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// Takes the lock, shared, and releases it at once: only for systems that do not list the
    /// holders, because another try fails meanwhile.
    #[must_use]
    pub fn probe_is_free(&self) -> bool {
        let free = self.file.try_lock_shared().is_ok();
        if free {
            // After a failure the lock goes with the descriptor.
            let _ = self.file.unlock();
        }
        free
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity of the open file.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The same, on systems that tell files apart.
    #[must_use]
    pub fn known_id(&self) -> Option<FileId> {
        Some(self.id)
    }

    /// Whether no guard ever held it: it was just created, perhaps in the place of one that was
    /// deleted.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() == 0)
    }

    /// Whether the path still leads to the open file. One that was deleted, moved or replaced keeps
    /// no other start out.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        FileId::of_entry(&self.path) == Some(self.id)
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
    /// Releases the lock and keeps the file open: another descriptor of it, such as that of a
    /// watch, would keep the lock through a close.
    pub fn release(self) -> Result<LockFile, Error> {
        match self.0.file.unlock() {
            Ok(()) => Ok(self.0),
            Err(error) => {
                Err(Error::unsafe_lock(&self.0.path, &error.to_string()).with_source(error))
            }
        }
    }

    /// Notes in the file that a guard held it. A content of other origin stays.
    pub fn mark_used(&self) {
        if self.0.is_new() {
            // On a full disk the file stays new, and every start examines more.
            let _ = rustix::io::pwrite(&self.0.file, CONTENT, 0);
        }
    }

    /// The locked file.
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

/// Keeps the low number if the limit on descriptors allows no other.
fn with_high_number(fd: OwnedFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(&fd, LOWEST_DESCRIPTOR).unwrap_or(fd)
}
