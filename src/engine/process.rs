//! One process, each fact of it known or unknown.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::fact::{Fact, Truth};
use crate::engine::likeness::CommandLikeness;
use crate::engine::managed_by::ManagedBy;
use crate::engine::token::CarriedToken;

/// The identity of a process: a pid is reused, a pid with its start time is not.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct ProcessId {
    /// The pid in monopoll's PID namespace.
    pub pid: u32,
    /// Its start time, in the kernel's own unit (Linux: clock ticks since boot), exact; elsewhere
    /// seconds since 1970, as coarse as that is.
    pub start: u64,
}

/// A process; the default has no known fact.
#[derive(Debug, Clone, Default)]
pub struct Process {
    pub id: ProcessId,
    pub parent: Fact<u32>,
    /// Its executable's base name, else that of its first argument.
    pub name: Fact<String>,
    pub args: Fact<Vec<String>>,
    /// Its executable, without ` (deleted)`.
    pub exe: Fact<PathBuf>,
    /// Its working directory, without ` (deleted)`.
    pub cwd: Fact<PathBuf>,
    pub user: Fact<User>,
    /// The container it is in, `None` where that is also mine.
    pub container: Fact<Option<String>>,
    pub state: Fact<RunState>,
    pub age: Fact<Duration>,
    /// The service manager that would restart it.
    pub managed_by: Fact<Option<ManagedBy>>,
    /// The processes that may have started it, the nearest first: its ancestors up to the first
    /// that only adopted it, starts programs for users, or is an ancestor of monopoll too.
    pub launchers: Fact<Vec<Launcher>>,
    /// Its parent did not start it and nothing manages it.
    pub orphaned: Fact<bool>,
    /// It has a lock file of this instance open, and locked.
    pub holds_lock: Fact<bool>,
    pub token: Fact<CarriedToken>,
    /// It has an open connection to the Bot API, or is opening one. Only looked for where it
    /// matters, and a picture of one moment.
    pub connected: Fact<bool>,
    /// It runs COMMAND's script or, where that has none, its executable.
    pub same_program: Fact<bool>,
    /// Its likeness to the command that would be started.
    pub likeness: Fact<CommandLikeness>,
    pub relation: Fact<Relation>,
    pub role: Role,
}

impl Process {
    pub fn manager(&self) -> Option<&ManagedBy> {
        self.managed_by.known()?.as_ref()
    }

    /// Returns whether it is an ancestor or a descendant of the caller.
    pub fn is_relative(&self) -> bool {
        matches!(self.relation, Fact::Known(Relation::Ancestor | Relation::Descendant))
    }

    /// Returns whether it carries my bot's token.
    pub fn same_token(&self) -> Truth {
        match &self.token {
            Fact::Known(CarriedToken::NotLookedFor) | Fact::Unknown => Truth::Unknown,
            Fact::Known(CarriedToken::None | CarriedToken::Other(_)) => Truth::False,
            Fact::Known(CarriedToken::Mine(_)) => Truth::True,
        }
    }
}

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

/// State of a process in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Running on a processor, or ready to run.
    Running,
    /// Waiting; a signal wakes it.
    Sleeping,
    /// Stopped by a signal or a debugger.
    Stopped,
    /// Ended, but not yet reaped.
    Zombie,
    /// Waiting in the kernel; no signal wakes it.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    None,
    Myself,
    /// Its parent, its parent's parent, …
    Ancestor,
    /// Started by the caller, directly or not.
    Descendant,
    /// PID 1 of its PID namespace.
    Init,
    Kernel,
}

/// The role of a process in monopoll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// None: any other program.
    #[default]
    Program,
    /// A monopoll: a start in progress or a guard. It is known by its ticket, never by pattern or
    /// token.
    Monopoll,
}

/// A process that may have started another one, and may start it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Launcher {
    pub id: ProcessId,
    /// Its command, shortened, secrets masked.
    pub command: String,
}
