//! The files next to a lock.
//!
//! They are named after the first lock of an instance: `NAME.record`, `NAME.counter` and so on.
//! Only what the kernel confirms counts, so a corrupt or missing file never leads to a kill (S22).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::state::lock_folder::LockFolder;
use crate::sys::UNFINISHED;
use crate::sys::file_mutex::FileMutex;

/// The hint if a file cannot be written.
pub(crate) const MAKE_ROOM: &str =
    "free some space, remove what is in its place, or choose another folder in `lock.paths`";

pub struct StateDir {
    folder: Arc<LockFolder>,
    lock_name: String,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum StateFile {
    Record,
    Counter,
    /// Locked while the counter or the history is written. The counter file itself cannot be
    /// locked, because fslock empties its file when it unlocks.
    CounterMutex,
    /// Held by one start at a time.
    StartMutex,
    /// Held by the first of the starts that wait for a guard.
    Queue,
    Request,
    Answer,
    History,
    /// The guarded program's unfinished updates.
    Journal,
}

impl StateFile {
    const ALL: [StateFile; 9] = [
        StateFile::Record,
        StateFile::Counter,
        StateFile::CounterMutex,
        StateFile::StartMutex,
        StateFile::Queue,
        StateFile::Request,
        StateFile::Answer,
        StateFile::History,
        StateFile::Journal,
    ];

    /// Part of the protocol between versions.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            StateFile::Record => ".record",
            StateFile::Counter => ".counter",
            StateFile::CounterMutex => ".drawing",
            StateFile::StartMutex => ".turnstile",
            StateFile::Queue => ".queue",
            StateFile::Request => ".request",
            StateFile::Answer => ".answer",
            StateFile::History => ".history",
            StateFile::Journal => ".journal",
        }
    }
}

impl StateDir {
    pub fn new(folder: Arc<LockFolder>, lock_name: &str) -> StateDir {
        StateDir { folder, lock_name: lock_name.to_owned() }
    }

    /// Returns the files next to another lock, if its folder exists and is safe to use.
    pub(crate) fn of_lock(lock: &Path) -> Option<StateDir> {
        let folder = LockFolder::open_existing(lock.parent()?).ok()??;
        Some(StateDir::new(Arc::new(folder), lock.file_name()?.to_str()?))
    }

    pub(crate) fn folder(&self) -> &LockFolder {
        &self.folder
    }

    pub(super) fn name(&self, file: StateFile) -> String {
        format!("{}{}", self.lock_name, file.suffix())
    }

    pub(super) fn path(&self, file: StateFile) -> PathBuf {
        self.folder.path().join(self.name(file))
    }

    pub(crate) fn record_path(&self) -> PathBuf {
        self.path(StateFile::Record)
    }

    pub(crate) fn start_mutex(&self) -> Result<FileMutex, Error> {
        self.mutex(StateFile::StartMutex)
    }

    pub(crate) fn queue(&self) -> Result<FileMutex, Error> {
        self.mutex(StateFile::Queue)
    }

    pub(super) fn mutex(&self, file: StateFile) -> Result<FileMutex, Error> {
        let path = self.path(file);
        FileMutex::open(self.folder.open_or_create_file(&self.name(file))?, &path)
            .map_err(|error| Error::unsafe_lock(&path, &error.to_string()).due_to(error))
    }

    pub(crate) fn was_ever_started(&self) -> bool {
        self.exists(StateFile::StartMutex)
    }

    /// Rejects folders in place of files that a start writes, before it ends anything.
    pub(crate) fn refuse_folders(&self) -> Result<(), Error> {
        [StateFile::Record, StateFile::Counter, StateFile::Request, StateFile::Answer]
            .into_iter()
            .map(|file| self.name(file))
            .flat_map(|name| [name.clone(), format!("{name}.{UNFINISHED}")])
            .try_for_each(|name| self.folder.refuse_folder(&name))
    }

    pub(super) fn exists(&self, file: StateFile) -> bool {
        !matches!(self.folder.open_existing_file(&self.name(file)), Ok(None))
    }

    /// Returns `None` if the file is missing or corrupt.
    pub(super) fn load<T: DeserializeOwned>(&self, file: StateFile) -> Option<T> {
        serde_json::from_str(&self.folder.read(&self.name(file))?).ok()
    }

    pub(super) fn store(&self, file: StateFile, value: &impl Serialize) -> io::Result<()> {
        self.folder.write(&self.name(file), &serde_json::to_string(value)?)
    }

    /// Ignores failures, because a leftover names a process or ticket of the past.
    pub(super) fn remove(&self, file: StateFile) {
        let _ = self.folder.remove(&self.name(file));
    }
}

/// Returns the lock that the file `name` belongs to, if the lock is among `names`. A record alone
/// proves its lock.
pub(crate) fn lock_of<'a>(name: &'a str, names: &[String]) -> Option<&'a str> {
    let unfinished = || name.strip_suffix(UNFINISHED)?.strip_suffix('.');
    let lock = StateFile::ALL
        .iter()
        .find_map(|file| name.strip_suffix(file.suffix()))
        .or_else(unfinished)?;
    (name.ends_with(StateFile::Record.suffix()) || names.iter().any(|it| it == lock))
        .then_some(lock)
}
