//! What holds for the plan of every policy and every snapshot.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fixture::pids;

use monopoll::internals::engine::action::Action;
use monopoll::internals::engine::counter_evidence::{CounterEvidence, weigh_against};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::evidence::Evidence;
use monopoll::internals::engine::fact::Fact::Known;
use monopoll::internals::engine::fact::Truth;
use monopoll::internals::engine::ladder::Ladder;
use monopoll::internals::engine::likeness::CommandLikeness;
use monopoll::internals::engine::plan::{Conflict, Plan};
use monopoll::internals::engine::policy::Policy;
use monopoll::internals::engine::process::{GuardedInstance, Process, Relation};
use monopoll::internals::engine::reason::Verdict;
use monopoll::internals::engine::shield;
use monopoll::internals::engine::snapshot::{GuardView, LockState, Snapshot};
use monopoll::internals::engine::token::MyToken;

/// Checks all of them.
pub(crate) fn hold(policy: &Policy, snapshot: &Snapshot) {
    let plan = decide(policy, snapshot);
    for invariant in [
        a_refusal_plans_no_step,
        the_verdict_follows_from_the_actions,
        no_start_runs_next_to_a_holder,
        no_shielded_process_is_ever_ended,
        a_newer_guard_is_never_ended,
        no_process_is_in_two_conflicts_unless_below_a_guard,
        nothing_is_ended_without_evidence,
    ] {
        invariant(policy, snapshot, &plan);
    }
}

pub(crate) fn planned_ends(plan: &Plan) -> impl Iterator<Item = &Conflict> {
    plan.conflicts.iter().filter(|conflict| conflict.action.ends_processes())
}

pub(crate) fn pids_of<'a>(conflicts: impl Iterator<Item = &'a Conflict>) -> BTreeSet<u32> {
    conflicts.flat_map(pids).collect()
}

pub(crate) fn a_refusal_plans_no_step(_: &Policy, _: &Snapshot, plan: &Plan) {
    let refused = matches!(plan.verdict(), Verdict::Refuse(_));
    if refused {
        assert!(plan.conflicts.iter().all(|it| it.ladder == Ladder::Nothing));
        let steps = (plan.conflicts_to_end().count(), plan.waits().count());
        assert_eq!((steps, plan.deadline()), ((0, 0), Some(Duration::ZERO)));
    }
    for conflict in &plan.conflicts {
        assert_eq!(conflict.refusal.is_some(), conflict.action == Action::Refuse);
        let is_passive = matches!(conflict.action, Action::Refuse | Action::Ignore);
        assert_eq!(conflict.ladder == Ladder::Nothing, refused || is_passive);
    }
}

pub(crate) fn the_verdict_follows_from_the_actions(
    policy: &Policy,
    snapshot: &Snapshot,
    plan: &Plan,
) {
    let has = |is: fn(Action) -> bool| plan.conflicts.iter().any(|it| is(it.action));
    let in_the_way = plan.conflicts.iter().filter(|it| it.action != Action::Ignore).count();
    let would_act = !has(|it| it == Action::Wait) && has(Action::ends_processes);
    let (limit, window) = (policy.max_takeovers, policy.takeover_window);
    let mine = snapshot.me.ticket;
    let exceeds = would_act && snapshot.history.exceeds_takeover_limit(mine, limit, window);
    let refused = has(|it| it == Action::Refuse) || in_the_way > policy.max_targets || exceeds;
    assert_eq!(matches!(plan.verdict(), Verdict::Refuse(_)), refused);
    assert_eq!(plan.verdict() == Verdict::Wait, !refused && has(|it| it == Action::Wait));
    assert_eq!(plan.verdict() == Verdict::Act, !refused && would_act);
    assert_eq!(plan.verdict() == Verdict::Clear, in_the_way == 0);
}

