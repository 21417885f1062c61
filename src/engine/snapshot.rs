//! The machine as it was seen at one moment, each fact known or unknown.

use std::path::PathBuf;
use std::time::Duration;

use crate::engine::instance::NameSource;
use crate::engine::policy::Purpose;
use crate::engine::process::{Process, ProcessId, User};
use crate::engine::respawn::EarlierRounds;
use crate::engine::takeover_limit::TakeoverHistory;
use crate::engine::ticket::Ticket;

/// Everything that [`decide`](crate::engine::decide::decide) needs to know of the machine.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub me: Caller,
    /// The lock files, in canonical order.
    pub locks: Vec<LockView>,
    /// The living guards and starts that have one of the locks, or a record next to one.
    pub guards: Vec<GuardView>,
    /// The living guards of other locks that started one of the processes.
    pub other_guards: Vec<GuardView>,
    /// Every process that may be a candidate, with all its descendants; in any order.
    pub processes: Vec<Process>,
    pub waited: Duration,
    /// The conflicts that this start has ended so far.
    pub rounds: EarlierRounds,
    /// The earlier takeovers of this instance.
    pub history: TakeoverHistory,
}

impl Snapshot {
    /// Returns whether the lock may be held, but by none of the known processes.
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
    /// Its start time, as in [`ProcessId::start`].
    pub start: u64,
    pub purpose: Purpose,
    pub instance: String,
    pub name_source: NameSource,
    /// The number of bots whose tokens it has.
    pub bots: usize,
    pub cwd: Option<PathBuf>,
    /// COMMAND, as a record has it.
    pub command: Option<String>,
    /// The id of the user that owns COMMAND's script or program.
    pub script_owner: Option<String>,
}

impl Caller {
    /// Returns whether another user's process that runs my command may well be my bot: root starts
    /// what users own.
    pub(super) fn shares_script_with(&self, process: &Process) -> bool {
        process.user.known().is_some_and(|user| {
            user.id == ROOT || self.user.id == ROOT && self.script_owner.as_ref() == Some(&user.id)
        })
    }
}

const ROOT: &str = "0";

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
    /// The visible holders; without any, the holder cannot be identified.
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
    /// Its first lock, next to which it reads requests, if that is not the caller's.
    pub other_lock: Option<PathBuf>,
}
