//! Lays the sources over each other, insists that what is named exists, and remembers where each
//! value came from.

use std::{collections::BTreeMap, path::PathBuf};

use figment::{Figment, providers::Serialized};

use crate::{
    config::{
        discover::{self, FileSearch, Sources},
        exposed_secrets,
        layer::Layer,
        location::{Location, Origin},
        overrides,
        problem::{Fault, Problem, Problems},
        settings::Settings,
        validate,
        value::{SpannedValue, Table, Value},
    },
    text::{closest_name, join_and, quote, sanitize},
};

/// The effective settings with their history.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The file, as it was named or found.
    pub(crate) file: Option<PathBuf>,
    /// The profile that is selected.
    pub(crate) profile: Option<String>,
    /// What all layers come to.
    pub(crate) settings: Settings,
    /// Where each value came from.
    pub(crate) origins: Origins,
    /// What is worth a line, and no error.
    pub(crate) notes: Vec<String>,
}

/// The layers in their order, kept to be asked who set a key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(Vec<Layer>);

impl Origins {
    /// The topmost layer that sets `key`, else the default.
    pub(crate) fn of(&self, key: &str) -> Origin {
        let place = self.0.iter().rev().find_map(|layer| layer.place_of(key));
        place.map_or(Origin::Default, |place| Origin::Written(place.clone()))
    }
}

/// Reads, checks and lays over each other everything that `sources` name.
///
/// # Errors
/// Everything that is wrong, in every layer and every profile.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    let search = discover::search(sources, &mut problems, &mut notes);
    if let FileSearch::Found(path, root) = &search {
        validate::file(root, &mut problems);
        notes.extend(exposed_secrets::note(path, &sources.cwd.join(path)));
    }
    let selected = sources.selected();
    if let Some((name, place)) = &selected
        && let Some(fault) = missing_profile(name, &search)
    {
        problems.push(Problem::at(place.clone(), fault));
    }
    let (file, root) = match search {
        FileSearch::Found(path, root) => (Some(path), root),
        FileSearch::None | FileSearch::Unusable => (None, Table::new()),
    };
    let profile = selected.map(|(name, _)| name);
    let mut layers = file_layers(root, profile.as_deref());
    layers.extend(overrides::environment(sources, &mut problems, &mut notes));
    layers.extend(overrides::flags(sources, &mut problems));
    layers.extend(overrides::log(sources, &mut problems));
    if !problems.is_empty() {
        return Err(Problems::sorted(problems));
    }
    let settings = lay(&layers)?;
    Ok(Loaded { file, profile, settings, origins: Origins(layers), notes })
}

/// The file's own keys, then those of the selected profile.
fn file_layers(mut root: Table, profile: Option<&str>) -> Vec<Layer> {
    let profiles = root.remove("profile").map(|node| node.value);
    let selected = match (profiles, profile) {
        (Some(Value::Table(mut by_name)), Some(name)) => {
            by_name.remove(name).map(|node| node.in_profile(&name.into()).value)
        }
        _ => None,
    };
    let top = match selected {
        Some(Value::Table(table)) => Some(Layer::of_profile(table, &root)),
        _ => None,
    };
    std::iter::once(Layer { table: root }).chain(top).collect()
}

/// Merges the layers, lowest first.
fn lay(layers: &[Layer]) -> Result<Settings, Problems> {
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
    let mut app = BTreeMap::new();
    for layer in layers {
        let mut ours = layer.clone();
        // What is not ours keeps the types of TOML, dates among them, which figment does not have.
        if let Some(SpannedValue { value: Value::Table(table), .. }) = ours.table.remove("app") {
            merge(&mut app, table.into_iter().map(|(key, node)| (key, node.into_toml())));
        }
        figment = figment.merge(ours);
    }
    let settings: Settings = figment.extract().map_err(|error| {
        // Every layer was checked by itself; what does not fit now is our own mistake, and still
        // must not start a bot.
        let place = layers
            .iter()
            .find_map(|layer| layer.table.values().next())
            .map(|node| node.place.clone());
        let key = error.path.join(".");
        Problems(vec![Problem::with(
            place.unwrap_or_else(|| Location::flag("--set", "")),
            key,
            Fault::new("the value does not fit"),
        )])
    })?;
    Ok(Settings { app, ..settings })
}

/// Lays `over` over `under`, table by table.
fn merge(
    under: &mut BTreeMap<String, toml::Value>,
    over: impl Iterator<Item = (String, toml::Value)>,
) {
    for (key, value) in over {
        match (under.remove(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => {
                let mut both: BTreeMap<_, _> = old.into_iter().collect();
                merge(&mut both, new.into_iter());
                under.insert(key, toml::Value::Table(both.into_iter().collect()));
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// The fault of a profile that is selected, but not there.
fn missing_profile(name: &str, search: &FileSearch) -> Option<Fault> {
    if let Some(fault) = validate::profile_name_fault(name) {
        return Some(fault);
    }
    let fault = Fault::new(format!("there is no profile {}", quote(name)));
    let (path, root) = match search {
        FileSearch::Found(path, root) => (path, root),
        FileSearch::None => {
            return Some(fault.help("no configuration file was found; name one with --config"));
        }
        // Its own problems say more.
        FileSearch::Unusable => return None,
    };
    let names: Vec<&str> = match root.get("profile").map(|node| &node.value) {
        Some(Value::Table(profiles)) if profiles.contains_key(name) => return None,
        Some(Value::Table(profiles)) => profiles.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let shown = quote(&path.to_string_lossy());
    let all = sanitize(&join_and(names.iter().copied()));
    Some(match (closest_name(name, names.iter().copied()), names.is_empty()) {
        (Some(near), _) => fault.help(format!("did you mean {}? {shown} has {all}", quote(near))),
        (None, true) => fault
            .help(format!("{shown} has none; add [profile.{name}] to it", name = sanitize(name))),
        (None, false) => fault.help(format!("{shown} has {all}")),
    })
}
