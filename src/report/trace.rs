//! Snapshots and decisions as debug records.

use std::time::Duration;

use tracing::{debug, trace};

use crate::engine::plan::{Conflict, DecidedBy, Plan};
use crate::engine::reason::Verdict;
use crate::engine::snapshot::Snapshot;
use crate::report::reasons;
use crate::text::command_line;

pub(crate) fn looked(snapshot: &Snapshot, plan: &Plan, took: Duration) {
    let (described, conflicts) = (snapshot.processes.len(), plan.conflicts.len());
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    debug!(
        described,
        conflicts,
        shielded = plan.shielded.len(),
        suspects = plan.suspects.len(),
        took_us,
        verdict = word(plan.verdict()),
        "looked in {took:.1?}: {} (described {described}, in the way {conflicts})",
        reasons::plan_reason(plan)
    );
    for lock in &snapshot.locks {
        trace!(lock = %lock.path.display(), state = ?lock.state, "the lock {} is {:?}", lock.path.display(), lock.state);
    }
    plan.conflicts.iter().for_each(conflict);
    for shielded in &plan.shielded {
        let (pid, reason) = (shielded.process.id.pid, reasons::shield(&shielded.shield));
        debug!(pid, reason, "pid {pid} is not touched: {reason}");
    }
}

fn conflict(conflict: &Conflict) {
    let pid = conflict.pid();
    let args = conflict.root.as_ref().and_then(|root| root.args.known());
    let command = args
        .map(|args| command_line(args))
        .or_else(|| conflict.guard.as_ref().map(|guard| guard.command.clone()));
    let (who, tree) = (
        pid.map_or_else(|| "somebody".to_owned(), |pid| format!("pid {pid}")),
        conflict.tree.len(),
    );
    let (action, decided) = (conflict.action, decided(&conflict.decided_by));
    debug!(
        pid,
        command,
        tree,
        evidence = ?conflict.evidence,
        action = %action,
        decided_by = decided,
        "{who} with {tree} below it is in the way ({:?}): {action}, by {decided}",
        conflict.evidence
    );
}

/// The verdict as in the JSON of a plan.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clear => "clear",
        Verdict::Act => "act",
        Verdict::Wait => "wait",
        Verdict::Refuse(_) => "refuse",
    }
}

fn decided(by: &DecidedBy) -> String {
    match by {
        DecidedBy::Rule(name) => format!("the rule `{name}`"),
        DecidedBy::OnConflict => "on_conflict".to_owned(),
        DecidedBy::SameToken => "same_token".to_owned(),
        DecidedBy::Caution => "caution".to_owned(),
    }
}
