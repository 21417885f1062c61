//! A plan as a machine reads it; see `schemas/plan.schema.json`.

use serde::Serialize;

use crate::engine::fact::Fact;
use crate::engine::ladder::{Patience, Step};
use crate::engine::plan::{Conflict, DecidedBy, Plan, Shielded};
use crate::engine::process::Process;
use crate::engine::reason::Verdict;
use crate::engine::snapshot::{GuardView, LockState, LockView};
use crate::report::format::{self, rfc3339};
use crate::report::plan_document::{
    ConflictDocument, HolderDocument, LockDocument, LockWord, OtherDocument, PlanDocument,
    StepDocument, VerdictWord,
};
use crate::report::{Context, reasons, verdicts};
use crate::sys::clock::millis;
use crate::text::{is_nonprinting, mask_secrets};

/// `plan` as a document.
pub fn document(plan: &Plan, context: &Context<'_>) -> PlanDocument {
    PlanDocument {
        version: 1,
        instance: mask_secrets(&context.instance),
        profile: context.profile.as_deref().map(mask_secrets),
        verdict: match plan.verdict() {
            Verdict::Clear => VerdictWord::Clear,
            Verdict::Act => VerdictWord::Act,
            Verdict::Wait => VerdictWord::Wait,
            Verdict::Refuse(_) => VerdictWord::Refuse,
        },
        reason: mask_secrets(&reasons::plan_reason(plan)),
        locks: plan.locks.iter().map(|view| lock(plan, context, view)).collect(),
        lease: (),
        conflicts: plan.conflicts.iter().map(|it| conflict(it, context)).collect(),
        shielded: plan.shielded.iter().map(shielded).collect(),
        suspects: plan.suspects.iter().map(suspect).collect(),
    }
}

/// Writes any document: indented, and with everything escaped that a terminal would act on.
///
/// # Errors
/// As [`serde_json::to_string_pretty`] has them.
pub fn to_text(document: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string_pretty(document)?;
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of strings there is nothing of the kind but the line breaks that are wanted.
        if c != '\n' && is_nonprinting(c) {
            let mut units = [0; 2];
            text.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    Ok(text)
}

fn lock(plan: &Plan, context: &Context<'_>, view: &LockView) -> LockDocument {
    let (state, holder) = match &view.state {
        LockState::Free => (LockWord::Free, None),
        LockState::Mine => (LockWord::Held, None),
        LockState::Held(pids) => (LockWord::Held, holder(plan, context, pids)),
        LockState::Unknown => (LockWord::Unknown, holder(plan, context, &[])),
    };
    LockDocument { path: mask_secrets(&view.path.to_string_lossy()), state, holder }
}

/// The guard with a record, else the first process that has the lock.
pub(super) fn holder(plan: &Plan, context: &Context<'_>, pids: &[u32]) -> Option<HolderDocument> {
    let has = |guard: &&GuardView| guard.process.is_some_and(|process| pids.contains(&process.pid));
    if let Some(guard) = plan.guards.iter().find(has).or(plan.guards.first()) {
        return Some(HolderDocument {
            pid: guard.process.map(|process| process.pid),
            ticket: guard.ticket.map(|ticket| ticket.0),
            command: Some(mask_secrets(&guard.command)),
            user: Some(mask_secrets(&guard.user)),
            host: mask_secrets(&guard.host),
            since: format::unix_time(guard.since).and_then(rfc3339),
        });
    }
    let pid = *pids.first()?;
    let process =
        plan.conflicts.iter().flat_map(Conflict::processes).find(|process| process.id.pid == pid);
    Some(HolderDocument {
        pid: Some(pid),
        ticket: None,
        command: process.and_then(format::full_command),
        user: process.and_then(user),
        host: mask_secrets(&context.host),
        since: process.and_then(|process| started_at(process, context)),
    })
}

pub(super) fn conflict(conflict: &Conflict, context: &Context<'_>) -> ConflictDocument {
    let nobody = Process::unknown();
    let root = conflict.root.as_ref().unwrap_or(&nobody);
    let guard = conflict.guard.as_ref();
    ConflictDocument {
        pid: conflict.pid(),
        name: root.name.known().map(|name| mask_secrets(name)),
        command: format::full_command(root)
            .or_else(|| guard.map(|guard| mask_secrets(&guard.command))),
        user: user(root).or_else(|| guard.map(|guard| mask_secrets(&guard.user))),
        state: root.state.known().copied(),
        started_at: started_at(root, context),
        age_ms: root.age.known().copied().map(millis),
        holds_lock: conflict.holds_lock(),
        same_token: root.same_token().known(),
        orphaned: root.orphaned.known().copied(),
        managed_by: root.manager().map(|manager| mask_secrets(&manager.to_string())),
        container: root.container.known().and_then(Option::as_deref).map(mask_secrets),
        host: mask_secrets(guard.map_or(&context.host, |guard| &guard.host)),
        tree: conflict.tree.iter().map(|process| process.id.pid).collect(),
        matched_by: conflict.evidence.iter().copied().map(verdicts::evidence_key).collect(),
        rule: match &conflict.decided_by {
            DecidedBy::Rule(name) => Some(mask_secrets(name)),
            DecidedBy::OnConflict | DecidedBy::SameToken | DecidedBy::Caution => None,
        },
        action: conflict.action,
        steps: conflict.ladder.steps().iter().map(step).collect(),
    }
}

fn step(step: &Step) -> StepDocument {
    match *step {
        Step::Ask { timeout } => StepDocument::Ask { timeout_ms: millis(timeout) },
        Step::Signal { signal, timeout } => {
            StepDocument::Signal { signal: signal.name(), timeout_ms: millis(timeout) }
        }
        Step::Wait { timeout: Patience::Forever } => StepDocument::Wait { timeout_ms: None },
        Step::Wait { timeout: Patience::For(time) } => {
            StepDocument::Wait { timeout_ms: Some(millis(time)) }
        }
    }
}

fn shielded(it: &Shielded) -> OtherDocument {
    OtherDocument {
        pid: it.process.id.pid,
        command: format::full_command(&it.process),
        reason: mask_secrets(&reasons::shield(&it.shield)),
    }
}

fn suspect(it: &Process) -> OtherDocument {
    OtherDocument {
        pid: it.id.pid,
        command: format::full_command(it),
        reason: reasons::SUSPECT.to_owned(),
    }
}

fn user(process: &Process) -> Option<String> {
    process.user.known().map(|user| mask_secrets(&user.name))
}

fn started_at(process: &Process, context: &Context<'_>) -> Option<String> {
    match process.age {
        Fact::Known(age) => context.now_wall.checked_sub(age).and_then(rfc3339),
        Fact::Unknown => None,
    }
}
