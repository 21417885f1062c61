//! Where an instance's locks are: their folders, opened safely, in the one order in which they are
//! taken everywhere.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::trace;

use crate::{
    error::{Error, ExitStatus},
    scan::lock_probe::LockProbe,
    state::{
        folder::{Folder, MissingFolder},
        lock::{HeldLock, LockFile},
        state_dir::StateDir,
    },
    text::printable,
};

/// The folders of an instance's locks.
#[derive(Debug)]
pub struct LockSet {
    /// As they were named, to be opened again should one of them be replaced.
    paths: Vec<PathBuf>,
    locks: Vec<LockLocation>,
    beside: Arc<StateDir>,
}

#[derive(Debug)]
struct LockLocation {
    folder: Arc<Folder>,
    name: String,
}

impl LockSet {
    /// Opens the folders of these lock files, made where they are missing.
    ///
    /// # Errors
    /// One of them is not safe to use.
    pub fn open(paths: &[PathBuf]) -> Result<LockSet, Error> {
        match Self::find(paths, MissingFolder::Make)? {
            Some(place) => Ok(place),
            None => Err(Error::new(
                ExitStatus::LockFile,
                "the lock cannot be used: its folder vanished while it was opened",
            )
            .with_hint("try again")),
        }
    }

    /// Opens the folders that exist; `None` where the first lock's does not, so that nobody can
    /// have it.
    ///
    /// # Errors
    /// One of them is not safe to use.
    pub fn find(paths: &[PathBuf], missing: MissingFolder) -> Result<Option<LockSet>, Error> {
        let mut spots = Vec::new();
        for path in paths {
            let (Some(parent), Some(name)) =
                (path.parent(), path.file_name().and_then(|name| name.to_str()))
            else {
                return Err(Error::new(
                    ExitStatus::LockFile,
                    format!(
                        "the lock cannot be used: it has no file name: {}",
                        printable(&path.to_string_lossy())
                    ),
                )
                .with_hint("name a file in `lock.paths`"));
            };
            if let Some(folder) = Folder::open(parent, missing)? {
                spots.push((
                    folder.path().join(name),
                    LockLocation { folder: Arc::new(folder), name: name.to_owned() },
                ));
            }
        }
        // One order everywhere, links resolved: two starts that name the same files differently
        // never wait for each other.
        spots.sort_by(|(one, _), (other, _)| one.cmp(other));
        spots.dedup_by(|(one, _), (other, _)| one == other);
        let locks: Vec<LockLocation> = spots.into_iter().map(|(_, spot)| spot).collect();
        let beside = locks
            .first()
            .map(|first| Arc::new(StateDir::new(Arc::clone(&first.folder), &first.name)));
        Ok(beside.map(|beside| LockSet { paths: paths.to_owned(), locks, beside }))
    }

    /// The same place, opened anew: a folder may have been replaced.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn reopened(&self) -> Result<LockSet, Error> {
        LockSet::open(&self.paths)
    }

    /// Whether every folder still lies where it was opened.
    pub(crate) fn is_in_place(&self) -> bool {
        self.locks.iter().all(|spot| spot.folder.is_in_place())
    }

    /// The folders of the locks.
    pub(crate) fn folders(&self) -> Vec<&Path> {
        self.locks.iter().map(|spot| spot.folder.path()).collect()
    }

    /// How many locks there are.
    pub(crate) fn len(&self) -> usize {
        self.locks.len()
    }

    /// Where the first lock lies.
    pub(crate) fn first_lock(&self) -> Option<PathBuf> {
        self.locks.first().map(|spot| spot.folder.path().join(&spot.name))
    }

    /// The small files beside the first lock.
    #[must_use]
    pub fn beside(&self) -> &Arc<StateDir> {
        &self.beside
    }

    /// Opens every lock file, made where it is missing; none is locked.
    ///
    /// # Errors
    /// One of them is not safe to use.
    pub fn open_locks(&self) -> Result<Vec<LockFile>, Error> {
        self.locks.iter().map(|spot| LockFile::open(&spot.folder, &spot.name)).collect()
    }

    /// The first lock, opened once more and for itself: a duplicate would keep the lock when the
    /// other one is closed.
    ///
    /// # Errors
    /// It is not safe to use.
    pub fn view_of_the_first_lock(&self) -> Result<Option<LockFile>, Error> {
        self.locks
            .first()
            .map_or(Ok(None), |spot| LockFile::open_existing(&spot.folder, &spot.name))
    }

    /// Opens the lock files that exist, only to look at them.
    ///
    /// # Errors
    /// One of them is not safe to use.
    pub fn existing_locks(&self) -> Result<Vec<Existing>, Error> {
        let existing = |spot: &LockLocation| {
            let path = spot.folder.path().join(&spot.name);
            Ok(LockFile::open_existing(&spot.folder, &spot.name)?
                .map_or(Existing::Missing(path), Existing::Open))
        };
        self.locks.iter().map(existing).collect()
    }
}

/// A lock file as a dry run finds it.
#[derive(Debug)]
pub enum Existing {
    /// There is none yet.
    Missing(PathBuf),
    /// It is there.
    Open(LockFile),
}

impl Existing {
    /// As a look takes it.
    #[must_use]
    pub fn sight(&self) -> LockProbe<'_> {
        match self {
            Existing::Missing(path) => LockProbe::Missing(path),
            Existing::Open(lock) => LockProbe::Open(lock),
        }
    }
}

/// The locks of one start: all of them or none.
#[derive(Debug)]
pub(crate) enum LockHandles {
    /// None is held; the index of one that was refused just now.
    Open(Vec<LockFile>, Option<usize>),
    /// All are held.
    Held(Vec<HeldLock>),
}

impl LockHandles {
    pub(crate) fn sights(&self) -> Vec<LockProbe<'_>> {
        match self {
            LockHandles::Open(files, taken) => files
                .iter()
                .enumerate()
                .map(|(index, file)| {
                    if *taken == Some(index) {
                        LockProbe::Taken(file)
                    } else {
                        LockProbe::Open(file)
                    }
                })
                .collect(),
            LockHandles::Held(held) => {
                held.iter().map(|held| LockProbe::Mine(held.file())).collect()
            }
        }
    }

    /// One try for all of them. What was had before one was refused is given back; every file stays
    /// open, because to close one would wake its waiters for nothing.
    pub(crate) fn try_all(files: Vec<LockFile>) -> Result<LockHandles, Error> {
        let mut held = Vec::new();
        let mut files = files.into_iter();
        while let Some(file) = files.next() {
            match file.try_lock()? {
                Ok(lock) => {
                    trace!(lock = %lock.file().path().display(), "took the lock");
                    held.push(lock);
                }
                Err(file) => {
                    trace!(lock = %file.path().display(), "somebody has the lock");
                    let taken = held.len();
                    let mut open =
                        held.into_iter().map(HeldLock::release).collect::<Result<Vec<_>, _>>()?;
                    open.push(file);
                    open.extend(files);
                    return Ok(LockHandles::Open(open, Some(taken)));
                }
            }
        }
        Ok(LockHandles::Held(held))
    }

    /// The files, none of them locked.
    pub(crate) fn release(self) -> Result<Vec<LockFile>, Error> {
        match self {
            LockHandles::Open(files, _) => Ok(files),
            LockHandles::Held(held) => held.into_iter().map(HeldLock::release).collect(),
        }
    }
}
