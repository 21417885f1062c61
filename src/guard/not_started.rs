//! The reasons a start fails.

use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::Process;
use crate::engine::reason::RefusalKind;
use crate::error::{Error, ExitStatus};
use crate::sys::wake::Interrupted;
use crate::terminate::execute::NotEnded;

#[derive(Debug)]
pub enum NotStarted {
    Refused(StartRefusal),
    /// A newer start asked this one to end before it had finished.
    Superseded,
    /// The locks or their folder were deleted or replaced.
    Replaced,
    Interrupted(u8),
    Failed(Error),
}

#[derive(Debug)]
pub enum StartRefusal {
    Plan(Box<Plan>),
    NotEnded {
        why: NotEnded,
        /// The process that was not ended, if the plan has it.
        process: Option<Box<Process>>,
    },
    /// Another start did not finish in time.
    Queued,
}

impl StartRefusal {
    /// Finds the process of `plan` that was not ended.
    pub(super) fn not_ended(why: NotEnded, plan: &Plan) -> StartRefusal {
        let mut processes = plan.conflicts.iter().flat_map(Conflict::processes);
        let process = processes.find(|process| why.pid() == Some(process.id.pid));
        StartRefusal::NotEnded { why, process: process.cloned().map(Box::new) }
    }

    pub fn kind(&self) -> RefusalKind {
        match self {
            StartRefusal::Plan(plan) => plan.refusal_kind().unwrap_or(RefusalKind::Policy),
            StartRefusal::NotEnded { why, .. } => why.kind(),
            StartRefusal::Queued => RefusalKind::Policy,
        }
    }
}

impl NotStarted {
    /// Changes a failure that comes after processes were ended.
    pub(super) fn after_ending_others(self) -> NotStarted {
        match self {
            NotStarted::Failed(error) => NotStarted::Failed(error.after_ending_others()),
            NotStarted::Refused(_)
            | NotStarted::Superseded
            | NotStarted::Replaced
            | NotStarted::Interrupted(_) => self,
        }
    }

    pub fn plan(&self) -> Option<&Plan> {
        if let NotStarted::Refused(StartRefusal::Plan(plan)) = self { Some(plan) } else { None }
    }
}

impl From<Box<Plan>> for NotStarted {
    fn from(plan: Box<Plan>) -> Self {
        NotStarted::Refused(StartRefusal::Plan(plan))
    }
}

impl From<Error> for NotStarted {
    fn from(error: Error) -> Self {
        NotStarted::Failed(error)
    }
}

impl From<Interrupted> for NotStarted {
    fn from(Interrupted(signal): Interrupted) -> Self {
        NotStarted::Interrupted(signal)
    }
}

impl From<std::io::Error> for NotStarted {
    fn from(error: std::io::Error) -> Self {
        let what = format!("cannot read the state of this machine: {error}");
        NotStarted::Failed(Error::new(ExitStatus::Fault, what).due_to(error))
    }
}
