//! One layer of the configuration, as figment lays it over those below it.

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Num, Value as Laid},
};

use crate::config::{
    location::Location,
    value::{SpannedValue, Table, Value},
};

/// What one source says; each value knows its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    /// The keys that it sets.
    pub(crate) table: Table,
}

impl Layer {
    /// The layer of a profile: its `rules` are asked before those of the file, its `match` entries
    /// come after them; all else replaces.
    pub(crate) fn of_profile(mut table: Table, file: &Table) -> Layer {
        for (key, profile_first) in [("rules", true), ("match", false)] {
            let Some(SpannedValue { value: Value::List(theirs), .. }) = file.get(key) else {
                continue;
            };
            let Some(SpannedValue { value: Value::List(mine), .. }) = table.get_mut(key) else {
                continue;
            };
            if profile_first {
                mine.extend(theirs.iter().cloned());
            } else {
                mine.splice(0..0, theirs.iter().cloned());
            }
        }
        Layer { table }
    }

    /// Where this layer sets `key`, a dotted path that may lead into a list: `rules[0]`.
    pub(crate) fn place_of(&self, key: &str) -> Option<&Location> {
        let mut table = &self.table;
        let mut steps = key.split('.').peekable();
        while let Some(step) = steps.next() {
            let (name, index) = match step.split_once('[') {
                Some((name, index)) => {
                    (name, Some(index.trim_end_matches(']').parse::<usize>().ok()?))
                }
                None => (step, None),
            };
            let mut node = table.get(name)?;
            if let (Some(index), Value::List(items)) = (index, &node.value) {
                node = items.get(index)?;
            }
            match (&node.value, steps.peek()) {
                (_, None) => return Some(&node.key_place),
                (Value::Table(inner), Some(_)) => table = inner,
                (_, Some(_)) => return None,
            }
        }
        None
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named("configuration")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(dict(&self.table)))
    }
}

fn dict(table: &Table) -> Dict {
    table.iter().map(|(key, node)| (key.clone(), laid(node))).collect()
}

fn laid(node: &SpannedValue) -> Laid {
    match &node.value {
        Value::Integer(_, Some(number)) => {
            Laid::Num(figment::value::Tag::Default, Num::I64(*number))
        }
        // None of our keys is a number that large, or has a fraction: such a value was refused
        // before it is laid.
        Value::Text(text) | Value::Integer(text, None) | Value::Float(text) => {
            Laid::from(text.as_str())
        }
        Value::Moment(moment) => Laid::from(moment.to_string()),
        Value::Bool(value) => Laid::from(*value),
        Value::List(items) => Laid::from(items.iter().map(laid).collect::<Vec<_>>()),
        Value::Table(table) => Laid::from(dict(table)),
    }
}
