//! Explains one process: everything that [`decide`](crate::engine::decide::decide) weighs, each
//! with its verdict.
//!
//! Nothing is decided here. Each verdict comes from the very function that the decision asks, and
//! the end of it from the plan.

pub mod command_match;
mod verdict;

use std::path::Path;

use crate::engine::explain::command_match::CommandMatch;

use crate::engine::classify;
pub use crate::engine::classify::{Classification, TokenEvidence};
use crate::engine::condition::Condition;
pub use crate::engine::explain::verdict::{
    EntryVerdict, FieldOrCondition, LockVerdict, RuleVerdict, ShieldKind, ShieldVerdict,
    TokenVerdict,
};
use crate::engine::fact::{Fact, Truth};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::plan::{Conflict, Evidence, Plan};
use crate::engine::policy::Policy;
use crate::engine::process::Process;
use crate::engine::rules::{RuleScope, subject};
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::{LockState, LockView, Snapshot};

/// The reasons that a process is or is not a candidate.
#[derive(Debug, Clone)]
pub struct Explanation<'a> {
    /// The process.
    pub process: &'a Process,
    /// The pattern of each entry; none for a monopoll, which no pattern finds.
    pub entries: Vec<EntryVerdict<'a>>,
    /// The bot token that it carries.
    pub token: TokenVerdict,
    /// The locks that it has.
    pub lock: LockVerdict<'a>,
    /// Each kind of shield.
    pub shields: [ShieldVerdict; 4],
    /// Each rule in turn, asked as if it were a conflict where it is none.
    pub rules: Vec<RuleVerdict<'a>>,
    /// The subject of the rules: the root of its tree, with what that tree proves of it.
    pub subject: Process,
    /// The process by itself, without its tree.
    pub classification: Classification,
    /// The conflict that it is part of: the innermost, if several trees have it.
    pub conflict: Option<&'a Conflict>,
    /// The plan for the snapshot.
    pub plan: &'a Plan,
    /// The policy of that plan.
    pub policy: &'a Policy,
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
        Some(conflict) => {
            let evidence = || &conflict.evidence;
            (
                RuleScope::of(policy, evidence()),
                subject(conflict.root.as_ref(), &conflict.tree, evidence()),
            )
        }
        None => (RuleScope::Every, subject(Some(process), &[], [])),
    };
    Some(Explanation {
        process,
        token: TokenVerdict {
            carried: process.token,
            same_token: process.same_token(),
            evidence: classify::token_evidence(policy, process),
            policy: policy.same_token,
        },
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
    let has = |conflict: &&Conflict| conflict.processes().any(|process| process.id.pid == pid);
    let is_root =
        |conflict: &Conflict| conflict.root.as_ref().is_some_and(|root| root.id.pid == pid);
    plan.conflicts
        .iter()
        .filter(has)
        .min_by_key(|conflict| (!is_root(conflict), conflict.tree.len()))
}

fn entries<'a>(
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    process: &'a Process,
    command: Option<&'a CommandMatch>,
) -> Vec<EntryVerdict<'a>> {
    let me = &snapshot.me;
    let verdict = |condition: Condition<'a>| {
        (FieldOrCondition::Condition(condition), condition.holds(process, &me.user))
    };
    let each = classify::pattern_matches(policy, process).into_iter().map(
        |(entry, pattern, user, container)| {
            let written = match entry {
                Evidence::Match(index) => policy.matches.get(index),
                Evidence::Command | Evidence::Lock | Evidence::Token => None,
            };
            let limit = shield::limit(process, me, user, container);
            if let Some(written) = written {
                return EntryVerdict {
                    entry,
                    pattern,
                    conditions: written.each().map(verdict).collect(),
                    limit,
                };
            }
            let parts: Vec<_> =
                command.into_iter().flat_map(|command| command.parts(process)).collect();
            // A part that is known to differ settles it, even if another one cannot be read.
            let pattern = pattern.and(Truth::all(parts.iter().map(|(_, truth)| *truth)));
            let limits = [Condition::User(user), Condition::Container(container)];
            let conditions = parts
                .into_iter()
                .map(|(part, truth)| (FieldOrCondition::Part(part), truth))
                .chain(limits.map(verdict))
                .collect();
            EntryVerdict { entry, pattern, conditions, limit }
        },
    );
    each.collect()
}

fn lock<'a>(snapshot: &'a Snapshot, process: &Process) -> LockVerdict<'a> {
    let is_seen = |pid: &u32| snapshot.processes.iter().any(|process| process.id.pid == *pid);
    let unidentified = |lock: &&LockView| match &lock.state {
        LockState::Free | LockState::Mine => false,
        LockState::Held(holders) => !holders.iter().any(is_seen),
        LockState::Unknown => true,
    };
    let path = |lock: &'a LockView| lock.path.as_path();
    let unidentified: Vec<&Path> = snapshot.locks.iter().filter(unidentified).map(path).collect();
    let holds = match (classify::has_lock(snapshot, process), process.holds_lock) {
        (true, _) => Truth::True,
        (false, Fact::Unknown) => Truth::Unknown,
        (false, Fact::Known(_)) => Truth::False,
    };
    let paths = snapshot
        .locks
        .iter()
        .filter(|lock| classify::is_held_by(lock, process))
        .map(path)
        .collect();
    LockVerdict { holds, paths, unidentified }
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
    let each = scope.outcomes(policy, subject, me).enumerate().map(|(index, (rule, outcome))| {
        RuleVerdict {
            index,
            rule,
            conditions: rule
                .when
                .each()
                .map(|condition| (condition, condition.holds(subject, me)))
                .collect(),
            outcome,
        }
    });
    each.collect()
}
