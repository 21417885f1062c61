//! Finds a copy of the bot that begins after the start, without a guard: what a supervisor brings
//! back after a pause in which no process of it existed.

use std::collections::BTreeSet;
use std::io;

use tracing::debug;

use crate::engine::action::Action;
use crate::engine::decide::decide;
use crate::engine::evidence::Evidence;
use crate::engine::fact::Fact;
use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::{Launcher, Process, ProcessId, Role};
use crate::engine::respawn::EarlierRounds;
use crate::engine::ticket::Ticket;
use crate::scan::scan_request::{ScanRequest, ScanScope, StartState};
use crate::terminate::process_control::StartHost;
use crate::terminate::real_host::RealHost;

pub(super) struct LaterSearch {
    request: ScanRequest,
    rounds: EarlierRounds,
    /// What the last scan found.
    seen: BTreeSet<ProcessId>,
    /// What was reported. A supervisor may bring it back again and again.
    reported: BTreeSet<Vec<String>>,
}

#[derive(Default)]
pub(super) struct LaterCopies {
    /// The conflicts that the last scan has seen, too.
    pub(super) confirmed: Vec<Conflict>,
    /// There are others, which may be about to become starts of their own.
    pub(super) has_new: bool,
}

impl LaterSearch {
    /// Takes what the start has ended.
    pub(super) fn new(request: ScanRequest, rounds: EarlierRounds) -> LaterSearch {
        LaterSearch { request, rounds, seen: BTreeSet::new(), reported: BTreeSet::new() }
    }

    /// Looks for what a start would have to end or to refuse now. The start itself has left
    /// nothing of that.
    pub(super) fn find(&mut self, ticket: Ticket) -> LaterCopies {
        let plan = match self.plan(ticket) {
            Ok(plan) => plan,
            Err(error) => {
                debug!("cannot look for a copy that began later: {error}");
                return LaterCopies::default();
            }
        };
        let mut found = LaterCopies::default();
        let mut seen = BTreeSet::new();
        for conflict in plan.conflicts {
            let Some(root) = conflict.root.as_ref().filter(|root| counts(&conflict, root)) else {
                continue;
            };
            let (id, command) = (root.id, root.args.known().cloned().unwrap_or_default());
            if self.reported.contains(&command) {
                continue;
            }
            if self.seen.contains(&id) {
                self.reported.insert(command);
                found.confirmed.push(conflict);
            } else {
                found.has_new = true;
            }
            seen.insert(id);
        }
        self.seen = seen;
        found
    }

    fn plan(&self, ticket: Ticket) -> io::Result<Plan> {
        let mut machine = RealHost::new(self.request.clone())?;
        let released = self.rounds.released.clone();
        let rounds = EarlierRounds { released, ..EarlierRounds::default() };
        let state = StartState { ticket: Some(ticket), rounds, ..StartState::default() };
        let snapshot = machine.snapshot(&[], None, &state, ScanScope::Conflicts);
        machine.end_threads();
        let mut snapshot = snapshot?;
        snapshot.processes.retain(|process| self.is_unguarded(process));
        snapshot.guards.clear();
        snapshot.other_guards.clear();
        Ok(decide(&self.request.policy, &snapshot))
    }

    /// Returns whether no guard has decided about a process, and none of this start's scans will:
    /// the launcher of an ended conflict is watched, and what comes back below it is ended again.
    fn is_unguarded(&self, process: &Process) -> bool {
        let is_watched = |above: &Launcher| self.rounds.launchers.contains(&above.id);
        if self.rounds.launchers.contains(&process.id) {
            return false;
        }
        !process.is_related()
            && process.role == Role::Program
            && !matches!(process.guard, Fact::Known(Some(_)))
            && !process.launchers.known().is_some_and(|above| above.iter().any(is_watched))
    }
}

/// Returns whether a conflict may poll. One that only carries the token must be connected.
fn counts(conflict: &Conflict, root: &Process) -> bool {
    let is_ignored = conflict.refusal.is_none() && conflict.action == Action::Ignore;
    let polls = match conflict.found_by() {
        Evidence::Lock | Evidence::Match(_) | Evidence::Command => true,
        Evidence::Token => root.connected == Fact::Known(true),
    };
    polls && !is_ignored
}
