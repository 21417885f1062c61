//! The lock files of an instance, in the order in which all starts take them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::ticket::Ticket;
use crate::error::{Error, ExitStatus};
use crate::scan::lock_views::LockProbe;
use crate::state::lock_file::{HeldLock, LockFile};
use crate::state::lock_folder::LockFolder;
use crate::state::state_dir::StateDir;
use crate::text::printable;

/// The number of retries if lock files or their folder are removed or replaced during a start.
pub(super) const MAX_REPLACEMENTS: u32 = 100;

/// The number of retries of failures that the removal of a folder may have caused.
const MAX_RETRIES: u32 = 5;

/// The lock files of an instance with their state directories. The first one contains the record of
/// this start.
pub struct LockSet {
    /// The configured paths, for reopening a replaced folder.
    pub(super) paths: Vec<PathBuf>,
    locks: Vec<LockLocation>,
    state_dir: Arc<StateDir>,
    other_state_dirs: Vec<StateDir>,
}

struct LockLocation {
    folder: Arc<LockFolder>,
    name: String,
}

impl LockSet {
    /// Opens the folders of the lock files, and creates missing ones.
    pub fn open_or_create(paths: &[PathBuf]) -> Result<LockSet, Error> {
        match Self::with_folders(paths, LockFolder::open_or_create)? {
            Some(lock_set) => Ok(lock_set),
            None => Err(Error::new(
                ExitStatus::LockFile,
                "the lock cannot be used: its folder was deleted while it was opened",
            )
            .with_hint("try again")),
        }
    }

    /// Opens the existing folders; `None` if that of the first lock is missing, so that nothing can
    /// hold it.
    pub fn open_existing(paths: &[PathBuf]) -> Result<Option<LockSet>, Error> {
        Self::with_folders(paths, LockFolder::open_existing)
    }

    fn with_folders(
        paths: &[PathBuf],
        open: fn(&Path) -> Result<Option<LockFolder>, Error>,
    ) -> Result<Option<LockSet>, Error> {
        let mut locations = Vec::new();
        for path in paths {
            let (Some(parent), Some(name)) =
                (path.parent(), path.file_name().and_then(|name| name.to_str()))
            else {
                return Err(Error::new(
                    ExitStatus::LockFile,
                    format!(
                        "the lock cannot be used: its path has no file name: {}",
                        printable(&path.to_string_lossy())
                    ),
                )
                .with_hint("name a file in `lock.paths`"));
            };
            if let Some(folder) = open(parent)? {
                locations.push((
                    folder.path().join(name),
                    LockLocation { folder: Arc::new(folder), name: name.to_owned() },
                ));
            }
        }
        // The same order everywhere, with links resolved, so that starts with different names for
        // the same files never deadlock.
        locations.sort_by(|(one, _), (other, _)| one.cmp(other));
        locations.dedup_by(|(one, _), (other, _)| one == other);
        let locks: Vec<LockLocation> =
            locations.into_iter().map(|(_, location)| location).collect();
        let mut state_dirs =
            locks.iter().map(|lock| StateDir::new(Arc::clone(&lock.folder), &lock.name));
        let Some(first) = state_dirs.next() else { return Ok(None) };
        let (state_dir, other_state_dirs) = (Arc::new(first), state_dirs.collect());
        Ok(Some(LockSet { paths: paths.to_owned(), locks, state_dir, other_state_dirs }))
    }

    pub(crate) fn is_in_place(&self) -> bool {
        self.locks.iter().all(|location| location.folder.is_in_place())
    }

