//! A valid configuration and its loading.

use std::path::{Path, PathBuf};

use crate::config::find_file::{self, FileSearch};
use crate::config::layers::Layers;
use crate::config::location::Origin;
use crate::config::lock_path::Placeholders;
use crate::config::parsed_text::Parsed;
use crate::config::problem::{Fault, Problem, Problems};
use crate::config::rule_tables::{BroadField, ConditionsTable, MatchTable};
use crate::config::settings::{CheckTable, GENERIC_TOKEN_VARIABLES, Settings};
use crate::config::source_text::SourceName;
use crate::config::sources::Sources;
use crate::config::spanned_value::{Table, Value};
use crate::config::{overrides, validate};
use crate::engine::ladder::AfterGraceful;
use crate::engine::policy::{Policy, Purpose, Rule, Timeouts};
use crate::text::{closest_name, join_and, quote, sanitize};

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file as named or found. A relative path is relative to [`Sources::cwd`].
    pub file: Option<PathBuf>,
    /// The selected profile.
    pub profile: Option<String>,
    /// The merged settings of all layers.
    pub settings: Settings,
    /// The settings, converted for the engine.
    pub policy: Policy,
    /// The file in which to look for bot tokens. Absolute if [`Sources::cwd`] is.
    pub env_file: PathBuf,
    /// Warnings, one line each.
    pub notes: Vec<String>,
    layers: Layers,
}

impl Config {
    /// Reads, validates and merges all `sources`.
    ///
    /// # Errors
    /// Returns every problem in every layer and profile, selected or not.
    pub fn load(sources: &Sources) -> Result<Config, Problems> {
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
        let search = find_file::search(sources, &mut problems, &mut notes);
        if let FileSearch::Found(path, root) = &search {
            let before = problems.len();
            validate::file(root, &mut problems);
            find_file::suspect_another_program(sources, path, &mut problems[before..]);
            notes.extend(find_file::exposure_note(path, &sources.cwd.join(path)));
        }
        let selected = sources.selected_profile();
        if let Some((name, location)) = &selected
            && let Some(fault) = missing_profile(name, &search)
        {
            problems.push(Problem::at(location.clone(), fault));
        }
        let (file, root) = match search {
            FileSearch::Found(path, root) => (Some(path), root),
            FileSearch::None | FileSearch::Unusable => (None, Table::new()),
        };
        let profile = selected.map(|(name, _)| name);
        for layers in Layers::of_each_profile(&root) {
            validate::check_time_to_end(&layers.0, &mut problems);
        }
        let mut layers = Layers::of_file(root, profile.as_deref());
        layers.0.extend(overrides::from_environment(sources, &mut problems, &mut notes));
        layers.0.extend(overrides::from_flags(sources, &mut problems));
        layers.0.extend(overrides::from_log_variable(sources, &mut problems));
        validate::check_time_to_end(&layers.0, &mut problems);
        if !problems.is_empty() {
            return Err(Problems::sorted(problems));
        }
        let settings = layers.merge()?;
        let mut config =
            Config { file, profile, notes, layers, ..Config::of(settings, &sources.cwd) };
        let (unreachable, broad) = (config.unreachable_rules(), config.broad_entries());
        let scripts = config.entries_named_after_scripts();
        config.notes.extend(unreachable.into_iter().chain(broad).chain(scripts));
        Ok(config)
    }

    /// Returns the default configuration.
    #[must_use]
    pub fn defaults(cwd: &Path) -> Config {
        Config::of(Settings::default(), cwd)
    }

    fn of(settings: Settings, cwd: &Path) -> Config {
        Config {
            file: None,
            profile: None,
            policy: policy(&settings),
            env_file: cwd.join(&settings.env_file),
            settings,
            notes: Vec::new(),
            layers: Layers::default(),
        }
    }

    /// Returns the command that must succeed before any process is signaled or lock taken.
    #[must_use]
    pub fn check(&self) -> Option<&CheckTable> {
        Some(&self.settings.check).filter(|check| !check.command.is_empty())
    }

    /// Returns whether `env_file` is the `.env` that loaders find by themselves. `config init`
    /// writes this value too.
    pub(crate) fn uses_default_env_file(&self) -> bool {
        self.settings.env_file == Path::new(".env")
    }

    /// Returns the variables that may contain the bot token, in order.
    pub fn token_variables(&self) -> impl Iterator<Item = &str> {
        self.settings.token_env.iter().map(Parsed::as_str)
    }

    /// Returns whether a value other than a token in this variable is an error. Generic names such
    /// as `TOKEN` may have other values, unless no other variable is listed.
    pub(crate) fn expects_a_token_in(&self, variable: &str) -> bool {
        self.settings.token_env.len() == 1 || !GENERIC_TOKEN_VARIABLES.contains(&variable)
    }

    /// Returns the variable to suggest for the bot token: `BOT_TOKEN` if it is listed, else the
    /// first.
    pub(crate) fn suggested_token_variable(&self) -> &str {
        let mut variables = self.token_variables();
        let first = self.token_variables().next().unwrap_or("BOT_TOKEN");
        variables.find(|name| *name == "BOT_TOKEN").unwrap_or(first)
    }

