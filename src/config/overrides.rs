//! The layers above the file: environment variables, `--set` and the flags that stand for one key.

use std::{ops::Range, sync::Arc};

use crate::{
    config::{
        discover::Sources,
        keys::{self, ROOT, ValueKind},
        layer::Layer,
        location::Location,
        parse,
        problem::{Fault, Problem},
        scalar::ScalarKind,
        source::{Source, SourceName},
        syntax::trimmed,
        validate,
        value::{SpannedValue, Value},
    },
    engine::action::Action,
    text::{closest_name, quote, sanitize},
};

const PREFIX: &str = "MONOPOLL_";
/// Variables that are ours, but no keys.
const NO_KEYS: [&str; 5] = ["CONFIG", "PROFILE", "LOG", "HELD", "FENCE"];

/// The most steps of a key in a variable or a flag, as many as TOML is read: each makes a table
/// within the last, and whoever walks through them needs some of the stack.
const MOST_STEPS: usize = 80;

/// One layer for each of our variables, sorted by name, so that `MONOPOLL_LOCK` comes before
/// `MONOPOLL_LOCK__PATHS`.
pub(crate) fn environment(
    sources: &Sources,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<String>,
) -> Vec<Layer> {
    let mut variables: Vec<_> = sources
        .env
        .iter()
        .filter_map(|(name, value)| {
            let name = name.to_string_lossy();
            Some((name.strip_prefix(PREFIX)?.to_owned(), value))
        })
        .filter(|(name, _)| !NO_KEYS.contains(&name.as_str()))
        .collect();
    variables.sort();
    let mut layers = Vec::new();
    for (name, value) in variables {
        let (source, span) = Source::variable(&format!("{PREFIX}{name}"), &value.to_string_lossy());
        let written = WrittenOverride::new(source, PREFIX.len()..span.start - 1, span, "__");
        let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
        if !is_ours(&name, &path) {
            match near_variable(&name) {
                Some(near) => problems.push(Problem::at(written.key(), near)),
                None => notes.push(unknown_variable(&name)),
            }
            continue;
        }
        if value.to_str().is_some() {
            layers.extend(layer(&path, &written, problems));
        } else {
            let fault = Fault::new("the value is not UTF-8").help("save it as UTF-8");
            problems.push(Problem::with(written.value(), path.join("."), fault));
        }
    }
    layers
}

/// One layer for each `--set`, then those of the flags that stand for one key.
pub(crate) fn flags(sources: &Sources, problems: &mut Vec<Problem>) -> Vec<Layer> {
    let mut layers = Vec::new();
    let help = "write --set key=value, such as --set timeouts.graceful=10s";
    for set in &sources.set {
        let Some((key, _)) = set.split_once('=') else {
            let fault = Fault::new(format!("{} has no `=`", quote(set))).help(help);
            problems.push(Problem::at(set_source("", set).all(), fault));
            continue;
        };
        let path: Vec<String> = key.split('.').map(|step| step.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            let found = if key.trim().is_empty() {
                "there is no key before the `=`".to_owned()
            } else {
                format!("{} is no key", quote(key))
            };
            let fault = Fault::new(found).help(help);
            problems.push(Problem::at(set_source("", set).key(), fault));
        } else {
            layers.extend(layer(&path, &set_source(key.trim(), set), problems));
        }
    }
    let on_conflict = sources
        .on_conflict
        .map(|choice| ("on_conflict", "--on-conflict", Action::from(choice).to_string()));
    let instance = sources.instance.clone().map(|id| ("instance", "--instance", id));
    for (key, flag, value) in on_conflict.into_iter().chain(instance) {
        let place = Location::flag(flag, &value);
        let table = SpannedValue::text(value, place.clone()).nested(&[(key.to_owned(), place)]);
        validate::layer(&table, "", problems);
        layers.push(Layer { table });
    }
    layers
}

/// A key and its value in one line, and where in it they are.
struct WrittenOverride {
    source: Arc<Source>,
    key: Range<usize>,
    value: Range<usize>,
    /// Stands between two steps of the key.
    separator: &'static str,
}

