//! Turns valid settings into what the engine and the host work with.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tracing_subscriber::filter::Targets;

use crate::{
    config::{
        api_url::ApiUrl,
        build_policy::{Misfit, policy},
        discover::Sources,
        load::{self, Loaded, Origins},
        location::{Location, Origin},
        lock_path::LockPath,
        log_filter,
        problem::{Fault, Problem, Problems},
        settings::{self, LogFormat, Settings, WebhookPolicy},
    },
    engine::{action::OnLost, instance::Instance, policy::Policy},
};

/// A configuration in which nothing is wrong.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file, as it was named or found: a relative path is seen from [`Sources::cwd`].
    pub file: Option<PathBuf>,
    /// The profile that is selected.
    pub profile: Option<String>,
    /// What all layers come to.
    pub settings: Settings,
    /// The instance, where one is configured.
    pub instance: Option<Instance>,
    /// What the engine needs to know.
    pub policy: Policy,
    /// The variables that may have the bot token, first one first.
    pub token_env: Vec<String>,
    /// The file that is read for the bot id of a token; absolute where [`Sources::cwd`] is.
    pub env_file: PathBuf,
    /// What must succeed before anything is touched.
    pub check: Option<CheckCommand>,
    /// The lock files, in the order in which they are written.
    pub locks: Vec<LockPath>,
    /// What a running instance does when its lock is no longer its own.
    pub on_lost: OnLost,
    /// What Telegram is asked.
    pub telegram: Telegram,
    /// What is logged, and how.
    pub logging: Logging,
    /// What is worth a line to a person, and no error.
    pub notes: Vec<String>,
    origins: Origins,
}

/// A command that must succeed before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckCommand {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What Telegram is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram {
    /// What to do about a webhook.
    pub webhook: WebhookPolicy,
    /// Where the Bot API is.
    pub api_url: ApiUrl,
    /// How long it may take in all.
    pub timeout: Duration,
    /// How long a 409 while polling is ridden out.
    pub conflict_window: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Logging {
    /// Which records are written.
    pub filter: Targets,
    /// How each of them is.
    pub format: LogFormat,
}

impl Config {
    /// Reads and checks everything that `sources` name.
    ///
    /// # Errors
    /// Everything that is wrong, in every layer and every profile, selected or not.
    pub fn load(sources: &Sources) -> Result<Config, Problems> {
        let loaded = load::load(sources)?;
        compile(loaded, &sources.cwd).map_err(|(key, fault, origins)| {
            // Each text was checked where it was written; that one fails here is our own mistake,
            // and still must not start a bot.
            let place = match origins.of(&key) {
                Origin::Written(place) => place,
                Origin::Default => Location::flag("default", ""),
            };
            Problems(vec![Problem::with(place, key, fault)])
        })
    }

    /// Every key's default, as if nobody had written anything.
    ///
    /// # Errors
    /// Never, unless the defaults themselves are wrong.
    pub fn defaults(cwd: &Path) -> Result<Config, Problems> {
        let loaded = Loaded {
            file: None,
            profile: None,
            settings: Settings::default(),
            origins: Origins::default(),
            notes: Vec::new(),
        };
        compile(loaded, cwd).map_err(|(key, fault, _)| {
            Problems(vec![Problem::with(Location::flag("default", ""), key, fault)])
        })
    }

    /// Where the effective value of `key` came from: a dotted path such as `timeouts.graceful`, an
    /// entry of a list as `rules[0]`.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.of(key)
    }
}

fn compile(loaded: Loaded, cwd: &Path) -> Result<Config, (String, Fault, Origins)> {
    let Loaded { file, profile, settings, origins, mut notes } = loaded;
    match parts(&settings) {
        Ok(PatternParts { instance, policy, locks, telegram, filter }) => {
            notes.extend(unreachable_rules(&settings, &policy, &origins));
            let check = Some(settings.check.clone()).filter(|check| !check.command.is_empty());
            Ok(Config {
                file,
                profile,
                instance,
                policy,
                token_env: settings.token_env.clone(),
                env_file: cwd.join(&settings.env_file),
                check: check
                    .map(|check| CheckCommand { command: check.command, timeout: check.timeout }),
                locks,
                on_lost: settings.lock.on_lost,
                telegram,
                logging: Logging { filter, format: settings.log.format },
                notes,
                settings,
                origins,
            })
        }
        Err((key, fault)) => Err((key, fault, origins)),
    }
}

/// What is made of texts.
struct PatternParts {
    instance: Option<Instance>,
    policy: Policy,
    locks: Vec<LockPath>,
    telegram: Telegram,
    filter: Targets,
}

fn parts(settings: &Settings) -> Result<PatternParts, Misfit> {
    let instance = settings.instance.as_deref().map(str::parse).transpose().map_err(
        |bad: crate::engine::instance::BadInstance| {
            ("instance".to_owned(), Fault::new(bad.to_string()))
        },
    )?;
    let locks =
        settings.lock.paths.iter().map(|path| LockPath::parse(path)).collect::<Result<_, _>>();
    let locks = locks.map_err(|fault| ("lock.paths".to_owned(), fault))?;
    let filter =
        log_filter::parse(&settings.log.level).map_err(|fault| ("log.level".to_owned(), fault))?;
    Ok(PatternParts {
        instance,
        policy: policy(settings)?,
        locks,
        telegram: telegram(&settings.telegram)?,
        filter,
    })
}

fn telegram(settings: &settings::TelegramTable) -> Result<Telegram, Misfit> {
    let settings::TelegramTable { webhook, ref api_url, timeout, conflict_window } = *settings;
    let api_url = ApiUrl::parse(api_url).map_err(|fault| ("telegram.api_url".to_owned(), fault))?;
    Ok(Telegram { webhook, api_url, timeout, conflict_window })
}

/// A line for each rule that comes after one that always holds.
fn unreachable_rules(settings: &Settings, policy: &Policy, origins: &Origins) -> Vec<String> {
    let Some(last) =
        settings.rules.iter().position(|rule| rule.when == settings::ConditionsTable::default())
    else {
        return Vec::new();
    };
    let name = |index: usize| {
        policy.rules.get(index).map_or_else(String::new, |rule| crate::text::quote(&rule.name))
    };
    (last + 1..settings.rules.len())
        .map(|index| {
            let key = format!("rules[{index}]");
            format!(
                "{}: the rule {} is never asked: {} before it has no conditions",
                origins.of(&key),
                name(index),
                name(last)
            )
        })
        .collect()
}
