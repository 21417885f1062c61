//! `monopoll config`: show, check, schema and init.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::schema::schema as config_schema;
use crate::config::{Config, Problems};
use crate::error::{Error, ExitStatus};
use crate::report::{check_json, plan_json};
use crate::text::{mask_secrets, printable};

/// The example file: every key, its default and one line of why.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// The name that `init` writes to.
const FILE: &str = "config.toml";

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// The effective configuration, each value with the layer and place that it came from; secrets are
/// masked, `[app]` is left out.
pub fn show(config: &Config, format: Format) -> String {
    let values = effective(config);
    match format {
        Format::Json => {
            let values: Vec<Value> = values
                .into_iter()
                .map(|(key, value, origin)| json!({"key": key, "value": value, "origin": origin}))
                .collect();
            document(&json!({ "version": 1, "values": values }))
        }
        Format::Text => {
            let lines: Vec<(String, String)> = values
                .into_iter()
                .map(|(key, value, origin)| (line(&key, &value), origin))
                .collect();
            let width = lines
                .iter()
                .map(|(line, _)| line.chars().count())
                .filter(|width| *width <= WIDEST)
                .max()
                .unwrap_or(0);
            let lines: Vec<String> = lines
                .into_iter()
                .map(|(line, origin)| format!("{line:width$}  # {origin}\n"))
                .collect();
            lines.concat()
        }
    }
}

/// A longer line does not push the origins of all the others out of sight.
const WIDEST: usize = 60;

/// Each effective key with its value and its origin; each entry of `match` and `rules` has its own.
fn effective(config: &Config) -> Vec<(String, Value, String)> {
    let mut values = Vec::new();
    let settings = serde_json::to_value(&config.settings).unwrap_or_default();
    // What is empty is still in effect: a reader asks whether there are rules at all.
    let of = |key: &str, empty: Value| {
        settings.get(key).filter(|value| !value.is_null()).cloned().unwrap_or(empty)
    };
    let keys = [
        "instance",
        "on_conflict",
        "after_wait",
        "same_token",
        "token_env",
        "env_file",
        "match",
        "rules",
    ];
    for key in
        keys.into_iter().chain(["check", "lock", "timeouts", "kill", "limits", "telegram", "log"])
    {
        let empty = if matches!(key, "match" | "rules") { json!([]) } else { Value::Null };
        match of(key, empty) {
            Value::Object(table) => values
                .extend(table.into_iter().map(|(name, value)| (format!("{key}.{name}"), value))),
            Value::Array(items) if matches!(key, "match" | "rules") && !items.is_empty() => {
                values.extend(
                    items
                        .into_iter()
                        .enumerate()
                        .map(|(index, item)| (format!("{key}[{index}]"), item)),
                );
            }
            value => values.push((key.to_owned(), value)),
        }
    }
    values
        .into_iter()
        .map(|(key, value)| {
            let origin = config.origin(&key).to_string();
            (key, masked(value), origin)
        })
        .collect()
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask_secrets(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(masked).collect()),
        Value::Object(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, masked(value))).collect())
        }
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_)) => scalar,
    }
}

/// A line as in TOML; what has no value is a comment.
fn line(key: &str, value: &Value) -> String {
    match value {
        Value::Null => format!("# {key} = (from the bot token, else from the command)"),
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

/// What `config check` says of an outcome of [`Config::load`]: one sentence or every problem; as
/// JSON, an array of the problems.
pub fn check(outcome: &Result<Config, Problems>, format: Format) -> String {
    match (outcome, format) {
        (Ok(config), Format::Text) => {
            let sum = match &config.file {
                Some(file) => format!("{}: nothing is wrong\n", printable(&file.to_string_lossy())),
                None => "there is no configuration file: every key has its default, and nothing is wrong\n".to_owned(),
            };
            config.notes.iter().map(|note| format!("{note}\n")).chain([sum]).collect()
        }
        (Err(problems), Format::Text) => format!("{problems}\n"),
        (outcome, Format::Json) => document(&check_json::document(outcome.as_ref().err())),
    }
}

/// The JSON schema of a configuration file.
pub fn schema() -> String {
    document(&config_schema())
}

/// What a new file begins with instead of the path of a schema that lies in this project.
const SCHEMA_ELSEWHERE: &str = "\
# For an editor that reads schemas: `monopoll config schema > monopoll.schema.json`, and `#:schema ./monopoll.schema.json` as
# the first line of this file.";

/// The example as a file of its own, right wherever it lies.
pub fn starter() -> String {
    match EXAMPLE.split_once('\n') {
        Some((schema, rest)) if schema.starts_with("#:schema ") => {
            format!("{SCHEMA_ELSEWHERE}\n{rest}")
        }
        Some(_) | None => EXAMPLE.to_owned(),
    }
}

/// Writes the example to `config.toml` in `folder`, never over anything.
///
/// # Errors
/// When something of that name is there, or the folder cannot be written to.
pub fn init(folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join(FILE);
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    match opened.and_then(|mut file| file.write_all(starter().as_bytes())) {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let what = format!("`{}` is there already and is left as it is", path.display());
            Err(Error::new(ExitStatus::Config, what).with_hint(
                "move it away first; or, where it is another program's, write one in another folder and bring it here as `monopoll.toml`",
            ))
        }
        Err(error) => {
            let what = format!("`{}` cannot be written: {error}", path.display());
            Err(Error::new(ExitStatus::Fault, what)
                .with_hint("start in a folder that you may write to"))
        }
    }
}

/// JSON in which nothing is left that a terminal would act on.
fn document(document: &impl Serialize) -> String {
    // Nothing in these documents cannot be written.
    plan_json::to_text(document).unwrap_or_default() + "\n"
}
