//! What was seen at one moment, and who "I" am; each fact known or unknown.

use std::{fmt, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::engine::managed_by::{
    Container, ContainerEngine, Launcher, ManagedBy, Pm2App, ServiceFolder, SupervisordAddress,
    SupervisordProgram,
};
use crate::engine::{
    fact::{Fact, Truth},
    instance::BotId,
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
    pub reach: SignalSupport,
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

/// A process as the kernel tells them apart: a pid is used again, a pid with its start time is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid in monopoll's PID namespace.
    pub pid: u32,
    /// When it started, in the kernel's own unit (Linux: clock ticks since boot), exact;
    /// elsewhere seconds since 1970, as coarse as that is.
    pub start: u64,
}

/// One process and what is known of it.
#[derive(Debug, Clone)]
pub struct Process {
    /// Who it is.
    pub id: ProcessId,
    /// Its parent's pid.
    pub parent: Fact<u32>,
    /// Its executable's base name, else that of its first argument.
    pub name: Fact<String>,
    /// Its command line.
    pub args: Fact<Vec<String>>,
    /// Its executable, without ` (deleted)`.
    pub exe: Fact<PathBuf>,
    /// Its working directory.
    pub cwd: Fact<PathBuf>,
    /// Whose it is.
    pub user: Fact<User>,
    /// The container it is in, `None` where that is also mine.
    pub container: Fact<Option<String>>,
    /// What it is doing.
    pub state: Fact<RunState>,
    /// How long it has been running.
    pub age: Fact<Duration>,
    /// What would start it again.
    pub managed_by: Fact<Option<ManagedBy>>,
    /// Who may have started it, the nearest first: the living processes above it, but for those
    /// that only adopt what others started, that start things for people, or that monopoll is below
    /// itself.
    pub launchers: Fact<Vec<Launcher>>,
    /// Its parent did not start it and nothing manages it.
    pub orphaned: Fact<bool>,
    /// It has a lock file of this instance open, and locked.
    pub holds_lock: Fact<bool>,
    /// Which bot tokens it carries.
    pub token: Fact<CarriedToken>,
    /// It runs COMMAND's own executable.
    pub own_program: Fact<bool>,
    /// It is what COMMAND would become: same program, arguments and working directory.
    pub twin: Fact<bool>,
    /// How it is related to me.
    pub kin: Fact<Relation>,
    /// What it is to monopoll.
    pub role: Role,
}

impl Process {
    /// One of which nothing is known but that it is there.
    #[must_use]
    pub fn unseen() -> Process {
        Process {
            id: ProcessId { pid: 0, start: 0 },
            parent: Fact::Unknown,
            name: Fact::Unknown,
            args: Fact::Unknown,
            exe: Fact::Unknown,
            cwd: Fact::Unknown,
            user: Fact::Unknown,
            container: Fact::Unknown,
            state: Fact::Unknown,
            age: Fact::Unknown,
            managed_by: Fact::Unknown,
            launchers: Fact::Unknown,
            orphaned: Fact::Unknown,
            holds_lock: Fact::Unknown,
            token: Fact::Unknown,
            own_program: Fact::Unknown,
            twin: Fact::Unknown,
            kin: Fact::Unknown,
            role: Role::Program,
        }
    }

    /// Whether it carries my bot's token.
    #[must_use]
    pub fn same_token(&self) -> Truth {
        match &self.token {
            Fact::Known(CarriedToken::NotLookedFor) | Fact::Unknown => Truth::Unknown,
            Fact::Known(CarriedToken::None | CarriedToken::Other(_)) => Truth::False,
            Fact::Known(CarriedToken::Mine(_)) => Truth::True,
        }
    }
}

/// Whose a process is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// The system's own id: a uid, a SID.
    pub id: String,
    /// The name, else the id again.
    pub name: String,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What the kernel says a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// On a processor or ready for one.
    Running,
    /// Waiting, and a signal wakes it.
    Sleeping,
    /// Stopped by a signal or a debugger.
    Stopped,
    /// Ended, and not yet reaped.
    Zombie,
    /// Waiting in the kernel, and no signal wakes it.
    Uninterruptible,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunState::Running => "running",
            RunState::Sleeping => "sleeping",
            RunState::Stopped => "stopped",
            RunState::Zombie => "zombie",
            RunState::Uninterruptible => "uninterruptible",
        })
    }
}

/// Which bot tokens a process carries, on its command line or in its environment. The tokens
/// themselves are never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarriedToken {
    /// My bot is not known, or the user asked not to look.
    NotLookedFor,
    /// None that can be seen; a token that was read from a file cannot.
    None,
    /// Mine, and where.
    Mine(TokenPlace),
    /// Only another bot's.
    Other(BotId),
}

/// Where a token was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// On the command line: it was meant for this process.
    CommandLine,
    /// In the environment: it may only have been inherited.
    Environment,
}

/// How a process is related to the one that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Not at all.
    None,
    /// It is the one that asks.
    Myself,
    /// Its parent, its parent's parent, …
    Ancestor,
    /// Started by it, directly or not.
    Descendant,
    /// PID 1 of its PID namespace.
    Init,
    /// A thread of the kernel.
    Kernel,
}

/// What a process is to monopoll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Any other program.
    Program,
    /// A monopoll: a start in progress or a guard. It is known by its ticket, never by pattern or
    /// token.
    Monopoll,
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
