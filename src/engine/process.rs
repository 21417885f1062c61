//! A process with its facts, each known or unknown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::fact::{Fact, Truth};
use crate::engine::instance::{BotId, NameSource};
use crate::engine::likeness::{CommandDoubt, CommandLikeness, ComparedCommand};
use crate::engine::managed_by::ManagedBy;
use crate::engine::token::{CarriedTokens, MyToken};

/// The identity of a process. Pids are reused; a pid with its start time is not.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct ProcessId {
    /// The pid in monopoll's PID namespace.
    pub pid: u32,
    /// The exact start time in the kernel's unit (Linux: clock ticks since boot). On other systems,
    /// seconds since 1970, which is less precise.
    pub start: u64,
}

/// By default, every fact is unknown.
#[derive(Debug, Clone, Default)]
pub struct Process {
    pub id: ProcessId,
    pub parent: Fact<u32>,
    /// The base name of the executable, or of the first argument if the executable is unknown.
    pub name: Fact<String>,
    pub args: Fact<Vec<String>>,
    /// The executable, without ` (deleted)`.
    pub exe: Fact<PathBuf>,
    /// The working directory, without ` (deleted)`.
    pub cwd: Fact<PathBuf>,
    pub user: Fact<User>,
    /// The container of the process; `None` if monopoll is in the same one.
    pub container: Fact<Option<String>>,
    pub state: Fact<RunState>,
    pub age: Fact<Duration>,
    /// The service manager that would restart the process.
    pub managed_by: Fact<Option<ManagedBy>>,
    /// The processes that may have started this one, nearest first: its ancestors up to the first
    /// that adopted it, that starts programs for users, or that is also an ancestor of monopoll.
    pub launchers: Fact<Vec<Launcher>>,
    /// Orphaned: the process that started it has ended, and no supervisor manages it.
    pub orphaned: Fact<bool>,
    /// The process has a lock file of this instance open and locked.
    pub holds_lock: Fact<bool>,
    /// Reading the command line or environment of this process of the caller's user blocks in the
    /// kernel, so they are unknown.
    pub blocks_reads: bool,
    pub tokens: CarriedTokens,
    /// Another bot than the caller's, which the `.env` of the process's own folder names. Not read
    /// in the folders of the caller and its scripts, nor for what has this instance by the bot's
    /// number.
    pub env_file_bot: Fact<Option<BotId>>,
    /// The copy in the process's folder of the configuration that names the caller's instance. Only
    /// looked for if the caller knows no token and the process has that instance.
    pub copied_configuration: Option<PathBuf>,
    /// The folder of a guard of the caller's instance that was moved, while the caller is in the
    /// one that took its place.
    pub moved_folder: Option<PathBuf>,
    /// A variable that selects the bot and has another value than the caller's.
    pub other_variable: Fact<Option<String>>,
    /// A reason to doubt that the process is this bot, although it runs the same command.
    pub command_doubt: Fact<Option<CommandDoubt>>,
    /// The living guard that started the process, according to the marker in its environment.
    pub guard: Fact<Option<OtherGuard>>,
    /// The process has a connection to the Bot API, or is opening one, at the moment of the scan.
    /// Only looked up if it matters.
    pub connected: Fact<bool>,
    /// The process is connected to the Bot API and belongs to COMMAND's project: by its folder, its
    /// `PWD` or a path on its command line. Or the `.env` of its folder names this bot. Only looked
    /// up for processes that run something else.
    pub is_connected_nearby: bool,
    /// The manager would restart the process after its end.
    pub restarts: Fact<bool>,
    /// The process runs COMMAND's script or, if COMMAND has none, its executable.
    pub same_program: Fact<bool>,
    /// COMMAND could have forked or spawned the process: it runs the same executable, or an
    /// interpreter of the same language.
    pub may_be_spawned: Fact<bool>,
    pub likeness: Fact<CommandLikeness>,
    /// What was compared. For explanations only.
    pub compared: Fact<ComparedCommand>,
    pub relation: Fact<Relation>,
    pub role: Role,
    /// The kind of server, if it also starts programs for others than its starter.
    pub server: Option<Server>,
    /// For rules: the strongest evidence of the conflict.
    pub found_by: Option<EvidenceKind>,
}

