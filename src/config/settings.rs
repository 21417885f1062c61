//! The settings: each key with its doc, type, check and default. These docs are the reference.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing_subscriber::filter::Targets;

use crate::config::api_url::ApiUrl;
use crate::config::duration::{HumanDuration, is_not_zero};
use crate::config::keys::{AtMost, Key, KeyType, ValueKind, settings_table};
use crate::config::lock_path::{self, LockPath};
use crate::config::parsed_text::{Choice, Parsed, TextValue};
use crate::config::problem::Fault;
use crate::config::rule_tables::{MatchTable, RuleTable, has_a_pattern, has_an_action};
use crate::config::spanned_value::Value;
use crate::config::value_types::VariableName;
use crate::engine::action::{AfterWait, OnConflict, OnLost, SameToken};
use crate::engine::instance::Instance;
use crate::engine::ladder::Patience;
use crate::engine::signal::Signal;
use crate::text::with_unwrapped_descriptions;

settings_table! {
    /// The configuration of monopoll: what to do when a second poller of the same bot is found.
    #[schemars(title = "monopoll configuration")]
    pub struct Settings {
        /// The thing there may be only one of: 1–64 letters, digits, `.`, `_` or `-`. Default:
        /// `bot<id>` where a bot token is known, else the command's name and a hash.
        instance: Option<Parsed<Instance>> = None,
        /// What to do about a conflict that no rule covers.
        on_conflict: OnConflict = OnConflict::Refuse,
        /// What to do when `timeouts.wait` runs out.
        after_wait: AfterWait = AfterWait::Refuse,
        /// What to do about a process that is related by nothing but the bot's token.
        same_token: SameToken = SameToken::Refuse,
        /// The environment variables that may have the bot token, first one first.
        token_env: Vec<Parsed<VariableName>> =
            ["TELOXIDE_TOKEN", "BOT_TOKEN", "TELEGRAM_BOT_TOKEN", "TELEGRAM_TOKEN"]
                .map(Parsed::default_of)
                .into(),
        /// A file of `NAME=value` lines that is read for the bot id of a token only, if it is
        /// there; nothing in it is exported.
        env_file: PathBuf = PathBuf::from(".env"),
        /// Who is a candidate: a process that meets every field of one entry. Default: the same
        /// command in the same working directory.
        matches as "match": Vec<MatchTable> where has_a_pattern = Vec::new(),
        /// The first rule whose every condition holds decides; if none does: `on_conflict`.
        rules: Vec<RuleTable> where has_an_action = Vec::new(),
        /// A command that must succeed before anything is touched.
        check: CheckTable = CheckTable::default(),
        /// The lock files.
        lock: LockTable = LockTable::default(),
        /// How long each step may take.
        timeouts: TimeoutsTable = TimeoutsTable::default(),
        /// How `graceful` ends a process.
        kill: KillTable = KillTable::default(),
        /// Where to stop and ask a person.
        limits: LimitsTable = LimitsTable::default(),
        /// What Telegram is asked before a start; only where a bot token is known.
        telegram: TelegramTable = TelegramTable::default(),
        /// What is said on standard error while a start settles and guards.
        log: LogTable = LogTable::default(),
        /// For your own program; ignored by monopoll.
        #[schemars(with = "BTreeMap<String, serde_json::Value>")]
        app: BTreeMap<String, toml::Value> = BTreeMap::new(),
    }
}

settings_table! {
    /// Run before anything is touched; if it fails, the start is refused and the healthy bot lives
    /// on.
    pub struct CheckTable {
        /// The program and its arguments; empty: no check. It runs in the working directory of the
        /// start.
        command: Vec<String> where has_a_program = Vec::new(),
        /// How long it may take.
        timeout: HumanDuration where is_not_zero = HumanDuration::from_secs(30),
    }
}

settings_table! {
    /// The lock files.
    pub struct LockTable {
        /// Absolute paths; all are taken or none, in one order everywhere. `{instance}`,
        /// `{profile}`, `{user}` and `{lock_dir}` are filled in.
        #[schemars(length(min = 1))]
        paths: Vec<Parsed<LockPath>> where lock_path::are_different =
            vec![Parsed::default_of("{lock_dir}/{instance}.lock")],
        /// What a running instance does when its lock is no longer its own.
        on_lost: OnLost = OnLost::Stop,
    }
}

