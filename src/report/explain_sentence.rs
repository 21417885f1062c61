//! The explanation of a process in one sentence: what a start would do about it, and why.

use crate::engine::action::{Action, SameToken};
use crate::engine::evidence::Evidence;
use crate::engine::explain::{Classification, Criterion, EntryVerdict, Explanation};
use crate::engine::fact::{Fact, Truth};
use crate::engine::plan::{Conflict, DecidedBy};
use crate::engine::process::Role;
use crate::engine::reason::Verdict;
use crate::engine::shield;
use crate::engine::token::{MyToken, TokenPlace};
use crate::report::{condition_facts, reasons};
use crate::text::join_and;

/// Returns the sentence without its period.
pub fn sentence(it: &Explanation<'_>) -> String {
    format!("pid {} {}", it.process.id.pid, predicate(it))
}

/// Returns the sentence without its subject, the process.
pub(super) fn predicate(it: &Explanation<'_>) -> String {
    match (it.conflict, &it.classification) {
        (Some(conflict), _) => conflict_sentence(it, conflict),
        (None, Classification::Shielded(shield)) => {
            let shield = reasons::shield(shield);
            format!("would be a conflict, but is never touched: {shield}")
        }
        (None, Classification::Suspect) => {
            format!("is not touched: {}", suspicion(it))
        }
        (None, Classification::NearMiss(reason)) => {
            format!(
                "is almost the same command, and is not touched: {}",
                reasons::near_miss(reason)
            )
        }
        // Not reached: a plan has a conflict for every candidate in its snapshot.
        (None, Classification::Candidate { evidence, .. }) => {
            format!("is recognized as this bot: it {}", evidence_text(evidence))
        }
        (None, Classification::Unrelated) => {
            format!("is not recognized as this bot: {}", unrelated(it))
        }
    }
}

fn conflict_sentence(it: &Explanation<'_>, conflict: &Conflict) -> String {
    let pid = it.process.id.pid;
    let tree = match &conflict.root {
        Some(root) if root.id.pid != pid => {
            format!("is in the tree of pid {}, which ", root.id.pid)
        }
        Some(_) | None => String::new(),
    };
    let because = format!("it {tree}{}", evidence_text(&conflict.evidence));
    let (fate, decision) = (fate(conflict), decision(it, conflict));
    let sentence = match (reasons::conflict_refusal(conflict, it.policy.purpose), it.plan.verdict())
    {
        (Some(why), _) => {
            return format!("{tree}is a conflict, and the start is refused: {why}");
        }
        (None, Verdict::Refuse(_)) => {
            return format!(
                "would be {fate} ({decision}), but the start is refused and nothing is \
                 touched: {}",
                reasons::plan_reason(it.plan, it.policy.purpose)
            );
        }
        (None, Verdict::Wait) if conflict.action.ends_processes() => {
            format!(
                "would be {fate} once there is nothing left to wait for: {because}, and \
                 {decision}"
            )
        }
        (None, Verdict::Clear | Verdict::Act | Verdict::Wait) => {
            format!("would be {fate}: {because}, and {decision}")
        }
    };
    match &it.classification {
        Classification::Shielded(shield) if conflict.action.ends_processes() => {
            format!(
                "{sentence}; alone it would be shielded ({}), but the tree of a holder of the lock \
                 is ended as a whole",
                reasons::shield(shield)
            )
        }
        Classification::Shielded(_)
        | Classification::Candidate { .. }
        | Classification::Suspect
        | Classification::NearMiss(_)
        | Classification::Unrelated => sentence,
    }
}

fn fate(conflict: &Conflict) -> &'static str {
    match (conflict.action, &conflict.guard) {
        (Action::Graceful, Some(_)) => "asked to end",
        (Action::Graceful, None) => "ended",
        (Action::Force, Some(_)) => "asked to end at once",
        (Action::Force, None) => "killed",
        (Action::Wait, _) => "waited for",
        (Action::Ignore, _) => "ignored, and the new one started next to it",
        (Action::Refuse, _) => "left alone",
    }
}

fn decision(it: &Explanation<'_>, conflict: &Conflict) -> String {
    let (action, source) = (conflict.action, reasons::decider(&conflict.decided_by));
    let decided = match &conflict.decided_by {
        DecidedBy::Rule(_) => it
            .rules
            .iter()
            .find(|rule| rule.outcome.is_final())
            .map_or(action, |rule| rule.rule.action),
        DecidedBy::OnConflict => it.policy.on_conflict.into(),
        DecidedBy::SameToken | DecidedBy::Supervised | DecidedBy::SafetyRule => action,
    };
    if decided == action {
        format!("{source} says {action}")
    } else {
        format!("{source} says {decided}, and `after_wait` says {action} after that")
    }
}

fn evidence_text<'a>(evidence: impl IntoIterator<Item = &'a Evidence>) -> String {
    join_and(evidence.into_iter().map(reasons::evidence))
}

