//! Logs snapshots and decisions as debug records.

use std::time::Duration;

use tracing::{debug, trace};

use crate::engine::plan::{Conflict, Plan};
use crate::engine::policy::Purpose;
use crate::engine::reason::Verdict;
use crate::engine::snapshot::{LockState, Snapshot};
use crate::report::explain_verdicts::evidence_key;
use crate::report::reasons;

pub(crate) fn scanned(snapshot: &Snapshot, plan: &Plan, purpose: Purpose, took: Duration) {
    let (described, conflicts) = (snapshot.processes.len(), plan.conflicts.len());
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    debug!(
        described,
        conflicts,
        shielded = plan.shielded.len(),
        suspects = plan.suspects.len(),
        took_us,
        verdict = word(plan.verdict()),
        "scanned in {took:.1?}: {} (processes {described}, conflicts {conflicts})",
        reasons::plan_reason(plan, purpose)
    );
    for lock in &snapshot.locks {
        let (path, state) = (lock.path.to_string_lossy(), lock_state(&lock.state));
        trace!(lock = &*path, state, "the lock {path} is {state}");
    }
    plan.conflicts.iter().for_each(conflict);
    for shielded in &plan.shielded {
        let (pid, reason) = (shielded.process.id.pid, reasons::shield(&shielded.shield));
        debug!(pid, reason, "pid {pid} is shielded: {reason}");
    }
}

fn conflict(conflict: &Conflict) {
    let pid = conflict.pid();
    let command = conflict.command().text();
    let (name, tree) = (reasons::name(conflict), conflict.tree.len());
    let evidence: Vec<String> = conflict.evidence.iter().copied().map(evidence_key).collect();
    let evidence = evidence.join(", ");
    let (action, decided) = (conflict.action, reasons::decider(&conflict.decided_by));
    debug!(
        pid,
        command,
        tree,
        evidence,
        action = %action,
        decided_by = decided,
        "conflict: {name}, descendants {tree}, found by {evidence}: {action}, by {decided}"
    );
}

/// Returns the verdict as in the JSON of a plan.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clear => "clear",
        Verdict::Act => "act",
        Verdict::Wait => "wait",
        Verdict::Refuse(_) => "refuse",
    }
}

fn lock_state(state: &LockState) -> String {
    match state {
        LockState::Free => "free".to_owned(),
        LockState::Mine => "held by this process".to_owned(),
        LockState::Held(pids) if pids.is_empty() => "held by an unknown process".to_owned(),
        LockState::Held(pids) => {
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            format!("held by pid {}", pids.join(", "))
        }
        LockState::Unknown => "unknown".to_owned(),
    }
}
