//! An explanation as a machine reads it; see `schemas/explain.schema.json`. The order of the fields
//! is the order of the keys. A verdict is true, false, or null where it depends on a fact that
//! cannot be read.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::action::Action;
use crate::engine::condition::Condition;
use crate::engine::evidence::{Evidence, TokenEvidence};
use crate::engine::explain::{
    Classification, Criterion, EntryVerdict, Explanation, RuleVerdict, ShieldKind, ShieldVerdict,
};
use crate::engine::fact::Truth;
use crate::engine::plan::{Conflict, DecidedBy, Plan};
use crate::engine::process::Process;
use crate::engine::rules::RuleOutcome;
use crate::report::plan_json::PlanDocument;
use crate::report::{
    Context, condition_facts, explain_sentence, explain_verdicts, format, plan_json, reasons,
};
use crate::text::mask_secrets;

/// The reasons that processes are or are not candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll explain")]
pub struct ExplainDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    pub instance: String,
    /// The profile that was selected.
    pub profile: Option<String>,
    /// What `monopoll plan` prints; null where one process is asked for.
    pub plan: Option<PlanDocument>,
    /// The one that is asked for; else each conflict's root, each shielded process and each
    /// suspect.
    pub processes: Vec<ProcessDocument>,
}

/// The reasons that a process is or is not a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProcessDocument {
    pub pid: u32,
    /// Secrets masked; null if it cannot be read.
    pub command: Option<String>,
    pub standing: StandingWord,
    /// The standing in a sentence.
    pub sentence: String,
    /// The verdict of each entry; none for a monopoll, which no entry finds.
    #[serde(rename = "match")]
    pub entries: Vec<EntryDocument>,
    pub token: TokenDocument,
    /// Whether it has an open connection to the Bot API. Only looked for if it carries my bot's
    /// token.
    pub connected: Option<bool>,
    pub lock: LockVerdictDocument,
    /// What speaks against its being this bot, and what would settle it; null if nothing does.
    pub against: Option<String>,
    /// Each kind of shield.
    pub shields: Vec<ShieldDocument>,
    /// The process that the rules are asked about: the root of its tree, or itself.
    pub rules_about: u32,
    /// Each rule in turn, asked as if it were a conflict where it is none.
    pub rules: Vec<RuleDocument>,
    /// The conflict that it is part of; null if none.
    pub conflict: Option<DecisionDocument>,
}

/// The standing of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StandingWord {
    Candidate,
    /// It is in the tree of a candidate.
    Member,
    /// It would be a candidate, but must not be acted on.
    Shielded,
    /// It only carries the token.
    Suspect,
    /// It is almost the same command.
    NearMiss,
    Unrelated,
}

/// The verdict of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EntryDocument {
    /// `match[INDEX]`, or `command` where no entry is written.
    #[schemars(regex(pattern = r"^(command|match\[[0-9]+\])$"))]
    pub entry: String,
    /// The place where it is written.
    pub place: Option<String>,
    /// Whether its pattern matches, within its limits.
    pub holds: Option<bool>,
    /// Each condition of it.
    pub asked: Vec<AskedDocument>,
    /// The limit that the process is beyond, whether the pattern matches or not.
    pub limit: Option<String>,
}

/// One field of an entry, or one condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AskedDocument {
    /// The key; `program`, `arguments`, `folder` where no entry is written.
    pub key: &'static str,
    /// The wanted value.
    pub wanted: String,
    pub holds: Option<bool>,
    /// The value that the process has; null if it cannot be read.
    pub fact: Option<String>,
}

/// The token of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TokenDocument {
    /// Whether it is my bot's.
    pub same: Option<bool>,
    /// Whether that alone makes it a candidate.
    pub proof: bool,
    /// In words; null if it cannot be read.
    pub fact: Option<String>,
}

/// The locks of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LockVerdictDocument {
    /// Whether it has one of them.
    pub holds: Option<bool>,
    pub paths: Vec<String>,
}

/// The verdict of one kind of shield.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShieldDocument {
    pub shield: ShieldKind,
    /// Whether there is this shield, lifted or not.
    pub holds: Option<bool>,
    /// Null if there is none.
    pub reason: Option<String>,
    /// The evidence that lifts it: `lock` or `match[INDEX]`.
    #[schemars(inner(regex(pattern = r"^(lock|match\[[0-9]+\])$")))]
    pub lifted_by: Option<String>,
}

/// The verdict of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleDocument {
    pub name: String,
    /// The place where it is written.
    pub place: Option<String>,
    /// Whether all of its conditions hold.
    pub holds: Option<bool>,
    pub ruling: RuleOutcome,
    pub action: Action,
    pub conditions: Vec<AskedDocument>,
}

