//! Explains one process: everything that [`decide`](crate::engine::decide::decide) weighs, with the
//! verdict on each.
//!
//! Nothing is decided here. The verdicts come from the functions that decide, and the outcome from
//! the plan.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::classify;
pub use crate::engine::classify::{Classification, Objection};
use crate::engine::command_parts::{CommandMatch, CommandPart};
use crate::engine::condition::Condition;
use crate::engine::counter_evidence::{CounterEvidence, weigh_against};
use crate::engine::evidence::{self, Evidence, PatternMatch, TokenEvidence};
use crate::engine::fact::{Fact, Truth};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::plan::{Conflict, Plan};
use crate::engine::policy::{Policy, Rule};
use crate::engine::process::Process;
use crate::engine::rules::{self, RuleOutcome, subject};
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::{LockView, Snapshot};

/// The reasons a process is or is not a candidate.
#[derive(Debug, Clone)]
pub struct Explanation<'a> {
    pub process: &'a Process,
    /// The verdicts of the match entries and COMMAND; empty if no pattern applies to the process.
    pub entries: Vec<EntryVerdict<'a>>,
    /// The evidence in the bot token; `None` if the token does not count.
    pub token: Option<TokenEvidence>,
    pub lock: LockVerdict<'a>,
    /// The evidence that the process, or what a launcher has started, is not this bot.
    pub against: CounterEvidence,
    pub shields: [ShieldVerdict; 3],
    /// The rules in order. A process that is no conflict is treated as one.
    pub rules: Vec<RuleVerdict<'a>>,
    /// The subject of the rules: the root of the conflict, with what its tree proves.
    pub subject: Process,
    /// The class of the process alone, without its tree, but with the shield of a launcher whose
    /// child is another bot.
    pub classification: Classification,
    /// The conflict that contains the process; the innermost, if there are several.
    pub conflict: Option<&'a Conflict>,
    pub plan: &'a Plan,
    pub policy: &'a Policy,
}

#[derive(Debug, Clone)]
pub struct EntryVerdict<'a> {
    /// [`Evidence::Match`] or [`Evidence::Command`].
    pub entry: Evidence,
    /// The verdict of the pattern alone.
    pub pattern: Truth,
    pub criteria: Vec<(Criterion<'a>, Truth)>,
    /// The limit of the entry that excludes the process, even if the pattern does not match.
    pub limit: Option<Shield>,
}

