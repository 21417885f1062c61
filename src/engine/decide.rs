//! Decides; total and pure.

use crate::engine::action::Action;
use crate::engine::candidates::{self, ConflictTree};
use crate::engine::ladder::{Ladder, Stop, StopMeans, WaitLimit};
use crate::engine::plan::{Conflict, DecidedBy, Plan};
use crate::engine::policy::{Policy, Purpose};
use crate::engine::reason::{RefusalCause, RefusalReason};
use crate::engine::rules::{RuleOutcome, RuleScope, subject};
use crate::engine::safety;
use crate::engine::snapshot::Snapshot;

/// Decides what a start or a stop does about everything that was seen.
pub fn decide(policy: &Policy, snapshot: &Snapshot) -> Plan {
    let classified = candidates::gather(policy, snapshot);
    let mut conflicts: Vec<Conflict> =
        classified.conflicts.into_iter().map(|found| settle(policy, snapshot, found)).collect();
    conflicts
        .sort_by_key(|conflict| conflict.root.as_ref().map(|root| (root.id.start, root.id.pid)));
    let refusal = refusal(policy, snapshot, &conflicts);
    let mut plan = Plan {
        refusal: None,
        locks: snapshot.locks.clone(),
        guards: snapshot.guards.clone(),
        conflicts,
        shielded: classified.shielded,
        suspects: classified.suspects,
    };
    if let Some(refusal) = refusal {
        plan.refuse(refusal);
    }
    plan
}

/// One decision for all conflicts: a single refusal, and nothing is touched. Takeovers are counted
/// only where nothing else stands against ending the conflicts at once.
fn refusal(policy: &Policy, snapshot: &Snapshot, conflicts: &[Conflict]) -> Option<RefusalReason> {
    let with = |is: fn(Action) -> bool| conflicts.iter().filter(move |it| is(it.action)).count();
    let counted = with(|action| action != Action::Ignore);
    let (max_takeovers, window) = (policy.max_takeovers, policy.takeover_window);
    if counted > policy.max_targets {
        Some(RefusalReason::TooManyConflicts { conflicts: counted, allowed: policy.max_targets })
    } else if conflicts.iter().any(|conflict| conflict.refusal.is_some()) {
        Some(RefusalReason::Conflict)
    } else if with(|action| action == Action::Wait) == 0
        && with(Action::ends_processes) > 0
        && snapshot.history.is_stormy(snapshot.me.ticket, max_takeovers, window)
    {
        Some(RefusalReason::Storm { allowed: max_takeovers, window })
    } else {
        None
    }
}

fn settle(policy: &Policy, snapshot: &Snapshot, found: ConflictTree) -> Conflict {
    let (wanted, decided_by, cause) = wanted(policy, snapshot, &found);
    let waited_out = wanted == Action::Wait && policy.timeouts.wait.is_over(snapshot.waited);
    let (action, decided_by, refusal) =
        match if waited_out { policy.after_wait.into() } else { wanted } {
            Action::Refuse if waited_out => {
                (Action::Refuse, decided_by, Some(RefusalCause::WaitedTooLong))
            }
            Action::Refuse => (Action::Refuse, decided_by, Some(cause)),
            action @ (Action::Graceful | Action::Force | Action::Wait | Action::Ignore) => {
                match safety::objection(snapshot, &found, action) {
                    Some(cause) => (Action::Refuse, DecidedBy::Caution, Some(cause)),
                    None => (action, decided_by, None),
                }
            }
        };
    Conflict {
        ladder: ladder(policy, means(&found), action),
        action,
        decided_by,
        refusal,
        root: found.root,
        guard: found.guard,
        tree: found.tree,
        evidence: found.evidence.into_iter().collect(),
    }
}

/// Returns the policy's word on one conflict, caution aside, with the cause if that is a refusal.
fn wanted(
    policy: &Policy,
    snapshot: &Snapshot,
    found: &ConflictTree,
) -> (Action, DecidedBy, RefusalCause) {
    let scope = RuleScope::of(policy, &found.evidence);
    let subject = subject(found.root.as_ref(), &found.tree, &found.evidence);
    for (rule, outcome) in scope.outcomes(policy, &subject, &snapshot.me.user) {
        let by_rule = || DecidedBy::Rule(rule.name.clone());
        match (outcome, policy.purpose) {
            (RuleOutcome::Decides, Purpose::Start) => {
                return (rule.action, by_rule(), RefusalCause::PolicyRefuses);
            }
            // Of a start, the rule may say `wait`.
            (RuleOutcome::Decides, Purpose::Stop) => {
                return (rule.action, by_rule(), RefusalCause::RuleForbidsEnding);
            }
            (RuleOutcome::Undecidable, Purpose::Start | Purpose::Stop) => {
                return (Action::Refuse, by_rule(), RefusalCause::UndecidableRule);
            }
            (
                RuleOutcome::DoesNotHold
                | RuleOutcome::TooUncertain
                | RuleOutcome::NotAboutTokens
                | RuleOutcome::NotAsked,
                Purpose::Start | Purpose::Stop,
            ) => {}
        }
    }
    let (action, decided_by) = match scope {
        RuleScope::AboutTokens => (Action::Refuse, DecidedBy::SameToken),
        RuleScope::Every => (policy.on_conflict.into(), DecidedBy::OnConflict),
    };
    (action, decided_by, RefusalCause::PolicyRefuses)
}

/// Returns the means to end a conflict; there are none if its holder is unknown.
fn means(found: &ConflictTree) -> Option<StopMeans> {
    match (&found.guard, &found.root) {
        (Some(_), None) => Some(StopMeans::Ask),
        (Some(_), Some(_)) => Some(StopMeans::AskThenSignal),
        (None, Some(_)) => Some(StopMeans::Signal),
        (None, None) => None,
    }
}

fn ladder(policy: &Policy, means: Option<StopMeans>, action: Action) -> Ladder {
    let stop = |action: Action| {
        let options = policy.stop_options(action.stop_mode()?);
        means.map(|means| Stop { means, options })
    };
    match action {
        Action::Refuse | Action::Ignore => Ladder::Nothing,
        Action::Graceful | Action::Force => stop(action).map_or(Ladder::Nothing, Ladder::Stop),
        Action::Wait => {
            let limit = policy.timeouts.wait;
            let then = match limit {
                WaitLimit::Forever => None,
                WaitLimit::For(_) => stop(policy.after_wait.into()),
            };
            Ladder::Wait { limit, then }
        }
    }
}
