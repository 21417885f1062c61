//! The lock on a file in a lock folder. On Unix it is flock(2), on a descriptor that the child can
//! inherit; on Windows it belongs to one handle, which no child inherits.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use tracing::trace;

use crate::config::is_companion;
use crate::error::Error;
#[cfg(unix)]
use crate::state::lock_folder::require_size;
use crate::state::lock_folder::{LockFolder, trace_access};
use crate::sys::file_id::{FileId, is_same_file};

/// Above the descriptors that programs number by hand (0–2, systemd's 3…, shells' 10 and 255),
/// below the usual limit of 1,024.
#[cfg(unix)]
const LOWEST_DESCRIPTOR: i32 = 900;

/// What a guard writes into its lock file, followed by the identity of the file.
#[cfg(unix)]
const CONTENT: &str = "locked by monopoll while a bot runs; see `monopoll status`\n";

/// A lock file, open and not locked.
#[derive(Debug)]
pub struct LockFile {
    pub(crate) file: File,
    path: PathBuf,
    #[cfg(unix)]
    pub(crate) id: FileId,
}

/// A lock that is held by this process and by the processes that inherit its descriptor.
#[derive(Debug)]
pub struct HeldLock(LockFile);

impl LockFile {
    /// Opens `name` in `folder`, and creates it if it is missing.
    pub fn open_or_create(folder: &LockFolder, name: &str) -> Result<LockFile, Error> {
        let file = folder.open_or_create_file(name)?;
        #[cfg(unix)]
        let file = with_high_number(file);
        Self::new(folder, name, file)
    }

    pub(crate) fn open_existing(
        folder: &LockFolder,
        name: &str,
    ) -> Result<Option<LockFile>, Error> {
        folder.open_existing_file(name)?.map(|file| Self::new(folder, name, file)).transpose()
    }

    /// Opens the file at this path, whose folder must be safe to use; `None` if there is none.
    pub(crate) fn open_at(path: &Path) -> Option<LockFile> {
        let folder = LockFolder::open_existing(path.parent()?).ok()??;
        Self::open_existing(&folder, path.file_name()?.to_str()?).ok()?
    }

    fn new(folder: &LockFolder, name: &str, file: File) -> Result<LockFile, Error> {
        let path = folder.path().join(name);
        #[cfg(unix)]
        let id = FileId::of(&file).map_err(|error| failed(&path, error))?;
        Ok(LockFile {
            file,
            path,
            #[cfg(unix)]
            id,
        })
    }

