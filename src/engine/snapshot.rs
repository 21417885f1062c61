//! The machine at one moment; each fact is known or unknown.

use std::path::PathBuf;
use std::time::Duration;

use crate::engine::changed_settings::ChangedSettings;
use crate::engine::instance::{BotId, NameSource};
use crate::engine::policy::Purpose;
use crate::engine::process::{Process, ProcessId, User};
use crate::engine::respawn::EarlierRounds;
use crate::engine::takeover_limit::TakeoverHistory;
use crate::engine::ticket::Ticket;
use crate::engine::token::ChangedEnvFile;

/// Everything that [`decide`](crate::engine::decide::decide) needs to know about the machine.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub me: Caller,
    /// The lock files, in canonical order.
    pub locks: Vec<LockView>,
    /// The living guards and starts that hold one of the locks or have a record next to one.
    pub guards: Vec<GuardView>,
    /// The living guards of other locks that started one of the processes.
    pub other_guards: Vec<GuardView>,
    /// Every possible candidate with all its descendants, in any order.
    pub processes: Vec<Process>,
    pub waited: Duration,
    /// The conflicts that this start has ended so far.
    pub rounds: EarlierRounds,
    pub history: TakeoverHistory,
}

impl Snapshot {
    /// Returns whether the lock may be held by a process that is not in the snapshot.
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
    /// May signal the processes of all users.
    pub privileged: bool,
    pub signal_support: SignalSupport,
    /// The caller's ticket; `None` in a dry run, which draws none and counts as the newest.
    pub ticket: Option<Ticket>,
    /// The caller's start time, as in [`ProcessId::start`].
    pub start: u64,
    pub purpose: Purpose,
    pub instance: String,
    pub name_source: NameSource,
    /// The number of bots whose tokens the caller has.
    pub bots: usize,
    /// See [`OwnTokens::in_dotenv`](crate::engine::token::OwnTokens::in_dotenv).
    pub in_dotenv: Option<BotId>,
    /// See [`OwnTokens::changed_env_file`](crate::engine::token::OwnTokens::changed_env_file).
    pub changed_env_file: Option<ChangedEnvFile>,
    /// A link to settings that COMMAND may read, if it may have led elsewhere before.
    pub changed_settings: Option<ChangedSettings>,
    pub cwd: Option<PathBuf>,
    /// COMMAND, in the form used in records.
    pub command: Option<String>,
    /// The user id of the owner of COMMAND's script or program.
    pub script_owner: Option<String>,
}

impl Caller {
    /// Returns whether another user's process that runs the same command is likely this bot,
    /// because root often starts what users own.
    pub(super) fn shares_script_with(&self, process: &Process) -> bool {
        process.user.known().is_some_and(|user| {
            user.id == ROOT || self.user.id == ROOT && self.script_owner.as_ref() == Some(&user.id)
        })
    }
}

const ROOT: &str = "0";

/// The signals that a program can send to another program on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalSupport {
    Signals,
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
    /// The visible holders; empty if the holder cannot be identified.
    Held(Vec<u32>),
    Unknown,
}

/// A guard or a start in progress, from its record next to the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardView {
    /// `None` for a process in another PID namespace.
    pub process: Option<ProcessId>,
    /// `None` if the record cannot be read. Such a guard counts as older.
    pub ticket: Option<Ticket>,
    /// The command, masked.
    pub command: String,
    pub user: String,
    pub host: String,
    /// The time the guard got the instance, in seconds since 1970. For display only.
    pub since: u64,
    /// The guard's first lock, next to which it reads requests, if that is not the caller's.
    pub other_lock: Option<PathBuf>,
}
