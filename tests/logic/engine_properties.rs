//! Properties that hold for every policy and every snapshot.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fixture::*;
use crate::generators::{policies, snapshots};
use proptest::prelude::*;

use monopoll::internals::engine::action::Action;
use monopoll::internals::engine::counter_evidence::{CounterEvidence, weigh_against};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact::{Known, Unknown};
use monopoll::internals::engine::instance::NameSource;
use monopoll::internals::engine::ladder::Ladder;
use monopoll::internals::engine::likeness::{CommandDoubt, CommandLikeness};
use monopoll::internals::engine::plan::{Conflict, Plan};
use monopoll::internals::engine::process::{GuardedInstance, OtherGuard, Process, Relation};
use monopoll::internals::engine::reason::Verdict;
use monopoll::internals::engine::shield;
use monopoll::internals::engine::snapshot::{LockState, Snapshot};

/// Hides one fact.
type Hide = fn(&mut Process);

/// The facts of a process, by name. `connected` is missing because an unknown connection of this
/// bot's program counts as one, and `same_token = "act"` then ends the process. `managed_by` is
/// missing because only a known supervisor causes a refusal.
const FACTS: [(&str, Hide); 20] = [
    ("parent", |it| it.parent = Unknown),
    ("name", |it| it.name = Unknown),
    ("args", |it| it.args = Unknown),
    ("exe", |it| it.exe = Unknown),
    ("cwd", |it| it.cwd = Unknown),
    ("user", |it| it.user = Unknown),
    ("container", |it| it.container = Unknown),
    ("state", |it| it.state = Unknown),
    ("age", |it| it.age = Unknown),
    ("launchers", |it| it.launchers = Unknown),
    ("orphaned", |it| it.orphaned = Unknown),
    ("holds_lock", |it| it.holds_lock = Unknown),
    ("tokens", |it| it.tokens = UNREADABLE),
    ("other_variable", |it| it.other_variable = Unknown),
    ("command_doubt", |it| it.command_doubt = Unknown),
    ("guard", |it| it.guard = Unknown),
    ("same_program", |it| it.same_program = Unknown),
    ("may_be_spawned", |it| it.may_be_spawned = Unknown),
    ("likeness", |it| it.likeness = Unknown),
    ("relation", |it| it.relation = Unknown),
];

/// Adds evidence that a process is this bot.
const FOR: [(&str, Hide); 4] = [
    ("likeness", |it| it.likeness = Known(CommandLikeness::Same)),
    ("tokens", |it| it.tokens.mine = MINE.mine),
    ("holds_lock", |it| it.holds_lock = Known(true)),
    ("connected", |it| it.connected = Known(true)),
];

/// Adds evidence against it, if there was none.
const AGAINST: [(&str, Hide); 4] = [
    ("tokens", |it| {
        if it.tokens.other == Known(None) {
            it.tokens.other = ANOTHER_BOTS.other;
        }
    }),
    ("other_variable", |it| {
        if it.other_variable == Known(None) {
            it.other_variable = Known(Some("BOT_PROFILE".to_owned()));
        }
    }),
    ("command_doubt", |it| {
        if it.command_doubt == Known(None) {
            it.command_doubt = Known(Some(CommandDoubt::Modules));
        }
    }),
    ("guard", |it| {
        if it.guard == Known(None) {
            let (instance, process) = ("admin".to_owned(), it.id);
            let guards = GuardedInstance::Another;
            let guard = OtherGuard { instance, name_source: NameSource::Given, process, guards };
            it.guard = Known(Some(guard));
        }
    }),
];

/// The facts that make a process a candidate. The others only decide what happens to it.
const FINDING: [&str; 10] = [
    "name",
    "args",
    "exe",
    "cwd",
    "holds_lock",
    "tokens",
    "guard",
    "same_program",
    "may_be_spawned",
    "likeness",
];

fn planned_ends(plan: &Plan) -> impl Iterator<Item = &Conflict> {
    plan.conflicts.iter().filter(|conflict| conflict.action.ends_processes())
}

