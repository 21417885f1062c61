//! Explains one process: everything that [`decide`](crate::engine::decide::decide) weighs, each
//! with its verdict.
//!
//! Nothing is decided here. Each verdict comes from the very function that the decision asks, and
//! the end of it from the plan.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::classify;
pub use crate::engine::classify::{Classification, TokenEvidence};
use crate::engine::command_match::{CommandMatch, CommandPart};
use crate::engine::condition::Condition;
use crate::engine::fact::{Fact, Truth};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::plan::{Conflict, Evidence, Plan};
use crate::engine::policy::{Policy, Rule};
use crate::engine::process::Process;
use crate::engine::rules::{RuleOutcome, RuleScope, subject};
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::{LockView, Snapshot};

/// The reasons that a process is or is not a candidate.
#[derive(Debug, Clone)]
pub struct Explanation<'a> {
    pub process: &'a Process,
    /// The pattern of each entry; none for a monopoll, which no pattern finds.
    pub entries: Vec<EntryVerdict<'a>>,
    /// The evidence in its bot token; none if that does not count.
    pub token: Option<TokenEvidence>,
    pub lock: LockVerdict<'a>,
    pub shields: [ShieldVerdict; 4],
    /// Each rule in turn, asked as if it were a conflict where it is none.
    pub rules: Vec<RuleVerdict<'a>>,
    /// The subject of the rules: the root of its tree, with what that tree proves of it.
    pub subject: Process,
    /// The process by itself, without its tree.
    pub classification: Classification,
    /// The conflict that it is part of: the innermost, if several trees have it.
    pub conflict: Option<&'a Conflict>,
    pub plan: &'a Plan,
    pub policy: &'a Policy,
}

/// The verdict of one match entry.
#[derive(Debug, Clone)]
pub struct EntryVerdict<'a> {
    /// [`Evidence::Match`], or [`Evidence::Command`] where no entry is written.
    pub entry: Evidence,
    /// The verdict of its pattern alone.
    pub pattern: Truth,
    pub criteria: Vec<(Criterion<'a>, Truth)>,
    /// The limit of the entry that the process is beyond, whether the pattern matches or not.
    pub limit: Option<Shield>,
}

impl EntryVerdict<'_> {
    pub fn holds(&self) -> Truth {
        self.pattern.and(self.limit.as_ref().map_or(Truth::True, |limit| !limit.holds()))
    }
}

/// One thing that an entry asks.
#[derive(Debug, Clone, Copy)]
pub enum Criterion<'a> {
    /// A condition of a written entry.
    Condition(Condition<'a>),
    /// A part of the command, if no entry is written.
    Part(CommandPart<'a>),
}

/// The locks of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockVerdict<'a> {
    /// It has one of the locks.
    pub holds: Truth,
    /// The locks that it is known to have.
    pub paths: Vec<&'a Path>,
    /// The locks whose holders cannot be identified.
    pub unidentified: Vec<&'a Path>,
}

/// The subject of a shield.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShieldKind {
    /// The relation to monopoll, to the PID namespace, to the kernel.
    Relation,
    /// Another bot's process.
    OtherBot,
    /// Another user's process.
    OtherUser,
    /// A process in another container.
    OtherContainer,
}

/// The verdict of one kind of shield.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShieldVerdict {
    pub kind: ShieldKind,
    /// The shield, unless it is ruled out.
    pub shield: Option<Shield>,
    /// The evidence that lifts it: an entry that says so, or the lock.
    pub lifted_by: Option<Evidence>,
}

impl ShieldVerdict {
    pub fn holds(&self) -> Truth {
        self.shield.as_ref().map_or(Truth::False, Shield::holds)
    }
}

/// The verdict of one rule.
#[derive(Debug, Clone)]
pub struct RuleVerdict<'a> {
    /// Its place among the rules.
    pub index: usize,
    pub rule: &'a Rule,
    pub conditions: Vec<(Condition<'a>, Truth)>,
    pub outcome: RuleOutcome,
}

impl RuleVerdict<'_> {
    pub fn holds(&self) -> Truth {
        Truth::all(self.conditions.iter().map(|(_, truth)| *truth))
    }
}

/// Explains `pid`; `None` where the snapshot does not have it. `plan` is what was decided about
/// that snapshot, and `command` is COMMAND, where one is named.
pub fn explain<'a>(
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    plan: &'a Plan,
    pid: u32,
    command: Option<&'a CommandMatch>,
) -> Option<Explanation<'a>> {
    let process = snapshot.processes.iter().find(|process| process.id.pid == pid)?;
    let conflict = innermost(plan, pid);
    let entries = entries(policy, snapshot, process, command);
    let (scope, subject) = match conflict {
        Some(Conflict { root, tree, evidence, .. }) => {
            (RuleScope::of(policy, evidence), subject(root.as_ref(), tree, evidence))
        }
        None => (RuleScope::Every, subject(Some(process), &[], [])),
    };
    Some(Explanation {
        process,
        token: classify::token_evidence(policy, process),
        lock: lock(snapshot, process),
        shields: shields(snapshot, process, &entries),
        entries,
        rules: rules(policy, snapshot, scope, &subject),
        subject,
        classification: classify::classify(policy, snapshot, process),
        conflict,
        plan,
        policy,
    })
}

