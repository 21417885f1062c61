//! An explanation as a machine reads it; see `schemas/explain.schema.json`.

use crate::engine::condition::Condition;
use crate::engine::explain::{
    Classification, EntryVerdict, Explanation, FieldOrCondition, RuleVerdict, ShieldKind,
    ShieldVerdict, TokenEvidence,
};
use crate::engine::fact::Truth;
use crate::engine::plan::{Conflict, DecidedBy, Evidence, Plan};
use crate::engine::process::Process;
use crate::engine::rules::RuleOutcome;
use crate::report::explain_document::{
    AskedDocument, DeciderWord, DecisionDocument, EntryDocument, ExplainDocument,
    LockVerdictDocument, ProcessDocument, RuleDocument, RulingWord, ShieldDocument, ShieldWord,
    StandingWord, TokenDocument,
};
use crate::report::{
    Context, condition_facts, explain_sentence, format, plan_json, reasons, verdicts,
};
use crate::text::mask_secrets;

/// One process.
pub fn one(it: &Explanation<'_>, context: &Context<'_>) -> ExplainDocument {
    document(None, vec![process_document(it, context)], context)
}

/// The whole plan, and each process in it.
pub fn whole(all: &[Explanation<'_>], plan: &Plan, context: &Context<'_>) -> ExplainDocument {
    document(Some(plan), all.iter().map(|it| process_document(it, context)).collect(), context)
}

fn document(
    plan: Option<&Plan>,
    processes: Vec<ProcessDocument>,
    context: &Context<'_>,
) -> ExplainDocument {
    ExplainDocument {
        version: 1,
        instance: mask_secrets(&context.instance),
        profile: context.profile.as_deref().map(mask_secrets),
        plan: plan.map(|plan| plan_json::document(plan, context)),
        processes,
    }
}

fn process_document(it: &Explanation<'_>, context: &Context<'_>) -> ProcessDocument {
    let pid = it.process.id.pid;
    ProcessDocument {
        pid,
        command: format::full_command(it.process),
        standing: standing_word(it),
        sentence: mask_secrets(&explain_sentence::sentence(it)),
        entries: it
            .entries
            .iter()
            .map(|entry| entry_document(entry, it.process, context))
            .collect(),
        token: TokenDocument {
            same: it.token.same_token.known(),
            proof: it.token.evidence == Some(TokenEvidence::Proof),
            fact: condition_facts::token(&it.token.carried).map(std::borrow::Cow::into_owned),
        },
        lock: LockVerdictDocument {
            holds: it.lock.holds.known(),
            paths: it.lock.paths.iter().map(|path| mask_secrets(&path.to_string_lossy())).collect(),
        },
        shields: it.shields.iter().map(shield_document).collect(),
        rules_about: it.conflict.and_then(Conflict::pid).unwrap_or(pid),
        rules: it.rules.iter().map(|rule| rule_document(rule, &it.subject, context)).collect(),
        conflict: it.conflict.map(|conflict| decision_document(conflict, pid)),
    }
}

fn standing_word(it: &Explanation<'_>) -> StandingWord {
    match (&it.classification, it.conflict) {
        (Classification::Candidate { .. }, _) => StandingWord::Candidate,
        (
            Classification::Shielded(_) | Classification::Suspect | Classification::Unrelated,
            Some(_),
        ) => StandingWord::Member,
        (Classification::Shielded(_), None) => StandingWord::Shielded,
        (Classification::Suspect, None) => StandingWord::Suspect,
        (Classification::Unrelated, None) => StandingWord::Unrelated,
    }
}

fn entry_document(
    entry: &EntryVerdict<'_>,
    process: &Process,
    context: &Context<'_>,
) -> EntryDocument {
    let name = verdicts::evidence_key(entry.entry);
    EntryDocument {
        place: match entry.entry {
            Evidence::Match(_) => written_at(context, &name),
            Evidence::Command | Evidence::Lock | Evidence::Token => None,
        },
        entry: name,
        holds: entry.holds().known(),
        asked: entry
            .conditions
            .iter()
            .map(|(asked, truth)| asked_document(asked, *truth, process))
            .collect(),
        limit: entry.limit.as_ref().map(|limit| mask_secrets(&reasons::shield(limit))),
    }
}

fn asked_document(asked: &FieldOrCondition<'_>, truth: Truth, process: &Process) -> AskedDocument {
    AskedDocument {
        key: condition_facts::key(asked),
        wanted: condition_facts::wanted(asked),
        holds: truth.known(),
        fact: condition_facts::fact(asked, process),
    }
}

fn shield_document(verdict: &ShieldVerdict) -> ShieldDocument {
    ShieldDocument {
        shield: match verdict.kind {
            ShieldKind::Relation => ShieldWord::Relation,
            ShieldKind::OtherBot => ShieldWord::OtherBot,
            ShieldKind::OtherUser => ShieldWord::OtherUser,
            ShieldKind::OtherContainer => ShieldWord::OtherContainer,
        },
        holds: verdict.holds().known(),
        reason: verdict.shield.as_ref().map(|shield| mask_secrets(&reasons::shield(shield))),
        lifted_by: verdict.lifted_by.map(verdicts::evidence_key),
    }
}

fn rule_document(
    verdict: &RuleVerdict<'_>,
    subject: &Process,
    context: &Context<'_>,
) -> RuleDocument {
    let asked = |(condition, truth): &(Condition<'_>, Truth)| {
        asked_document(&FieldOrCondition::Condition(*condition), *truth, subject)
    };
    RuleDocument {
        name: mask_secrets(&verdict.rule.name),
        place: written_at(context, &format!("rules[{}]", verdict.index)),
        holds: verdict.holds().known(),
        ruling: match verdict.outcome {
            RuleOutcome::Decides => RulingWord::Decides,
            RuleOutcome::DoesNotHold => RulingWord::DoesNotHold,
            RuleOutcome::TooUncertain => RulingWord::TooUncertain,
            RuleOutcome::Undecidable => RulingWord::Undecidable,
            RuleOutcome::NotAboutTokens => RulingWord::NotAboutTokens,
            RuleOutcome::NotAsked => RulingWord::NotAsked,
        },
        action: verdict.rule.action,
        conditions: verdict.conditions.iter().map(asked).collect(),
    }
}

fn decision_document(conflict: &Conflict, pid: u32) -> DecisionDocument {
    let (decided_by, rule) = match &conflict.decided_by {
        DecidedBy::Rule(name) => (DeciderWord::Rule, Some(mask_secrets(name))),
        DecidedBy::OnConflict => (DeciderWord::OnConflict, None),
        DecidedBy::SameToken => (DeciderWord::SameToken, None),
        DecidedBy::Caution => (DeciderWord::Caution, None),
    };
    DecisionDocument {
        pid: conflict.pid().unwrap_or(pid),
        action: conflict.action,
        decided_by,
        rule,
        reason: reasons::conflict_refusal(conflict).as_deref().map(mask_secrets),
    }
}

fn written_at(context: &Context<'_>, key: &str) -> Option<String> {
    Some((context.origin)(key)).filter(|place| place != "default").map(|place| mask_secrets(&place))
}
