//! Decides; total and pure.

use crate::engine::action::Action;
use crate::engine::candidates::{self, ConflictTree};
use crate::engine::ladder::{Ladder, Patience, Stop, StopMeans};
use crate::engine::plan::{Conflict, DecidedBy, Plan};
use crate::engine::policy::{Policy, Purpose, Rule};
use crate::engine::reason::{ConflictRefusal, Reason, RefusalCause, RefusalReason, Verdict};
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
    let reason = reason(policy, snapshot, &conflicts);
    if matches!(reason.verdict(), Verdict::Refuse(_)) {
        // One decision for all: a refusal touches nothing, whatever the others' actions would have
        // been.
        for conflict in &mut conflicts {
            conflict.ladder = Ladder::Nothing;
        }
    }
    Plan {
        reason,
        locks: snapshot.locks.clone(),
        guards: snapshot.guards.clone(),
        conflicts,
        shielded: classified.shielded,
        suspects: classified.suspects,
    }
}

/// One decision for all conflicts: a single refusal, and nothing is touched; while one is waited
/// for, none is ended.
fn reason(policy: &Policy, snapshot: &Snapshot, conflicts: &[Conflict]) -> Reason {
    let counted = conflicts.iter().filter(|conflict| conflict.action != Action::Ignore).count();
    let refusal = conflicts
        .iter()
        .filter_map(|conflict| conflict.refusal.as_ref())
        .max_by_key(|refusal| refusal.kind());
    let too_many = counted > policy.max_targets;
    let (waits, kills) =
        conflicts.iter().fold((0, 0), |(waits, kills), conflict| match conflict.action {
            Action::Wait => (waits + 1, kills),
            Action::Graceful | Action::Force => (waits, kills + 1),
            Action::Refuse | Action::Ignore => (waits, kills),
        });
    match (too_many, refusal, waits, kills) {
        (true, ..) => Reason::Refused(RefusalReason::TooManyConflicts {
            conflicts: counted,
            allowed: policy.max_targets,
        }),
        (false, Some(refusal), ..) => Reason::Refused(RefusalReason::Conflict(refusal.clone())),
        (false, None, 1.., _) => Reason::WaitsFor { conflicts: waits, then_ends: kills },
        (false, None, 0, 1..)
            if snapshot.history.is_stormy(
                snapshot.me.ticket,
                policy.max_takeovers,
                policy.takeover_window,
            ) =>
        {
            Reason::Refused(RefusalReason::Storm {
                allowed: policy.max_takeovers,
                window: policy.takeover_window,
            })
        }
        (false, None, 0, 1..) => Reason::Ends { conflicts: kills },
        (false, None, 0, 0) => Reason::NoConflicts,
    }
}

/// Settles one conflict as the policy says, unless caution forbids it.
fn settle(policy: &Policy, snapshot: &Snapshot, found: ConflictTree) -> Conflict {
    let (action, decided_by, cause) = match wanted(policy, snapshot, &found) {
        Wanted::Undecidable(rule) => {
            let cause = RefusalCause::UndecidableRule { rule: rule.name.clone() };
            (Action::Refuse, Decider::Rule(rule).into(), Some(cause))
        }
        Wanted::Action(wanted, decider) => {
            let waited_out =
                wanted == Action::Wait && policy.timeouts.wait.is_over(snapshot.waited);
            match if waited_out { policy.after_wait.into() } else { wanted } {
                Action::Refuse => {
                    let cause = if waited_out {
                        RefusalCause::WaitedTooLong
                    } else {
                        decider.refuses(policy.purpose, &found)
                    };
                    (Action::Refuse, decider.into(), Some(cause))
                }
                action @ (Action::Graceful | Action::Force | Action::Wait | Action::Ignore) => {
                    match safety::objection(snapshot, &found, action) {
                        Some(cause) => (Action::Refuse, DecidedBy::Caution, Some(cause)),
                        None => (action, decider.into(), None),
                    }
                }
            }
        }
    };
    Conflict {
        ladder: ladder(policy, means(&found), action),
        action,
        decided_by,
        refusal: cause.map(|cause| ConflictRefusal { conflict: found.name(), cause }),
        root: found.root,
        guard: found.guard,
        tree: found.tree,
        evidence: found.evidence.into_iter().collect(),
    }
}

/// The policy's word on one conflict, caution aside.
enum Wanted<'a> {
    /// This is done.
    Action(Action, Decider<'a>),
    /// This rule, which does not kill, depends on an unknown fact.
    Undecidable(&'a Rule),
}

/// The part of the policy that decides about one conflict.
enum Decider<'a> {
    /// A rule.
    Rule(&'a Rule),
    /// `on_conflict`.
    OnConflict,
    /// `same_token`.
    SameToken,
}

impl Decider<'_> {
    fn refuses(&self, purpose: Purpose, found: &ConflictTree) -> RefusalCause {
        let claim = found.claim();
        match (self, purpose) {
            (Decider::Rule(rule), Purpose::Start) => {
                RefusalCause::RuleRefuses { rule: rule.name.clone(), claim }
            }
            // Of a start, the rule may say `wait`.
            (Decider::Rule(rule), Purpose::Stop) => {
                RefusalCause::RuleForbidsEnding { rule: rule.name.clone(), claim }
            }
            (Decider::OnConflict, Purpose::Start | Purpose::Stop) => {
                RefusalCause::OnConflictRefuses(claim)
            }
            (Decider::SameToken, Purpose::Start | Purpose::Stop) => {
                RefusalCause::SameTokenRefuses(claim)
            }
        }
    }
}

impl From<Decider<'_>> for DecidedBy {
    fn from(decider: Decider<'_>) -> Self {
        match decider {
            Decider::Rule(rule) => DecidedBy::Rule(rule.name.clone()),
            Decider::OnConflict => DecidedBy::OnConflict,
            Decider::SameToken => DecidedBy::SameToken,
        }
    }
}

fn wanted<'a>(policy: &'a Policy, snapshot: &Snapshot, found: &ConflictTree) -> Wanted<'a> {
    let scope = RuleScope::of(policy, &found.evidence);
    let subject = subject(found.root.as_ref(), &found.tree, &found.evidence);
    for (rule, outcome) in scope.outcomes(policy, &subject, &snapshot.me.user) {
        match outcome {
            RuleOutcome::Decides => return Wanted::Action(rule.action, Decider::Rule(rule)),
            RuleOutcome::Undecidable => return Wanted::Undecidable(rule),
            RuleOutcome::DoesNotHold
            | RuleOutcome::TooUncertain
            | RuleOutcome::NotAboutTokens
            | RuleOutcome::NotAsked => {}
        }
    }
    match scope {
        RuleScope::AboutTokens => Wanted::Action(Action::Refuse, Decider::SameToken),
        RuleScope::Every => Wanted::Action(policy.on_conflict.into(), Decider::OnConflict),
    }
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
            let patience = policy.timeouts.wait;
            let then = match patience {
                Patience::Forever => None,
                Patience::For(_) => stop(policy.after_wait.into()),
            };
            Ladder::Wait { patience, then }
        }
    }
}
