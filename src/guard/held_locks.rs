//! What a guard holds, and how it gets it back when somebody deletes, moves or replaces it (S17).

use std::{path::Path, sync::Arc};

use crate::{
    error::Error,
    guard::lock_set::LockSet,
    state::{
        lock::{HeldLock, LockFile},
        state_dir::StateDir,
    },
    sys::file_id::FileId,
};

/// How often to look whether what was taken back lies there still.
const MOST_TRIES: u32 = 10;

/// The locks of a guard, and the place where they lie.
#[derive(Debug)]
pub struct HeldLocks {
    place: LockSet,
    locks: Vec<HeldLock>,
    /// Locks on files that lie nowhere any more. COMMAND inherited them: they are kept to the end.
    displaced: Vec<HeldLock>,
}

/// How a guard finds its locks.
#[derive(Debug)]
pub(crate) enum LockGrip {
    /// Where they were.
    Intact,
    /// Gone, and taken back.
    Retaken,
    /// Gone, and somebody else has one that lies in their place.
    Contested,
    /// Gone, and their place cannot be used.
    Failed(Error),
}

impl HeldLocks {
    /// These locks, which were opened in this place.
    #[must_use]
    pub fn new(place: LockSet, locks: Vec<HeldLock>) -> HeldLocks {
        HeldLocks { place, locks, displaced: Vec::new() }
    }

    /// What lies beside the first lock.
    #[must_use]
    pub fn beside(&self) -> &Arc<StateDir> {
        self.place.beside()
    }

    /// The folders of the locks.
    pub(crate) fn folders(&self) -> Vec<&Path> {
        self.place.folders()
    }

    /// The locks, as COMMAND inherits them.
    #[must_use]
    pub fn locks(&self) -> &[HeldLock] {
        &self.locks
    }

    /// The first lock's path, which all of them are known by.
    #[must_use]
    pub fn first_path(&self) -> &Path {
        self.locks.first().map_or(Path::new(""), |lock| lock.file().path())
    }

    /// Which files are locked.
    #[must_use]
    pub fn ids(&self) -> Vec<FileId> {
        self.locks.iter().filter_map(|lock| lock.file().known_id()).collect()
    }

    /// Looks whether every lock lies where it was, and takes back what does not.
    pub(crate) fn check(&mut self) -> LockGrip {
        if self.is_in_place() {
            return LockGrip::Intact;
        }
        for _ in 0..MOST_TRIES {
            match self.retake() {
                Ok(()) if self.is_in_place() => return LockGrip::Retaken,
                // Replaced once more, or held by somebody else.
                Ok(()) if self.locks.len() == self.place.len() => {}
                Ok(()) => return LockGrip::Contested,
                Err(error) => return LockGrip::Failed(error),
            }
        }
        LockGrip::Contested
    }

    /// Whether every lock lies where it was.
    pub(crate) fn is_in_place(&self) -> bool {
        self.locks.len() == self.place.len()
            && self.locks.iter().all(|lock| lock.file().is_in_place())
    }

    /// Opens the place anew and takes what can be had of it.
    fn retake(&mut self) -> Result<(), Error> {
        let place = self.place.reopened()?;
        let files = place.open_locks()?;
        let mut known: Vec<HeldLock> =
            self.locks.drain(..).chain(self.displaced.drain(..)).collect();
        let mut failed = None;
        for file in files {
            // One that was moved away and back is still ours, and a second try would be refused by
            // ourselves.
            let ours = known
                .iter()
                .position(|held| is_the_same(held.file(), &file))
                .map(|at| known.swap_remove(at));
            match ours.map_or_else(|| file.try_lock(), |held| Ok(Ok(held))) {
                Ok(Ok(held)) => {
                    held.mark_as_settled();
                    self.locks.push(held);
                }
                Ok(Err(_)) => {}
                Err(error) => failed = Some(error),
            }
        }
        self.displaced = known;
        self.place = place;
        failed.map_or(Ok(()), Err)
    }
}

fn is_the_same(one: &LockFile, other: &LockFile) -> bool {
    one.path() == other.path() && one.known_id().is_some() && one.known_id() == other.known_id()
}
