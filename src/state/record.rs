//! What guards and starts write beside the lock: who a guard is, what it is asked, and its answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    engine::{
        ladder::{AfterGraceful, StopMode, StopOptions},
        policy::Purpose,
        process::ProcessId,
        signal::Signal,
        start_history::Ticket,
    },
    sys::file_id::FileId,
};

/// A process as it can be told from every other, on this host and across its PID namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostProcess {
    /// The kernel's id of this boot.
    pub boot: String,
    /// The inode of the PID namespace that `process` is counted in.
    pub pid_namespace: u64,
    /// Who.
    pub process: ProcessId,
}

/// What a guard says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of this format.
    pub version: u32,
    /// What it holds.
    pub instance: String,
    /// How far it is.
    pub state: RecordStage,
    /// What it drew.
    pub ticket: Ticket,
    /// Who it is.
    #[serde(flatten)]
    pub whereabouts: HostProcess,
    /// The files that it locked, where the system tells files apart: it has them locked even when
    /// they lie nowhere any more.
    #[serde(default)]
    pub locks: Vec<FileId>,
    /// Its host's name.
    pub host: String,
    /// Whose it is.
    pub user: String,
    /// What it runs, secrets masked.
    pub command: String,
    /// Since when, seconds since 1970.
    pub since: u64,
    /// The profile that was selected.
    pub profile: Option<String>,
    /// The child, once it was started.
    pub child: Option<ProcessId>,
    /// monopoll's version.
    pub monopoll: String,
}

impl Record {
    /// Notes how far it is.
    pub fn stage(&mut self, stage: RecordStage) {
        self.state = stage;
    }
}

/// How far a guard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordStage {
    /// It has the lock and no child yet.
    Starting,
    /// Its child runs.
    Running,
    /// It is ending its child's tree.
    Stopping,
}

/// A question to a guard: end your tree, in this manner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Tells requests apart.
    pub id: String,
    /// Whom it is for: a guard that has another ticket is not meant.
    pub to: Ticket,
    /// Who asks, for the log.
    pub from_pid: u32,
    /// `graceful` or `force`.
    pub force: bool,
    /// What to send first.
    pub signal: Signal,
    /// From the signal to SIGKILL.
    #[serde(with = "humantime_serde")]
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    #[serde(rename = "kill", with = "humantime_serde")]
    pub kill_patience: Duration,
    /// Whether SIGKILL follows.
    pub escalate: bool,
    /// What for, for the log.
    #[serde(rename = "for", default)]
    pub purpose: Purpose,
}

/// Who asked a guard to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Its pid, in its own PID namespace.
    pub pid: u32,
    /// What for.
    pub purpose: Purpose,
}

impl Request {
    /// A question for the guard with this ticket.
    #[must_use]
    pub fn new(id: String, to: Ticket, asker: Asker, manner: StopOptions) -> Request {
        Request {
            id,
            to,
            from_pid: asker.pid,
            force: manner.mode == StopMode::Force,
            signal: manner.signal,
            graceful: manner.graceful,
            kill_patience: manner.force,
            escalate: manner.escalation == AfterGraceful::Kill,
            purpose: asker.purpose,
        }
    }

    /// Who asks.
    #[must_use]
    pub fn asker(&self) -> Asker {
        Asker { pid: self.from_pid, purpose: self.purpose }
    }

    /// What is asked for.
    #[must_use]
    pub fn manner(&self) -> StopOptions {
        StopOptions {
            mode: if self.force { StopMode::Force } else { StopMode::Graceful },
            signal: self.signal,
            graceful: self.graceful,
            force: self.kill_patience,
            escalation: if self.escalate { AfterGraceful::Kill } else { AfterGraceful::Refuse },
        }
    }
}

/// A guard's word that it heard.
#[derive(Serialize, Deserialize)]
pub(crate) struct RequestAnswer {
    pub(crate) id: String,
}
