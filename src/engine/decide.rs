//! The decision about all conflicts: a pure, total function.

use crate::engine::action::{Action, SameToken};
use crate::engine::candidates::{self, ConflictTree};
use crate::engine::evidence::Evidence;
use crate::engine::fact::Fact;
use crate::engine::ladder::{Ladder, Stop, StopMeans, WaitLimit};
use crate::engine::managed_by::ManagedBy;
use crate::engine::plan::{Conflict, DecidedBy, Plan, UncertainRule};
use crate::engine::policy::{Policy, Purpose};
use crate::engine::process::Process;
use crate::engine::reason::{RefusalCause, RefusalReason};
use crate::engine::rules::{self, RuleOutcome, subject};
use crate::engine::safety_rules;
use crate::engine::snapshot::Snapshot;

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
        near_misses: classified.near_misses,
    };
    if let Some(refusal) = refusal {
        plan.refuse(refusal);
    }
    plan
}

/// Decides about all conflicts together: if one is refused, none is acted on. The takeover limit
/// applies only if the conflicts would otherwise be ended now.
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
        && snapshot.history.exceeds_takeover_limit(snapshot.me.ticket, max_takeovers, window)
    {
        Some(RefusalReason::TooManyTakeovers { allowed: max_takeovers, window })
    } else {
        None
    }
}

fn settle(policy: &Policy, snapshot: &Snapshot, found: ConflictTree) -> Conflict {
    let (ladder, action, decided_by, refusal) = match decision(policy, snapshot, &found) {
        Ok(wanted) => (ladder(policy, &found, &wanted), wanted.action, wanted.decided_by, None),
        Err((cause, decided_by)) => (Ladder::Nothing, Action::Refuse, decided_by, Some(cause)),
    };
    let uncertain_rules = uncertain_rules(policy, snapshot, &found);
    Conflict {
        uncertain_rules,
        ladder,
        action,
        decided_by,
        refusal,
        root: found.root,
        guard: found.guard,
        tree: found.tree,
        evidence: found.evidence.into_iter().collect(),
    }
}

fn uncertain_rules(
    policy: &Policy,
    snapshot: &Snapshot,
    found: &ConflictTree,
) -> Vec<UncertainRule> {
    if policy.rules.is_empty() {
        return Vec::new();
    }
    let subject = subject(found.root.as_ref(), &found.tree, &found.evidence);
    rules::uncertain(policy, &subject, &snapshot.me.user).collect()
}

/// Returns the action for one conflict, or why it is refused. Evidence comes first, then the user's
/// rules, the built-in rule and the default; the safety rules come last.
fn decision(
    policy: &Policy,
    snapshot: &Snapshot,
    found: &ConflictTree,
) -> Result<Wanted, (RefusalCause, DecidedBy)> {
    if let Some(cause) = safety_rules::table_refusal(snapshot, found) {
        return Err((cause, DecidedBy::SafetyRule));
    }
    let mut wanted = wanted(policy, snapshot, found)?;
    if wanted.action == Action::Refuse {
        return Err((RefusalCause::PolicyRefuses, wanted.decided_by));
    }
    if wanted.action == Action::Wait && policy.timeouts.wait.is_over(snapshot.waited) {
        wanted.action = policy.after_wait.into();
        if wanted.action == Action::Refuse {
            return Err((RefusalCause::WaitedTooLong(policy.timeouts.wait), wanted.decided_by));
        }
    }
    if let Some(manager) = wanted.unexpected_manager(found)
        && wanted.action.ends_processes()
    {
        return Err((RefusalCause::Supervised(manager.clone()), DecidedBy::Supervised));
    }
    match safety_rules::safety_refusal(snapshot, found, wanted.action) {
        Some(cause) => Err((cause, DecidedBy::SafetyRule)),
        None => Ok(wanted),
    }
}

