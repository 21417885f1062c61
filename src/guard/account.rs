//! What was done to each conflict, for the history.

use std::time::Duration;

use crate::{
    engine::{
        plan::{Conflict, DecidedBy, Plan, SignalToSend},
        snapshot::ProcessId,
    },
    state::event::{self, EndedConflict},
    sys::clock,
    terminate::execute::TerminateEvent,
};

/// A plan that is being carried out.
pub(crate) struct EndedLog {
    began: Duration,
    killed: Vec<ProcessId>,
    ended: Vec<(Option<u32>, Duration)>,
}

impl EndedLog {
    /// From now on.
    pub(crate) fn begin() -> EndedLog {
        EndedLog { began: clock::patience(), killed: Vec::new(), ended: Vec::new() }
    }

    /// Something was done.
    pub(crate) fn note(&mut self, event: TerminateEvent) {
        match event {
            TerminateEvent::Sent(id, SignalToSend::Kill) => self.killed.push(id),
            TerminateEvent::Ended(root) => self.ended.push((root, clock::patience())),
            TerminateEvent::Asked(_)
            | TerminateEvent::Heard(_)
            | TerminateEvent::Still
            | TerminateEvent::Sent(_, SignalToSend::Signal(_) | SignalToSend::Continue) => {}
        }
    }

    /// The conflicts of `plan` that have ended, whatever became of the others.
    pub(crate) fn ended(&self, plan: &Plan) -> Vec<EndedConflict> {
        plan.kills().filter_map(|conflict| self.one(conflict)).collect()
    }

    fn one(&self, conflict: &Conflict) -> Option<EndedConflict> {
        let pid = conflict.root.as_ref().map(|root| root.id.pid);
        let (_, at) = self.ended.iter().find(|(root, _)| *root == pid)?;
        let args = conflict.root.as_ref().and_then(|root| root.args.known());
        let killed =
            conflict.processes().filter(|process| self.killed.contains(&process.id)).count();
        Some(EndedConflict {
            from_pid: pid,
            command: match &conflict.guard {
                Some(guard) => guard.command.clone(),
                None => args.map(|args| event::kept(args)).unwrap_or_default(),
            },
            action: conflict.action,
            rule: match &conflict.decided_by {
                DecidedBy::Rule(name) => Some(name.clone()),
                DecidedBy::OnConflict | DecidedBy::SameToken | DecidedBy::Caution => None,
            },
            took_ms: clock::millis(at.saturating_sub(self.began)),
            killed: u32::try_from(killed).unwrap_or(u32::MAX),
        })
    }
}