fn pids_of<'a>(conflicts: impl Iterator<Item = &'a Conflict>) -> BTreeSet<u32> {
    conflicts.flat_map(pids).collect()
}

fn root_pid(conflict: &Conflict) -> Option<u32> {
    conflict.root.as_ref().map(|root| root.id.pid)
}

/// Returns whether `pid` was below `outer` before, and `outer` is no longer listed.
fn was_below(before: &Plan, after: &Plan, outer: u32, pid: u32) -> bool {
    let below = before
        .conflicts
        .iter()
        .any(|it| root_pid(it) == Some(outer) && pid != outer && pids(it).contains(&pid));
    below && !after.conflicts.iter().any(|it| root_pid(it) == Some(outer))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_refusal_plans_no_step(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        let refused = matches!(plan.verdict(), Verdict::Refuse(_));
        if refused {
            prop_assert!(plan.conflicts.iter().all(|it| it.ladder == Ladder::Nothing));
            let steps = (plan.conflicts_to_end().count(), plan.waits().count());
            prop_assert_eq!((steps, plan.deadline()), ((0, 0), Some(Duration::ZERO)));
        }
        for conflict in &plan.conflicts {
            prop_assert_eq!(conflict.refusal.is_some(), conflict.action == Action::Refuse);
            let is_passive = matches!(conflict.action, Action::Refuse | Action::Ignore);
            prop_assert_eq!(conflict.ladder == Ladder::Nothing, refused || is_passive);
        }
    }

    #[test]
    fn the_verdict_follows_from_the_actions(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        let has = |is: fn(Action) -> bool| plan.conflicts.iter().any(|it| is(it.action));
        let in_the_way = plan.conflicts.iter().filter(|it| it.action != Action::Ignore).count();
        let would_act = !has(|it| it == Action::Wait) && has(Action::ends_processes);
        let (limit, window) = (policy.max_takeovers, policy.takeover_window);
        let mine = snapshot.me.ticket;
        let exceeds =
            would_act && snapshot.history.exceeds_takeover_limit(mine, limit, window);
        let refused = has(|it| it == Action::Refuse) || in_the_way > policy.max_targets || exceeds;
        prop_assert_eq!(matches!(plan.verdict(), Verdict::Refuse(_)), refused);
        prop_assert_eq!(plan.verdict() == Verdict::Wait, !refused && has(|it| it == Action::Wait));
        prop_assert_eq!(plan.verdict() == Verdict::Act, !refused && would_act);
        prop_assert_eq!(plan.verdict() == Verdict::Clear, in_the_way == 0);
    }

    #[test]
    fn no_start_runs_next_to_a_holder(policy in policies(), snapshot in snapshots()) {
        let taken = snapshot.locks.iter().any(|lock| match &lock.state {
            LockState::Free | LockState::Mine => false,
            LockState::Held(_) | LockState::Unknown => true,
        });
        let held = taken
            || !snapshot.guards.is_empty()
            || snapshot.processes.iter().any(|it| it.holds_lock == Known(true));
        let plan = decide(&policy, &snapshot);
        if held {
            prop_assert_ne!(plan.verdict(), Verdict::Clear);
            prop_assert!(plan.conflicts.iter().any(Conflict::holds_lock));
        }
        let ignored = |it: &Conflict| it.action == Action::Ignore;
        prop_assert!(plan.conflicts.iter().all(|it| !(it.holds_lock() && ignored(it))));
    }

    #[test]
    fn no_shielded_process_is_ever_ended(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        for conflict in planned_ends(&plan) {
            for process in conflict.processes() {
                prop_assert_eq!(process.relation, Known(Relation::None));
                let against = weigh_against(&snapshot.me, process);
                prop_assert!(!matches!(against, CounterEvidence::AnotherBot(_)));
                prop_assert!(conflict.guard.is_some() || shield::may_signal(process, &snapshot.me));
            }
        }
    }

    #[test]
    fn a_newer_guard_is_never_ended(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        let Some(mine) = snapshot.me.ticket else { return Ok(()) };
        for conflict in planned_ends(&plan) {
            let Some(guard) = &conflict.guard else { continue };
            match (&guard.other_lock, guard.process) {
                (None, _) => prop_assert!(guard.ticket.is_none_or(|theirs| theirs <= mine)),
                (Some(_), theirs) => {
                    prop_assert!(theirs.is_some_and(|theirs| theirs.start <= snapshot.me.start));
                }
            }
        }
    }

    #[test]
    fn no_process_is_in_two_conflicts_unless_below_a_guard(
        policy in policies(),
        snapshot in snapshots(),
    ) {
        let plan = decide(&policy, &snapshot);
        let strangers = plan.conflicts.iter().filter(|it| it.guard.is_none());
        let all: Vec<u32> = strangers.flat_map(pids).collect();
        prop_assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len());
        let in_conflict: BTreeSet<u32> = pids_of(plan.conflicts.iter());
        prop_assert!(plan.suspects.iter().all(|it| !in_conflict.contains(&it.id.pid)));
    }

    #[test]
    fn hiding_a_fact_never_adds_a_kill(mut policy in policies(), snapshot in snapshots()) {
        // A rule for one kind of evidence applies once a stronger kind is hidden.
        policy.rules.retain(|rule| rule.when.found_by.is_none());
        let before = decide(&policy, &snapshot);
        let killed = pids_of(planned_ends(&before));
        for index in 0..snapshot.processes.len() {
            for (name, hide) in FACTS {
                let mut dim = snapshot.clone();
                hide(&mut dim.processes[index]);
                let hidden = dim.processes[index].id.pid;
                let after = decide(&policy, &dim);
                for pid in pids_of(after.conflicts_to_end()).difference(&killed) {
                    // If the outer process is no longer a candidate, the inner one is judged
                    // separately. So is a guard whose bot is no longer a candidate.
                    let is_its_guard = || {
                        let guard = snapshot.processes[index].guard_to_ask();
                        guard.is_some_and(|guard| guard.process.pid == *pid)
                    };
                    let freed = FINDING.contains(&name)
                        && (was_below(&before, &after, hidden, *pid) || is_its_guard());
                    prop_assert!(freed, "pid {pid} is ended once {name} of {hidden} is hidden: \
                        {after:#?}");
                }
            }
        }
    }

    #[test]
    fn more_evidence_for_never_removes_a_conflict(policy in policies(), snapshot in snapshots()) {
        let before = pids_of(decide(&policy, &snapshot).conflicts.iter());
        for index in 0..snapshot.processes.len() {
            for (name, add) in FOR {
                let mut more = snapshot.clone();
                add(&mut more.processes[index]);
                let pid = more.processes[index].id.pid;
                let after = pids_of(decide(&policy, &more).conflicts.iter());
                prop_assert!(!before.contains(&pid) || after.contains(&pid), "{name} of {pid}");
            }
        }
    }

    #[test]
    fn more_evidence_against_never_adds_a_kill(policy in policies(), snapshot in snapshots()) {
        let before = decide(&policy, &snapshot);
        let killed = pids_of(planned_ends(&before));
        for index in 0..snapshot.processes.len() {
            for (name, add) in AGAINST {
                let mut more = snapshot.clone();
                add(&mut more.processes[index]);
                let pid = more.processes[index].id.pid;
                let after = decide(&policy, &more);
                let killed_now = pids_of(planned_ends(&after));
                let is_new = killed_now.contains(&pid) && !killed.contains(&pid);
                prop_assert!(!is_new, "{name} of {pid}");
            }
        }
    }

    #[test]
    fn the_order_of_the_process_table_does_not_matter(
        policy in policies(),
        (snapshot, order) in snapshots().prop_flat_map(|snapshot| {
            let order = Just(snapshot.processes.clone()).prop_shuffle();
            (Just(snapshot), order)
        }),
    ) {
        let shuffled = Snapshot { processes: order, ..snapshot.clone() };
        let decided = |snapshot: &Snapshot| format!("{:?}", decide(&policy, snapshot));
        prop_assert_eq!(decided(&snapshot), decided(&shuffled));
    }
}