impl WrittenOverride {
    fn new(
        source: Source,
        key: Range<usize>,
        value: Range<usize>,
        separator: &'static str,
    ) -> WrittenOverride {
        WrittenOverride { source: Arc::new(source), key, value, separator }
    }

    fn key(&self) -> Location {
        Location::part_of(&self.source, self.key.clone())
    }

    fn value(&self) -> Location {
        Location::part_of(&self.source, self.value.clone())
    }

    fn all(&self) -> Location {
        Location::part_of(&self.source, self.key.start..self.value.end)
    }

    /// Each step of `path` with the place where it is written.
    fn steps(&self, path: &[String]) -> Vec<(String, Location)> {
        let mut start = self.key.start;
        let written =
            self.source.text().get(self.key.clone()).unwrap_or_default().split(self.separator);
        let steps = written.zip(path).map(|(written, step)| {
            let place = Location::part_of(&self.source, start..start + written.len());
            start += written.len() + self.separator.len();
            (step.clone(), place)
        });
        steps.collect()
    }
}

/// A `--set`, as it was given.
fn set_source(key: &str, set: &str) -> WrittenOverride {
    let text = format!("{SET}{set}");
    let equals = set.find('=').map_or(text.len(), |at| SET.len() + at);
    let value = text.len().min(equals + 1)..text.len();
    WrittenOverride::new(
        Source::new(SourceName::Set(key.to_owned()), text),
        SET.len()..equals,
        value,
        ".",
    )
}

/// Before what was given, as it was typed.
const SET: &str = "--set ";

/// The layer of `$MONOPOLL_LOG`: whoever sets it wants to see more of this one start, whatever is
/// configured.
pub(crate) fn log(sources: &Sources, problems: &mut Vec<Problem>) -> Option<Layer> {
    let value = sources.variable("MONOPOLL_LOG")?;
    let place = Location::variable("MONOPOLL_LOG", &value.to_string_lossy());
    let Some(text) = value.to_str() else {
        problems.push(Problem::at(
            place,
            Fault::new("the value is not UTF-8").help("save it as UTF-8"),
        ));
        return None;
    };
    if let Err(fault) = ScalarKind::Filter.check(text) {
        problems.push(Problem::at(place, fault));
        return None;
    }
    let steps = ["log", "level"].map(|step| (step.to_owned(), place.clone()));
    Some(Layer { table: SpannedValue::text(text, place.clone()).nested(&steps) })
}

/// The layer that sets one key, if its value can be read.
fn layer(path: &[String], written: &WrittenOverride, problems: &mut Vec<Problem>) -> Option<Layer> {
    if path.len() > MOST_STEPS {
        let fault = Fault::new(format!("the key has {} steps", path.len()))
            .help(format!("the deepest that is read has {MOST_STEPS}"));
        problems.push(Problem::at(written.key(), fault));
        return None;
    }
    let table = match value(kind_at(path), written) {
        Ok(node) => node.nested(&written.steps(path)),
        Err((place, fault)) => {
            problems.push(Problem::with(place, sanitize(&path.join(".")), fault));
            return None;
        }
    };
    match list_step(path, |list| format!("--set {list}")) {
        Some(fault) => {
            problems.push(Problem::with(written.key(), sanitize(&path.join(".")), fault));
        }
        None => validate::layer(&table, "", problems),
    }
    Some(Layer { table })
}