pub(crate) fn no_start_runs_next_to_a_holder(_: &Policy, snapshot: &Snapshot, plan: &Plan) {
    let taken = snapshot.locks.iter().any(|lock| match &lock.state {
        LockState::Free | LockState::Mine => false,
        LockState::Held(_) | LockState::Unknown => true,
    });
    let held = taken
        || !snapshot.guards.is_empty()
        || snapshot.processes.iter().any(|it| it.holds_lock == Known(true));
    if held {
        assert_ne!(plan.verdict(), Verdict::Clear);
        assert!(plan.conflicts.iter().any(Conflict::holds_lock));
    }
    let ignored = |it: &Conflict| it.action == Action::Ignore;
    assert!(plan.conflicts.iter().all(|it| !(it.holds_lock() && ignored(it))));
}

pub(crate) fn no_shielded_process_is_ever_ended(_: &Policy, snapshot: &Snapshot, plan: &Plan) {
    for conflict in planned_ends(plan) {
        for process in conflict.processes() {
            assert_eq!(process.relation, Known(Relation::None));
            let against = weigh_against(&snapshot.me, process);
            assert!(!matches!(against, CounterEvidence::AnotherBot(_)));
            assert!(conflict.guard.is_some() || shield::may_signal(process, &snapshot.me));
        }
    }
}

pub(crate) fn a_newer_guard_is_never_ended(_: &Policy, snapshot: &Snapshot, plan: &Plan) {
    let Some(mine) = snapshot.me.ticket else { return };
    let is_newer = |guard: &&GuardView| guard.ticket.is_some_and(|theirs| theirs > mine);
    for conflict in plan.conflicts_to_end() {
        for newer in snapshot.guards.iter().filter(is_newer) {
            let is_it = |process: &Process| newer.process == Some(process.id);
            assert!(!conflict.processes().any(is_it), "{newer:?} in {conflict:#?}");
        }
    }
    for conflict in planned_ends(plan) {
        let Some(guard) = &conflict.guard else { continue };
        match (&guard.other_lock, guard.process) {
            (None, _) => assert!(guard.ticket.is_none_or(|theirs| theirs <= mine)),
            (Some(_), theirs) => {
                assert!(theirs.is_some_and(|theirs| theirs.start <= snapshot.me.start));
            }
        }
    }
}

pub(crate) fn no_process_is_in_two_conflicts_unless_below_a_guard(
    _: &Policy,
    _: &Snapshot,
    plan: &Plan,
) {
    let strangers = plan.conflicts.iter().filter(|it| it.guard.is_none());
    let all: Vec<u32> = strangers.flat_map(pids).collect();
    assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len());
    let in_conflict: BTreeSet<u32> = pids_of(plan.conflicts.iter());
    assert!(plan.suspects.iter().all(|it| !in_conflict.contains(&it.id.pid)));
}

pub(crate) fn nothing_is_ended_without_evidence(policy: &Policy, snapshot: &Snapshot, plan: &Plan) {
    let asked_guards = || snapshot.processes.iter().filter_map(Process::guard_to_ask);
    let has_lock = |process: &Process| {
        let pid = process.id.pid;
        let has = |lock: &LockState| matches!(lock, LockState::Held(pids) if pids.contains(&pid));
        process.holds_lock == Known(true)
            || snapshot.locks.iter().any(|lock| has(&lock.state))
            || is_below_my_guard(process)
            || snapshot.guards.iter().any(|guard| guard.process == Some(process.id))
            || asked_guards().any(|guard| guard.process == process.id)
    };
    for conflict in planned_ends(plan) {
        assert!(!conflict.evidence.is_empty(), "{conflict:#?}");
        for evidence in &conflict.evidence {
            let is_seen = |process: &Process| match evidence {
                Evidence::Lock => has_lock(process),
                Evidence::Match(at) => policy.matches[*at].pattern.matches(process) == Truth::True,
                Evidence::Command => process.likeness == Known(CommandLikeness::Same),
                Evidence::Token => matches!(process.tokens.mine, Known(MyToken::Seen(_))),
            };
            let is_guard = *evidence == Evidence::Lock && conflict.guard.is_some();
            assert!(is_guard || conflict.processes().any(is_seen), "{evidence:?} {conflict:#?}");
        }
    }
}

/// Returns whether a guard of this instance is above the process.
fn is_below_my_guard(process: &Process) -> bool {
    let above = process.guard.known().and_then(Option::as_ref);
    above.is_some_and(|guard| guard.guards == GuardedInstance::Mine)
}