    /// Takes the lock in shared mode and releases it at once. Other attempts fail in the meantime,
    /// so use this only on systems that do not list lock holders.
    pub(crate) fn probe_is_free(&self) -> bool {
        let free = self.file.try_lock_shared().is_ok();
        if free {
            // If unlocking fails, closing the descriptor releases the lock.
            let _ = self.file.unlock();
        }
        free
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn name(&self) -> &str {
        self.path.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Returns whether it may be one of monopoll's files next to another lock.
    pub(crate) fn lies_next_to(&self, lock: &LockFile) -> bool {
        let parts = |file: &LockFile| {
            Some((file.path.parent()?.to_owned(), file.path.file_name()?.to_str()?.to_owned()))
        };
        let (Some((folder, name)), Some((lock_folder, lock_name))) = (parts(self), parts(lock))
        else {
            return false;
        };
        is_companion(&name, &lock_name) && is_same_file(&folder, &lock_folder)
    }

    /// Tries once. The inner `Err` gives the file back: another process has the lock.
    pub fn try_lock(self) -> Result<Result<HeldLock, LockFile>, Error> {
        trace_access("lock", self.name());
        match self.file.try_lock() {
            Ok(()) => {
                trace!(lock = %self.path.display(), "acquired the lock");
                Ok(Ok(HeldLock(self)))
            }
            Err(TryLockError::WouldBlock) => {
                trace!(lock = %self.path.display(), "another process holds the lock");
                Ok(Err(self))
            }
            Err(TryLockError::Error(error)) => Err(Error::unsafe_lock_due_to(
                &self.path,
                "the file system does not support locks",
                error,
            )),
        }
    }
}

#[cfg(unix)]
impl LockFile {
    /// Returns the identity of the open file, on systems that have one.
    pub fn known_id(&self) -> Option<FileId> {
        Some(self.id)
    }

    /// Returns whether no guard is known to have held it: it was just created or copied, perhaps in
    /// place of a deleted file, or its content was overwritten.
    pub(crate) fn is_new(&self) -> bool {
        !self.starts_with(self.mark().as_bytes())
    }

    fn mark(&self) -> String {
        let FileId { dev, ino } = self.id;
        format!("{CONTENT}file {ino} on device {dev}\n")
    }

    fn starts_with(&self, content: &[u8]) -> bool {
        let mut start = vec![0; content.len()];
        rustix::io::pread(&self.file, &mut start, 0).is_ok_and(|read| start[..read] == *content)
    }

    fn is_empty(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() == 0)
    }

    /// Returns whether the path still leads to the open file. A deleted, moved or replaced file
    /// excludes no other start.
    pub(crate) fn is_in_place(&self) -> bool {
        trace_access("find", self.name());
        FileId::of_entry(&self.path) == Some(self.id)
    }
}

/// std has no file identity here.
#[cfg(windows)]
impl LockFile {
    pub fn known_id(&self) -> Option<FileId> {
        None
    }

    pub(crate) fn is_new(&self) -> bool {
        false
    }

    pub(crate) fn is_in_place(&self) -> bool {
        true
    }
}

impl HeldLock {
    /// Releases the lock and keeps the file open. Closing it would not release the lock while
    /// another descriptor, such as a watch's, is open.
    pub(crate) fn release(self) -> Result<LockFile, Error> {
        trace_access("unlock", self.0.name());
        match self.0.file.unlock() {
            Ok(()) => Ok(self.0),
            Err(error) => Err(failed(&self.0.path, error)),
        }
    }

    /// Notes in the file that a guard held it. A file with other content keeps it, and still counts
    /// as new, so that every start makes additional checks.
    pub(crate) fn mark_used(&self) {
        #[cfg(unix)]
        {
            let (lock, mark) = (&self.0, self.0.mark());
            let may_write = lock.is_empty() || lock.starts_with(CONTENT.as_bytes());
            if lock.is_new() && may_write && require_size(mark.len()).is_ok() {
                // If the disk is full, the file counts as new too.
                let _ = rustix::io::pwrite(&lock.file, mark.as_bytes(), 0);
            }
        }
    }

    pub(crate) fn file(&self) -> &LockFile {
        &self.0
    }
}

#[cfg(unix)]
impl AsFd for HeldLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}

/// Keeps the low number if the limit on descriptors allows no other.
#[cfg(unix)]
fn with_high_number(file: File) -> File {
    rustix::io::fcntl_dupfd_cloexec(&file, LOWEST_DESCRIPTOR).map_or(file, File::from)
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::unsafe_lock(path, &error.to_string()).due_to(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_descriptor_gets_the_lock_once_the_first_is_closed() {
        let outer = tempfile::tempdir().unwrap();
        let folder = LockFolder::open_existing(outer.path()).unwrap().unwrap();
        assert!(LockFile::open_existing(&folder, "a.lock").unwrap().is_none());
        let held =
            LockFile::open_or_create(&folder, "a.lock").unwrap().try_lock().unwrap().unwrap();
        let other = LockFile::open_existing(&folder, "a.lock").unwrap().unwrap();
        assert!(!other.probe_is_free());
        let other = other.try_lock().unwrap().unwrap_err();
        drop(held);
        assert!(other.probe_is_free());
        assert!(other.try_lock().unwrap().is_ok());
    }
}
