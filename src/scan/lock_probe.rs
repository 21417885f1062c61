//! What a look is given: how the locks were found, and what is known of the start that looks.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    engine::start_history::{History, Ticket},
    state::lock_file::LockFile,
};

/// A lock as a look finds it.
#[derive(Debug, Clone, Copy)]
pub enum LockProbe<'a> {
    /// There is no such file yet.
    Missing(&'a Path),
    /// It is open, and not ours.
    Open(&'a LockFile),
    /// A try failed just now: somebody has it.
    Taken(&'a LockFile),
    /// It is ours.
    Mine(&'a LockFile),
}

impl LockProbe<'_> {
    /// Whether no guard has ever settled with this file, so that it may lie in the place of one
    /// that was deleted.
    #[cfg_attr(
        any(not(target_os = "linux"), monopoll_portable),
        expect(dead_code, reason = "who lost a lock can be seen on Linux alone")
    )]
    pub(crate) fn is_new(&self) -> bool {
        match self {
            LockProbe::Missing(_) => true,
            LockProbe::Open(lock) | LockProbe::Taken(lock) | LockProbe::Mine(lock) => lock.is_new(),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            LockProbe::Missing(path) => path.to_path_buf(),
            LockProbe::Open(lock) | LockProbe::Taken(lock) | LockProbe::Mine(lock) => {
                lock.path().to_owned()
            }
        }
    }
}

/// Whom a look is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanScope {
    /// Everybody who may be in the way, and whoever only looks related.
    Everybody,
    /// Who may be in the way: another look has just told of the rest.
    InTheWay,
}

/// What is known of this start, and not of the machine.
#[derive(Debug, Clone, Default)]
pub struct StartState {
    /// What it drew.
    pub ticket: Option<Ticket>,
    /// How long it has waited.
    pub waited: Duration,
    /// What it has done.
    pub history: History,
}

/// Whose lock it was, where we have one whose file is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplacedOwner {
    /// Nobody's who lives.
    Nobody,
    /// A guard's, and it lives.
    #[cfg_attr(
        any(not(target_os = "linux"), monopoll_portable),
        expect(dead_code, reason = "that can be seen on Linux alone")
    )]
    Guard,
    /// That of a guard that cannot be seen from here.
    Unseen,
}
