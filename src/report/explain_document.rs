//! What an explanation's JSON consists of; the order of the fields is the order of the keys. A
//! verdict is true, false, or null where it depends on a fact that cannot be read.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::action::Action;
use crate::report::plan_document::PlanDocument;

/// Why processes are or are not candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll explain")]
pub struct ExplainDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The thing there may be only one of.
    pub instance: String,
    /// The profile that was selected.
    pub profile: Option<String>,
    /// What `monopoll plan` prints; null where one process was asked for.
    pub plan: Option<PlanDocument>,
    /// The one that was asked for; else each conflict's root, each shielded process and each
    /// suspect.
    pub processes: Vec<ProcessDocument>,
}

/// Why a process is or is not a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProcessDocument {
    /// Who.
    pub pid: u32,
    /// Secrets masked; null if it cannot be read.
    pub command: Option<String>,
    /// What it comes to.
    pub standing: StandingWord,
    /// And in a sentence.
    pub sentence: String,
    /// Each way in which it may be found by its likeness; none for a monopoll, which is not looked
    /// for so.
    #[serde(rename = "match")]
    pub entries: Vec<EntryDocument>,
    /// What its token says.
    pub token: TokenDocument,
    /// Whether it has the lock.
    pub lock: LockVerdictDocument,
    /// Each kind of shield.
    pub shields: Vec<ShieldDocument>,
    /// The process that the rules are asked about: the root of its tree, or itself.
    pub rules_about: u32,
    /// Each rule in turn; where there is no conflict, as if it were one.
    pub rules: Vec<RuleDocument>,
    /// The conflict that it is part of; null if none.
    pub conflict: Option<DecisionDocument>,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StandingWord {
    /// It is in the way.
    Candidate,
    /// It is in the tree of one that is in the way.
    Member,
    /// It would be in the way, and must not be acted on.
    Shielded,
    /// It only looks related.
    Suspect,
    /// Nothing speaks against it.
    Unrelated,
}

/// Whether it is found by an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EntryDocument {
    /// `match[INDEX]`, or `command` where no entry is written.
    #[schemars(regex(pattern = r"^(command|match\[[0-9]+\])$"))]
    pub entry: String,
    /// Where it is written.
    pub place: Option<String>,
    /// Whether it looks as the entry says, and is within its reach.
    pub holds: Option<bool>,
    /// Everything that is asked.
    pub asked: Vec<AskedDocument>,
    /// Why it is not within reach, whatever it looks like; null if it is.
    pub limit: Option<String>,
}

/// One field of an entry, or one condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AskedDocument {
    /// The key; `program`, `arguments`, `folder` where no entry is written.
    pub key: &'static str,
    /// What the process should be.
    pub wanted: String,
    /// Whether it is.
    pub holds: Option<bool>,
    /// What it is; null if that cannot be read.
    pub fact: Option<String>,
}

/// What its token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TokenDocument {
    /// Whether it carries my bot's.
    pub same: Option<bool>,
    /// Whether that alone makes it a candidate.
    pub proof: bool,
    /// What was seen; null if it cannot be read.
    pub fact: Option<String>,
}

/// Whether it has the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LockVerdictDocument {
    /// Whether it has one of them.
    pub holds: Option<bool>,
    /// Those that it has.
    pub paths: Vec<String>,
}

/// Whether it is shielded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShieldDocument {
    /// What it is about.
    pub shield: ShieldWord,
    /// Whether there is this shield, lifted or not.
    pub holds: Option<bool>,
    /// Why; null if there is none.
    pub reason: Option<String>,
    /// What reaches beyond it: `lock` or `match[INDEX]`.
    #[schemars(inner(regex(pattern = r"^(lock|match\[[0-9]+\])$")))]
    pub lifted_by: Option<String>,
}

/// What a shield is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShieldWord {
    /// monopoll itself, its ancestors and descendants, PID 1, kernel threads.
    Relation,
    /// Another bot's process.
    OtherBot,
    /// Another user's process.
    OtherUser,
    /// A process in another container.
    OtherContainer,
}

/// What one rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleDocument {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub place: Option<String>,
    /// Whether all of its conditions hold.
    pub holds: Option<bool>,
    /// What came of asking it.
    pub ruling: RulingWord,
    /// What it says.
    pub action: Action,
    /// Each of its conditions.
    pub conditions: Vec<AskedDocument>,
}

/// What came of asking a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RulingWord {
    /// It holds, and no rule before it did.
    Decides,
    /// A condition does not hold.
    DoesNotHold,
    /// A condition is unknown, and a rule that kills does not hold on that.
    TooUncertain,
    /// A condition is unknown, and a rule that would not kill is not passed over: the start is
    /// refused.
    Undecidable,
    /// It does not name the token, and nothing but the token speaks against the process.
    NotAboutTokens,
    /// A rule before it has decided.
    NotAsked,
}

/// What is done about the conflict that it is part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DecisionDocument {
    /// The topmost process.
    pub pid: u32,
    /// What is done.
    pub action: Action,
    /// What decided that.
    pub decided_by: DeciderWord,
    /// The rule that decided; null if it was none.
    pub rule: Option<String>,
    /// Why, where it is a refusal.
    pub reason: Option<String>,
}

/// What decided about a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeciderWord {
    /// A rule.
    Rule,
    /// The key `on_conflict`.
    OnConflict,
    /// The key `same_token`.
    SameToken,
    /// monopoll's own caution, which no key lifts.
    Caution,
}
