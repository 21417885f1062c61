//! One process, each fact of it known or unknown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::fact::{Fact, Truth};
use crate::engine::instance::NameSource;
use crate::engine::likeness::CommandLikeness;
use crate::engine::managed_by::ManagedBy;
use crate::engine::token::{CarriedTokens, MyToken};

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
    pub tokens: CarriedTokens,
    /// A variable that chooses among bots, and whose value differs from mine.
    pub other_variable: Fact<Option<&'static str>>,
    /// It is the same command but for this option, which may choose among bots.
    pub other_option: Fact<Option<String>>,
    /// The living guard that started it, by the marker in its environment.
    pub guard: Fact<Option<OtherGuard>>,
    /// It has an open connection to the Bot API, or is opening one. Only looked for where it
    /// matters, and a picture of one moment.
    pub connected: Fact<bool>,
    /// Its manager would start it again after its end.
    pub restarts: Fact<bool>,
    /// It runs COMMAND's script or, where that has none, its executable.
    pub same_program: Fact<bool>,
    /// It runs what COMMAND forks or spawns: its executable, or an interpreter of its language.
    pub may_be_spawned: Fact<bool>,
    pub likeness: Fact<CommandLikeness>,
    pub relation: Fact<Relation>,
    pub role: Role,
    /// As the subject of rules: the strongest evidence of its conflict.
    pub found_by: Option<EvidenceKind>,
}

impl Process {
    pub fn manager(&self) -> Option<&ManagedBy> {
        self.managed_by.known()?.as_ref()
    }

    /// Returns whether it is the caller, or an ancestor or a descendant of it.
    pub fn is_related(&self) -> bool {
        match self.relation {
            Fact::Known(Relation::Myself | Relation::Ancestor | Relation::Descendant) => true,
            Fact::Known(Relation::None | Relation::Init | Relation::Kernel) | Fact::Unknown => {
                false
            }
        }
    }

    /// Returns whether its working directory is this folder; there may be none.
    pub(super) fn is_in(&self, folder: Option<&Path>) -> Truth {
        self.cwd.holds(|cwd| Some(cwd.as_path()) == folder)
    }

    /// Returns the guard above it that may be asked to end it: of my instance, or of a guessed name
    /// that runs my command. Such a name differs where the same script is spelled differently, and
    /// between versions.
    pub fn guard_to_ask(&self) -> Option<&OtherGuard> {
        let is_to_ask = |guard: &&OtherGuard| match guard.guards {
            GuardedInstance::Mine => true,
            GuardedInstance::Another => {
                guard.name_source == NameSource::Command && self.is_same_command() == Truth::True
            }
        };
        self.guard.known()?.as_ref().filter(is_to_ask)
    }

    /// Returns whether it carries my bot's token.
    pub fn same_token(&self) -> Truth {
        match self.tokens.mine {
            Fact::Known(MyToken::NotLookedFor) | Fact::Unknown => Truth::Unknown,
            Fact::Known(MyToken::NotSeen) => Truth::False,
            Fact::Known(MyToken::Seen(_)) => Truth::True,
        }
    }

    pub fn is_same_command(&self) -> Truth {
        self.likeness.holds(|likeness| *likeness == CommandLikeness::Same)
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
    /// It serves people or supervises programs, such as a terminal multiplexer, an editor or
    /// supervisord, or it launched a guard: its command line may name the bot, but the bot is below
    /// it.
    ServesOthers,
}

/// A guard that holds another lock than the caller's, or the caller's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherGuard {
    pub instance: String,
    /// By the form of the name.
    pub name_source: NameSource,
    pub process: ProcessId,
    pub guards: GuardedInstance,
}

/// The instance of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardedInstance {
    /// Mine: it has one of my locks, or the name of my bot.
    Mine,
    /// Another instance, which may have the same name and other locks.
    Another,
}

/// A process that may have started another one, and may start it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Launcher {
    pub id: ProcessId,
    /// Its command, shortened, secrets masked.
    pub command: String,
}
