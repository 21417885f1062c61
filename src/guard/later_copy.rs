//! Finds a copy of the bot that begins after the start, without a guard: what a supervisor brings
//! back after a pause in which no process of it existed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::debug;

use crate::engine::action::Action;
use crate::engine::evidence::Evidence;
use crate::engine::fact::Fact;
use crate::engine::plan::Conflict;
use crate::engine::process::{Launcher, Process, ProcessId, Role};
use crate::engine::reason::RefusalCause;
use crate::engine::respawn::EarlierRounds;
use crate::engine::snapshot::Snapshot;
use crate::engine::ticket::Ticket;
use crate::guard::second_copy::conflicts;
use crate::scan::scan_request::ScanRequest;
use crate::sys::clock;

/// A process that becomes a start of its own, as with `monopoll.ensure()`, does so within this
/// time.
const CONFIRM_AFTER: Duration = Duration::from_secs(3);

pub(super) struct LaterCopySearch {
    request: ScanRequest,
    rounds: EarlierRounds,
    suspects: BTreeSet<ProcessId>,
    sightings: Sightings,
    /// The processes that were reported, and whether each was in doubt.
    reported: BTreeSet<(Reported, bool)>,
}

/// The identity of a reported process.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Reported {
    /// A supervisor may bring it back again and again.
    Command(Vec<String>),
    /// Its arguments are unknown.
    Process(ProcessId),
}

#[derive(Default)]
pub(super) struct LaterCopies {
    pub(super) confirmed: Vec<Conflict>,
    /// When the first of the others can be confirmed. They may be about to become starts of their
    /// own.
    pub(super) confirm_at: Option<Duration>,
}

impl LaterCopySearch {
    /// Takes what the start has ended, and the suspects that it has listed.
    pub(super) fn new(
        request: ScanRequest,
        rounds: EarlierRounds,
        suspects: BTreeSet<ProcessId>,
    ) -> LaterCopySearch {
        let (sightings, reported) = (Sightings::default(), BTreeSet::new());
        LaterCopySearch { request, rounds, suspects, sightings, reported }
    }

    /// Looks for what a start would have to end or to refuse now. The start itself has left
    /// nothing of that.
    pub(super) fn find(&mut self, ticket: Ticket) -> LaterCopies {
        let now = clock::monotonic();
        let released = self.rounds.released.clone();
        let rounds = EarlierRounds { released, ..EarlierRounds::default() };
        let keep = |snapshot: &mut Snapshot| {
            snapshot.processes.retain(|process| self.is_unguarded(process));
            snapshot.other_guards.clear();
        };
        let plan = match conflicts(self.request.clone(), ticket, rounds, keep) {
            Ok(plan) => plan,
            Err(error) => {
                debug!("cannot look for a copy that began later: {error}");
                return LaterCopies::default();
            }
        };
        let mut seen = Vec::new();
        for conflict in plan.conflicts {
            let Some(root) = conflict.root.as_ref().filter(|root| counts(&conflict, root)) else {
                continue;
            };
            let args = root.args.known().cloned();
            let what = args.map_or(Reported::Process(root.id), Reported::Command);
            let is_doubtful = matches!(conflict.refusal, Some(RefusalCause::InDoubt(_)));
            let key = (what, is_doubtful);
            if !self.reported.contains(&key) {
                seen.push((root.id, key, conflict));
            }
        }
        self.sightings.update(seen.iter().map(|(id, ..)| *id), now);
        let mut found = LaterCopies::default();
        for (id, key, conflict) in seen {
            match self.sightings.confirm_at(id).filter(|time| now < *time) {
                Some(time) => {
                    found.confirm_at = found.confirm_at.into_iter().chain([time]).min();
                }
                None if self.reported.insert(key) => found.confirmed.push(conflict),
                None => {}
            }
        }
        found
    }

    /// Returns whether no guard has decided about a process, and none of this start's scans will:
    /// the launcher of an ended conflict and the suspects are watched, and what comes back below
    /// that launcher is ended again.
    fn is_unguarded(&self, process: &Process) -> bool {
        let is_watched = |above: &Launcher| self.rounds.launchers.contains(&above.id);
        if self.rounds.launchers.contains(&process.id) || self.suspects.contains(&process.id) {
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

/// When each process that the last scan saw was seen first.
#[derive(Default)]
struct Sightings(BTreeMap<ProcessId, Duration>);

impl Sightings {
    /// Takes what a scan saw, and forgets everything else.
    fn update(&mut self, seen: impl Iterator<Item = ProcessId>, now: Duration) {
        let first = |id| (id, self.0.get(&id).copied().unwrap_or(now));
        self.0 = seen.map(first).collect();
    }

    /// Returns the time from which a process that is still there is confirmed.
    fn confirm_at(&self, id: ProcessId) -> Option<Duration> {
        Some(self.0.get(&id)?.saturating_add(CONFIRM_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_confirmed_only_three_seconds_after_its_first_sighting() {
        let mut sightings = Sightings::default();
        let [one, other] = [1, 2].map(|pid| ProcessId { pid, start: 7 });
        let mut scan = |second: u64, seen: &[ProcessId]| {
            let now = Duration::from_secs(second);
            sightings.update(seen.iter().copied(), now);
            [one, other].map(|id| sightings.confirm_at(id).is_some_and(|time| time <= now))
        };
        assert_eq!(scan(5, &[one]), [false, false]);
        // The scan that confirms one sees another for the first time, and the next one is planned.
        assert_eq!(scan(8, &[one, other]), [true, false]);
        assert_eq!(scan(10, &[other]), [false, false]);
        assert_eq!(scan(11, &[other]), [false, true]);
        // What was gone in between counts as new.
        assert_eq!(scan(30, &[]), [false, false]);
        assert_eq!(scan(60, &[other]), [false, false]);
    }
}
