//! `monopoll config`: show, check, schema and init.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::output::{paint, print, print_to_stderr};
use crate::cli::{Common, ConfigCommand, prepare};
use crate::config::find_file::{SHARED_NAME, preferred_to_shared};
use crate::config::keys::{Key, ValueKind};
use crate::config::settings::{KEYS, Settings, file_schema};
use crate::config::{Config, Problems, Sources};
use crate::error::{Error, ExitStatus};
use crate::guard::instance_name;
use crate::guard::start_request::lock_files;
use crate::report::built_in_rules::{BUILT_IN_RULES, BuiltInRule};
use crate::report::{check_json, plan_json};
use crate::scan::command::Command;
use crate::sys::host;
use crate::text::{MAX_LINE, mask_secrets, printable, quote, sanitize, short_path, truncate};

/// The example file: every key with its default and a reason.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

pub(super) fn run(common: &Common, command: &ConfigCommand) -> Result<ExitStatus, Error> {
    let format = if common.json { Format::Json } else { Format::Text };
    match command {
        ConfigCommand::Show { changed, command } => {
            let shown = if *changed { ShownKeys::Changed } else { ShownKeys::All };
            let config = prepare::configuration(common)?;
            let command = match command.as_slice() {
                [] => None,
                words => Some(Command::find(words.to_vec(), prepare::sources(common)?.cwd)?),
            };
            let tokens = instance_name::search(&config).tokens;
            let instance = instance_name::instance(&config, &tokens, command.as_ref());
            let instance = instance.map(|instance| instance.to_string());
            let shown_instance = instance.as_deref().unwrap_or("{instance}");
            let locks = lock_files(&config, shown_instance, &host::current_user());
            let applied = Applied { instance, locks };
            print(&show(&config, &applied, shown, format))
        }
        ConfigCommand::Schema => print(&schema()),
        ConfigCommand::Init => {
            let sources = prepare::sources(common)?;
            let path = match &sources.config {
                Some(path) => path,
                None => unless_unread(&sources)?,
            };
            // Without the `.` of `./config.toml`.
            let path = init(sources.cwd.join(path).components().collect())?;
            print(&format!("wrote {}", printable(&path.to_string_lossy())))
        }
        ConfigCommand::Check => {
            let outcome = Config::load(&prepare::sources(common)?);
            // The JSON document lists problems alone, and has no place for a note.
            if let (Ok(config), Format::Json) = (&outcome, format) {
                config
                    .notes
                    .iter()
                    .for_each(|note| print_to_stderr(format_args!("monopoll: {note}")));
            }
            if outcome.is_ok() || common.json {
                print(&check(&outcome, format))?;
            }
            match outcome {
                Ok(_) => Ok(ExitStatus::Done),
                Err(problems) => Err(problems.into_error(paint(&std::io::stderr()))),
            }
        }
    }
}

/// The keys that `config show` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownKeys {
    All,
    /// Those whose value is not the default.
    Changed,
}

/// The instance and the lock paths of the configuration.
#[derive(Debug)]
pub struct Applied {
    /// `None` where neither the configuration nor a token nor COMMAND names it.
    pub instance: Option<String>,
    pub locks: Vec<PathBuf>,
}

/// The effective configuration, each value with its origin; secrets are masked, `[app]` is left
/// out. In text, long lines are truncated.
pub fn show(config: &Config, applied: &Applied, shown: ShownKeys, format: Format) -> String {
    let mut values = effective(config);
    if shown == ShownKeys::Changed {
        let defaults = key_values(&Settings::default());
        values.retain(|(key, value, _)| {
            !defaults.iter().any(|(name, default)| name == key && default == value)
        });
    }
    match format {
        Format::Json => {
            let values: Vec<Value> = values
                .into_iter()
                .map(|(key, value, origin)| json!({"key": key, "value": value, "origin": origin}))
                .collect();
            let locks: Vec<_> = applied.locks.iter().map(|path| path.to_string_lossy()).collect();
            mask_secrets(&document(&json!({
                "version": 1,
                "file": config.file.as_ref().map(|path| path.to_string_lossy()),
                "profile": config.profile,
                "instance": applied.instance,
                "locks": locks,
                "values": values,
                "builtin_rules": BUILT_IN_RULES,
            })))
        }
        Format::Text => {
            let lines: Vec<(String, String)> = values
                .into_iter()
                .map(|(key, value, origin)| {
                    (truncate(&mask_secrets(&line(&key, &value)), MAX_LINE), origin)
                })
                .collect();
            let width = lines
                .iter()
                .map(|(line, _)| line.chars().count())
                .filter(|width| *width <= WIDEST)
                .max()
                .unwrap_or(0);
            let mut lines: Vec<String> = lines
                .into_iter()
                .map(|(line, origin)| format!("{line:width$}  # {origin}\n"))
                .collect();
            if let Some(last) = lines.iter().rposition(|line| line.starts_with("rules")) {
                let rule = |rule: &BuiltInRule| {
                    let BuiltInRule { name, description } = rule;
                    format!("# built in, after these rules: {name} – {description}\n")
                };
                let below = lines.split_off(last + 1);
                lines.extend(BUILT_IN_RULES.iter().map(rule).chain(below));
            }
            format!("{}\n{}", heading(config, applied), lines.concat())
        }
    }
}

