//! The state of a start that carries over between attempts.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::fact::Fact;
use crate::engine::managed_by::ManagedBy;
use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::{Process, ProcessId};
use crate::engine::respawn::EarlierRounds;
use crate::engine::snapshot::Snapshot;
use crate::guard::follow_up::FollowUp;
use crate::state::history_event::EndedConflict;
use crate::sys::file_mutex::FileMutex;
use crate::sys::ticker::Ticker;

/// The time within which an ended conflict may come back: with a manager, or only with a living
/// parent (S2).
const MANAGED_RESPAWN: Duration = Duration::from_secs(1);
const PARENTED_RESPAWN: Duration = Duration::from_millis(250);

/// supervisord polls once per second: one poll notices the end, the next one restarts.
const SUPERVISORD_RESPAWN: Duration = Duration::from_millis(2500);

/// The additional pause of a supervisor that backs off if a program ended too early.
const BACK_OFF: Duration = Duration::from_secs(2);
const JUST_STARTED: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct AttemptState {
    pub(super) waiting_since: Option<Duration>,
    pub(super) ticker: Option<Ticker>,
    /// The deadline of the whole start, on the monotonic clock.
    pub(super) until: Option<Duration>,
    pub(super) rounds: EarlierRounds,
    /// A holder has ended or is ending, so its lock may soon be free.
    pub(super) may_release_soon: bool,
    /// The earliest time of the second scan.
    pub(super) rescan_at: Option<Duration>,
    /// The end of the time in which processes of the same command may become starts.
    pub(super) young_until: Option<Duration>,
    /// A guard that lost its lock has had time to retake it.
    pub(super) has_given_back: bool,
    /// Held while this start is the first one that waits for a guard.
    pub(super) queue: Option<FileMutex>,
    /// The suspects that the first scan listed.
    pub(super) suspects: BTreeSet<ProcessId>,
    /// Collected for the history, which is written when the child runs or the start fails.
    pub(super) ended: Vec<EndedConflict>,
}

impl AttemptState {
    pub(super) fn follow_up(&self) -> FollowUp {
        FollowUp { rounds: self.rounds.clone(), suspects: self.suspects.clone() }
    }

    /// Records the conflicts that `plan` has ended by `now`, for the next decision.
    pub(super) fn record_ended(&mut self, plan: &Plan, snapshot: &Snapshot, now: Duration) {
        self.may_release_soon = true;
        let (guarded, unguarded): (Vec<&Conflict>, Vec<&Conflict>) =
            plan.conflicts_to_end().partition(|conflict| conflict.guard.is_some());
        self.rounds.ended_unguarded += u32::from(!unguarded.is_empty());
        let roots = |conflicts: &[&Conflict]| -> Vec<Process> {
            conflicts.iter().filter_map(|conflict| conflict.root.clone()).collect()
        };
        for guard in roots(&guarded) {
            self.rounds.released.insert(guard.id);
            // The token on the command line of `sudo … monopoll run` outlives the guard.
            self.rounds.released.extend(launcher_ids(&guard));
        }
        let ended = roots(&unguarded);
        self.rounds.launchers.extend(ended.iter().flat_map(launcher_ids));
        let pause = unguarded.iter().filter_map(|conflict| respawn(conflict, snapshot)).max();
        self.rescan_at = pause.map(|pause| now.saturating_add(pause));
    }
}

fn launcher_ids(process: &Process) -> impl Iterator<Item = ProcessId> {
    process.launchers.known().into_iter().flatten().map(|launcher| launcher.id)
}

/// Returns the time within which this conflict may come back after its end.
fn respawn(conflict: &Conflict, snapshot: &Snapshot) -> Option<Duration> {
    let root = conflict.root.as_ref().filter(|_| conflict.guard.is_none())?;
    let just_started = root.age.known().is_none_or(|age| *age < JUST_STARTED);
    let back_off = if just_started { BACK_OFF } else { Duration::ZERO };
    match (&root.managed_by, root.parent) {
        (Fact::Known(Some(ManagedBy::Supervisord(_))), _) => Some(SUPERVISORD_RESPAWN + back_off),
        (Fact::Known(Some(ManagedBy::Runit(_) | ManagedBy::S6(_))), _) => {
            Some(MANAGED_RESPAWN + back_off)
        }
        (Fact::Known(Some(_)) | Fact::Unknown, _) => Some(MANAGED_RESPAWN),
        (Fact::Known(None), Fact::Known(0 | 1)) => None,
        (Fact::Known(None), Fact::Known(parent)) if parent == snapshot.me.pid => None,
        (Fact::Known(None), Fact::Known(_) | Fact::Unknown) => Some(PARENTED_RESPAWN),
    }
}