    /// Returns the lock files of a start.
    #[must_use]
    pub fn lock_paths(&self, placeholders: &Placeholders<'_>) -> Vec<PathBuf> {
        self.settings.lock.paths.iter().map(|path| path.fill(placeholders)).collect()
    }

    /// Returns the origin of the effective value of `key`, a dotted path such as
    /// `timeouts.graceful` or `rules[0]`.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.layers.origin(key)
    }

    /// Returns the configuration file that names the instance, if one does.
    pub(crate) fn file_naming_instance(&self) -> Option<&Path> {
        let Origin::Written(location) = self.origin("instance") else { return None };
        match location.source() {
            SourceName::File(_) => self.file.as_deref(),
            SourceName::Variable(_) | SourceName::Set(_) | SourceName::Flag(_) => None,
        }
    }

    fn unreachable_rules(&self) -> Vec<String> {
        let unconditional = ConditionsTable::default();
        let rules = &self.policy.rules;
        let Some(last) = self.settings.rules.iter().position(|rule| rule.when == unconditional)
        else {
            return Vec::new();
        };
        let note = |(index, rule): (usize, &Rule)| {
            format!(
                "{}: rule {} never applies: rule {} before it has no conditions",
                self.origin(&format!("rules[{index}]")),
                quote(&rule.name),
                quote(&rules[last].name)
            )
        };
        rules.iter().enumerate().skip(last + 1).map(note).collect()
    }

    /// The executable of a script is its interpreter.
    fn entries_named_after_scripts(&self) -> Vec<String> {
        let note = |(index, entry): (usize, &MatchTable)| {
            let key = format!("match[{index}]");
            let name = quote(entry.name_of_script()?);
            Some(format!(
                "{}: {key}.name is {name}, a script, and `name` is compared with its interpreter: \
                 write \"python3.*\" or the like, and the script into `cmdline`",
                self.origin(&key)
            ))
        };
        self.settings.matches.iter().enumerate().filter_map(note).collect()
    }

    /// Words in a command line also match an editor that has the file open, and a folder also
    /// matches a shell or a database.
    fn broad_entries(&self) -> Vec<String> {
        let note = |(index, entry): (usize, &MatchTable)| {
            let key = format!("match[{index}]");
            let what = match entry.broad_field()? {
                BroadField::Cmdline => {
                    "has only `cmdline`, so it also finds an editor or a `tail -f` with the same \
                     words; add what identifies the bot, such as `name = \"python3.*\"` or `cwd = \
                     \"/srv/bot\"`"
                }
                BroadField::Cwd => {
                    "has only `cwd`, so it finds every process in this folder; add `name` or \
                     `cmdline`"
                }
            };
            Some(format!("{}: {key} {what}", self.origin(&key)))
        };
        self.settings.matches.iter().enumerate().filter_map(note).collect()
    }
}

fn policy(settings: &Settings) -> Policy {
    let Settings { timeouts, kill, limits, .. } = settings;
    Policy {
        purpose: Purpose::Start,
        on_conflict: settings.on_conflict,
        after_wait: settings.after_wait,
        same_token: settings.same_token,
        matches: settings.matches.iter().map(MatchTable::to_entry).collect(),
        rules: settings.rules.iter().enumerate().map(|(at, rule)| rule.to_rule(at)).collect(),
        timeouts: Timeouts {
            wait: *timeouts.wait,
            graceful: *timeouts.graceful,
            force: *timeouts.force,
        },
        signal: kill.signal,
        escalation: if kill.escalate { AfterGraceful::Kill } else { AfterGraceful::Refuse },
        max_targets: to_usize(limits.max_targets),
        max_takeovers: to_usize(limits.max_takeovers.0),
        takeover_window: *limits.takeover_window,
    }
}

fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn missing_profile(name: &str, search: &FileSearch) -> Option<Fault> {
    if let Some(fault) = validate::bad_profile_name(name) {
        return Some(fault);
    }
    let fault = Fault::new(format!("unknown profile {}", quote(name)));
    let (path, root) = match search {
        FileSearch::Found(path, root) => (path, root),
        FileSearch::None => {
            return Some(fault.help("no configuration file was found; name one with `--config`"));
        }
        // The problems of the file matter more.
        FileSearch::Unusable => return None,
    };
    let names: Vec<&str> = match root.get("profile").map(|node| &node.value) {
        Some(Value::Table(profiles)) if profiles.contains_key(name) => return None,
        Some(Value::Table(profiles)) => profiles.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let file = quote(&path.to_string_lossy());
    let all = sanitize(&join_and(&names));
    Some(match (closest_name(name, names.iter().copied()), names.is_empty()) {
        (Some(near), _) => fault.help(format!("did you mean {}? {file} has {all}", quote(near))),
        (None, true) => {
            fault.help(format!("{file} has none; add [profile.{}] to it", sanitize(name)))
        }
        (None, false) => fault.help(format!("{file} has {all}")),
    })
}