/// The action that the policy wants for a conflict, before the safety rules.
struct Wanted {
    action: Action,
    decided_by: DecidedBy,
    manager: ManagerAwareness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ManagerAwareness {
    /// The deciding rule has a `managed_by` condition, so its author knew about the manager.
    Named,
    Unaware,
}

impl Wanted {
    /// Returns the manager that would restart an unguarded conflict, unless the deciding rule names
    /// one. A manager that may or may not restart counts.
    fn unexpected_manager<'a>(&self, found: &'a ConflictTree) -> Option<&'a ManagedBy> {
        // A watcher inside the tree ends with the tree, so it cannot restart anything.
        let ids = || found.root.iter().chain(&found.tree).map(|process| process.id.pid);
        let outlives = |by: &&ManagedBy| by.watcher().is_none_or(|pid| ids().all(|id| id != pid));
        match self.manager {
            ManagerAwareness::Named => None,
            ManagerAwareness::Unaware => {
                let unguarded =
                    found.root.iter().chain(&found.tree).filter(|_| found.guard.is_none());
                let restarted = unguarded.filter(|it| it.restarts != Fact::Known(false));
                restarted.filter_map(Process::manager).find(outlives)
            }
        }
    }
}

fn wanted(
    policy: &Policy,
    snapshot: &Snapshot,
    found: &ConflictTree,
) -> Result<Wanted, (RefusalCause, DecidedBy)> {
    let subject = subject(found.root.as_ref(), &found.tree, &found.evidence);
    for (rule, outcome) in rules::outcomes(policy, &subject, &snapshot.me.user) {
        let decided_by = DecidedBy::Rule(rule.name.clone());
        match (outcome, policy.purpose, rule.action) {
            // For a start, the same rule may say `wait`, which a stop treats as `refuse`.
            (RuleOutcome::Decides, Purpose::Stop, Action::Refuse) => {
                return Err((RefusalCause::RuleForbidsEnding, decided_by));
            }
            (RuleOutcome::Decides, Purpose::Start | Purpose::Stop, action) => {
                let manager = match &rule.when.managed_by {
                    Some(_) => ManagerAwareness::Named,
                    None => ManagerAwareness::Unaware,
                };
                return Ok(Wanted { action, decided_by, manager });
            }
            (RuleOutcome::Undecidable, Purpose::Start | Purpose::Stop, _) => {
                return Err((RefusalCause::UndecidableRule, decided_by));
            }
            (
                RuleOutcome::DoesNotHold | RuleOutcome::TooUncertain | RuleOutcome::NotAsked,
                Purpose::Start | Purpose::Stop,
                _,
            ) => {}
        }
    }
    let only_token = found.evidence.iter().all(|it| *it == Evidence::Token);
    let (action, decided_by) = match (only_token, policy.same_token) {
        (true, SameToken::Refuse) => (Action::Refuse, DecidedBy::SameToken),
        (true, SameToken::Act | SameToken::Warn | SameToken::Off) | (false, _) => {
            (policy.on_conflict.into(), DecidedBy::OnConflict)
        }
    };
    Ok(Wanted { action, decided_by, manager: ManagerAwareness::Unaware })
}

/// Returns how to end a conflict; `None` if its holder is unknown.
fn means(found: &ConflictTree) -> Option<StopMeans> {
    match (&found.guard, &found.root) {
        (Some(_), None) => Some(StopMeans::Ask),
        (Some(_), Some(_)) => Some(StopMeans::AskThenSignal),
        (None, Some(_)) => Some(StopMeans::Signal),
        (None, None) => None,
    }
}

fn ladder(policy: &Policy, found: &ConflictTree, wanted: &Wanted) -> Ladder {
    let stop = |action: Action| {
        let options = policy.stop_options(action.stop_mode()?);
        means(found).map(|means| Stop { means, options })
    };
    match wanted.action {
        Action::Refuse | Action::Ignore => Ladder::Nothing,
        Action::Graceful | Action::Force => {
            stop(wanted.action).map_or(Ladder::Nothing, Ladder::Stop)
        }
        Action::Wait => {
            let limit = policy.timeouts.wait;
            let then = match limit {
                WaitLimit::Forever => None,
                WaitLimit::For(_) if wanted.unexpected_manager(found).is_some() => None,
                WaitLimit::For(_) => stop(policy.after_wait.into()),
            };
            Ladder::Wait { limit, then }
        }
    }
}
