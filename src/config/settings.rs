//! What a user may write: these docs are the reference, these types the schema, these defaults the
//! only ones.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::{
    action::{Action, AfterWait, OnConflict, OnLost, SameToken},
    signal::Signal,
    snapshot::RunState,
};

/// The configuration of monopoll: what to do when a second poller of the same bot is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "monopoll configuration")]
pub struct Settings {
    /// The thing there may be only one of: 1–64 letters, digits, `.`, `_` or `-`. Default:
    /// `bot<id>` where a bot token is known, else the command's name and a hash.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,64}$"))]
    pub instance: Option<String>,
    /// What to do about a conflict that no rule speaks of.
    pub on_conflict: OnConflict,
    /// What to do when `timeouts.wait` runs out.
    pub after_wait: AfterWait,
    /// What to do about a process that is related by nothing but my bot token.
    pub same_token: SameToken,
    /// The environment variables that may have the bot token, first one first.
    pub token_env: Vec<String>,
    /// A file of `NAME=value` lines that is read for the bot id of a token only, if it is there;
    /// nothing in it is exported.
    pub env_file: PathBuf,
    /// Who is a candidate: a process that meets every field of one entry. Default: the same command
    /// in the same working directory.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<MatchTable>,
    /// The first rule whose every condition holds decides; if none does: `on_conflict`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleTable>,
    /// A command that must succeed before anything is touched.
    pub check: CheckTable,
    /// The lock files.
    pub lock: LockTable,
    /// How long each step may take.
    pub timeouts: TimeoutsTable,
    /// How `graceful` ends a process.
    pub kill: KillTable,
    /// Where to stop and ask a person.
    pub limits: LimitsTable,
    /// What Telegram is asked before a start; only where a bot token is known.
    pub telegram: TelegramTable,
    /// What is said on standard error while a start settles and guards.
    pub log: LogTable,
    /// Yours: whatever your own program keeps in the same file; never validated.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub app: BTreeMap<String, toml::Value>,
}

/// A process that meets every field of one entry is a candidate; at least one of name, cmdline, exe
/// and cwd is needed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("anyOf" = [{"required": ["name"]}, {"required": ["cmdline"]}, {"required": ["exe"]}, {"required": ["cwd"]}]))]
pub struct MatchTable {
    /// A regular expression on the executable's base name (else the first argument's), the whole
    /// name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A regular expression anywhere in the command line (arguments joined by one space).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmdline: Option<String>,
    /// A glob on the executable's path; `*` stays within a folder, `**` does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// A glob on the working directory: that folder or any below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// `same` (default), `any` or a user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `same` (default) or `any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerChoice>,
}

/// Whether to look into other containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainerChoice {
    /// Only monopoll's own.
    Same,
    /// All that can be seen.
    Any,
}

/// The first rule whose every condition holds decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    /// What `plan` calls the rule. Default: its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The conditions; without any, the rule always holds.
    #[serde(default)]
    pub when: ConditionsTable,
    /// What to do.
    pub action: Action,
}

/// What a rule asks of a conflict; what is not written holds for every conflict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConditionsTable {
    /// A regular expression on the executable's base name (else the first argument's), the whole
    /// name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A regular expression anywhere in the command line (arguments joined by one space).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmdline: Option<String>,
    /// A glob on the executable's path; `*` stays within a folder, `**` does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// A glob on the working directory: that folder or any below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// `same`, `any` or a user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `same` or `any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerChoice>,
    /// Whether it has the lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_lock: Option<bool>,
    /// Whether it carries my bot token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_token: Option<bool>,
    /// Whether whatever started it is gone and nothing manages it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphaned: Option<bool>,
    /// What the kernel says it is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// It has been running at least this long.
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub older_than: Option<Duration>,
    /// It has been running less than this.
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub younger_than: Option<Duration>,
    /// A regular expression on what would start it again, such as `systemd:.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// Whether it is on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<bool>,
}

/// Run before anything is touched; if it fails, the start is refused and the healthy bot lives on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckTable {
    /// The program and its arguments; empty: no check. It runs in the working directory of the
    /// start.
    pub command: Vec<String>,
    /// How long it may take.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

/// The lock files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LockTable {
    /// Absolute paths; all are taken or none, in one order everywhere. `{instance}`, `{profile}`,
    /// `{user}` and `{lock_dir}` are filled in.
    #[schemars(length(min = 1))]
    pub paths: Vec<String>,
    /// What a running instance does when its lock is no longer its own.
    pub on_lost: OnLost,
}

