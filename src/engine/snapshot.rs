//! What was seen at one moment, and who "I" am; each fact known or unknown.

use std::{path::PathBuf, time::Duration};

use crate::engine::{
    process::{Process, ProcessId, User},
    start_history::{History, Ticket},
};

/// Everything that [`decide`](crate::engine::decide::decide) needs to know of the machine.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Who asks.
    pub me: Caller,
    /// The lock files, in canonical order.
    pub locks: Vec<LockView>,
    /// The living guards and starts that have a record beside the lock.
    pub guards: Vec<GuardView>,
    /// Every process that may be a candidate, with all its descendants; in any order.
    pub processes: Vec<Process>,
    /// How long this start has waited already.
    pub waited: Duration,
    /// What happened to this instance before.
    pub history: History,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// My process id.
    pub pid: u32,
    /// Whose process I am.
    pub user: User,
    /// Whether I may signal everybody's processes.
    pub privileged: bool,
    /// What I may send to a stranger at all.
    pub signal_support: SignalSupport,
    /// What I drew; `None` in a dry run, which draws nothing and would be the newest.
    pub ticket: Option<Ticket>,
}

/// What this system lets one process send to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalSupport {
    /// Every signal.
    Signals,
    /// Nothing that asks it to end; it can only be ended at once.
    KillAlone,
}

/// A lock file and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockView {
    /// Where it is.
    pub path: PathBuf,
    /// Who has it.
    pub state: LockState,
}

/// Who has a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    /// Nobody.
    Free,
    /// The one that asks.
    Mine,
    /// These processes, as far as they could be seen; nobody identifiable if there are none.
    Held(Vec<u32>),
    /// It could not be found out.
    Unknown,
}

/// A guard or a start in progress, by the record that it keeps beside the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardView {
    /// `None` in another PID namespace, where it cannot be seen.
    pub process: Option<ProcessId>,
    /// `None` if its record cannot be read: it counts as older.
    pub ticket: Option<Ticket>,
    /// What it runs, secrets masked.
    pub command: String,
    /// Whose it is.
    pub user: String,
    /// The host that it runs on.
    pub host: String,
    /// Since when it has the instance, seconds since 1970, to be shown.
    pub since: u64,
}