/// Reads a value: TOML, and a bare word is a text. Where a text is wanted, `123456` and `true` are
/// texts too.
fn value(
    kind: Option<&ValueKind>,
    written: &WrittenOverride,
) -> Result<SpannedValue, (Location, Fault)> {
    let part = trimmed(written.source.text(), written.value.clone());
    let text = written.source.text().get(part.clone()).unwrap_or_default();
    let as_text = || Ok(SpannedValue::text(text, Location::part_of(&written.source, part.clone())));
    let parsed = parse::parse_value(&written.source, part.clone());
    match (kind, parsed) {
        (Some(ValueKind::Text(_)), Ok(node)) if matches!(node.value, Value::Text(_)) => Ok(node),
        (Some(ValueKind::Text(_)), _) if !text.starts_with(['"', '\'']) => as_text(),
        (_, Ok(node)) => Ok(node),
        // Not ours to judge.
        (Some(ValueKind::Free), Err(_)) => as_text(),
        (_, Err((place, why))) if text.starts_with(['"', '\'', '[', '{']) => {
            let help = "a list is written as '[\"a\", \"b\"]', a table as '{key = \"value\"}'; mind the shell's own quotes";
            Err((place, Fault::new(format!("{} is not TOML: {why}", quote(text))).help(help)))
        }
        (_, Err(_)) => as_text(),
    }
}

/// What may stand at this path.
fn kind_at(path: &[String]) -> Option<&'static ValueKind> {
    let (first, rest) = path.split_first()?;
    let mut kind = &keys::find(ROOT, first)?.kind;
    for step in rest {
        kind = match kind {
            ValueKind::Table(inner, _) => &keys::find(inner, step)?.kind,
            ValueKind::Free if !step.is_empty() => kind,
            ValueKind::Free
            | ValueKind::Text(_)
            | ValueKind::Bool
            | ValueKind::Count(_)
            | ValueKind::List(..)
            | ValueKind::Tables(..) => return None,
        };
    }
    Some(kind)
}

/// A path that leads into a list.
fn list_step(path: &[String], written: impl Fn(&str) -> String) -> Option<Fault> {
    let bare: Vec<String> =
        path.iter().map(|step| step.split('[').next().unwrap_or(step).to_owned()).collect();
    let into = (1..=path.len()).find(|end| {
        let whole =
            matches!(kind_at(&bare[..*end]), Some(ValueKind::List(..) | ValueKind::Tables(..)));
        whole && (*end < path.len() || bare[end - 1] != path[end - 1])
    })?;
    let list = bare[..into].join(".");
    Some(
        Fault::new("an entry of a list cannot be set by itself")
            .help(format!("give the whole list: {}='[…]'", written(&list))),
    )
}

/// Whether a variable is spelt as a key of ours is.
fn is_ours(name: &str, path: &[String]) -> bool {
    !name.chars().any(char::is_lowercase) && kind_at(path).is_some()
}

/// The fault of a variable that is near one of ours.
fn near_variable(name: &str) -> Option<Fault> {
    let names: Vec<String> = keys::paths().iter().map(|path| as_variable(path)).collect();
    let near =
        closest_name(name, names.iter().map(String::as_str)).map(str::to_owned).or_else(|| {
            // `MONOPOLL_GRACEFUL` for `MONOPOLL_TIMEOUTS__GRACEFUL`; a path into a list, or below a
            // profile, is meant for us as well.
            keys::homes(&name.to_lowercase()).first().map(|home| as_variable(home))
        });
    let fault = Fault::new("there is no such key");
    if name.starts_with("PROFILE__") {
        return Some(fault.help("profiles stand only in a file"));
    }
    let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
    list_step(&path, |list| format!("{PREFIX}{}", as_variable(list)))
        .or_else(|| near.map(|near| fault.help(format!("did you mean ${PREFIX}{near}?"))))
}

/// How a key is spelt in a variable, after the prefix.
fn as_variable(path: &str) -> String {
    path.to_uppercase().replace('.', "__")
}

/// The note on a variable that may well be somebody else's: orchestrators make such names up.
fn unknown_variable(name: &str) -> String {
    let shown = sanitize(&format!("{PREFIX}{name}"));
    match closest_name(name, NO_KEYS) {
        Some(near) => format!(
            "${shown}: ignored, as it is no key of monopoll's; did you mean ${PREFIX}{near}?"
        ),
        None => format!("${shown}: ignored, as it is no key of monopoll's"),
    }
}