/// The file, the profile, the instance and the lock paths, as comments.
fn heading(config: &Config, applied: &Applied) -> String {
    let file = config.file.as_deref().map(short_path);
    let instance = applied.instance.as_deref().map(sanitize);
    let line = |name: &str, value: Option<String>, none: &str| {
        format!("# {name:<8}  {}\n", value.as_deref().unwrap_or(none))
    };
    [
        line("file", file, "none: every key has its default"),
        line("profile", config.profile.as_deref().map(sanitize), "none"),
        line("instance", instance, "named after COMMAND: see `config show -- COMMAND`"),
    ]
    .into_iter()
    .chain(applied.locks.iter().map(|lock| line("lock", Some(short_path(lock)), "")))
    .collect()
}

/// A longer line does not move the origins of all others to the right.
const WIDEST: usize = 60;

/// Each effective key with its value and its origin; each entry of `match` and `rules` has its own.
fn effective(config: &Config) -> Vec<(String, Value, String)> {
    let origin = |key: &str| config.origin(key).to_string();
    let values = key_values(&config.settings).into_iter();
    values.map(|(key, value)| (key.clone(), value, origin(&key))).collect()
}

fn key_values(settings: &Settings) -> Vec<(String, Value)> {
    let settings = serde_json::to_value(settings).unwrap_or_default();
    let mut values = Vec::new();
    for Key { name, kind, .. } in KEYS {
        match (kind, settings.get(name).cloned().unwrap_or_default()) {
            (ValueKind::Free, _) => {}
            (_, Value::Object(table)) => values
                .extend(table.into_iter().map(|(inner, value)| (format!("{name}.{inner}"), value))),
            (ValueKind::Tables(_), Value::Array(items)) if !items.is_empty() => {
                let items = items.into_iter().enumerate();
                values.extend(items.map(|(index, item)| (format!("{name}[{index}]"), item)));
            }
            (_, value) => values.push(((*name).to_owned(), value)),
        }
    }
    values
}

fn line(key: &str, value: &Value) -> String {
    match value {
        Value::Null => format!("# {key} = (from the bot token, else from COMMAND)"),
        value => format!("{key} = {}", inline(value)),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => {
            let entries: Vec<String> =
                table.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        // JSON's way of writing a line break is TOML's too, and stays on one line.
        Value::String(text) if !text.contains(char::is_control) => {
            toml::Value::String(text.clone()).to_string()
        }
        scalar @ (Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_)) => {
            scalar.to_string()
        }
    }
}

/// The report of `config check`: one sentence or every problem.
pub fn check(outcome: &Result<Config, Problems>, format: Format) -> String {
    match (outcome, format) {
        (Ok(config), Format::Text) => {
            let sum = match &config.file {
                Some(file) => format!("{}: no problems\n", printable(&file.to_string_lossy())),
                None => "no configuration file: every key has its default\n".to_owned(),
            };
            config.notes.iter().map(|note| format!("{note}\n")).chain([sum]).collect()
        }
        (Err(problems), Format::Text) => format!("{problems}\n"),
        (outcome, Format::Json) => document(&check_json::document(outcome.as_ref().err())),
    }
}

pub fn schema() -> String {
    document(&file_schema())
}

/// Replaces the path of the schema, which is only right within this repository.
const SCHEMA_ELSEWHERE: &str = "\
# For an editor that reads schemas: `monopoll config schema > monopoll.schema.json`, and \
`#:schema ./monopoll.schema.json` as
# the first line of this file.";

/// The example as a file of its own, valid in any folder.
pub fn starter() -> String {
    match EXAMPLE.split_once('\n') {
        Some((schema, rest)) if schema.starts_with("#:schema ") => {
            format!("{SCHEMA_ELSEWHERE}\n{rest}")
        }
        Some(_) | None => EXAMPLE.to_owned(),
    }
}

/// Returns the path of a `config.toml` in this folder, unless a start would read another file.
fn unless_unread(sources: &Sources) -> Result<&'static Path, Error> {
    let Some(read) = preferred_to_shared(sources) else { return Ok(Path::new(SHARED_NAME)) };
    let named = if sources.variable("MONOPOLL_CONFIG").is_some() {
        " (named by $MONOPOLL_CONFIG)"
    } else {
        ""
    };
    let read = quote(&read.to_string_lossy());
    Err(Error::new(
        ExitStatus::Config,
        format!("not written: monopoll reads {read}{named} here, and would ignore `{SHARED_NAME}`"),
    )
    .with_hint("edit that file, or name another one: `monopoll config init --config FILE`"))
}

/// Writes the example to `path`, never over an existing file.
pub fn init(path: PathBuf) -> Result<PathBuf, Error> {
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    match opened.and_then(|mut file| file.write_all(starter().as_bytes())) {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let what =
                format!("`{}` exists already; not changed", printable(&path.to_string_lossy()));
            Err(Error::new(ExitStatus::Config, what)
                .with_hint("write another file: `monopoll config init --config monopoll.toml`"))
        }
        Err(error) => {
            let what = format!("cannot write `{}`: {error}", printable(&path.to_string_lossy()));
            Err(Error::new(ExitStatus::Fault, what)
                .with_hint("name a path that you can write to with `--config`"))
        }
    }
}

fn document(document: &impl Serialize) -> String {
    // Nothing in these documents cannot be written.
    plan_json::to_text(document).unwrap_or_default() + "\n"
}
