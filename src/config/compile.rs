//! Turns valid settings into what the engine and the host work with.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use regex::Regex;

use super::{
    load::{self, Loaded, Origins},
    lock_path::LockPath,
    place::{Origin, Place},
    problem::{Fault, Problem, Problems},
    settings::{self, ContainerChoice, Settings},
    sources::Sources,
    text,
};
use crate::engine::{
    action::OnLost,
    instance::Instance,
    pattern::{CmdlinePattern, ContainerLimit, NamePattern, PathPattern, Pattern, UserLimit},
    policy::{Conditions, Escalate, MatchEntry, Policy, Rule, Timeouts},
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

impl Config {
    /// Reads and checks everything that `sources` name.
    ///
    /// # Errors
    /// Everything that is wrong, in every layer and every profile, selected or not.
    pub fn load(sources: &Sources) -> Result<Config, Problems> {
        let loaded = load::load(sources)?;
        compile(loaded, &sources.cwd).map_err(|(key, fault, origins)| {
            // Each text was checked where it was written; that one fails here is our own mistake, and still must not start a bot.
            let place = match origins.of(&key) {
                Origin::Written(place) => place,
                Origin::Default => Place::Flag("default"),
            };
            Problems(vec![Problem::with(place, key, fault)])
        })
    }

    /// Where the effective value of `key` came from: a dotted path such as `timeouts.graceful`, an entry of a list as `rules[0]`.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.of(key)
    }
}

/// A key and what is wrong with it.
type Misfit = (String, Fault);

fn compile(loaded: Loaded, cwd: &Path) -> Result<Config, (String, Fault, Origins)> {
    let Loaded { file, profile, settings, origins, mut notes } = loaded;
    match parts(&settings) {
        Ok((instance, policy, locks)) => {
            notes.extend(unreachable_rules(&settings, &policy, &origins));
            let check = Some(settings.check.clone()).filter(|check| !check.command.is_empty());
            Ok(Config {
                file,
                profile,
                instance,
                policy,
                token_env: settings.token_env.clone(),
                env_file: cwd.join(&settings.env_file),
                check: check.map(|check| CheckCommand { command: check.command, timeout: check.timeout }),
                locks,
                on_lost: settings.lock.on_lost,
                notes,
                settings,
                origins,
            })
        }
        Err((key, fault)) => Err((key, fault, origins)),
    }
}

fn parts(settings: &Settings) -> Result<(Option<Instance>, Policy, Vec<LockPath>), Misfit> {
    let instance = settings
        .instance
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|bad: crate::engine::instance::BadInstance| ("instance".to_owned(), Fault::new(bad.to_string())))?;
    let locks = settings.lock.paths.iter().map(|path| LockPath::parse(path)).collect::<Result<_, _>>();
    Ok((instance, policy(settings)?, locks.map_err(|fault| ("lock.paths".to_owned(), fault))?))
}

fn policy(settings: &Settings) -> Result<Policy, Misfit> {
    let named = |list: &'static str, index: usize| move |fault: Fault| (format!("{list}[{index}]"), fault);
    let matches = settings.matches.iter().enumerate().map(|(index, entry)| match_entry(entry).map_err(named("match", index)));
    let rules = settings.rules.iter().enumerate().map(|(index, entry)| rule(index, entry).map_err(named("rules", index)));
    Ok(Policy {
        on_conflict: settings.on_conflict,
        after_wait: settings.after_wait,
        same_token: settings.same_token,
        matches: matches.collect::<Result<_, _>>()?,
        rules: rules.collect::<Result<_, _>>()?,
        timeouts: Timeouts {
            wait: text::patience(&settings.timeouts.wait).map_err(|fault| ("timeouts.wait".to_owned(), fault))?,
            graceful: settings.timeouts.graceful,
            force: settings.timeouts.force,
        },
        signal: settings.kill.signal,
        escalation: if settings.kill.escalate { Escalate::Kill } else { Escalate::Refuse },
        max_targets: count(settings.limits.max_targets),
        max_takeovers: count(settings.limits.max_takeovers),
        takeover_window: settings.limits.takeover_window,
    })
}

fn match_entry(entry: &settings::MatchEntry) -> Result<MatchEntry, Fault> {
    Ok(MatchEntry {
        pattern: pattern([&entry.name, &entry.cmdline, &entry.exe, &entry.cwd])?,
        user: entry.user.as_deref().map(user).unwrap_or_default(),
        container: entry.container.map(container).unwrap_or_default(),
    })
}

fn rule(index: usize, entry: &settings::RuleEntry) -> Result<Rule, Fault> {
    let when = &entry.when;
    Ok(Rule {
        name: entry.name.clone().unwrap_or_else(|| format!("rules[{index}]")),
        when: Conditions {
            pattern: pattern([&when.name, &when.cmdline, &when.exe, &when.cwd])?,
            user: when.user.as_deref().map(user),
            container: when.container.map(container),
            holds_lock: when.holds_lock,
            same_token: when.same_token,
            orphaned: when.orphaned,
            state: when.state,
            older_than: when.older_than,
            younger_than: when.younger_than,
            managed_by: when.managed_by.as_deref().map(Regex::new).transpose().map_err(misfit)?,
            local: when.local,
        },
        action: entry.action,
    })
}

fn pattern([name, cmdline, exe, cwd]: [&Option<String>; 4]) -> Result<Pattern, Fault> {
    Ok(Pattern {
        name: name.as_deref().map(NamePattern::new).transpose().map_err(misfit)?,
        cmdline: cmdline.as_deref().map(CmdlinePattern::new).transpose().map_err(misfit)?,
        exe: exe.as_deref().map(PathPattern::new).transpose().map_err(misfit)?,
        cwd: cwd.as_deref().map(PathPattern::new).transpose().map_err(misfit)?,
    })
}

fn misfit<E>(_: E) -> Fault {
    Fault::new("the pattern cannot be used")
}

fn user(text: &str) -> UserLimit {
    match text {
        "same" => UserLimit::Same,
        "any" => UserLimit::Any,
        name => UserLimit::Named(name.to_owned()),
    }
}

fn container(choice: ContainerChoice) -> ContainerLimit {
    match choice {
        ContainerChoice::Same => ContainerLimit::Same,
        ContainerChoice::Any => ContainerLimit::Any,
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A line for each rule that comes after one that always holds.
fn unreachable_rules(settings: &Settings, policy: &Policy, origins: &Origins) -> Vec<String> {
    let Some(last) = settings.rules.iter().position(|rule| rule.when == settings::Conditions::default()) else { return Vec::new() };
    let name = |index: usize| policy.rules.get(index).map_or_else(String::new, |rule| super::wording::quote(&rule.name));
    (last + 1..settings.rules.len())
        .map(|index| {
            let key = format!("rules[{index}]");
            format!("{}: the rule {} is never asked: {} before it has no conditions", origins.of(&key), name(index), name(last))
        })
        .collect()
}
