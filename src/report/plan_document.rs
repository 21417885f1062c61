//! What a plan's JSON consists of; the order of the fields is the order of the keys.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::action::Action;
use crate::engine::process::RunState;

/// What monopoll would do about an instance, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll plan")]
pub struct PlanDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The thing there may be only one of.
    pub instance: String,
    /// The profile that was selected.
    pub profile: Option<String>,
    /// All in a word.
    pub verdict: VerdictWord,
    /// And in a sentence.
    pub reason: String,
    /// The lock files, in canonical order.
    pub locks: Vec<LockDocument>,
    /// The entry of the lease store; there is none.
    pub lease: (),
    /// Who is in the way, the oldest first.
    pub conflicts: Vec<ConflictDocument>,
    /// Who would be, but must not be acted on.
    pub shielded: Vec<OtherDocument>,
    /// Who only looks related.
    pub suspects: Vec<OtherDocument>,
}

/// The plan in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// Nobody is in the way.
    Clear,
    /// Somebody is ended first.
    Act,
    /// Somebody is waited for first.
    Wait,
    /// There is no start.
    Refuse,
}

/// A lock file and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LockDocument {
    /// Where it is.
    pub path: String,
    /// Whether somebody has it.
    pub state: LockWord,
    /// Who; null if nobody is known.
    pub holder: Option<HolderDocument>,
}

/// Whether somebody has a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LockWord {
    /// Nobody.
    Free,
    /// Somebody.
    Held,
    /// It could not be found out.
    Unknown,
}

/// Who has an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HolderDocument {
    /// Null in another PID namespace.
    pub pid: Option<u32>,
    /// Null if it is no guard, or its record cannot be read.
    pub ticket: Option<u64>,
    /// Secrets masked; null if it cannot be read.
    pub command: Option<String>,
    /// Null if it cannot be read.
    pub user: Option<String>,
    /// The host that it runs on.
    pub host: String,
    /// RFC 3339: when it got the instance, or started if it is no guard; null if it cannot be read.
    pub since: Option<String>,
}

/// A candidate and its tree; what cannot be read is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConflictDocument {
    /// The topmost process; null where it cannot be seen or nobody is known.
    pub pid: Option<u32>,
    /// The executable's base name.
    pub name: Option<String>,
    /// Secrets masked.
    pub command: Option<String>,
    /// Whose it is.
    pub user: Option<String>,
    /// What it is doing.
    pub state: Option<RunState>,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// How long it has been running.
    pub age_ms: Option<u64>,
    /// It, or one of its tree, has the lock.
    pub holds_lock: bool,
    /// It carries my bot's token.
    pub same_token: Option<bool>,
    /// Nobody who started it is left, and nothing manages it.
    pub orphaned: Option<bool>,
    /// What would start it again.
    pub managed_by: Option<String>,
    /// The container it is in; null where that is also mine.
    pub container: Option<String>,
    /// The host that it runs on.
    pub host: String,
    /// Everything below it.
    pub tree: Vec<u32>,
    /// Why it is a candidate: `lock`, `token`, `match[INDEX]`, `command`.
    #[schemars(inner(regex(pattern = r"^(lock|token|command|match\[[0-9]+\])$")))]
    pub matched_by: Vec<String>,
    /// The rule that decided; null if it was none.
    pub rule: Option<String>,
    /// What is done.
    pub action: Action,
    /// One after the other, each only if the one before did not help; none where nothing is
    /// touched.
    pub steps: Vec<StepDocument>,
}

/// One step of ending or outlasting a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum StepDocument {
    /// Ask its guard to end it.
    Ask {
        /// For the guard to have ended its tree.
        timeout_ms: u64,
    },
    /// Send a signal.
    Signal {
        /// Its POSIX name.
        signal: &'static str,
        /// For the tree to end.
        timeout_ms: u64,
    },
    /// Wait for it to end by itself.
    Wait {
        /// Null: for ever.
        timeout_ms: Option<u64>,
    },
}

/// A process that is not acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OtherDocument {
    /// Who.
    pub pid: u32,
    /// Secrets masked; null if it cannot be read.
    pub command: Option<String>,
    /// Why.
    pub reason: String,
}
