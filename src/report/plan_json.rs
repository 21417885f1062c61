//! A plan as JSON; see `schemas/plan.schema.json`. The order of the fields is the order of the
//! keys.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::action::Action;
use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::fact::Fact;
use crate::engine::ladder::{Step, WaitLimit};
use crate::engine::plan::{Conflict, NearMiss, Plan};
use crate::engine::process::{Process, RunState};
use crate::engine::reason::Verdict;
use crate::engine::snapshot::{GuardView, LockState, LockView};
use crate::report::format::{self, rfc3339};
use crate::report::{Context, explain_verdicts, not_touched, reasons};
use crate::sys::clock::millis;
use crate::text::{is_nonprinting, mask_secrets};

/// The effect of a start or stop on an instance, with the reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll plan")]
pub struct PlanDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    pub instance: String,
    /// The profile that was selected.
    pub profile: Option<String>,
    pub verdict: VerdictWord,
    /// The verdict as a sentence.
    pub reason: String,
    /// The lock files, in canonical order.
    pub locks: Vec<LockDocument>,
    /// The entry in a lease store. Always null: there is no lease store.
    pub lease: (),
    /// Oldest first.
    pub conflicts: Vec<ConflictDocument>,
    /// Processes that would be conflicts, but must not be acted on.
    pub shielded: Vec<OtherDocument>,
    /// Processes that only carry the bot token.
    pub suspects: Vec<OtherDocument>,
    /// Processes that are almost the same command.
    pub near_misses: Vec<NearMissDocument>,
}

/// The verdict of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// No conflicts, except ignored ones.
    Clear,
    /// Conflicts are ended first.
    Act,
    /// Conflicts are waited for first.
    Wait,
    /// The start or the stop is refused.
    Refuse,
}

/// A lock file and its holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LockDocument {
    pub path: String,
    pub state: LockWord,
    /// Null if unknown.
    pub holder: Option<HolderDocument>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LockWord {
    Free,
    Held,
    Unknown,
}

/// The process that holds the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HolderDocument {
    /// Null if it is in another PID namespace.
    pub pid: Option<u32>,
    /// Null if the holder is not a guard, or its record cannot be read.
    pub ticket: Option<u64>,
    /// The command line, with secrets masked; null if it cannot be read.
    pub command: Option<String>,
    /// Null if it cannot be read.
    pub user: Option<String>,
    /// The host that the process runs on.
    pub host: String,
    /// The time it acquired the instance or, if it is not a guard, started (RFC 3339); null if
    /// unknown.
    pub since: Option<String>,
}

/// A candidate and its tree. A value that cannot be read is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConflictDocument {
    /// The topmost process; null if it is invisible or unknown.
    pub pid: Option<u32>,
    /// The base name of the executable.
    pub name: Option<String>,
    /// The command line, with secrets masked.
    pub command: Option<String>,
    pub user: Option<String>,
    pub state: Option<RunState>,
    /// RFC 3339.
    pub started_at: Option<String>,
    pub age_ms: Option<u64>,
    /// The process, or a member of its tree, has the lock.
    pub holds_lock: bool,
    /// The process carries this bot's token.
    pub same_token: Option<bool>,
    /// The process has an open connection to the Bot API.
    pub connected: Option<bool>,
    /// The strongest evidence.
    pub found_by: EvidenceKind,
    /// Orphaned: the process that started it has ended, and no supervisor manages it.
    pub orphaned: Option<bool>,
    /// The service manager that would restart the process.
    pub managed_by: Option<String>,
    /// The container of the process; null if monopoll is in the same one.
    pub container: Option<String>,
    /// The host that the process runs on.
    pub host: String,
    /// The pids of its descendants.
    pub tree: Vec<u32>,
    /// The evidence: `lock`, `token`, `match[INDEX]`, `command`.
    #[schemars(inner(regex(pattern = r"^(lock|token|command|match\[[0-9]+\])$")))]
    pub matched_by: Vec<String>,
    /// The rule that decided; null if none did.
    pub rule: Option<String>,
    pub action: Action,
    /// Each step is taken only if the one before did not help. Empty if the conflict is not
    /// touched.
    pub steps: Vec<StepDocument>,
}

