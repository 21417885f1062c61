//! The layers above the file: environment variables, `--set`, and flags that set a single key.

use std::ops::Range;
use std::sync::Arc;

use tracing_subscriber::filter::Targets;

use crate::config::key_types::{Key, ValueKind};
use crate::config::location::Location;
use crate::config::parsed_text::TextKind;
use crate::config::problem::{Fault, Problem};
use crate::config::settings::KEYS;
use crate::config::source_text::{SourceName, SourceText};
use crate::config::sources::Sources;
use crate::config::spanned_value::{SpannedValue, Table, Value, parse_value};
use crate::config::syntax_error::trimmed;
use crate::config::validate;
use crate::engine::action::Action;
use crate::text::{closest_name, quote, short_name};

const PREFIX: &str = "MONOPOLL_";

/// Variables of monopoll that do not set a key.
const NO_KEYS: [&str; 7] = ["CONFIG", "PROFILE", "LOG", "HELD", "FENCE", "ENSURE", "ENSURED"];

/// The deepest nesting of a key in a variable or flag, the same as in TOML. Each step adds a
/// nested table, and recursion needs stack.
const MAX_STEPS: usize = 80;

/// Returns a layer for each of monopoll's variables, sorted by name, so that `MONOPOLL_LOCK` comes
/// before `MONOPOLL_LOCK__PATHS`.
pub(crate) fn from_environment(
    sources: &Sources,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<String>,
) -> Vec<Table> {
    let mut variables: Vec<_> = sources
        .env
        .iter()
        .filter_map(|(name, value)| {
            let name = name.to_string_lossy();
            Some((name.strip_prefix(PREFIX)?.to_owned(), value))
        })
        // Many launchers set variables to an empty value to unset them.
        .filter(|(_, value)| !value.is_empty())
        .filter(|(name, _)| !NO_KEYS.contains(&name.as_str()))
        .collect();
    variables.sort();
    let mut layers = Vec::new();
    for (name, value) in variables {
        let assignment = Assignment::variable(&name, &value.to_string_lossy());
        let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
        if name.chars().any(char::is_lowercase) || kind_at(&path).is_none() {
            match misspelled_variable(&name, &path) {
                Some(fault) => problems.push(Problem::at(assignment.key_location(), fault)),
                None => notes.push(unknown_variable(&name)),
            }
        } else if value.to_str().is_none() {
            let location = assignment.value_location();
            problems.push(Problem::with(location, path.join("."), not_utf8()));
        } else {
            layers.extend(assignment.layer(&path, problems));
        }
    }
    layers
}

/// Returns a layer for each `--set`, followed by the flags that set a single key.
pub(crate) fn from_flags(sources: &Sources, problems: &mut Vec<Problem>) -> Vec<Table> {
    let mut layers = Vec::new();
    let help = "write --set key=value, such as --set timeouts.graceful=10s";
    for set in &sources.set {
        let key = set.split_once('=').map(|(key, _)| key);
        let path: Vec<String> =
            key.unwrap_or_default().split('.').map(|step| step.trim().to_owned()).collect();
        let fault = match key {
            None => Fault::of(set, "has no `=`"),
            Some(key) if key.trim().is_empty() => Fault::new("no key before the `=`"),
            Some(key) if path.iter().any(String::is_empty) => Fault::of(key, "is not a key"),
            Some(key) => {
                layers.extend(Assignment::set(key.trim(), set).layer(&path, problems));
                continue;
            }
        };
        problems.push(Problem::at(Assignment::set("", set).key_location(), fault.help(help)));
    }
    let on_conflict = sources
        .on_conflict
        .map(|choice| ("on_conflict", "--on-conflict", Action::from(choice).to_string()));
    let instance = sources.instance.clone().map(|id| ("instance", "--instance", id));
    for (key, flag, value) in on_conflict.into_iter().chain(instance) {
        let location = Location::flag(flag, &value);
        let key = [(key.to_owned(), location.clone())];
        let table = SpannedValue::text(value, location).nested(&key);
        validate::layer(&table, "", problems);
        layers.push(table);
    }
    layers
}

/// Returns the layer of `$MONOPOLL_LOG`, which overrides the configured log level.
pub(crate) fn from_log_variable(sources: &Sources, problems: &mut Vec<Problem>) -> Option<Table> {
    let value = sources.variable("MONOPOLL_LOG")?;
    let location = Location::variable("MONOPOLL_LOG", &value.to_string_lossy());
    let check = TextKind::of::<Targets>().check;
    let checked = value.to_str().ok_or_else(not_utf8).and_then(|text| check(text).map(|()| text));
    match checked {
        Ok(text) => {
            let steps = ["log", "level"].map(|step| (step.to_owned(), location.clone()));
            Some(SpannedValue::text(text, location).nested(&steps))
        }
        Err(fault) => {
            problems.push(Problem::at(location, fault));
            None
        }
    }
}

fn not_utf8() -> Fault {
    Fault::new("the value is not UTF-8").help("save it as UTF-8")
}

struct Assignment {
    source: Arc<SourceText>,
    key: Range<usize>,
    value: Range<usize>,
    separator: &'static str,
}

impl Assignment {
    fn variable(name: &str, value: &str) -> Assignment {
        let (source, value) = SourceText::variable(&format!("{PREFIX}{name}"), value);
        let key = PREFIX.len()..value.start - 1;
        Assignment { source: Arc::new(source), key, value, separator: "__" }
    }

    fn set(key: &str, set: &str) -> Assignment {
        const FLAG: &str = "--set ";
        let text = format!("{FLAG}{set}");
        let equals = set.find('=').map_or(text.len(), |at| FLAG.len() + at);
        let value = text.len().min(equals + 1)..text.len();
        let source = Arc::new(SourceText::new(SourceName::Set(key.to_owned()), text));
        Assignment { source, key: FLAG.len()..equals, value, separator: "." }
    }