/// How long each step may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutsTable {
    /// For a conflict to end by itself: a duration, `forever` for a warm standby, `0s` for one try.
    pub wait: String,
    /// From the signal to SIGKILL: long enough for a bot that finishes the updates it has taken.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub force: Duration,
}

/// How `graceful` ends a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KillTable {
    /// What is sent first.
    pub signal: Signal,
    /// Whether SIGKILL follows; `false`: a conflict that outlives `timeouts.graceful` means refuse.
    pub escalate: bool,
}

/// Where to stop and ask a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// More conflicts than this: refuse, the patterns are too broad.
    pub max_targets: u32,
    /// Takeovers of this instance within the window before a policy that kills refuses; 0: none at
    /// all, at most 30.
    #[schemars(range(max = 30))]
    pub max_takeovers: u32,
    /// The time in which takeovers are counted.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub takeover_window: Duration,
}

/// What Telegram is asked before a start; only where a bot token is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelegramTable {
    /// What to do about a webhook, with which polling fails: whether to ask for one before a start,
    /// and what follows.
    pub webhook: WebhookPolicy,
    /// Where the Bot API is: `https://` or `http://`, a host, perhaps a port and a path. Through a
    /// proxy only with https, as `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[schemars(regex(pattern = r"^https?://[^@?#]+$"))]
    pub api_url: String,
    /// How long it may take in all; then it is a warning, never a refusal.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// For a bot that uses the library: how long a 409 while polling is ridden out before it stands
    /// down.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub conflict_window: Duration,
}

/// What to do about a webhook, with which polling fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookPolicy {
    /// Nothing: no start asks Telegram; `doctor` does.
    Ignore,
    /// A warning.
    Warn,
    /// No start, and nobody is touched.
    Refuse,
    /// It is deleted once the locks are held; no update is dropped.
    Delete,
}

/// What is said on standard error while a start settles and guards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogTable {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`, or these by target as tracing's filters
    /// are written: `info,monopoll::host=trace`. The variable `MONOPOLL_LOG` wins, and `-q` and
    /// `-v` over both.
    pub level: String,
    /// How each record is written.
    pub format: LogFormat,
}

/// How a log record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for a person.
    Text,
    /// A JSON object on a line of its own.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            instance: None,
            on_conflict: OnConflict::Refuse,
            after_wait: AfterWait::Refuse,
            same_token: SameToken::Refuse,
            token_env: ["TELOXIDE_TOKEN", "BOT_TOKEN", "TELEGRAM_BOT_TOKEN", "TELEGRAM_TOKEN"]
                .map(str::to_owned)
                .to_vec(),
            env_file: PathBuf::from(".env"),
            matches: Vec::new(),
            rules: Vec::new(),
            check: CheckTable::default(),
            lock: LockTable::default(),
            timeouts: TimeoutsTable::default(),
            kill: KillTable::default(),
            limits: LimitsTable::default(),
            telegram: TelegramTable::default(),
            log: LogTable::default(),
            app: BTreeMap::new(),
        }
    }
}

impl Default for CheckTable {
    fn default() -> Self {
        CheckTable { command: Vec::new(), timeout: Duration::from_secs(30) }
    }
}

impl Default for LockTable {
    fn default() -> Self {
        LockTable { paths: vec!["{lock_dir}/{instance}.lock".to_owned()], on_lost: OnLost::Stop }
    }
}

impl Default for TimeoutsTable {
    fn default() -> Self {
        TimeoutsTable {
            wait: "60s".to_owned(),
            graceful: Duration::from_secs(30),
            force: Duration::from_secs(5),
        }
    }
}

impl Default for KillTable {
    fn default() -> Self {
        KillTable { signal: Signal::SigTerm, escalate: true }
    }
}

impl Default for LimitsTable {
    fn default() -> Self {
        LimitsTable { max_targets: 5, max_takeovers: 5, takeover_window: Duration::from_mins(1) }
    }
}

impl Default for TelegramTable {
    fn default() -> Self {
        TelegramTable {
            webhook: WebhookPolicy::Ignore,
            api_url: "https://api.telegram.org".to_owned(),
            timeout: Duration::from_secs(3),
            conflict_window: Duration::from_secs(90),
        }
    }
}

impl Default for LogTable {
    fn default() -> Self {
        LogTable { level: "info".to_owned(), format: LogFormat::Text }
    }
}
