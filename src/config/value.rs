//! What was written, as a tree in which each value knows its place.

use std::{collections::BTreeMap, sync::Arc};

use crate::config::location::Location;

/// A value and its places.
#[derive(Debug, Clone)]
pub(crate) struct SpannedValue {
    /// What was written.
    pub(crate) value: Value,
    /// Where the value is.
    pub(crate) place: Location,
    /// Where its key is; in a list, where the value is.
    pub(crate) key_place: Location,
}

/// What was written; a number keeps its text, so that none is too large to be spoken of.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A text.
    Text(String),
    /// A whole number, as it was written, and its value unless that is too large.
    Integer(String, Option<i64>),
    /// Any other number, as it was written.
    Float(String),
    /// `true` or `false`.
    Bool(bool),
    /// A date, a time or both.
    Moment(toml::value::Datetime),
    /// A list.
    List(Vec<SpannedValue>),
    /// A table.
    Table(Table),
}

/// Nodes by their key.
pub(crate) type Table = BTreeMap<String, SpannedValue>;

impl SpannedValue {
    /// A text at `place`.
    pub(crate) fn text(text: impl Into<String>, place: Location) -> SpannedValue {
        SpannedValue { value: Value::Text(text.into()), key_place: place.clone(), place }
    }

    /// The table with `self` in it under `keys`, the outermost first, each with its place.
    pub(crate) fn nested(self, keys: &[(String, Location)]) -> Table {
        let Some(((first, key_place), rest)) = keys.split_first() else { return Table::new() };
        let node = if rest.is_empty() {
            SpannedValue { key_place: key_place.clone(), ..self }
        } else {
            let place = self.place.clone();
            SpannedValue {
                value: Value::Table(self.nested(rest)),
                key_place: key_place.clone(),
                place,
            }
        };
        Table::from([(first.clone(), node)])
    }

    /// Marks this value and all that is in it as part of a profile.
    pub(crate) fn in_profile(mut self, name: &Arc<str>) -> SpannedValue {
        self.place = self.place.in_profile(name);
        self.key_place = self.key_place.in_profile(name);
        self.value = match self.value {
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| item.in_profile(name)).collect())
            }
            Value::Table(table) => Value::Table(
                table.into_iter().map(|(key, node)| (key, node.in_profile(name))).collect(),
            ),
            scalar => scalar,
        };
        self
    }

    /// The value as toml's own, for `[app]`, which nobody here looks into.
    pub(crate) fn into_toml(self) -> toml::Value {
        match self.value {
            Value::Text(text) => toml::Value::String(text),
            Value::Integer(text, value) => {
                value.map_or(toml::Value::String(text), toml::Value::Integer)
            }
            Value::Float(text) => {
                text.parse().map_or(toml::Value::String(text), toml::Value::Float)
            }
            Value::Bool(value) => toml::Value::Boolean(value),
            Value::Moment(moment) => toml::Value::Datetime(moment),
            Value::List(items) => {
                toml::Value::Array(items.into_iter().map(SpannedValue::into_toml).collect())
            }
            Value::Table(table) => toml::Value::Table(
                table.into_iter().map(|(key, node)| (key, node.into_toml())).collect(),
            ),
        }
    }
}
