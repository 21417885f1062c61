//! The layers of a configuration, merged into settings by figment; each remembers where its values
//! were written.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Num, Tag, Value as FigmentValue};
use figment::{Figment, Metadata, Profile, Provider};

use crate::config::location::{Location, Origin};
use crate::config::problem::{Fault, Problem, Problems};
use crate::config::settings::Settings;
use crate::config::spanned_value::{SpannedValue, Table, Value};

/// The keys that one source sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    /// The keys.
    pub(crate) table: Table,
}

/// The layers, lowest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers(pub(crate) Vec<Layer>);

impl Layers {
    /// The layer of a file's own keys, and that of its selected profile.
    pub(crate) fn of_file(mut root: Table, profile: Option<&str>) -> Layers {
        let profiles = root.remove("profile").map(|node| node.value);
        let selected = match (profiles, profile) {
            (Some(Value::Table(mut by_name)), Some(name)) => by_name.remove(name),
            _ => None,
        };
        let top = match selected.map(|node| node.value) {
            Some(Value::Table(table)) => Some(Layer::of_profile(table, &root)),
            _ => None,
        };
        Layers(std::iter::once(Layer { table: root }).chain(top).collect())
    }

    /// The origin of the effective value of `key`: the topmost layer that sets it.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let location = self.0.iter().rev().find_map(|layer| layer.location_of(key));
        location.map_or(Origin::Default, |location| Origin::Written(location.clone()))
    }

    /// Merges the layers; a key that none of them sets has its default by serde.
    ///
    /// # Errors
    /// Only by our own mistake: every layer was checked by itself.
    pub(crate) fn merge(&self) -> Result<Settings, Problems> {
        let mut figment = Figment::new();
        let mut app = BTreeMap::new();
        for layer in &self.0 {
            let mut layer = layer.clone();
            // `[app]` keeps the types of TOML, dates among them, which figment does not have.
            if let Some(SpannedValue { value: Value::Table(table), .. }) = layer.table.remove("app")
            {
                merge_app(&mut app, table.into_iter().map(|(key, value)| (key, value.into_toml())));
            }
            figment = figment.merge(layer);
        }
        let settings: Settings = figment.extract().map_err(|error| {
            let first = self.0.iter().find_map(|layer| layer.table.values().next());
            let location =
                first.map_or_else(|| Location::flag("--set", ""), |node| node.location.clone());
            let fault = Fault::new("the value does not fit");
            Problems(vec![Problem::with(location, error.path.join("."), fault)])
        })?;
        Ok(Settings { app, ..settings })
    }
}

/// Merges `over` into `under`, table by table.
fn merge_app(
    under: &mut BTreeMap<String, toml::Value>,
    over: impl Iterator<Item = (String, toml::Value)>,
) {
    for (key, value) in over {
        match (under.remove(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => {
                let mut both: BTreeMap<_, _> = old.into_iter().collect();
                merge_app(&mut both, new.into_iter());
                under.insert(key, toml::Value::Table(both.into_iter().collect()));
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

impl Layer {
    /// The layer of a profile: its `rules` come before those of the file, its `match` entries after
    /// them; all else replaces.
    fn of_profile(mut table: Table, file: &Table) -> Layer {
        for key in ["rules", "match"] {
            let (
                Some(SpannedValue { value: Value::List(of_file), .. }),
                Some(SpannedValue { value: Value::List(of_profile), .. }),
            ) = (file.get(key), table.get_mut(key))
            else {
                continue;
            };
            let at = if key == "rules" { of_profile.len() } else { 0 };
            of_profile.splice(at..at, of_file.iter().cloned());
        }
        Layer { table }
    }

    /// The location of `key`, a dotted path that may lead into a list: `rules[0]`.
    fn location_of(&self, key: &str) -> Option<&Location> {
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
                (_, None) => return Some(&node.key_location),
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
        Ok(Profile::Default.collect(to_dict(&self.table)))
    }
}

fn to_dict(table: &Table) -> Dict {
    table.iter().map(|(key, node)| (key.clone(), to_figment(&node.value))).collect()
}

fn to_figment(value: &Value) -> FigmentValue {
    match value {
        Value::Integer(_, Some(number)) => FigmentValue::Num(Tag::Default, Num::I64(*number)),
        // No key takes such a number: it was refused before.
        Value::Text(text) | Value::Integer(text, None) | Value::Float(text) => {
            FigmentValue::from(text.as_str())
        }
        Value::Datetime(datetime) => FigmentValue::from(datetime.to_string()),
        Value::Bool(value) => FigmentValue::from(*value),
        Value::List(items) => {
            FigmentValue::from(items.iter().map(|item| to_figment(&item.value)).collect::<Vec<_>>())
        }
        Value::Table(table) => FigmentValue::from(to_dict(table)),
    }
}
