//! What was done to each conflict, for the history.

use std::time::Duration;

use crate::{
    engine::{
        plan::{Blow, Conflict, DecidedBy, Plan},
        snapshot::ProcessId,
    },
    state::event::{self, Ended},
    sys::clock,
    terminate::execute::Event,
};

/// A plan that is being carried out.
pub(crate) struct Account {
    began: Duration,
    killed: Vec<ProcessId>,
    ended: Vec<(Option<u32>, Duration)>,
}

impl Account {
    /// From now on.
    pub(crate) fn begin() -> Account {
        Account { began: clock::patience(), killed: Vec::new(), ended: Vec::new() }
    }

    /// Something was done.
    pub(crate) fn note(&mut self, event: Event) {
        match event {
            Event::Sent(id, Blow::Kill) => self.killed.push(id),
            Event::Ended(root) => self.ended.push((root, clock::patience())),
            Event::Asked(_)
            | Event::Heard(_)
            | Event::Still
            | Event::Sent(_, Blow::Signal(_) | Blow::Continue) => {}
        }
    }

    /// The conflicts of `plan` that have ended, whatever became of the others.
    pub(crate) fn ended(&self, plan: &Plan) -> Vec<Ended> {
        plan.kills().filter_map(|conflict| self.one(conflict)).collect()
    }

    fn one(&self, conflict: &Conflict) -> Option<Ended> {
        let pid = conflict.root.as_ref().map(|root| root.id.pid);
        let (_, at) = self.ended.iter().find(|(root, _)| *root == pid)?;
        let args = conflict.root.as_ref().and_then(|root| root.args.known());
        let killed =
            conflict.processes().filter(|process| self.killed.contains(&process.id)).count();
        Some(Ended {
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
