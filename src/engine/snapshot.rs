//! The machine as it was seen at one moment, each fact known or unknown.

use std::path::PathBuf;
use std::time::Duration;

use crate::engine::process::{Process, ProcessId, User};
use crate::engine::start_history::{History, Ticket};

/// Everything that [`decide`](crate::engine::decide::decide) needs to know of the machine.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub me: Caller,
    /// The lock files, in canonical order.
    pub locks: Vec<LockView>,
    /// The living guards and starts that have a record next to the lock.
    pub guards: Vec<GuardView>,
    /// Every process that may be a candidate, with all its descendants; in any order.
    pub processes: Vec<Process>,
    pub waited: Duration,
    pub history: History,
}

impl Snapshot {
    /// Returns whether the lock is taken, as far as is known, by none of the processes.
    pub fn is_holder_unidentified(&self, lock: &LockView) -> bool {
        match &lock.state {
            LockState::Free | LockState::Mine => false,
            LockState::Held(holders) => {
                !self.processes.iter().any(|process| holders.contains(&process.id.pid))
            }
            LockState::Unknown => true,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Caller {
    pub pid: u32,
    pub user: User,
    /// It may signal the processes of all users.
    pub privileged: bool,
    /// The signals that this system lets it send to other programs.
    pub signal_support: SignalSupport,
    /// Its ticket; `None` in a dry run, which draws none and would be the newest.
    pub ticket: Option<Ticket>,
}

/// The signals that a system lets one program send to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalSupport {
    Signals,
    /// SIGKILL alone.
    KillAlone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockView {
    pub path: PathBuf,
    pub state: LockState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    Free,
    Mine,
    /// These processes, as far as they can be seen; if there are none, it cannot be identified.
    Held(Vec<u32>),
    Unknown,
}

/// A guard or a start in progress, by the record that it keeps next to the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardView {
    /// `None` in another PID namespace, where it cannot be seen.
    pub process: Option<ProcessId>,
    /// `None` if its record cannot be read: it counts as older.
    pub ticket: Option<Ticket>,
    /// Its command, secrets masked.
    pub command: String,
    pub user: String,
    pub host: String,
    /// The time since which it has the instance, in seconds since 1970, to be shown.
    pub since: u64,
}
