//! The verdicts of an explanation, one line each.

use crate::engine::action::SameToken;
use crate::engine::evidence::{Evidence, TokenEvidence};
use crate::engine::explain::{
    Criterion, EntryVerdict, Explanation, LockVerdict, RuleVerdict, ShieldKind, ShieldVerdict,
};
use crate::engine::fact::Truth;
use crate::engine::process::{Process, Role};
use crate::engine::rules::RuleOutcome;
use crate::report::{Context, condition_facts, conflict_text, format, reasons};
use crate::text::sanitize;

pub(super) fn tree(it: &Explanation<'_>) -> Option<String> {
    let conflict = it.conflict?;
    match &conflict.root {
        Some(root) if root.id.pid != it.process.id.pid => {
            Some(format!("in that of `{}` (pid {})", format::short_command(root), root.id.pid))
        }
        Some(_) | None if conflict.tree.is_empty() => None,
        Some(_) | None => Some(conflict_text::pids(&conflict.tree)),
    }
}

pub(super) fn entry(entry: &EntryVerdict<'_>, context: &Context<'_>) -> String {
    let compared = entry.criteria.iter().any(|(it, _)| matches!(it, Criterion::Part(_)));
    let name = match (entry.entry, compared) {
        (Evidence::Command, true) => "the same command in the same folder (built in)".to_owned(),
        (Evidence::Command, false) => {
            "the same command in the same folder: no COMMAND is given after `--`".to_owned()
        }
        (Evidence::Match(_) | Evidence::Lock | Evidence::Token, _) => {
            let key = evidence_key(entry.entry);
            format!("{key} {}", format::written_at(context, &key)).trim_end().to_owned()
        }
    };
    let limit = entry.limit.as_ref().map(|limit| sanitize(&reasons::shield(limit)));
    match (entry.pattern, entry.holds(), limit) {
        (Truth::True, _, Some(limit)) => format!("{name}: matches, but {limit}"),
        (Truth::Unknown, Truth::False, Some(limit)) => {
            format!("{name}: {limit}")
        }
        (Truth::Unknown, Truth::True | Truth::False | Truth::Unknown, _) => {
            format!("{name}: a fact is unknown, so it does not count")
        }
        (Truth::True, _, None) | (Truth::False, ..) => name,
    }
}

/// Returns the evidence as in the JSON of a plan.
pub(super) fn evidence_key(evidence: Evidence) -> String {
    match evidence {
        Evidence::Lock => "lock".to_owned(),
        Evidence::Token => "token".to_owned(),
        Evidence::Match(index) => format!("match[{index}]"),
        Evidence::Command => "command".to_owned(),
    }
}

pub(super) fn token(it: &Explanation<'_>) -> String {
    let Some(carries) = condition_facts::token(&it.process.tokens) else {
        return "cannot be read, so it may be another bot's".to_owned();
    };
    let so = match (it.token, it.process.same_token(), it.policy.same_token) {
        (Some(TokenEvidence::Proof), ..) => ": enough to recognize it",
        (Some(TokenEvidence::Hint), ..) => ": not enough to recognize it",
        (None, Truth::True, SameToken::Off) => ", but `same_token` says off",
        (None, Truth::True, _) if it.process.role == Role::Monopoll => {
            ", which does not count for a monopoll process"
        }
        (None, Truth::True | Truth::False | Truth::Unknown, _) => "",
    };
    format!("{carries}{so}")
}

pub(super) fn is_connected(process: &Process) -> Truth {
    process.connected.holds(|it| *it)
}

pub(super) fn network(process: &Process) -> String {
    condition_facts::connected(process.connected).unwrap_or_else(|| {
        let why = match process.same_token() {
            Truth::True => {
                "cannot tell whether it is connected to the Bot API: it may use a proxy or \
                 another network namespace, or its open files cannot be read"
            }
            Truth::False | Truth::Unknown => {
                "connections are only looked for where a process carries this bot's token"
            }
        };
        why.to_owned()
    })
}

pub(super) fn lock(lock: &LockVerdict<'_>) -> String {
    let named = |paths: &[&std::path::Path]| {
        let paths: Vec<String> =
            paths.iter().map(|path| sanitize(&path.to_string_lossy())).collect();
        paths.join(", ")
    };
    match (lock.holds, lock.paths.as_slice(), lock.unidentified.as_slice()) {
        (Truth::True, [], _) => "holds the lock".to_owned(),
        (Truth::True, paths, _) => format!("holds {}", named(paths)),
        (Truth::False, _, []) => "does not hold the lock".to_owned(),
        (Truth::False, _, taken) => {
            format!(
                "is not seen to hold the lock; the holder of {} cannot be identified",
                named(taken)
            )
        }
        (Truth::Unknown, ..) => "whether it holds the lock is unknown".to_owned(),
    }
}

pub(super) fn shield(verdict: &ShieldVerdict) -> String {
    let Some(shield) = &verdict.shield else {
        return match verdict.kind {
            ShieldKind::Relation => {
                "monopoll itself, its ancestors and descendants, PID 1, a kernel thread"
            }
            ShieldKind::OtherUser => "another user",
            ShieldKind::OtherContainer => "another container",
        }
        .to_owned();
    };
    let shield = sanitize(&reasons::shield(shield));
    match verdict.lifted_by {
        None => shield,
        Some(Evidence::Lock) => format!("{shield}, but it holds the lock"),
        Some(entry @ (Evidence::Match(_) | Evidence::Token | Evidence::Command)) => {
            format!("{shield}, but {} includes it", evidence_key(entry))
        }
    }
}

pub(super) fn rule(
    verdict: &RuleVerdict<'_>,
    it: &Explanation<'_>,
    context: &Context<'_>,
) -> String {
    let place = format::written_at(context, &format!("rules[{}]", verdict.index));
    let rule = format!("`{}` {place}", sanitize(&verdict.rule.name));
    let so = match (verdict.outcome, it.conflict) {
        (RuleOutcome::Decides, Some(_)) => ", and decides",
        (RuleOutcome::Decides, None) => ", and would decide",
        (RuleOutcome::DoesNotHold, _) => "",
        (RuleOutcome::TooUncertain, _) => ", but does not apply: a condition is unknown",
        (RuleOutcome::Undecidable, _) => ", and refuses: a condition is unknown",
        (RuleOutcome::NotAsked, _) => ", and does not apply: an earlier rule decides",
    };
    format!("{} says {}{so}", rule.trim_end(), verdict.rule.action)
}
