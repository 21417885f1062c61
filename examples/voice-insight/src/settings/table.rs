//! Reads values out of `[app]`'s tables and gathers what is wrong with them, each with its place.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value;

use monopoll::internals::config::dotenv::in_env_file;
use monopoll::internals::config::{Config, Location, Origin, Problem, Problems};
use monopoll::internals::text::{closest_name, join_and, quote};

/// A longer time than this is a slip.
const LONGEST: Duration = Duration::from_hours(1);

/// A table and where it is.
#[derive(Debug)]
pub(super) struct Table<'a> {
    path: String,
    entries: Vec<(&'a str, &'a Value)>,
}

impl<'a> Table<'a> {
    /// `[app]` itself.
    pub(super) fn root(config: &'a Config) -> Table<'a> {
        Table {
            path: "app".to_owned(),
            entries: config.settings.app.iter().map(|(key, value)| (key.as_str(), value)).collect(),
        }
    }

    /// Whether somebody wrote this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}

/// Looks values up and remembers what is wrong.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    config: &'a Config,
    env: &'a [(OsString, OsString)],
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Nothing is wrong yet.
    pub(super) fn new(config: &'a Config, env: &'a [(OsString, OsString)]) -> Reader<'a> {
        Reader { config, env, problems: Vec::new() }
    }

    /// Everything that was found wrong.
    pub(super) fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems::sorted(self.problems)) }
    }

    /// Remembers that something is wrong with `key`; there is no value then.
    pub(super) fn wrong<T>(
        &mut self,
        table: &Table,
        key: &str,
        found: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        let key = format!("{}.{key}", table.path);
        // A key that is missing is missing in its table.
        let place = match (self.config.origin(&key), self.config.origin(&table.path)) {
            (Origin::Written(place), _) | (Origin::Default, Origin::Written(place)) => place,
            (Origin::Default, Origin::Default) => Location::flag("--config", "[app]"),
        };
        self.problems.push(Problem {
            location: place,
            key: Some(key),
            message: found.into(),
            help: Some(help.into()),
            may_pass: false,
        });
        None
    }

    /// Every other key than these is wrong.
    pub(super) fn only(&mut self, table: &Table, known: &[&str]) {
        for (key, _) in &table.entries {
            if !known.contains(key) {
                let help = match closest_name(key, known.iter().copied()) {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None => format!("the keys are {}", join_and(known.iter().copied())),
                };
                self.wrong::<()>(table, key, "is unknown", help);
            }
        }
    }

    /// The table below this one.
    pub(super) fn table<'t>(&mut self, table: &Table<'t>, key: &str) -> Option<Table<'t>> {
        match table.get(key)? {
            Value::Table(inner) => {
                let entries = inner.iter().map(|(key, value)| (key.as_str(), value)).collect();
                Some(Table { path: format!("{}.{key}", table.path), entries })
            }
            other => self.wrong(
                table,
                key,
                format!("is {}", kind(other)),
                format!("write it as a table: [{}.{key}]", table.path),
            ),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, table: &Table, key: &str) -> Option<String> {
        match table.get(key)? {
            Value::String(text) if text.trim().is_empty() => {
                self.wrong(table, key, "is empty", "write something, or leave it out")
            }
            Value::String(text) => Some(text.trim().to_owned()),
            other => {
                self.wrong(table, key, format!("is {}", kind(other)), "write a text in quotes")
            }
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, table: &Table, key: &str, what: &str) -> Option<String> {
        if table.has(key) {
            self.text(table, key)
        } else {
            self.wrong(table, key, "is missing", format!("write {what}"))
        }
    }

    /// A number within these bounds.
    pub(super) fn count(
        &mut self,
        table: &Table,
        key: &str,
        allowed: RangeInclusive<usize>,
    ) -> Option<usize> {
        let help = format!("write a number from {} to {}", allowed.start(), allowed.end());
        match table.get(key)? {
            Value::Integer(number) => match usize::try_from(*number) {
                Ok(count) if allowed.contains(&count) => Some(count),
                Ok(_) | Err(_) => {
                    self.wrong(table, key, format!("`{number}` is out of bounds"), help)
                }
            },
            other => self.wrong(table, key, format!("is {}", kind(other)), help),
        }
    }

    /// A time that is neither none nor longer than an hour.
    pub(super) fn span(&mut self, table: &Table, key: &str) -> Option<Duration> {
        let help = "write a duration such as \"10s\", \"1m 30s\" or \"250ms\", at most an hour";
        match table.get(key)? {
            Value::String(text) => match humantime::parse_duration(text) {
                Ok(span) if span.is_zero() => self.wrong(table, key, "is no time at all", help),
                Ok(span) if span > LONGEST => {
                    self.wrong(table, key, format!("{} is too long", quote(text)), help)
                }
                Ok(span) => Some(span),
                Err(_) => {
                    self.wrong(table, key, format!("{} is not a duration", quote(text)), help)
                }
            },
            other => self.wrong(table, key, format!("is {}", kind(other)), help),
        }
    }

    /// The value of a variable: of the environment, else of `env_file`, as the bot's token is
    /// found.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let here = self
            .env
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.to_string_lossy().into_owned());
        here.filter(|value| !value.is_empty()).or_else(|| in_env_file(self.config, name))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "a truth value",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
