//! The time limits of a start.

use std::time::Duration;

use crate::engine::action::{Action, OnConflict};
use crate::engine::ladder::WaitLimit;
use crate::engine::plan::Plan;
use crate::engine::policy::Policy;

/// The time that a start which would refuse anyway waits for another start (S3).
const REFUSING_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the deadline of a plan that begins `now`: one second more than its ladders take, so that
/// a ladder reports its own failure first.
pub(super) fn deadline(plan: &Plan, now: Duration) -> Duration {
    plan.deadline().map_or(Duration::MAX, |time| {
        now.saturating_add(time).saturating_add(Duration::from_secs(1))
    })
}

/// Returns how long a start may wait for its first snapshot; `None` if there is no limit.
pub(super) fn first_scan_timeout(policy: &Policy) -> Option<Duration> {
    let actions = || {
        policy
            .rules
            .iter()
            .map(|rule| rule.action)
            .chain([policy.on_conflict.into(), policy.after_wait.into()])
    };
    let waits = actions().any(|action| action == Action::Wait);
    let ends = actions().any(Action::ends_processes);
    let ending = if ends {
        policy.timeouts.graceful.saturating_add(policy.timeouts.force)
    } else {
        Duration::ZERO
    };
    let waiting = match (waits, policy.timeouts.wait) {
        (false, _) => Duration::ZERO,
        (true, WaitLimit::For(wait)) => wait,
        (true, WaitLimit::Forever) => return None,
    };
    let total = ending.saturating_add(waiting);
    let refuses = policy.on_conflict == OnConflict::Refuse && total.is_zero();
    Some(if refuses { REFUSING_TIMEOUT } else { total.max(REFUSING_TIMEOUT) })
}
