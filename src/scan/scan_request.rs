//! The input of a scan: what to look for, how far, and the state of the start.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::changed_settings::ChangedSettings;
use crate::engine::choosing_variables::OwnVariables;
use crate::engine::evidence::{TokenEvidence, token_evidence};
use crate::engine::instance::NameSource;
use crate::engine::policy::Policy;
use crate::engine::process::{Process, ProcessId, User};
use crate::engine::respawn::EarlierRounds;
use crate::engine::snapshot::{Caller, GuardView, LockView, SignalSupport, Snapshot};
use crate::engine::takeover_limit::TakeoverHistory;
use crate::engine::ticket::Ticket;
use crate::engine::token::OwnTokens;
use crate::scan::bot_api_peers::BotApiPeers;
use crate::scan::command::Command;
use crate::sys::users;

/// The input of a scan, shared with the reader threads.
#[derive(Clone)]
pub struct ScanRequest {
    pub policy: Policy,
    pub tokens: OwnTokens,
    /// The variables that may have a bot's token.
    pub token_variables: Vec<String>,
    /// A link to settings that COMMAND may read, if it may have led elsewhere before.
    pub changed_settings: Option<ChangedSettings>,
    pub command: Option<Command>,
    pub instance: String,
    pub name_source: NameSource,
    /// The configuration file that names the instance, if one does.
    pub naming_file: Option<PathBuf>,
    /// The lock files of this start, as configured.
    pub locks: Vec<PathBuf>,
    /// COMMAND's folder, or that of a start without COMMAND.
    pub cwd: Option<PathBuf>,
    /// This start's values of the variables that select the bot.
    pub variables: OwnVariables,
    /// The base name of the command-line tool. A process with such an executable is another start
    /// or a guard, and is recognized by its ticket.
    pub tool_name: Option<OsString>,
    /// This executable, if it uses the library. A process that runs the same file is another start.
    pub library_exe: Option<PathBuf>,
    pub user: User,
    pub bot_api: BotApiPeers,
    /// A pid to describe in any case.
    pub asked: Option<u32>,
}

impl ScanRequest {
    /// Returns whether a process with the token in its environment polls with it.
    pub(crate) fn polls(&self, process: &Process) -> bool {
        token_evidence(&self.policy, self.cwd.as_deref(), process) == Some(TokenEvidence::Proof)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanScope {
    /// Conflicts, suspects and near misses.
    All,
    /// Only conflicts, because an earlier scan has found the rest.
    Conflicts,
}

/// The result of the quick first pass for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relevance {
    None,
    /// Only listed if it is connected: it runs something else in the folder of the start.
    #[cfg_attr(
        any(not(target_os = "linux"), monopoll_portable),
        expect(dead_code, reason = "connections are not read there")
    )]
    InFolder,
    /// Only listed: it has the token in its environment, but so has everything started there.
    Suspect,
    /// May be acted on, and so may its descendants.
    Candidate,
}

#[derive(Debug, Clone, Default)]
pub struct StartState {
    /// `None` in a dry run.
    pub ticket: Option<Ticket>,
    pub waited: Duration,
    pub rounds: EarlierRounds,
}

impl StartState {
    /// Assembles a snapshot from these facts, without the history.
    pub(super) fn snapshot(
        &self,
        request: &ScanRequest,
        me: ProcessId,
        locks: Vec<LockView>,
        guards: Vec<GuardView>,
        other_guards: Vec<GuardView>,
        processes: Vec<Process>,
    ) -> Snapshot {
        let me = Caller {
            pid: me.pid,
            start: me.start,
            user: request.user.clone(),
            privileged: users::is_privileged(),
            signal_support: if cfg!(windows) {
                SignalSupport::KillAlone
            } else {
                SignalSupport::Signals
            },
            ticket: self.ticket,
            purpose: request.policy.purpose,
            instance: request.instance.clone(),
            name_source: request.name_source,
            bots: request.tokens.bots.len(),
            in_dotenv: request.tokens.in_dotenv,
            changed_env_file: request.tokens.changed_env_file.clone(),
            changed_settings: request.changed_settings.clone(),
            cwd: request.cwd.clone(),
            command: request.command.as_ref().map(Command::recorded),
            script_owner: request.command.as_ref().and_then(Command::owner),
        };
        Snapshot {
            me,
            locks,
            guards,
            other_guards,
            processes,
            waited: self.waited,
            rounds: self.rounds.clone(),
            history: TakeoverHistory::default(),
        }
    }
}
