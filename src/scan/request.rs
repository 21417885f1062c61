//! The input of a scan: what to look for, how far, and the state of the start that asks.

use std::path::PathBuf;
use std::time::Duration;

use crate::engine::policy::Policy;
use crate::engine::process::{Process, User};
use crate::engine::snapshot::{Caller, GuardView, LockView, SignalSupport, Snapshot};
use crate::engine::start_history::{History, Ticket};
use crate::engine::token::Token;
use crate::scan::bot_api_peers::BotApiPeers;
use crate::scan::command::Command;
use crate::sys::host;

/// Shared with the threads that read.
pub struct ScanRequest {
    pub policy: Policy,
    pub token: Option<Token>,
    pub token_env: Vec<String>,
    pub command: Option<Command>,
    /// This executable, if it is the command-line tool: other starts run it too and are known by
    /// their ticket.
    pub wrapper: Option<PathBuf>,
    /// This executable, if it uses the library: other starts run it too.
    pub library: Option<PathBuf>,
    pub user: User,
    pub bot_api: BotApiPeers,
    /// A pid to describe in any case.
    pub asked: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanScope {
    /// Conflicts, and processes that only look related.
    All,
    /// Conflicts alone: an earlier scan has found the rest.
    Conflicts,
}

/// The result of the first, quick look at a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relevance {
    None,
    /// It is only shown: it has the token in its environment, as everything started there has.
    Suspect,
    /// It may be acted on, and so may everything below it.
    Candidate,
}

#[derive(Debug, Clone, Default)]
pub struct StartState {
    /// `None` in a dry run.
    pub ticket: Option<Ticket>,
    pub waited: Duration,
    pub history: History,
}

impl StartState {
    pub(super) fn snapshot(
        &self,
        request: &ScanRequest,
        pid: u32,
        locks: Vec<LockView>,
        guards: Vec<GuardView>,
        processes: Vec<Process>,
    ) -> Snapshot {
        let me = Caller {
            pid,
            user: request.user.clone(),
            privileged: host::is_privileged(),
            signal_support: if cfg!(windows) {
                SignalSupport::KillAlone
            } else {
                SignalSupport::Signals
            },
            ticket: self.ticket,
        };
        let history = self.history.clone();
        Snapshot { me, locks, guards, processes, waited: self.waited, history }
    }
}
