//! The layers of a configuration, merged into settings by figment. Each value remembers where it
//! was written.

use figment::Figment;
use figment::providers::Serialized;

use crate::config::location::{Location, Origin};
use crate::config::problem::{Fault, Problem, Problems};
use crate::config::settings::Settings;
use crate::config::spanned_value::{Table, Value, to_toml};

/// The keys set by each source, lowest priority first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers(pub(crate) Vec<Table>);

impl Layers {
    /// Returns the keys of a file, and above them those of the selected profile. The profile's
    /// `rules` come before those of the file, and its `match` entries after them; any other key
    /// replaces the file's.
    pub(crate) fn of_file(mut root: Table, profile: Option<&str>) -> Layers {
        let profiles = root.remove("profile").map(|node| node.value);
        let (Some(Value::Table(mut by_name)), Some(name)) = (profiles, profile) else {
            return Layers(vec![root]);
        };
        let Some(Value::Table(mut selected)) = by_name.remove(name).map(|node| node.value) else {
            return Layers(vec![root]);
        };
        for key in ["rules", "match"] {
            if let (Some(Value::List(of_file)), Some(Value::List(of_profile))) = (
                root.get(key).map(|node| &node.value),
                selected.get_mut(key).map(|node| &mut node.value),
            ) {
                let at = if key == "rules" { of_profile.len() } else { 0 };
                of_profile.splice(at..at, of_file.iter().cloned());
            }
        }
        Layers(vec![root, selected])
    }

    /// Returns the layers of a file with each of its profiles.
    pub(crate) fn of_each_profile(root: &Table) -> Vec<Layers> {
        match root.get("profile").map(|node| &node.value) {
            Some(Value::Table(by_name)) => {
                by_name.keys().map(|name| Layers::of_file(root.clone(), Some(name))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the origin of the effective value of `key`: the topmost layer that sets it.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let location = self.0.iter().rev().find_map(|layer| location_of(layer, key));
        location.map_or(Origin::Default, |location| Origin::Written(location.clone()))
    }

    /// Merges the layers. Keys that no layer sets get their defaults from serde. Fails only because
    /// of a bug, since every layer was validated.
    pub(crate) fn merge(&self) -> Result<Settings, Problems> {
        let mut figment = Figment::new();
        let mut app = toml::Table::new();
        for layer in &self.0 {
            let mut layer = to_toml(layer);
            // `app` is never validated, and figment has no dates, so it is merged here.
            if let Some(toml::Value::Table(upper)) = layer.remove("app") {
                merge_app(&mut app, upper);
            }
            figment = figment.merge(Serialized::defaults(layer));
        }
        let settings: Settings = figment.extract().map_err(|error| {
            let first = self.0.iter().find_map(|layer| layer.values().next());
            let location =
                first.map_or_else(|| Location::flag("--set", ""), |node| node.location.clone());
            let fault = Fault::new("the value does not fit");
            Problems::sorted(vec![Problem::with(location, error.path.join("."), fault)])
        })?;
        Ok(Settings { app: app.into_iter().collect(), ..settings })
    }
}

fn merge_app(lower: &mut toml::Table, upper: toml::Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(toml::Value::Table(lower)), toml::Value::Table(upper)) => merge_app(lower, upper),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// Returns the location of `key`, a dotted path that may include an index: `rules[0]`.
fn location_of<'a>(mut table: &'a Table, key: &str) -> Option<&'a Location> {
    let mut steps = key.split('.').peekable();
    while let Some(step) = steps.next() {
        let (name, index) = step.split_once('[').map_or((step, None), |(name, index)| {
            (name, index.trim_end_matches(']').parse::<usize>().ok())
        });
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
