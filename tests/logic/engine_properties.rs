//! Properties that hold for every policy and every snapshot.

use crate::engine_invariants::{self as invariants, pids_of, planned_ends};
use crate::fact_changes::{AGAINST, FACTS, FOR};
use crate::fixture::*;
use crate::generators::{policies, snapshots};
use proptest::prelude::*;

use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::plan::{Conflict, Plan};
use monopoll::internals::engine::policy::Policy;
use monopoll::internals::engine::snapshot::Snapshot;

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

fn check(invariant: fn(&Policy, &Snapshot, &Plan), policy: &Policy, snapshot: &Snapshot) {
    invariant(policy, snapshot, &decide(policy, snapshot));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_refusal_plans_no_step(policy in policies(), snapshot in snapshots()) {
        check(invariants::a_refusal_plans_no_step, &policy, &snapshot);
    }

    #[test]
    fn the_verdict_follows_from_the_actions(policy in policies(), snapshot in snapshots()) {
        check(invariants::the_verdict_follows_from_the_actions, &policy, &snapshot);
    }

    #[test]
    fn no_start_runs_next_to_a_holder(policy in policies(), snapshot in snapshots()) {
        check(invariants::no_start_runs_next_to_a_holder, &policy, &snapshot);
    }

    #[test]
    fn no_shielded_process_is_ever_ended(policy in policies(), snapshot in snapshots()) {
        check(invariants::no_shielded_process_is_ever_ended, &policy, &snapshot);
    }

    #[test]
    fn a_newer_guard_is_never_ended(policy in policies(), snapshot in snapshots()) {
        check(invariants::a_newer_guard_is_never_ended, &policy, &snapshot);
    }

    #[test]
    fn no_process_is_in_two_conflicts_unless_below_a_guard(
        policy in policies(),
        snapshot in snapshots(),
    ) {
        check(invariants::no_process_is_in_two_conflicts_unless_below_a_guard, &policy, &snapshot);
    }

    #[test]
    fn nothing_is_ended_without_evidence(policy in policies(), snapshot in snapshots()) {
        check(invariants::nothing_is_ended_without_evidence, &policy, &snapshot);
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
                for ended in killed_now.difference(&killed) {
                    // If the outer process is another bot's, the inner one is judged separately.
                    let freed = was_below(&before, &after, pid, *ended);
                    prop_assert!(freed, "{name} of {pid} ends {ended}: {after:#?}");
                }
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