/// Returns the innermost conflict with this process. A root stands for itself, even if it is a
/// guard below the root of another conflict.
fn innermost(plan: &Plan, pid: u32) -> Option<&Conflict> {
    plan.conflicts
        .iter()
        .filter(|conflict| conflict.processes().any(|process| process.id.pid == pid))
        .min_by_key(|conflict| (conflict.pid() != Some(pid), conflict.tree.len()))
}

fn entries<'a>(
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    process: &'a Process,
    command: Option<&'a CommandMatch>,
) -> Vec<EntryVerdict<'a>> {
    let me = &snapshot.me;
    let verdict = |condition: Condition<'a>| {
        (Criterion::Condition(condition), condition.holds(process, &me.user))
    };
    let each = |(entry, pattern, user, container)| {
        let limit = shield::limit(process, me, user, container);
        let written = match entry {
            Evidence::Match(index) => policy.matches.get(index),
            Evidence::Command | Evidence::Lock | Evidence::Token => None,
        };
        if let Some(written) = written {
            let criteria = written.each().map(verdict).collect();
            return EntryVerdict { entry, pattern, criteria, limit };
        }
        let parts: Vec<_> =
            command.into_iter().flat_map(|command| command.parts(process)).collect();
        // A part that is known to differ settles it, even if another one cannot be read.
        let pattern = pattern.and(Truth::all(parts.iter().map(|(_, truth)| *truth)));
        let limits = [Condition::User(user), Condition::Container(container)];
        let criteria = parts
            .into_iter()
            .map(|(part, truth)| (Criterion::Part(part), truth))
            .chain(limits.map(verdict))
            .collect();
        EntryVerdict { entry, pattern, criteria, limit }
    };
    classify::pattern_matches(policy, process, &me.user).into_iter().map(each).collect()
}

fn lock<'a>(snapshot: &'a Snapshot, process: &Process) -> LockVerdict<'a> {
    let holds = match (classify::has_lock(snapshot, process), process.holds_lock) {
        (true, _) => Truth::True,
        (false, Fact::Unknown) => Truth::Unknown,
        (false, Fact::Known(_)) => Truth::False,
    };
    let paths = |is: &dyn Fn(&LockView) -> bool| {
        snapshot.locks.iter().filter(|lock| is(lock)).map(|lock| lock.path.as_path()).collect()
    };
    LockVerdict {
        holds,
        paths: paths(&|lock| classify::is_held_by(lock, process)),
        unidentified: paths(&|lock| snapshot.is_holder_unidentified(lock)),
    }
}

fn shields(
    snapshot: &Snapshot,
    process: &Process,
    entries: &[EntryVerdict<'_>],
) -> [ShieldVerdict; 4] {
    let by_lock = classify::has_lock(snapshot, process).then_some(Evidence::Lock);
    let by_entry = || {
        entries.iter().find(|it| it.pattern == Truth::True && it.limit.is_none()).map(|it| it.entry)
    };
    let always = |kind, shield| ShieldVerdict { kind, shield, lifted_by: None };
    let limit = |kind, shield: Option<Shield>| {
        let lifted_by = shield.as_ref().and_then(|_| by_lock.or_else(by_entry));
        ShieldVerdict { kind, shield, lifted_by }
    };
    [
        always(ShieldKind::Relation, shield::relation(process)),
        always(ShieldKind::OtherBot, shield::other_bot(process)),
        limit(ShieldKind::OtherUser, shield::other_user(process, &snapshot.me, &UserLimit::Same)),
        limit(ShieldKind::OtherContainer, shield::other_container(process, ContainerLimit::Same)),
    ]
}

fn rules<'a>(
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    scope: RuleScope,
    subject: &Process,
) -> Vec<RuleVerdict<'a>> {
    let me = &snapshot.me.user;
    let verdict = |condition: Condition<'a>| (condition, condition.holds(subject, me));
    let each = |(index, (rule, outcome)): (usize, (&'a Rule, RuleOutcome))| {
        let conditions = rule.when.each().map(verdict).collect();
        RuleVerdict { index, rule, conditions, outcome }
    };
    scope.outcomes(policy, subject, me).enumerate().map(each).collect()
}