impl EntryVerdict<'_> {
    pub fn holds(&self) -> Truth {
        self.pattern.and(self.limit.as_ref().map_or(Truth::True, |limit| !limit.holds()))
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Criterion<'a> {
    Condition(Condition<'a>),
    /// A part of COMMAND, if there are no match entries.
    Part(CommandPart<'a>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockVerdict<'a> {
    /// The process has one of the locks.
    pub holds: Truth,
    /// The locks that the process is known to have.
    pub paths: Vec<&'a Path>,
    pub unidentified: Vec<&'a Path>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShieldKind {
    /// The relation to monopoll, the PID namespace or the kernel.
    Relation,
    /// Another user's process.
    OtherUser,
    /// A process in another container.
    OtherContainer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShieldVerdict {
    pub kind: ShieldKind,
    /// The shield, unless it is ruled out.
    pub shield: Option<Shield>,
    /// The evidence that lifts the shield: an entry with a wider limit, or the lock.
    pub lifted_by: Option<Evidence>,
}

impl ShieldVerdict {
    pub fn holds(&self) -> Truth {
        self.shield.as_ref().map_or(Truth::False, Shield::holds)
    }
}

#[derive(Debug, Clone)]
pub struct RuleVerdict<'a> {
    /// The position in the list of rules.
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

/// Explains `pid`; `None` if it is not in the snapshot. `plan` is the decision on that snapshot.
pub fn explain<'a>(
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    plan: &'a Plan,
    pid: u32,
    command: Option<&'a CommandMatch>,
) -> Option<Explanation<'a>> {
    let process = snapshot.processes.iter().find(|process| process.id.pid == pid)?;
    let conflict = innermost(plan, pid);
    // A guard of another lock becomes a conflict through what it runs, not through evidence of its
    // own.
    let is_other_guard = conflict.is_some_and(|conflict| {
        let guard = conflict.guard.as_ref();
        conflict.pid() == Some(pid) && guard.is_some_and(|guard| guard.other_lock.is_some())
    });
    // Only the plan knows what a launcher has started.
    let shield_in_plan =
        plan.shielded.iter().find(|it| it.process.id == process.id).map(|it| &it.shield);
    let token = evidence::token_evidence(policy, snapshot.me.cwd.as_deref(), process);
    let weighed = evidence::with_stronger_evidence(token, process);
    let entries = entry_verdicts(policy, snapshot, &weighed, command);
    let subject = match conflict {
        Some(Conflict { root, tree, evidence, .. }) => subject(root.as_ref(), tree, evidence),
        None => subject(Some(process), &[], []),
    };
    Some(Explanation {
        process,
        token,
        lock: if is_other_guard {
            LockVerdict { holds: Truth::True, ..lock(snapshot, process) }
        } else {
            lock(snapshot, process)
        },
        against: match shield_in_plan {
            Some(Shield::AnotherBot(another)) => CounterEvidence::AnotherBot(another.clone()),
            _ => weigh_against(&snapshot.me, &weighed),
        },
        shields: shields(snapshot, &weighed, &entries),
        entries,
        rules: rule_verdicts(policy, snapshot, &subject),
        subject,
        classification: if is_other_guard {
            let evidence = [Evidence::Lock].into();
            Classification::Candidate { evidence, objection: None }
        } else {
            match shield_in_plan {
                Some(shield) => Classification::Shielded(shield.clone()),
                None => classify::classify(policy, snapshot, process),
            }
        },
        conflict,
        plan,
        policy,
    })
}

/// Returns the innermost conflict that contains the process. A conflict whose root it is wins.
fn innermost(plan: &Plan, pid: u32) -> Option<&Conflict> {
    plan.conflicts
        .iter()
        .filter(|conflict| conflict.processes().any(|process| process.id.pid == pid))
        .min_by_key(|conflict| (conflict.pid() != Some(pid), conflict.tree.len()))
}

fn entry_verdicts<'a>(
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    process: &Process,
    command: Option<&'a CommandMatch>,
) -> Vec<EntryVerdict<'a>> {
    let me = &snapshot.me;
    let verdict = |condition: Condition<'a>| {
        (Criterion::Condition(condition), condition.holds(process, &me.user))
    };
    let each = |found: PatternMatch<'a>| {
        let PatternMatch { evidence: entry, holds: pattern, user, container } = found;
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
        // One part that is known to differ is decisive, even if another cannot be read.
        let pattern = pattern.and(Truth::all(parts.iter().map(|(_, truth)| *truth)));
        let limits = [Condition::User(user), Condition::Container(container)];
        let criteria = parts
            .into_iter()
            .map(|(part, truth)| (Criterion::Part(part), truth))
            .chain(limits.map(verdict))
            .collect();
        EntryVerdict { entry, pattern, criteria, limit }
    };
    evidence::pattern_matches(policy, process).into_iter().map(each).collect()
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
) -> [ShieldVerdict; 3] {
    let by_lock = classify::has_lock(snapshot, process).then_some(Evidence::Lock);
    let by_entry = || {
        entries.iter().find(|it| it.pattern == Truth::True && it.limit.is_none()).map(|it| it.entry)
    };
    let limit = |kind, shield: Option<Shield>| {
        let lifted_by = shield.as_ref().and_then(|_| by_lock.or_else(by_entry));
        ShieldVerdict { kind, shield, lifted_by }
    };
    [
        ShieldVerdict {
            kind: ShieldKind::Relation,
            shield: shield::relation(process),
            lifted_by: None,
        },
        limit(ShieldKind::OtherUser, shield::other_user(process, &snapshot.me, &UserLimit::Same)),
        limit(ShieldKind::OtherContainer, shield::other_container(process, ContainerLimit::Same)),
    ]
}

fn rule_verdicts<'a>(
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    subject: &Process,
) -> Vec<RuleVerdict<'a>> {
    let me = &snapshot.me.user;
    let verdict = |condition: Condition<'a>| (condition, condition.holds(subject, me));
    let each = |(index, (rule, outcome)): (usize, (&'a Rule, RuleOutcome))| {
        let conditions = rule.when.each().map(verdict).collect();
        RuleVerdict { index, rule, conditions, outcome }
    };
    rules::outcomes(policy, subject, me).enumerate().map(each).collect()
}
