//! An explanation as JSON; see `schemas/explain.schema.json`. The order of the fields is the order
//! of the keys. A verdict is true or false, or null if it depends on a fact that cannot be read.

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
use crate::engine::policy::Purpose;
use crate::engine::process::Process;
use crate::engine::rules::RuleOutcome;
use crate::report::plan_json::PlanDocument;
use crate::report::{
    Context, condition_facts, explain_sentence, explain_verdicts, format, plan_json, reasons,
};
use crate::text::mask_secrets;

/// The reasons processes are or are not candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll explain")]
pub struct ExplainDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    pub instance: String,
    /// The profile that was selected.
    pub profile: Option<String>,
    /// The output of `monopoll plan`; null if a single process was requested.
    pub plan: Option<PlanDocument>,
    /// The requested process or, if none was, the root of each conflict, each shielded process and
    /// each suspect.
    pub processes: Vec<ProcessDocument>,
}

/// The reasons a process is or is not a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProcessDocument {
    pub pid: u32,
    /// The command line, with secrets masked; null if it cannot be read.
    pub command: Option<String>,
    pub standing: StandingWord,
    /// The standing as a sentence.
    pub sentence: String,
    /// The verdict of each entry. Empty for monopoll itself, to which no entry applies.
    #[serde(rename = "match")]
    pub entries: Vec<EntryDocument>,
    pub token: TokenDocument,
    /// True if the process has an open connection to the Bot API. Only looked up for processes with
    /// this bot's token and for near misses.
    pub connected: Option<bool>,
    pub lock: LockVerdictDocument,
    /// The evidence that the process is not this bot, with what would settle it; null if there is
    /// none.
    pub against: Option<String>,
    /// One verdict for each kind of shield.
    pub shields: Vec<ShieldDocument>,
    /// The process that the rules are applied to: the root of the tree, or the process itself.
    pub rules_about: u32,
    /// The verdicts of the rules, in order. A process that is no conflict is treated as one.
    pub rules: Vec<RuleDocument>,
    /// The conflict that contains the process; null if there is none.
    pub conflict: Option<DecisionDocument>,
}

/// The standing of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StandingWord {
    Candidate,
    /// The process belongs to the tree of a candidate.
    Member,
    /// The process would be a candidate, but must not be acted on.
    Shielded,
    /// The process only carries the bot token.
    Suspect,
    /// The process is almost the same command.
    NearMiss,
    Unrelated,
}

/// The verdict of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EntryDocument {
    /// `match[INDEX]`, or `command` if there are no match entries.
    #[schemars(regex(pattern = r"^(command|match\[[0-9]+\])$"))]
    pub entry: String,
    /// The place where the entry is written.
    pub place: Option<String>,
    /// True if the pattern matches and the process is within the limits.
    pub holds: Option<bool>,
    /// The verdict of each condition.
    pub asked: Vec<AskedDocument>,
    /// The limit that excludes the process, even if the pattern does not match.
    pub limit: Option<String>,
}

/// One field of an entry, or one condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AskedDocument {
    /// The key; `program`, `arguments` or `folder` if there are no match entries.
    pub key: &'static str,
    /// The value that the condition asks for.
    pub wanted: String,
    pub holds: Option<bool>,
    /// The value of the process; null if it cannot be read.
    pub fact: Option<String>,
}

/// The token of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TokenDocument {
    /// True if it is this bot's token.
    pub same: Option<bool>,
    /// True if the token alone makes the process a candidate.
    pub proof: bool,
    /// The tokens in words; null if they cannot be read.
    pub fact: Option<String>,
}

/// The locks of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LockVerdictDocument {
    /// True if the process has one of the locks.
    pub holds: Option<bool>,
    pub paths: Vec<String>,
}

/// The verdict of one kind of shield.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShieldDocument {
    pub shield: ShieldKind,
    /// True if the shield exists, even if it is lifted.
    pub holds: Option<bool>,
    /// Null if the shield does not exist.
    pub reason: Option<String>,
    /// The evidence that lifts the shield: `lock` or `match[INDEX]`.
    #[schemars(inner(regex(pattern = r"^(lock|match\[[0-9]+\])$")))]
    pub lifted_by: Option<String>,
}

/// The verdict of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleDocument {
    pub name: String,
    /// The place where the rule is written.
    pub place: Option<String>,
    /// True if all conditions hold.
    pub holds: Option<bool>,
    pub ruling: RuleOutcome,
    pub action: Action,
    pub conditions: Vec<AskedDocument>,
}

/// The decision about the conflict that a process is part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DecisionDocument {
    /// The pid of the topmost process.
    pub pid: u32,
    pub action: Action,
    pub decided_by: DeciderWord,
    /// The rule that decided; null if none did.
    pub rule: Option<String>,
    /// The reason for a refusal.
    pub reason: Option<String>,
}

/// The source of a decision about a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeciderWord {
    /// A rule in the configuration.
    Rule,
    /// The key `on_conflict`.
    OnConflict,
    /// The key `same_token`.
    SameToken,
    /// The built-in rule about processes that a supervisor restarts.
    Supervised,
    /// A safety rule, which no setting disables.
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
        against: reasons::against(it, it.policy.purpose).as_deref().map(mask_secrets),
        shields: it.shields.iter().map(shield_document).collect(),
        rules_about: it.conflict.and_then(Conflict::pid).unwrap_or(pid),
        rules: it.rules.iter().map(|rule| rule_document(rule, &it.subject, context)).collect(),
        conflict: it.conflict.map(|conflict| decision_document(conflict, it.policy.purpose, pid)),
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

fn decision_document(conflict: &Conflict, purpose: Purpose, pid: u32) -> DecisionDocument {
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
        reason: reasons::conflict_refusal(conflict, purpose).as_deref().map(mask_secrets),
    }
}

fn written_at(context: &Context<'_>, key: &str) -> Option<String> {
    Some((context.origin)(key)).filter(|place| place != "default").map(|place| mask_secrets(&place))
}
