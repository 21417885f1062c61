//! The settings: each key with its doc comment, type, check and default. The doc comments are the
//! reference documentation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing_subscriber::filter::Targets;

use crate::config::api_url::ApiUrl;
use crate::config::duration::{HumanDuration, is_not_zero};
use crate::config::key_types::{AtMost, Key, KeyType, ValueKind, settings_table};
use crate::config::lock_path::{self, LockPath};
use crate::config::parsed_text::{Choice, Parsed, TextValue};
use crate::config::problem::Fault;
use crate::config::rule_tables::{MatchTable, RuleTable, has_a_pattern, has_an_action};
use crate::config::spanned_value::Value;
use crate::config::value_types::VariableName;
use crate::engine::action::{AfterWait, OnConflict, OnLost, SameToken};
use crate::engine::instance::Instance;
use crate::engine::ladder::WaitLimit;
use crate::engine::signal::Signal;
use crate::text::with_unwrapped_descriptions;

settings_table! {
    /// The configuration of monopoll: what to do when a second poller of the same bot is found.
    #[schemars(title = "monopoll configuration")]
    pub struct Settings {
        /// Name of the instance: 1–64 letters, digits, `.`, `_` or `-`. Default: `bot<id>` if a bot
        /// token is known, else the command's name and a hash.
        instance: Option<Parsed<Instance>> = None,
        /// Action for a conflict that no rule covers.
        on_conflict: OnConflict = OnConflict::Refuse,
        /// Action when `timeouts.wait` runs out.
        after_wait: AfterWait = AfterWait::Refuse,
        /// Action for a process that is found only by the bot token and that no rule covers.
        same_token: SameToken = SameToken::Refuse,
        /// Environment variables that may contain the bot token. The first variable that contains
        /// a token is used; any other value is ignored.
        token_env: Vec<Parsed<VariableName>> = TOKEN_VARIABLES.map(Parsed::default_of).into(),
        /// Optional file of `NAME=value` lines from which monopoll reads the bot token. monopoll
        /// does not export these variables.
        env_file: PathBuf = PathBuf::from(".env"),
        /// Entries that select more candidates than the same command in the same working
        /// directory: a process that meets every field of one entry is a candidate too.
        matches as "match": Vec<MatchTable> where has_a_pattern = Vec::new(),
        /// Rules for single conflicts. The first rule whose conditions all hold decides; if there
        /// is none, `on_conflict` decides.
        rules: Vec<RuleTable> where has_an_action = Vec::new(),
        /// A command that must succeed before monopoll signals a process or takes a lock.
        check: CheckTable = CheckTable::default(),
        /// The lock files.
        lock: LockTable = LockTable::default(),
        /// Maximum duration of each step.
        timeouts: TimeoutsTable = TimeoutsTable::default(),
        /// Steps with which `graceful` ends a process.
        kill: KillTable = KillTable::default(),
        /// Limits above which a start is refused, so that a person decides.
        limits: LimitsTable = LimitsTable::default(),
        /// Requests to Telegram before a start. Used only if a bot token is known.
        telegram: TelegramTable = TelegramTable::default(),
        /// Messages on standard error during a start and while the bot runs.
        log: LogTable = LogTable::default(),
        /// Settings of the bot itself. Ignored by monopoll.
        #[schemars(with = "BTreeMap<String, serde_json::Value>")]
        app: BTreeMap<String, toml::Value> = BTreeMap::new(),
    }
}

settings_table! {
    /// A command that runs before monopoll signals a process or takes a lock. If it fails, the
    /// start is refused and a running bot keeps running.
    pub struct CheckTable {
        /// The program and its arguments, run in the working directory of the start. Empty: no
        /// check.
        command: Vec<String> where has_a_program = Vec::new(),
        /// Maximum duration of the check.
        timeout: HumanDuration where is_not_zero = HumanDuration::from_secs(30),
    }
}

settings_table! {
    /// The lock files.
    pub struct LockTable {
        /// Absolute paths. A start acquires all of them or none, always in the same order.
        /// `{instance}`, `{profile}`, `{user}` and `{lock_dir}` are replaced by their values.
        #[schemars(length(min = 1))]
        paths: Vec<Parsed<LockPath>> where lock_path::are_different =
            vec![Parsed::default_of("{lock_dir}/{instance}.lock")],
        /// Reaction of a guard that has lost its lock to another process.
        on_lost: OnLost = OnLost::Stop,
    }
}

settings_table! {
    /// Maximum duration of each step.
    pub struct TimeoutsTable {
        /// Time for a conflict to end by itself: a duration, `forever` for a warm standby, or `0s`
        /// for a single attempt.
        wait: Parsed<WaitLimit> = Parsed::default_of("60s"),
        /// Time from the signal to SIGKILL. Must be long enough for the bot to finish the updates
        /// in progress. With `0s`, SIGKILL follows at once, unless `kill.escalate = false`: then it
        /// must not be zero.
        graceful: HumanDuration = HumanDuration::from_secs(30),
        /// Time from SIGKILL until the start gives up.
        force: HumanDuration where is_not_zero = HumanDuration::from_secs(5),
    }
}

