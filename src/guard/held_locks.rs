//! The locks of a guard, which are retaken if their files are deleted, moved or replaced (S17).

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::guard::lock_set::LockSet;
use crate::scan::announcement::Announcement;
use crate::state::lock_file::{HeldLock, LockFile};
use crate::state::state_dir::StateDir;
use crate::sys::file_id::FileId;

/// The number of attempts to retake files that keep being replaced.
const MAX_TRIES: u32 = 10;

pub struct HeldLocks {
    pub(super) lock_set: LockSet,
    locks: Vec<HeldLock>,
    /// Locks on deleted files. They are kept until the end because COMMAND inherited them.
    displaced: Vec<HeldLock>,
    _announcement: Option<Announcement>,
}

pub(super) enum LockFileCheck {
    InPlace,
    Retaken,
    /// A lock file was replaced, and another process holds the new one.
    Contested,
    /// A lock file was deleted, and its folder is unusable.
    Failed(Error),
}

impl HeldLocks {
    pub fn new(
        lock_set: LockSet,
        locks: Vec<HeldLock>,
        announcement: Option<Announcement>,
    ) -> HeldLocks {
        HeldLocks { lock_set, locks, displaced: Vec::new(), _announcement: announcement }
    }

    pub fn state_dir(&self) -> &Arc<StateDir> {
        self.lock_set.state_dir()
    }

    pub fn locks(&self) -> &[HeldLock] {
        &self.locks
    }

    /// Returns the path of the first lock, which identifies all of them.
    pub fn first_path(&self) -> &Path {
        self.locks.first().map_or(Path::new(""), |lock| lock.file().path())
    }

    pub fn ids(&self) -> Vec<FileId> {
        self.locks.iter().filter_map(|lock| lock.file().known_id()).collect()
    }

    /// Checks that every lock file is still at its path, and retakes the others.
    pub(super) fn check(&mut self) -> LockFileCheck {
        if self.is_in_place() {
            return LockFileCheck::InPlace;
        }
        for _ in 0..MAX_TRIES {
            match self.retake() {
                Ok(()) if self.is_in_place() => return LockFileCheck::Retaken,
                // Replaced again.
                Ok(()) if self.locks.len() == self.lock_set.len() => {}
                Ok(()) => return LockFileCheck::Contested,
                Err(error) => return LockFileCheck::Failed(error),
            }
        }
        LockFileCheck::Contested
    }

    pub fn is_in_place(&self) -> bool {
        self.locks.len() == self.lock_set.len()
            && self.locks.iter().all(|lock| lock.file().is_in_place())
    }

    /// Reopens the files and takes the locks that are free.
    fn retake(&mut self) -> Result<(), Error> {
        let lock_set = LockSet::open_or_create(&self.lock_set.paths)?;
        let files = lock_set.open_locks()?;
        let mut known: Vec<HeldLock> =
            self.locks.drain(..).chain(self.displaced.drain(..)).collect();
        let mut failed = None;
        for file in files {
            // A file that was moved away and back is still locked by this process, so locking it
            // again would fail.
            let ours = known
                .iter()
                .position(|held| is_the_same(held.file(), &file))
                .map(|at| known.swap_remove(at));
            match ours.map_or_else(|| file.try_lock(), |held| Ok(Ok(held))) {
                // The file is not marked as used: COMMAND has inherited the old one, so a start
                // after the end of this guard must search for what COMMAND left behind.
                Ok(Ok(held)) => self.locks.push(held),
                Ok(Err(_)) => {}
                Err(error) => failed = Some(error),
            }
        }
        self.displaced = known;
        self.lock_set = lock_set;
        failed.map_or(Ok(()), Err)
    }
}

fn is_the_same(one: &LockFile, other: &LockFile) -> bool {
    one.path() == other.path() && one.known_id().is_some() && one.known_id() == other.known_id()
}
