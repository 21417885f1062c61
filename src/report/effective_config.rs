//! The effective configuration: each key with its value and origin, and the built-in rules.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::config::Config;
use crate::config::key_types::{Key, ValueKind};
use crate::config::settings::{KEYS, Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownKeys {
    All,
    /// Only keys whose value differs from the default.
    Changed,
}

/// The instance and the lock paths that the configuration results in.
#[derive(Debug)]
pub struct Applied {
    /// `None` if neither the configuration nor a token nor COMMAND names the instance.
    pub instance: Option<String>,
    pub locks: Vec<PathBuf>,
}

/// A rule that always applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct BuiltInRule {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
}

/// In the order in which they are applied.
pub(crate) const BUILT_IN_RULES: [BuiltInRule; 1] = [BuiltInRule {
    name: "supervised",
    description: "an unguarded conflict that a known supervisor would start again is refused",
}];

pub(super) struct EffectiveValue {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) origin: String,
}

/// Returns the effective keys. Each entry of `match` and `rules` is listed separately.
pub(super) fn effective_values(config: &Config, shown: ShownKeys) -> Vec<EffectiveValue> {
    let mut values = key_values(&config.settings);
    if shown == ShownKeys::Changed {
        let defaults = key_values(&Settings::default());
        values.retain(|value| !defaults.contains(value));
    }
    let effective = |(key, value): (String, Value)| {
        let origin = config.origin(&key).to_string();
        EffectiveValue { key, value, origin }
    };
    values.into_iter().map(effective).collect()
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