/// One step of ending a conflict or waiting for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum StepDocument {
    /// Ask the guard to end the conflict.
    Ask {
        /// The time the guard has to end its tree.
        timeout_ms: u64,
    },
    /// Send a signal.
    Signal {
        /// The POSIX name.
        signal: &'static str,
        /// The time the tree has to end.
        timeout_ms: u64,
    },
    /// Wait for the conflict to end by itself.
    Wait {
        /// Null if there is no limit.
        timeout_ms: Option<u64>,
    },
}

/// A process that is not acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OtherDocument {
    pub pid: u32,
    /// The command line, with secrets masked; null if it cannot be read.
    pub command: Option<String>,
    pub reason: String,
}

/// A process that is almost the same command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NearMissDocument {
    pub pid: u32,
    /// The command line, with secrets masked; null if it cannot be read.
    pub command: Option<String>,
    pub reason: String,
    /// The fields of a `match` entry, as TOML, that would match the process; null if there is
    /// evidence against it.
    #[serde(rename = "match")]
    pub entry: Option<String>,
}

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
        reason: mask_secrets(&reasons::plan_reason(plan, context.purpose)),
        locks: plan.locks.iter().map(|view| lock(plan, context, view)).collect(),
        lease: (),
        conflicts: plan.conflicts.iter().map(|it| conflict(it, context)).collect(),
        shielded: plan
            .shielded
            .iter()
            .map(|it| other(&it.process, &reasons::shield(&it.shield)))
            .collect(),
        suspects: plan.suspects.iter().map(|it| other(it, reasons::SUSPECT)).collect(),
        near_misses: plan.near_misses.iter().map(near_miss).collect(),
    }
}

/// Writes a document, indented, and with every nonprinting character escaped for terminals.
pub fn to_text(document: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string_pretty(document)?;
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of strings, only the intended line breaks are nonprinting.
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

/// Returns the guard with a record, else the first process that has the lock.
pub(super) fn holder(plan: &Plan, context: &Context<'_>, pids: &[u32]) -> Option<HolderDocument> {
    let has = |guard: &&GuardView| guard.process.is_some_and(|process| pids.contains(&process.pid));
    if let Some(guard) = plan.guards.iter().find(has).or(plan.guards.first()) {
        return Some(HolderDocument {
            pid: guard.process.map(|process| process.pid),
            ticket: guard.ticket.map(|ticket| ticket.0),
            command: Some(mask_secrets(&guard.command)),
            user: Some(mask_secrets(&guard.user)),
            host: mask_secrets(&guard.host),
            since: format::unix_rfc3339(guard.since),
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
    let unknown = Process::default();
    let root = conflict.root.as_ref().unwrap_or(&unknown);
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
        connected: root.connected.known().copied(),
        found_by: conflict.found_by().kind(),
        orphaned: root.orphaned.known().copied(),
        managed_by: root.manager().map(|manager| mask_secrets(&manager.to_string())),
        container: root.container.known().and_then(Option::as_deref).map(mask_secrets),
        host: mask_secrets(guard.map_or(&context.host, |guard| &guard.host)),
        tree: conflict.tree.iter().map(|process| process.id.pid).collect(),
        matched_by: conflict.evidence.iter().copied().map(explain_verdicts::evidence_key).collect(),
        rule: conflict.decided_by.rule().map(mask_secrets),
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
        Step::Wait { limit: WaitLimit::Forever } => StepDocument::Wait { timeout_ms: None },
        Step::Wait { limit: WaitLimit::For(time) } => {
            StepDocument::Wait { timeout_ms: Some(millis(time)) }
        }
    }
}

fn other(process: &Process, reason: &str) -> OtherDocument {
    OtherDocument {
        pid: process.id.pid,
        command: format::full_command(process),
        reason: mask_secrets(reason),
    }
}

pub(super) fn near_miss(it: &NearMiss) -> NearMissDocument {
    NearMissDocument {
        pid: it.process.id.pid,
        command: format::full_command(&it.process),
        reason: mask_secrets(&reasons::near_miss(&it.reason)),
        entry: not_touched::match_fields(it).map(|fields| fields.join(", ")),
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