    pub(crate) fn folders(&self) -> Vec<&Path> {
        self.locks.iter().map(|location| location.folder.path()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.locks.len()
    }

    pub(crate) fn first_lock_path(&self) -> Option<PathBuf> {
        self.locks.first().map(|location| location.folder.path().join(&location.name))
    }

    pub fn state_dir(&self) -> &Arc<StateDir> {
        &self.state_dir
    }

    /// Returns the state directories of all locks, in their order.
    pub(crate) fn state_dirs(&self) -> impl Iterator<Item = &StateDir> {
        std::iter::once(self.state_dir.as_ref()).chain(&self.other_state_dirs)
    }

    /// Opens every lock file without locking it, and creates missing ones.
    pub fn open_locks(&self) -> Result<Vec<LockFile>, Error> {
        let open =
            |location: &LockLocation| LockFile::open_or_create(&location.folder, &location.name);
        let files: Vec<LockFile> = self.locks.iter().map(open).collect::<Result<_, _>>()?;
        require_different(&files.iter().collect::<Vec<_>>())?;
        Ok(files)
    }

    /// Opens the first lock again, because a duplicated descriptor would keep the lock.
    pub fn open_first_lock(&self) -> Result<Option<LockFile>, Error> {
        self.locks
            .first()
            .map_or(Ok(None), |location| LockFile::open_existing(&location.folder, &location.name))
    }

    pub fn existing_locks(&self) -> Result<Vec<ExistingLock>, Error> {
        let existing = |location: &LockLocation| {
            let path = location.folder.path().join(&location.name);
            Ok(LockFile::open_existing(&location.folder, &location.name)?
                .map_or(ExistingLock::Missing(path), ExistingLock::Open))
        };
        let locks: Vec<ExistingLock> =
            self.locks.iter().map(existing).collect::<Result<_, Error>>()?;
        require_different(&locks.iter().filter_map(ExistingLock::file).collect::<Vec<_>>())?;
        Ok(locks)
    }
}

/// Refuses locks that are one file, as through two bind mounts, and a lock that is one of the files
/// next to another.
fn require_different(locks: &[&LockFile]) -> Result<(), Error> {
    let pairs = locks.iter().flat_map(|lock| locks.iter().map(move |other| (*lock, *other)));
    for (lock, other) in pairs.filter(|(lock, other)| lock.path() != other.path()) {
        let is_same = lock.known_id().is_some() && lock.known_id() == other.known_id();
        let why = match (is_same, lock.lies_next_to(other)) {
            (true, _) => "it is the same file as",
            (false, true) => "it may be a file of monopoll's next to",
            (false, false) => continue,
        };
        let why = format!("{why} {}", printable(&other.path().to_string_lossy()));
        return Err(
            Error::unsafe_lock(lock.path(), &why).with_hint("remove one of them from `lock.paths`")
        );
    }
    Ok(())
}

pub struct OpenedLocks {
    pub lock_set: LockSet,
    pub files: Vec<LockFile>,
    pub ticket: Ticket,
}

impl OpenedLocks {
    pub fn open(paths: &[PathBuf]) -> Result<OpenedLocks, Error> {
        let (mut replacements, mut retries) = (1..MAX_REPLACEMENTS, 1..MAX_RETRIES);
        loop {
            let lock_set = match LockSet::open_or_create(paths) {
                Ok(lock_set) => lock_set,
                // The folder may vanish between two steps of opening it.
                Err(_) if retries.next().is_some() => continue,
                Err(error) => return Err(error),
            };
            let opened = lock_set.open_locks().and_then(|files| {
                lock_set.state_dir().refuse_folders()?;
                Ok((files, lock_set.state_dir().draw_ticket()?))
            });
            match opened {
                Ok((files, ticket)) => return Ok(OpenedLocks { lock_set, files, ticket }),
                Err(_) if !lock_set.is_in_place() && replacements.next().is_some() => {}
                Err(_) if retries.next().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A lock file as found by a dry run.
pub enum ExistingLock {
    Missing(PathBuf),
    Open(LockFile),
}

impl ExistingLock {
    fn file(&self) -> Option<&LockFile> {
        match self {
            ExistingLock::Missing(_) => None,
            ExistingLock::Open(lock) => Some(lock),
        }
    }

    pub fn probe(&self) -> LockProbe<'_> {
        match self {
            ExistingLock::Missing(path) => LockProbe::Missing(path),
            ExistingLock::Open(lock) => LockProbe::Open(lock),
        }
    }
}

/// The locks of one start: all or none.
pub(crate) enum LockHandles {
    /// No lock is held. Contains the index of the lock that was just refused.
    Open(Vec<LockFile>, Option<usize>),
    Held(Vec<HeldLock>),
}

impl LockHandles {
    pub(crate) fn probes(&self) -> Vec<LockProbe<'_>> {
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

    /// Tries each lock once. If one is refused, releases the others. Keeps every file open, because
    /// closing one would wake its waiters for nothing.
    pub(crate) fn try_all(files: Vec<LockFile>) -> Result<LockHandles, Error> {
        let mut held = Vec::new();
        let mut files = files.into_iter();
        while let Some(file) = files.next() {
            match file.try_lock()? {
                Ok(lock) => held.push(lock),
                Err(file) => {
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

    pub(crate) fn release(self) -> Result<Vec<LockFile>, Error> {
        match self {
            LockHandles::Open(files, _) => Ok(files),
            LockHandles::Held(held) => held.into_iter().map(HeldLock::release).collect(),
        }
    }
}