settings_table! {
    /// How long each step may take.
    pub struct TimeoutsTable {
        /// For a conflict to end by itself: a duration, `forever` for a warm standby, `0s` for one
        /// try.
        wait: Parsed<Patience> = Parsed::default_of("60s"),
        /// From the signal to SIGKILL: long enough for a bot that finishes the updates it has
        /// taken. With `0s` SIGKILL follows at once.
        graceful: HumanDuration = HumanDuration::from_secs(30),
        /// From SIGKILL to giving up.
        force: HumanDuration where is_not_zero = HumanDuration::from_secs(5),
    }
}

settings_table! {
    /// How `graceful` ends a process.
    pub struct KillTable {
        /// What is sent first.
        signal: Signal = Signal::SigTerm,
        /// Whether SIGKILL follows; `false`: a conflict that outlives `timeouts.graceful` means
        /// refuse.
        escalate: bool = true,
    }
}

settings_table! {
    /// Where to stop and ask a person.
    pub struct LimitsTable {
        /// More conflicts than this: refuse, the patterns are too broad.
        max_targets: u32 = 5,
        /// Takeovers of this instance within the window before a policy that kills refuses; 0: none
        /// at all, at most 30.
        max_takeovers: AtMost<MOST_TAKEOVERS> = AtMost(5),
        /// The time in which takeovers are counted.
        takeover_window: HumanDuration where is_not_zero = HumanDuration::from_secs(60),
    }
}

/// The history of a lock has a hundred events, and a takeover is three of them.
const MOST_TAKEOVERS: u32 = 30;

settings_table! {
    /// What Telegram is asked before a start; only where a bot token is known.
    pub struct TelegramTable {
        /// What to do about a webhook, with which polling fails: whether to ask for one before a
        /// start, and what follows.
        webhook: WebhookPolicy = WebhookPolicy::Ignore,
        /// Where the Bot API is: `https://` or `http://`, a host, perhaps a port and a path.
        /// Through a proxy only with https, as `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
        api_url: Parsed<ApiUrl> = Parsed::default_of("https://api.telegram.org"),
        /// How long it may take in all; then it is a warning, never a refusal.
        timeout: HumanDuration where is_not_zero = HumanDuration::from_secs(3),
        /// For a bot that uses the library: how long a 409 while polling is tolerated before it
        /// gives up.
        conflict_window: HumanDuration = HumanDuration::from_secs(90),
    }
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

impl Choice for WebhookPolicy {}

settings_table! {
    /// What is said on standard error while a start settles and guards.
    pub struct LogTable {
        /// `off`, `error`, `warn`, `info`, `debug` or `trace`, or these by target as tracing's
        /// filters are written: `info,monopoll::scan=trace`. The variable `MONOPOLL_LOG` wins, and
        /// `-q` and `-v` over both.
        level: Parsed<Targets> = Parsed::default_of("info"),
        /// How each record is written.
        format: LogFormat = LogFormat::Text,
    }
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

impl Choice for LogFormat {}

/// The schema of a whole file: the settings, and under `profile` the settings again, each profile
/// by its name.
pub fn file_schema() -> serde_json::Value {
    let mut schema = with_unwrapped_descriptions(schema_for!(Settings)).to_value();
    let mut of_profile = schema["properties"].clone();
    // A key that a profile leaves out has the file's value, not the default.
    for property in of_profile.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
    }
    schema["$defs"]["Profile"] = json!({
        "type": "object",
        "description": "Keys that hold only where this profile is selected; its rules come first, \
                        its match entries are added, the rest replaces.",
        "properties": of_profile,
        "additionalProperties": false,
    });
    schema["properties"]["profile"] = json!({
        "type": "object",
        "description": "Settings that hold only where the profile of that name is selected, by \
                        --profile or $MONOPOLL_PROFILE.",
        "propertyNames": { "pattern": Instance::PATTERN },
        "additionalProperties": { "$ref": "#/$defs/Profile" },
    });
    schema
}

/// Every key that may stand at the top level of a file, of a profile and of every other layer.
pub(crate) const KEYS: &[Key] = Settings::KIND.keys();

/// Checks that a command begins with a program, unless it is empty.
fn has_a_program(command: &Value) -> Option<Fault> {
    let Value::List(command) = command else { return None };
    match &command.first()?.value {
        Value::Text(program) if program.trim().is_empty() => Some(
            Fault::new("the program's name is empty")
                .item(0)
                .help("write the program first, or [] for no check"),
        ),
        _ => None,
    }
}