/// The decision about the conflict that a process is part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DecisionDocument {
    /// The topmost process.
    pub pid: u32,
    pub action: Action,
    pub decided_by: DeciderWord,
    /// The rule that decided; null if it was none.
    pub rule: Option<String>,
    /// The reason of a refusal.
    pub reason: Option<String>,
}

/// The source of a decision about a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeciderWord {
    /// A rule.
    Rule,
    /// The key `on_conflict`.
    OnConflict,
    /// The key `same_token`.
    SameToken,
    /// The built-in rule about what a supervisor restarts.
    Supervised,
    /// monopoll's own caution, which no key lifts.
    Caution,
}

pub fn one(it: &Explanation<'_>, context: &Context<'_>) -> ExplainDocument {
    document(None, vec![process_document(it, context)], context)
}

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
            same: it.process.same_token().known(),
            proof: it.token == Some(TokenEvidence::Proof),
            fact: condition_facts::token(&it.process.tokens),
        },
        connected: it.process.connected.known().copied(),
        lock: LockVerdictDocument {
            holds: it.lock.holds.known(),
            paths: it.lock.paths.iter().map(|path| mask_secrets(&path.to_string_lossy())).collect(),
        },
        against: reasons::against(&it.against).as_deref().map(mask_secrets),
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
            Classification::Shielded(_)
            | Classification::Suspect
            | Classification::NearMiss(_)
            | Classification::Unrelated,
            Some(_),
        ) => StandingWord::Member,
        (Classification::Shielded(_), None) => StandingWord::Shielded,
        (Classification::Suspect, None) => StandingWord::Suspect,
        (Classification::NearMiss(_), None) => StandingWord::NearMiss,
        (Classification::Unrelated, None) => StandingWord::Unrelated,
    }
}

fn entry_document(
    entry: &EntryVerdict<'_>,
    process: &Process,
    context: &Context<'_>,
) -> EntryDocument {
    let name = explain_verdicts::evidence_key(entry.entry);
    EntryDocument {
        place: match entry.entry {
            Evidence::Match(_) => written_at(context, &name),
            Evidence::Command | Evidence::Lock | Evidence::Token => None,
        },
        entry: name,
        holds: entry.holds().known(),
        asked: entry
            .criteria
            .iter()
            .map(|(criterion, truth)| asked_document(criterion, *truth, process))
            .collect(),
        limit: entry.limit.as_ref().map(|limit| mask_secrets(&reasons::shield(limit))),
    }
}

fn asked_document(criterion: &Criterion<'_>, truth: Truth, process: &Process) -> AskedDocument {
    AskedDocument {
        key: condition_facts::key(criterion),
        wanted: condition_facts::wanted(criterion),
        holds: truth.known(),
        fact: condition_facts::fact(criterion, process),
    }
}

fn shield_document(verdict: &ShieldVerdict) -> ShieldDocument {
    ShieldDocument {
        shield: verdict.kind,
        holds: verdict.holds().known(),
        reason: verdict.shield.as_ref().map(|shield| mask_secrets(&reasons::shield(shield))),
        lifted_by: verdict.lifted_by.map(explain_verdicts::evidence_key),
    }
}

fn rule_document(
    verdict: &RuleVerdict<'_>,
    subject: &Process,
    context: &Context<'_>,
) -> RuleDocument {
    let asked = |(condition, truth): &(Condition<'_>, Truth)| {
        asked_document(&Criterion::Condition(*condition), *truth, subject)
    };
    RuleDocument {
        name: mask_secrets(&verdict.rule.name),
        place: written_at(context, &format!("rules[{}]", verdict.index)),
        holds: verdict.holds().known(),
        ruling: verdict.outcome,
        action: verdict.rule.action,
        conditions: verdict.conditions.iter().map(asked).collect(),
    }
}

fn decision_document(conflict: &Conflict, pid: u32) -> DecisionDocument {
    DecisionDocument {
        pid: conflict.pid().unwrap_or(pid),
        action: conflict.action,
        decided_by: match &conflict.decided_by {
            DecidedBy::Rule(_) => DeciderWord::Rule,
            DecidedBy::OnConflict => DeciderWord::OnConflict,
            DecidedBy::SameToken => DeciderWord::SameToken,
            DecidedBy::Supervised => DeciderWord::Supervised,
            DecidedBy::SafetyRule => DeciderWord::Caution,
        },
        rule: conflict.decided_by.rule().map(mask_secrets),
        reason: reasons::conflict_refusal(conflict).as_deref().map(mask_secrets),
    }
}

fn written_at(context: &Context<'_>, key: &str) -> Option<String> {
    Some((context.origin)(key)).filter(|place| place != "default").map(|place| mask_secrets(&place))
}