settings_table! {
    /// Steps with which `graceful` ends a process.
    pub struct KillTable {
        /// The first signal.
        signal: Signal = Signal::SigTerm,
        /// Send SIGKILL after `timeouts.graceful`. If `false`, a conflict that is still running
        /// then makes the start refuse.
        escalate: bool = true,
    }
}

settings_table! {
    /// Limits above which a start is refused, so that a person decides.
    pub struct LimitsTable {
        /// Maximum number of conflicts. If there are more, the start is refused: the patterns may
        /// be too broad.
        max_targets: u32 = 5,
        /// Maximum number of takeovers of this instance within the window. A further start that
        /// would end a process is refused. `0` refuses every takeover.
        max_takeovers: AtMost<MAX_TAKEOVERS> = AtMost(5),
        /// Time window in which takeovers are counted.
        takeover_window: HumanDuration where is_not_zero = HumanDuration::from_secs(60),
    }
}

/// The names used in framework guides and published bots, most specific first.
const TOKEN_VARIABLES: [&str; 10] = [
    "TELOXIDE_TOKEN",
    "BOT_TOKEN",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_TOKEN",
    "TG_BOT_TOKEN",
    "TG_TOKEN",
    "TELEGRAM_API_TOKEN",
    "BOT_API_TOKEN",
    "API_TOKEN",
    "TOKEN",
];

/// Generic names: values other than a bot token are not an error.
pub(crate) const GENERIC_TOKEN_VARIABLES: [&str; 2] = ["API_TOKEN", "TOKEN"];

/// The history keeps a hundred events, and a takeover takes up to three.
const MAX_TAKEOVERS: u32 = 30;

settings_table! {
    /// Requests to Telegram before a start. Used only if a bot token is known.
    pub struct TelegramTable {
        /// Check for a webhook before a start, and the reaction to one. While a webhook is set,
        /// polling fails.
        webhook: WebhookPolicy = WebhookPolicy::Ignore,
        /// URL of the Bot API: `https://` or `http://`, a host, and an optional port and path. With
        /// https, the proxy settings in `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` apply.
        api_url: Parsed<ApiUrl> = Parsed::default_of("https://api.telegram.org"),
        /// Maximum duration of all requests together. Exceeding it causes a warning, never a
        /// refusal.
        timeout: HumanDuration where is_not_zero = HumanDuration::from_secs(3),
        /// For a bot that uses the library: time for which it tolerates 409 errors while polling.
        /// After that it ends.
        conflict_window: HumanDuration = HumanDuration::from_secs(90),
    }
}

/// Reaction to a webhook. While a webhook is set, polling fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookPolicy {
    /// No start asks Telegram. `doctor` does.
    Ignore,
    /// Print a warning.
    Warn,
    /// Refuse the start; signal no process.
    Refuse,
    /// Delete the webhook once the locks are held. No update is dropped.
    Delete,
}

impl Choice for WebhookPolicy {}

settings_table! {
    /// Messages on standard error during a start and while the bot runs.
    pub struct LogTable {
        /// `off`, `error`, `warn`, `info`, `debug` or `trace`. A tracing filter sets a level per
        /// target: `info,monopoll::scan=trace`. The variable `MONOPOLL_LOG` overrides this key, and
        /// `-q` and `-v` override both.
        level: Parsed<Targets> = Parsed::default_of("info"),
        /// Format of each record.
        format: LogFormat = LogFormat::Text,
    }
}

/// Format of a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line.
    Text,
    /// One JSON object per line.
    Json,
}

impl Choice for LogFormat {}

/// Returns the schema of a file: the settings, and the same settings again for each profile.
pub fn file_schema() -> serde_json::Value {
    let mut schema = with_unwrapped_descriptions(schema_for!(Settings)).to_value();
    let mut of_profile = schema["properties"].clone();
    // A key that a profile omits has the value from the file, not the default.
    for property in of_profile.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
    }
    schema["$defs"]["Profile"] = json!({
        "type": "object",
        "description": "Keys that apply only if this profile is selected. Its rules come first, \
                        its match entries are added, and every other key replaces the file's.",
        "properties": of_profile,
        "additionalProperties": false,
    });
    schema["properties"]["profile"] = json!({
        "type": "object",
        "description": "Settings that apply only if the profile of that name is selected by \
                        --profile or $MONOPOLL_PROFILE.",
        "propertyNames": { "pattern": Instance::PATTERN },
        "additionalProperties": { "$ref": "#/$defs/Profile" },
    });
    schema
}

/// The keys allowed at the top level of a file, a profile or any other layer.
pub(crate) const KEYS: &[Key] = Settings::KIND.keys();

/// Checks that a command is empty or begins with the name of a program.
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