    fn key_location(&self) -> Location {
        Location::part_of(&self.source, self.key.clone())
    }

    fn value_location(&self) -> Location {
        Location::part_of(&self.source, self.value.clone())
    }

    fn steps(&self, path: &[String]) -> Vec<(String, Location)> {
        let mut start = self.key.start;
        let key = self.source.text.get(self.key.clone()).unwrap_or_default();
        let steps = key.split(self.separator).zip(path).map(|(written, step)| {
            let location = Location::part_of(&self.source, start..start + written.len());
            start += written.len() + self.separator.len();
            (step.clone(), location)
        });
        steps.collect()
    }

    fn layer(&self, path: &[String], problems: &mut Vec<Problem>) -> Option<Table> {
        if path.len() > MAX_STEPS {
            let fault = Fault::new(format!("the key has {} steps", path.len()))
                .help(format!("at most {MAX_STEPS} are allowed"));
            problems.push(Problem::at(self.key_location(), fault));
            return None;
        }
        let key = || short_name(&path.join("."));
        let table = match self.value(kind_at(path)) {
            Ok(value) => value.nested(&self.steps(path)),
            Err(wrong) => {
                let (location, fault) = *wrong;
                problems.push(Problem::with(location, key(), fault));
                return None;
            }
        };
        match path_into_list(path, |list| format!("--set {list}")) {
            Some(fault) => problems.push(Problem::with(self.key_location(), key(), fault)),
            None => validate::layer(&table, "", problems),
        }
        Some(table)
    }

    /// Parses the value as TOML, or as a string if it is a bare word. Where a string is expected,
    /// `123456` and `true` are strings too.
    fn value(&self, kind: Option<&ValueKind>) -> Result<SpannedValue, Box<(Location, Fault)>> {
        let part = trimmed(&self.source.text, self.value.clone());
        let text = self.source.text.get(part.clone()).unwrap_or_default();
        let as_text = || {
            let location = Location::part_of(&self.source, part.clone());
            Ok(SpannedValue::text(text, location))
        };
        match (kind, parse_value(&self.source, part.clone())) {
            (Some(ValueKind::Text(_)), Ok(node)) if matches!(node.value, Value::Text(_)) => {
                Ok(node)
            }
            (Some(ValueKind::Text(_)), _) if !text.starts_with(['"', '\'']) => as_text(),
            (_, Ok(node)) => Ok(node),
            (Some(ValueKind::Free), Err(_)) => as_text(),
            (_, Err((location, why))) if text.starts_with(['"', '\'', '[', '{']) => {
                let help = match self.source.name {
                    SourceName::Set(_) => {
                        "in a shell, write a list as '[\"a\", \"b\"]' and a table as \
                         '{key = \"value\"}'"
                    }
                    SourceName::Variable(_) | SourceName::File(_) | SourceName::Flag(_) => {
                        "write a list as [\"a\", \"b\"], a table as {key = \"value\"}"
                    }
                };
                let fault = Fault::new(format!("{} is not TOML: {why}", quote(text))).help(help);
                Err(Box::new((location, fault)))
            }
            (_, Err(_)) => as_text(),
        }
    }
}

fn kind_at(path: &[String]) -> Option<&'static ValueKind> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(&Key::find(KEYS, first)?.kind, |kind, step| match kind {
        ValueKind::Free if !step.is_empty() => Some(kind),
        kind => Key::find(kind.keys(), step).map(|key| &key.kind),
    })
}

/// Returns the fault of a path that leads into a list. `shown` formats a path the way it is typed.
fn path_into_list(path: &[String], shown: impl Fn(&str) -> String) -> Option<Fault> {
    let bare: Vec<String> =
        path.iter().map(|step| step.split('[').next().unwrap_or(step).to_owned()).collect();
    let into = (1..=path.len()).find(|end| {
        let is_list =
            matches!(kind_at(&bare[..*end]), Some(ValueKind::List(_) | ValueKind::Tables(_)));
        is_list && (*end < path.len() || bare[end - 1] != path[end - 1])
    })?;
    let list = bare[..into].join(".");
    Some(
        Fault::new("a single entry of a list cannot be set")
            .help(format!("set the whole list: {}='[…]'", shown(&list))),
    )
}

fn misspelled_variable(name: &str, path: &[String]) -> Option<Fault> {
    let fault = Fault::new("unknown key");
    if name.starts_with("PROFILE__") {
        return Some(fault.help("profiles belong in a file"));
    }
    if let Some(fault) = path_into_list(path, |list| format!("{PREFIX}{}", as_variable(list))) {
        return Some(fault);
    }
    let names: Vec<String> = Key::paths(KEYS).map(|path| as_variable(&path)).collect();
    let near = closest_name(name, names.iter().map(String::as_str)).map(str::to_owned);
    // Suggest `MONOPOLL_TIMEOUTS__GRACEFUL` for `MONOPOLL_GRACEFUL`.
    let near =
        near.or_else(|| Key::path_to(KEYS, &name.to_lowercase()).map(|path| as_variable(&path)))?;
    Some(fault.help(format!("did you mean ${PREFIX}{near}?")))
}

fn as_variable(path: &str) -> String {
    path.to_uppercase().replace('.', "__")
}

/// Returns the note on an unknown variable. It is no error because orchestrators generate such
/// names.
fn unknown_variable(name: &str) -> String {
    let note =
        format!("${}: ignored: monopoll has no such key", short_name(&format!("{PREFIX}{name}")));
    match closest_name(name, NO_KEYS) {
        Some(near) => format!("{note}; did you mean ${PREFIX}{near}?"),
        None => note,
    }
}
