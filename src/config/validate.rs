//! Goes through what was written, key by key, and gathers everything that is wrong with it.

use std::collections::BTreeMap;

use super::{
    keys::{self, Key, Kind, ROOT},
    lock_path::LockPath,
    node::{Node, Table, Value},
    problem::{Fault, Problem},
    text::{self, Text},
    wording::{clean, list, nearest, quote},
};

/// Checks one layer that has no profiles: a profile itself, a variable, a flag. `prefix` is what its keys are called by in front.
pub(crate) fn layer(table: &Table, prefix: &str, problems: &mut Vec<Problem>) {
    Walk { problems }.table(table, ROOT, prefix, "");
}

/// Checks a file: its own keys and every profile.
pub(crate) fn file(root: &Table, problems: &mut Vec<Problem>) {
    let mut own = root.clone();
    let Some(profiles) = own.remove("profile") else { return layer(&own, "", problems) };
    layer(&own, "", problems);
    let Value::Table(by_name) = profiles.value else {
        let fault = Fault::new(format!("{} is no table", found(&profiles.value))).help("write [profile.NAME] above a profile's keys");
        return problems.push(Problem::with(profiles.key_place, "profile", fault));
    };
    for (name, profile) in by_name {
        let key = format!("profile.{}", clean(&name));
        let profile = profile.in_profile(&name);
        let Value::Table(table) = profile.value else {
            let fault = Fault::new(format!("{} is no table", found(&profile.value)))
                .help(format!("a profile has a name: write [profile.NAME] above `{}`", clean(&name)));
            problems.push(Problem::with(profile.key_place, key, fault));
            continue;
        };
        if let Some(fault) = profile_name_fault(&name) {
            problems.push(Problem::with(profile.key_place, &key, fault));
        }
        layer(&table, &key, problems);
    }
}

/// A profile's name may become part of a lock file's name.
pub(crate) fn profile_name_fault(name: &str) -> Option<Fault> {
    name.parse::<crate::engine::instance::Instance>().err()?;
    let help = "a profile's name is 1 to 64 letters (a-z, A-Z), digits, `.`, `_` or `-`, as it may become part of a lock file's";
    Some(Fault::new(format!("{} is not a profile's name", quote(name))).help(help))
}

struct Walk<'a> {
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    /// `prefix` is the full path that people are told, `within` the path from the top level.
    fn table(&mut self, table: &Table, keys: &'static [Key], prefix: &str, within: &str) {
        for (name, node) in table {
            let path = join(prefix, &clean(name));
            match keys::find(keys, name) {
                Some(key) => self.node(node, &key.kind, &path, &join(within, name)),
                None => self.problems.push(Problem::with(node.key_place.clone(), path, unknown(name, keys, within))),
            }
        }
    }

    fn node(&mut self, node: &Node, kind: &Kind, path: &str, within: &str) {
        let fault = match (kind, &node.value) {
            (Kind::Free, _) | (Kind::Bool, Value::Bool(_)) => None,
            (Kind::Text(text), Value::Text(value)) => text.check(value).err(),
            (Kind::Count, Value::Integer(shown, value)) => count_fault(shown, *value),
            (Kind::List(text, whole), Value::List(items)) => {
                let before = self.problems.len();
                for (index, item) in items.iter().enumerate() {
                    self.node(item, &Kind::Text(*text), &format!("{path}[{index}]"), within);
                }
                // What is wrong with the list as a whole is only worth saying when its items are right.
                if self.problems.len() == before { whole(items) } else { None }
            }
            (Kind::Table(keys, whole), Value::Table(table)) => {
                self.table(table, keys, path, within);
                whole(table)
            }
            (Kind::Tables(keys, whole), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(item, &Kind::Table(keys, *whole), &format!("{path}[{index}]"), within);
                }
                None
            }
            (kind, value) => Some(mismatch(kind, value, within)),
        };
        if let Some(fault) = fault {
            let place = if matches!(node.value, Value::Table(_)) { &node.key_place } else { &node.place };
            self.problems.push(Problem::with(place.clone(), path, fault));
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The fault of a key that nobody knows.
fn unknown(name: &str, keys: &[Key], within: &str) -> Fault {
    let fault = Fault::new("there is no such key");
    let names = || keys.iter().map(|key| key.name);
    if let Some(near) = nearest(name, names()) {
        return fault.help(format!("did you mean `{near}`?"));
    }
    if within.is_empty() && name == "profile" {
        return fault.help("profiles stand only in a file, and none within another");
    }
    match keys::homes(name).first() {
        Some(home) if home.contains('.') => fault.help(format!("it is `{home}`")),
        Some(home) => fault.help(format!("`{home}` belongs to the top level: write it above the first [table]")),
        None if within.is_empty() => fault.help(format!("the keys are {}; your own belong under [app]", list(names()))),
        None => fault.help(format!("the keys here are {}", list(names()))),
    }
}

/// The fault of a value of the wrong kind.
fn mismatch(kind: &Kind, value: &Value, within: &str) -> Fault {
    let help = match (kind, value) {
        (Kind::Text(Text::Duration | Text::Span | Text::Patience), Value::Integer(number, Some(0..))) => {
            format!("write a duration such as \"{number}s\"")
        }
        (Kind::Text(text), _) => text.wanted(),
        (Kind::Bool, _) => "write true or false, without quotes".to_owned(),
        (Kind::Count, _) => "write a whole number, without quotes".to_owned(),
        (Kind::List(..), Value::Text(text)) => format!("write a list: [\"{}\"]", clean(text)),
        (Kind::List(..), _) => "write a list of texts, such as [\"a\", \"b\"]".to_owned(),
        (Kind::Table(keys, _), _) => format!("write a table; its keys are {}", list(keys.iter().map(|key| key.name))),
        (Kind::Tables(..), _) => format!("write [[{within}]] above each entry"),
        (Kind::Free, _) => String::new(),
    };
    Fault::new(found(value)).help(help)
}

/// What was found, for a sentence.
fn found(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{} is a text", quote(text)),
        Value::Integer(number, _) | Value::Float(number) => format!("{} is a number", quote(number)),
        Value::Bool(value) => format!("`{value}` is a truth value"),
        Value::Moment(moment) => format!("`{moment}` is a date or a time"),
        Value::List(_) => "a list stands here".to_owned(),
        Value::Table(_) => "a table stands here".to_owned(),
    }
}

