//! The effective configuration and its problems as text.

use serde_json::Value;

use crate::config::{Config, Problems};
use crate::report::effective_config::{
    Applied, BUILT_IN_RULES, BuiltInRule, ShownKeys, effective_values,
};
use crate::text::{
    MAX_LINE, count, is_nonprinting, mask_secrets, printable, sanitize, short_path, truncate,
};

/// Longer lines do not push all other origins to the right.
const WIDEST: usize = 60;

/// Returns the keys as TOML, each with its origin as a comment. Long lines are truncated.
pub(crate) fn effective(config: &Config, applied: &Applied, shown: ShownKeys) -> String {
    let lines: Vec<(String, String)> = effective_values(config, shown)
        .into_iter()
        .map(|it| (truncate(&mask_secrets(&line(&it.key, &it.value)), MAX_LINE), it.origin))
        .collect();
    let width = lines
        .iter()
        .map(|(line, _)| line.chars().count())
        .filter(|width| *width <= WIDEST)
        .max()
        .unwrap_or(0);
    let mut lines: Vec<String> =
        lines.into_iter().map(|(line, origin)| format!("{line:width$}  # {origin}\n")).collect();
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

/// Returns the file, the profile, the instance and the lock paths as comments.
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
        // JSON escapes are valid in TOML too, and keep a line break on one line.
        Value::String(text) if !text.contains(is_nonprinting) => {
            toml::Value::String(text.clone()).to_string()
        }
        text @ Value::String(_) => escaped(&text.to_string()),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_)) => scalar.to_string(),
    }
}

/// Escapes what a terminal acts on, as TOML does.
fn escaped(json: &str) -> String {
    let escape = |c: char| match u32::from(c) {
        _ if !is_nonprinting(c) => c.to_string(),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    json.chars().map(escape).collect()
}

/// Returns one sentence, or all problems.
pub(crate) fn problems(outcome: &Result<Config, Problems>) -> String {
    match outcome {
        Ok(config) => {
            let warnings = match config.notes.len() {
                0 => String::new(),
                notes => format!(", with {}", count(notes, "warning", "warnings")),
            };
            let sum = match &config.file {
                Some(file) => {
                    format!("{} is valid{warnings}\n", printable(&file.to_string_lossy()))
                }
                None => format!("no configuration file, so every key has its default{warnings}\n"),
            };
            config.notes.iter().map(|note| format!("{note}\n")).chain([sum]).collect()
        }
        Err(problems) => format!("{problems}\n"),
    }
}
