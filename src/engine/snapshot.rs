//! The machine as it was seen at one moment, each fact known or unknown.

use std::path::PathBuf;
use std::time::Duration;

use crate::engine::process::{Process, ProcessId, User};
use crate::engine::start_history::{History, Ticket};

/// Everything that [`decide`](crate::engine::decide::decide) needs to know of the machine.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The caller.
    pub me: Caller,
    /// The lock files, in canonical order.
    pub locks: Vec<LockView>,
    /// The living guards and starts that have a record beside the lock.
    pub guards: Vec<GuardView>,
    /// Every process that may be a candidate, with all its descendants; in any order.
    pub processes: Vec<Process>,
    /// The time that this start has waited so far.
    pub waited: Duration,
    /// Earlier events of this instance.
    pub history: History,
}

/// The caller.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its process id.
    pub pid: u32,
    /// Its user.
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
    /// Every signal.
    Signals,
    /// Nothing that asks it to end; it can only be ended at once.
    KillAlone,
}

/// A lock file and its holders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockView {
    /// Its path.
    pub path: PathBuf,
    /// Its holders.
    pub state: LockState,
}

/// The holders of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    /// None.
    Free,
    /// The caller.
    Mine,
    /// These processes, as far as they can be seen; if there are none, it cannot be identified.
    Held(Vec<u32>),
    /// Unknown.
    Unknown,
}

/// A guard or a start in progress, by the record that it keeps beside the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardView {
    /// `None` in another PID namespace, where it cannot be seen.
    pub process: Option<ProcessId>,
    /// `None` if its record cannot be read: it counts as older.
    pub ticket: Option<Ticket>,
    /// Its command, secrets masked.
    pub command: String,
    /// Its user.
    pub user: String,
    /// The host that it runs on.
    pub host: String,
    /// The time since which it has the instance, in seconds since 1970, to be shown.
    pub since: u64,
}