fn suspicion(it: &Explanation<'_>) -> String {
    let carries = match it.process.tokens.mine {
        Fact::Known(MyToken::Seen(TokenPlace::CommandLine)) => {
            "it carries this bot's token on its command line"
        }
        Fact::Known(_) | Fact::Unknown => "it carries this bot's token in its environment",
    };
    match (it.policy.same_token, shield::relation(it.process)) {
        (SameToken::Warn, _) => format!("{carries}, and `same_token` says warn"),
        (SameToken::Refuse | SameToken::Act | SameToken::Off, Some(relation)) => {
            format!("{carries}, but {}", reasons::shield(&relation))
        }
        (SameToken::Refuse | SameToken::Act | SameToken::Off, None) => {
            let runs = match it.process.same_program {
                Fact::Known(_) => "and it does not run COMMAND's program",
                Fact::Unknown => "and its program cannot be read",
            };
            format!("{carries}, which it may only have inherited, {runs}")
        }
    }
}

/// Returns the reasons that rule out the process, and the facts that cannot be read.
fn unrelated(it: &Explanation<'_>) -> String {
    let (mut not, mut unclear) = pattern_parts(it);
    match it.lock.holds {
        Truth::True => {}
        Truth::False => not.push("does not hold the lock".to_owned()),
        Truth::Unknown => unclear.push("holds the lock".to_owned()),
    }
    match it.process.tokens.mine {
        Fact::Known(MyToken::NotSeen) => {
            not.push("does not carry this bot's token".to_owned());
        }
        Fact::Known(MyToken::Seen(_)) if it.policy.same_token == SameToken::Off => {
            not.push(
                "carries this bot's token, which does not count (`same_token` says off)".to_owned(),
            );
        }
        Fact::Known(MyToken::NotLookedFor | MyToken::Seen(_)) => {}
        Fact::Unknown => unclear.push("carries this bot's token".to_owned()),
    }
    let not = (!not.is_empty()).then(|| format!("it {}", join_and(&not)));
    let doubt = (!unclear.is_empty()).then(|| {
        format!(
            "whether it {} is unknown, and unknown facts are not evidence",
            unclear.join(" or ")
        )
    });
    let shield = shield::relation(it.process)
        .or_else(|| shield::another_bot(&it.against))
        .filter(|shield| shield.holds() == Truth::True)
        .map(|shield| reasons::shield(&shield))
        .map(|shield| format!("it would not be touched in any case: {shield}"));
    not.into_iter().chain(doubt).chain(shield).collect::<Vec<_>>().join("; ")
}

/// Returns the patterns that do not match the process, and those that may match.
fn pattern_parts(it: &Explanation<'_>) -> (Vec<String>, Vec<String>) {
    if it.process.role == Role::Monopoll {
        return (
            vec!["is a monopoll process (identified only by its lock and ticket)".to_owned()],
            Vec::new(),
        );
    }
    let (not, unclear): (Vec<_>, Vec<_>) =
        it.entries.iter().partition(|entry| entry.holds() == Truth::False);
    let name = |entry: &&EntryVerdict<'_>| evidence_text([&entry.entry]);
    let unclear: Vec<String> = unclear.iter().map(name).collect();
    let (entries, command): (Vec<_>, Vec<_>) =
        not.into_iter().partition(|entry| matches!(entry.entry, Evidence::Match(_)));
    let entries = match entries.as_slice() {
        [] => None,
        [one] => Some(difference(one)),
        [..] if entries.len() == it.policy.matches.len() => Some("meets no match entry".to_owned()),
        [..] => {
            Some(format!("does not meet {}", join_and(entries.iter().map(|it| entry_name(it)))))
        }
    };
    (command.into_iter().map(difference).chain(entries).collect(), unclear)
}

fn entry_name(entry: &EntryVerdict<'_>) -> String {
    match entry.entry {
        Evidence::Match(index) => format!("match[{index}]"),
        Evidence::Command | Evidence::Lock | Evidence::Token => "the same command".to_owned(),
    }
}

fn difference(entry: &EntryVerdict<'_>) -> String {
    let parts =
        entry.criteria.iter().filter(|(_, truth)| *truth == Truth::False).map(|(criterion, _)| {
            match condition_facts::key(criterion) {
                key @ "arguments" => format!("other {key}"),
                key => format!("another {key}"),
            }
        });
    let parts: Vec<String> = parts.collect();
    let compared = entry.criteria.iter().any(|(it, _)| matches!(it, Criterion::Part(_)));
    let what = match (entry.entry, compared) {
        (Evidence::Command, false) => {
            return "cannot be compared with COMMAND (none is given)".to_owned();
        }
        (Evidence::Command, true) => "is not the same command in the same folder".to_owned(),
        (Evidence::Match(_) | Evidence::Lock | Evidence::Token, _) => {
            format!("does not meet {}", entry_name(entry))
        }
    };
    if parts.is_empty() { what } else { format!("{what} ({})", join_and(&parts)) }
}