fn count_fault(shown: &str, value: Option<i64>) -> Option<Fault> {
    match value {
        Some(value) if u32::try_from(value).is_ok() => None,
        Some(..0) => Some(Fault::new(format!("{} is negative", quote(shown))).help("write a whole number from 0")),
        Some(_) | None => Some(Fault::new(format!("{} is too large", quote(shown))).help(format!("the largest is {}", u32::MAX))),
    }
}

/// An entry of `match` without a pattern would match every process there is.
pub(crate) fn match_fault(entry: &Table) -> Option<Fault> {
    let patterns = ["name", "cmdline", "exe", "cwd"];
    if patterns.iter().any(|key| entry.contains_key(*key)) {
        return None;
    }
    Some(Fault::new("the entry matches every process").help(format!("give it at least one of {}", list(patterns))))
}

/// A rule that does nothing.
pub(crate) fn rule_fault(rule: &Table) -> Option<Fault> {
    if rule.contains_key("action") {
        return None;
    }
    let actions = keys::find(ROOT, "rules").and_then(|key| match key.kind {
        Kind::Tables(keys, _) => keys::find(keys, "action"),
        Kind::Text(_) | Kind::Bool | Kind::Count | Kind::List(..) | Kind::Table(..) | Kind::Free => None,
    });
    let words = match actions.map(|key| &key.kind) {
        Some(Kind::Text(text)) => text.choices(),
        _ => Vec::new(),
    };
    Some(Fault::new("the rule has no action").help(format!("add `action`, one of {}", list(words))))
}

/// Two ages that no process has at once.
pub(crate) fn age_fault(conditions: &Table) -> Option<Fault> {
    let age = |key: &str| match &conditions.get(key)?.value {
        Value::Text(text) => Some((text::duration(text).ok()?, text.as_str())),
        _ => None,
    };
    let ((older, older_text), (younger, younger_text)) = (age("older_than")?, age("younger_than")?);
    if older < younger {
        return None;
    }
    let found = format!("no process is both older than {} and younger than {}", quote(older_text), quote(younger_text));
    Some(Fault::new(found).help("`older_than` must be less than `younger_than`"))
}

/// A check needs a program, where it has anything at all.
pub(crate) fn program_fault(command: &[Node]) -> Option<Fault> {
    match command.first().map(|node| &node.value) {
        Some(Value::Text(program)) if program.trim().is_empty() => {
            Some(Fault::new("the program's name is empty").help("write the program first, or [] for no check"))
        }
        _ => None,
    }
}

/// One lock file at least, and none twice: it would wait for itself.
pub(crate) fn lock_paths_fault(paths: &[Node]) -> Option<Fault> {
    if paths.is_empty() {
        return Some(Fault::new("the list is empty").help("leave the key out for the default, \"{lock_dir}/{instance}.lock\""));
    }
    let mut seen = BTreeMap::new();
    for (index, node) in paths.iter().enumerate() {
        let Value::Text(text) = &node.value else { continue };
        let steps: Vec<&str> = text.split('/').filter(|step| !step.is_empty()).collect();
        if let Some(first) = seen.insert(steps, index) {
            let message = format!("{} is in the list twice, as [{first}] and [{index}]", quote(text));
            return Some(Fault::new(message).help("take one of them out"));
        }
    }
    debug_assert!(paths.iter().all(|node| matches!(&node.value, Value::Text(text) if LockPath::parse(text).is_ok())));
    None
}
