//! How far a start has come, and how long it may take.

use std::time::Duration;

use crate::{
    engine::{
        action::{Action, OnConflict},
        fact::Fact,
        plan::{Conflict, Plan},
        policy::{Patience, Policy},
        snapshot::{ManagedBy, Snapshot},
        start_history::History,
    },
    state::event::EndedConflict,
    sys::{clock, file_mutex::FileMutex, ticker::Ticker},
};

/// How long a start that would refuse anyway waits for another one to be through (S3).
const REFUSING_PATIENCE: Duration = Duration::from_secs(2);

/// How long after its end a conflict that something manages may come back, and one that only has a
/// living parent (S2).
const MANAGED_RESPAWN: Duration = Duration::from_secs(1);
const PARENTED_RESPAWN: Duration = Duration::from_millis(250);

/// supervisord looks once a second: at one turn it sees the end, at the next it starts again.
const SUPERVISORD_RESPAWN: Duration = Duration::from_millis(2500);

/// How much longer a supervisor that backs off lets pass where what it has just started ended at
/// once.
const BACK_OFF: Duration = Duration::from_secs(2);
const JUST_STARTED: Duration = Duration::from_secs(10);

/// How far a start has come.
#[derive(Debug, Default)]
pub struct StartProgress {
    pub(super) waiting_since: Option<Duration>,
    /// When to tell again that it waits.
    pub(super) beat: Option<Ticker>,
    /// The deadline of all of it, on the clock of patience.
    pub(super) until: Option<Duration>,
    /// What it has done.
    pub(super) history: History,
    /// Somebody has ended, or is just ending: its lock may be free in a moment.
    pub(super) letting_go: bool,
    /// When the second look may be made.
    pub(super) look_at: Option<Duration>,
    /// A guard that has lost its lock was given its second.
    pub(super) gave_back: bool,
    /// It is the first of those who wait for a guard, until this is let go.
    pub(super) first: Option<FileMutex>,
    /// Whom it has ended, for the history: that is written when there is a child, or no start.
    pub(super) ended: Vec<EndedConflict>,
}

impl StartProgress {
    /// Whom the start has ended.
    #[must_use]
    pub fn into_ended(self) -> Vec<EndedConflict> {
        self.ended
    }
}

/// The end of everything that this plan may take. The ladder begins a moment later than the plan
/// and has the last word.
pub(super) fn deadline(plan: &Plan) -> Duration {
    plan.deadline().map_or(Duration::MAX, |time| {
        clock::patience().saturating_add(time).saturating_add(Duration::from_secs(1))
    })
}

/// How long a start may take that has not seen anything yet; `None`: for ever.
pub(super) fn patience(policy: &Policy) -> Option<Duration> {
    let actions = || {
        policy
            .rules
            .iter()
            .map(|rule| rule.action)
            .chain([policy.on_conflict.into(), policy.after_wait.into()])
    };
    let waits = actions().any(|action| action == Action::Wait);
    let kills = actions().any(Action::kills);
    let ending = if kills {
        policy.timeouts.graceful.saturating_add(policy.timeouts.force)
    } else {
        Duration::ZERO
    };
    let waiting = match (waits, policy.timeouts.wait) {
        (false, _) => Duration::ZERO,
        (true, Patience::For(wait)) => wait,
        (true, Patience::Forever) => return None,
    };
    let total = ending.saturating_add(waiting);
    let refuses = policy.on_conflict == OnConflict::Refuse && total.is_zero();
    Some(if refuses { REFUSING_PATIENCE } else { total.max(REFUSING_PATIENCE) })
}

/// How long after its end this conflict may come back.
pub(super) fn respawn(conflict: &Conflict, snapshot: &Snapshot) -> Option<Duration> {
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
