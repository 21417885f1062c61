//! The verdict: total and pure.

use crate::engine::{
    action::Action,
    candidates::{self, ConflictTree},
    plan::{Conflict, DecidedBy, Plan, Refusal, SignalToSend, Step, Verdict},
    policy::{AfterGraceful, Patience, Policy},
    reason::{self, describe, refused, undecidable},
    rules::{RuleOutcome, RuleScope, subject},
    safety,
    snapshot::Snapshot,
};

/// Decides what this start does about what was seen.
#[must_use]
pub fn decide(policy: &Policy, snapshot: &Snapshot) -> Plan {
    let gathered = candidates::gather(policy, snapshot);
    let mut conflicts: Vec<Conflict> =
        gathered.conflicts.into_iter().map(|found| judge(policy, snapshot, found)).collect();
    conflicts
        .sort_by_key(|conflict| conflict.root.as_ref().map(|root| (root.id.start, root.id.pid)));
    let (verdict, reason) = verdict(policy, snapshot, &conflicts);
    if matches!(verdict, Verdict::Refuse(_)) {
        // One decision for all: a refusal plans no step, whatever the others' actions would have
        // been.
        for conflict in &mut conflicts {
            conflict.steps.clear();
        }
    }
    Plan {
        verdict,
        reason,
        locks: snapshot.locks.clone(),
        guards: snapshot.guards.clone(),
        conflicts,
        shielded: gathered.shielded,
        suspects: gathered.suspects,
    }
}

/// One decision for all: a single refusal and nothing is touched; nobody is ended while somebody is
/// waited for.
fn verdict(policy: &Policy, snapshot: &Snapshot, conflicts: &[Conflict]) -> (Verdict, String) {
    let in_the_way = conflicts.iter().filter(|conflict| conflict.action != Action::Ignore).count();
    let refusal = conflicts
        .iter()
        .filter_map(|conflict| conflict.refusal.as_ref())
        .max_by_key(|(refusal, _)| *refusal);
    let too_many = in_the_way > policy.max_targets;
    let (waits, kills) =
        conflicts.iter().fold((0, 0), |(waits, kills), conflict| match conflict.action {
            Action::Wait => (waits + 1, kills),
            Action::Graceful | Action::Force => (waits, kills + 1),
            Action::Refuse | Action::Ignore => (waits, kills),
        });
    match (too_many, refusal, waits, kills) {
        (true, ..) => (
            Verdict::Refuse(Refusal::Policy),
            format!(
                "{in_the_way} conflicts are more than `limits.max_targets` = {} allows: the patterns are too broad",
                policy.max_targets
            ),
        ),
        (false, Some((refusal, why)), ..) => (Verdict::Refuse(*refusal), why.clone()),
        (false, None, 1.., 0) => (Verdict::Wait, format!("waits for {} to end", count(waits))),
        (false, None, 1.., 1..) => (
            Verdict::Wait,
            format!("waits for {} to end before {} is ended", count(waits), count(kills)),
        ),
        (false, None, 0, 1..)
            if snapshot.history.is_stormy(
                snapshot.me.ticket,
                policy.max_takeovers,
                policy.takeover_window,
            ) =>
        {
            (Verdict::Refuse(Refusal::Storm), reason::storm(policy))
        }
        (false, None, 0, 1..) => (Verdict::Act, format!("ends {} first", count(kills))),
        (false, None, 0, 0) => (Verdict::Clear, "nobody is in the way".to_owned()),
    }
}

fn count(conflicts: usize) -> String {
    if conflicts == 1 { "1 conflict".to_owned() } else { format!("{conflicts} conflicts") }
}

/// What is done about one conflict: what the policy says, unless caution says no.
fn judge(policy: &Policy, snapshot: &Snapshot, found: ConflictTree) -> Conflict {
    let (wanted, asked) = wanted(policy, snapshot, &found);
    let patience_over =
        wanted == Some(Action::Wait) && policy.timeouts.wait.is_over(snapshot.waited);
    let wanted = if patience_over { Some(policy.after_wait.into()) } else { wanted };
    let policy_says = |why| Some((Refusal::Policy, why));
    let (action, decided_by, refusal) = match wanted {
        None => {
            let why = undecidable(&found, &asked);
            (Action::Refuse, asked, policy_says(why))
        }
        Some(Action::Refuse) if patience_over => (
            Action::Refuse,
            asked,
            policy_says(format!("waited too long for {}", describe(&found))),
        ),
        Some(Action::Refuse) => {
            let why = refused(&found, &asked, policy.purpose);
            (Action::Refuse, asked, policy_says(why))
        }
        Some(action @ (Action::Graceful | Action::Force | Action::Wait | Action::Ignore)) => {
            match safety::objection(snapshot, &found, action) {
                Some(objection) => (Action::Refuse, DecidedBy::Caution, Some(objection)),
                None => (action, asked, None),
            }
        }
    };
    Conflict {
        steps: steps(policy, found.guard.is_some(), found.root.is_some(), action),
        action,
        decided_by,
        refusal,
        root: found.root,
        guard: found.guard,
        tree: found.tree,
        evidence: found.evidence.into_iter().collect(),
    }
}

/// What the policy says, were there no doubt; nothing where a rule that does not kill depends on an
/// unknown fact.
fn wanted(
    policy: &Policy,
    snapshot: &Snapshot,
    found: &ConflictTree,
) -> (Option<Action>, DecidedBy) {
    let docket = RuleScope::of(policy, &found.evidence);
    let subject = subject(found.root.as_ref(), &found.tree, &found.evidence);
    for (rule, ruling) in docket.rulings(policy, &subject, &snapshot.me.user) {
        match ruling {
            RuleOutcome::Decides => return (Some(rule.action), DecidedBy::Rule(rule.name.clone())),
            RuleOutcome::Undecidable => return (None, DecidedBy::Rule(rule.name.clone())),
            RuleOutcome::DoesNotHold
            | RuleOutcome::TooUncertain
            | RuleOutcome::NotAboutTokens
            | RuleOutcome::NotAsked => {}
        }
    }
    match docket {
        RuleScope::AboutTokens => (Some(Action::Refuse), DecidedBy::SameToken),
        RuleScope::Every => (Some(policy.on_conflict.into()), DecidedBy::OnConflict),
    }
}

/// What is done, one after the other.
fn steps(policy: &Policy, guarded: bool, visible: bool, action: Action) -> Vec<Step> {
    let timeouts = policy.timeouts;
    let ask = |timeout| guarded.then_some(Step::Ask { timeout });
    let signal = |blow, timeout| visible.then_some(Step::Signal { blow, timeout });
    match action {
        Action::Refuse | Action::Ignore => Vec::new(),
        Action::Force => [ask(timeouts.force), signal(SignalToSend::Kill, timeouts.force)]
            .into_iter()
            .flatten()
            .collect(),
        Action::Graceful => {
            let kill = match policy.escalation {
                AfterGraceful::Kill => signal(SignalToSend::Kill, timeouts.force),
                AfterGraceful::Refuse => None,
            };
            [
                ask(timeouts.graceful),
                signal(SignalToSend::Signal(policy.signal), timeouts.graceful),
                kill,
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        Action::Wait => {
            let then = match timeouts.wait {
                Patience::Forever => Vec::new(),
                Patience::For(_) => steps(policy, guarded, visible, policy.after_wait.into()),
            };
            std::iter::once(Step::Wait { timeout: timeouts.wait }).chain(then).collect()
        }
    }
}
