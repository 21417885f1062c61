//! The input of a scan: what to look for, how far, and the state of the start that asks.

use std::path::PathBuf;
use std::time::Duration;

use crate::engine::policy::Policy;
use crate::engine::process::{Process, User};
use crate::engine::snapshot::{Caller, GuardView, LockView, SignalSupport, Snapshot};
use crate::engine::start_history::{History, Ticket};
use crate::engine::token::Token;
use crate::scan::command::Command;
use crate::sys::host;

/// The object of a scan; shared with the threads that read.
#[derive(Debug)]
pub struct ScanRequest {
    /// Decides which processes are candidates.
    pub policy: Policy,
    /// The bot token, where it is known.
    pub token: Option<Token>,
    /// The variables that may contain a token.
    pub token_env: Vec<String>,
    /// COMMAND, where there is one.
    pub command: Option<Command>,
    /// This executable, if it is the command-line tool: other processes that run it are known by
    /// their ticket.
    pub wrapper: Option<PathBuf>,
    /// This executable, if it uses the library: other processes that run it are starts too, and
    /// known by their ticket.
    pub library: Option<PathBuf>,
    /// The user of this process.
    pub user: User,
    /// A pid to describe in any case.
    pub asked: Option<u32>,
}

/// The processes that a scan is to find.
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
    /// It is ignored.
    None,
    /// It is only shown: it has the token in its environment, as everything started there has.
    Suspect,
    /// It may be acted on, and so may everything below it.
    Candidate,
}

/// The state of the start that asks.
#[derive(Debug, Clone, Default)]
pub struct StartState {
    /// Its ticket; `None` in a dry run.
    pub ticket: Option<Ticket>,
    /// The time that it has waited.
    pub waited: Duration,
    /// Its acts so far.
    pub history: History,
}

impl StartState {
    /// Makes a snapshot of what a scan for `request` has found.
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