impl Process {
    pub fn manager(&self) -> Option<&ManagedBy> {
        self.managed_by.known()?.as_ref()
    }

    /// Returns whether the process is the caller, its ancestor or its descendant.
    pub fn is_related(&self) -> bool {
        match self.relation {
            Fact::Known(Relation::Myself | Relation::Ancestor | Relation::Descendant) => true,
            Fact::Known(Relation::None | Relation::Init | Relation::Kernel) | Fact::Unknown => {
                false
            }
        }
    }

    /// Returns whether the process has the lock or runs under a guard of this instance.
    pub(crate) fn is_of_my_instance(&self) -> bool {
        let above = self.guard.known().and_then(Option::as_ref);
        self.holds_lock == Fact::Known(true)
            || above.is_some_and(|guard| guard.guards == GuardedInstance::Mine)
    }

    pub(super) fn is_in(&self, folder: Option<&Path>) -> Truth {
        self.cwd.holds(|cwd| Some(cwd.as_path()) == folder)
    }

    /// Returns the guard above the process that may be asked to end it: a guard of this instance,
    /// or one with a guessed name that runs the same command. Guessed names differ between versions
    /// and between spellings of the same script.
    pub fn guard_to_ask(&self) -> Option<&OtherGuard> {
        let is_to_ask = |guard: &&OtherGuard| match guard.guards {
            GuardedInstance::Mine => true,
            GuardedInstance::Another => {
                guard.name_source == NameSource::Command && self.is_same_command() == Truth::True
            }
        };
        self.guard.known()?.as_ref().filter(is_to_ask)
    }

    /// Returns whether the process carries this bot's token.
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

    /// Returns whether the process runs the same command in the same folder.
    pub(super) fn is_same_command_here(&self) -> bool {
        let is_elsewhere = |doubt: &Option<CommandDoubt>| {
            matches!(doubt, Some(CommandDoubt::OtherFolder | CommandDoubt::CallerFolder))
        };
        self.is_same_command() == Truth::True
            && !self.command_doubt.known().is_some_and(is_elsewhere)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// The system's id of the user: a uid or a SID.
    pub id: String,
    /// The user name, or the id if there is no name.
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
    /// The parent, its parent, and so on.
    Ancestor,
    /// Started by the caller, directly or indirectly.
    Descendant,
    /// PID 1 of its PID namespace.
    Init,
    Kernel,
}

/// The role of a process in monopoll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    #[default]
    Program,
    /// A start in progress or a guard. Recognized by its ticket, never by a pattern or token.
    Monopoll,
    /// Serves people or supervises programs, such as a terminal multiplexer, an editor or
    /// supervisord, or launched a guard. Its command line may name the bot, but the bot is a
    /// descendant.
    ServesOthers,
}

/// A server that starts programs at the request of any terminal of its user. The first request also
/// starts the server, perhaps below a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    /// A terminal multiplexer. It gives its programs its own environment.
    Multiplexer,
    /// PM2's daemon. In fork mode, it gives each app the environment of the command that asked for
    /// it, in cluster mode its own.
    Pm2,
    /// supervisord in the background. It gives its programs its own environment.
    Supervisord,
}

/// A guard above a process, of any instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherGuard {
    pub instance: String,
    /// Guessed from the form of the name.
    pub name_source: NameSource,
    pub process: ProcessId,
    pub guards: GuardedInstance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardedInstance {
    /// This instance: the guard has one of its locks, or the name of its bot.
    Mine,
    /// Another instance, which may have the same name but has other locks.
    Another,
}

/// A process that may have started another one and may start it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Launcher {
    pub id: ProcessId,
    /// The command, shortened and masked.
    pub command: String,
}
