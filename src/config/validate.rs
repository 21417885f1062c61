//! Goes through what was written, key by key, and gathers everything that is wrong with it.

use crate::{
    config::{
        keys::{self, Key, ROOT, ValueKind},
        problem::{Fault, FaultScope, Problem},
        scalar::ScalarKind,
        value::{SpannedValue, Table, Value},
    },
    text::{closest_name, join_and, quote, sanitize},
};

/// Checks one layer that has no profiles: a profile itself, a variable, a flag. `prefix` is what
/// its keys are called by in front.
pub(crate) fn layer(table: &Table, prefix: &str, problems: &mut Vec<Problem>) {
    Walk { problems }.table(table, ROOT, prefix, "");
}

/// Checks a file: its own keys and every profile.
pub(crate) fn file(root: &Table, problems: &mut Vec<Problem>) {
    let mut own = root.clone();
    let Some(profiles) = own.remove("profile") else { return layer(&own, "", problems) };
    layer(&own, "", problems);
    let Value::Table(by_name) = profiles.value else {
        let fault = Fault::new(format!("{}, no table", found(&profiles.value)))
            .help("write [profile.NAME] above a profile's keys");
        return problems.push(Problem::with(profiles.key_place, "profile", fault));
    };
    for (name, profile) in by_name {
        let key = format!("profile.{}", sanitize(&name));
        let profile = profile.in_profile(&name.as_str().into());
        let Value::Table(table) = profile.value else {
            let fault = Fault::new(format!("{}, no table", found(&profile.value))).help(format!(
                "a profile has a name: write [profile.NAME] above `{}`",
                sanitize(&name)
            ));
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
            let path = join(prefix, &sanitize(name));
            match keys::find(keys, name) {
                Some(key) => self.node(node, &key.kind, &path, &join(within, name)),
                None => self.problems.push(Problem::with(
                    node.key_place.clone(),
                    path,
                    unknown(name, keys, within),
                )),
            }
        }
    }

    fn node(&mut self, node: &SpannedValue, kind: &ValueKind, path: &str, within: &str) {
        let fault = match (kind, &node.value) {
            (ValueKind::Free, _) | (ValueKind::Bool, Value::Bool(_)) => None,
            (ValueKind::Text(text), Value::Text(value)) => text.check(value).err(),
            (ValueKind::Count(most), Value::Integer(shown, value)) => {
                count_fault(shown, *value, *most)
            }
            (ValueKind::List(text, whole), Value::List(items)) => {
                let before = self.problems.len();
                for (index, item) in items.iter().enumerate() {
                    self.node(item, &ValueKind::Text(*text), &format!("{path}[{index}]"), within);
                }
                // What is wrong with the list as a whole is only worth saying when its items are
                // right.
                if self.problems.len() == before { whole(items) } else { None }
            }
            (ValueKind::Table(keys, whole), Value::Table(table)) => {
                self.table(table, keys, path, within);
                whole(table)
            }
            (ValueKind::Tables(keys, whole), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(
                        item,
                        &ValueKind::Table(keys, *whole),
                        &format!("{path}[{index}]"),
                        within,
                    );
                }
                None
            }
            (kind, value) => Some(mismatch(kind, value, within)),
        };
        if let Some(fault) = fault {
            let place = match (&node.value, &fault.about) {
                (Value::Table(_), _) => node.key_place.clone(),
                (Value::Text(text), FaultScope::Part(part)) => node.place.within(text, part),
                (Value::List(items), FaultScope::Item(index)) => {
                    items.get(*index).unwrap_or(node).place.clone()
                }
                (_, FaultScope::All | FaultScope::Part(_) | FaultScope::Item(_)) => {
                    node.place.clone()
                }
            };
            self.problems.push(Problem::with(place, path, fault));
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
    if let Some(near) = closest_name(name, names()) {
        return fault.help(format!("did you mean `{near}`?"));
    }
    if within.is_empty() && name == "profile" {
        return fault.help("profiles stand only in a file, and none within another");
    }
    match keys::homes(name).first() {
        Some(home) if home.contains('.') => fault.help(format!("it is `{home}`")),
        Some(home) => fault
            .help(format!("`{home}` belongs to the top level: write it above the first [table]")),
        None if within.is_empty() => {
            fault.help(format!("the keys are {}; your own belong under [app]", join_and(names())))
        }
        None => fault.help(format!("the keys here are {}", join_and(names()))),
    }
}

/// The fault of a value of the wrong kind.
fn mismatch(kind: &ValueKind, value: &Value, within: &str) -> Fault {
    let help = match (kind, value) {
        (
            ValueKind::Text(ScalarKind::Duration | ScalarKind::Span | ScalarKind::Patience),
            Value::Integer(number, Some(0..)),
        ) => {
            format!("write a duration such as \"{number}s\"")
        }
        (
            ValueKind::Text(
                ScalarKind::Instance | ScalarKind::User | ScalarKind::Label | ScalarKind::Argument,
            ),
            Value::Integer(number, _),
        ) => {
            format!("write it in quotes: \"{number}\"")
        }
        (ValueKind::Text(text), _) => text.wanted(),
        (ValueKind::Bool, _) => "write true or false, without quotes".to_owned(),
        (ValueKind::Count(_), Value::Float(_)) => "write a whole number, such as 5".to_owned(),
        (ValueKind::Count(_), _) => "write a whole number, without quotes".to_owned(),
        (ValueKind::List(item, _), Value::Text(text)) => {
            let words: Vec<&str> = if *item == ScalarKind::Argument {
                text.split_whitespace().collect()
            } else {
                text.split(',').map(str::trim).collect()
            };
            format!("write a list: [\"{}\"]", sanitize(&words.join("\", \"")))
        }
        (ValueKind::List(..), _) => "write a list of texts, such as [\"a\", \"b\"]".to_owned(),
        (ValueKind::Table(..), Value::List(items))
            if items.iter().all(|item| matches!(item.value, Value::Table(_))) =>
        {
            format!("there is one of it: write [{within}], in single brackets")
        }
        (ValueKind::Table(keys, _), _) => {
            format!("write a table; its keys are {}", join_and(keys.iter().map(|key| key.name)))
        }
        (ValueKind::Tables(..), _) => format!("write [[{within}]] above each entry"),
        (ValueKind::Free, _) => String::new(),
    };
    Fault::new(found(value)).help(help)
}

/// What was found, for a sentence.
fn found(value: &Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() => "is empty".to_owned(),
        Value::Text(text) => format!("{} is a text", quote(text)),
        Value::Integer(number, _) | Value::Float(number) => {
            format!("{} is a number", quote(number))
        }
        Value::Bool(value) => format!("`{value}` is a truth value"),
        Value::Moment(moment) => format!("`{moment}` is a date or a time"),
        Value::List(_) => "a list stands here".to_owned(),
        Value::Table(_) => "a table stands here".to_owned(),
    }
}

fn count_fault(shown: &str, value: Option<i64>, most: u32) -> Option<Fault> {
    match value {
        Some(value) if u32::try_from(value).is_ok_and(|value| value <= most) => None,
        Some(..0) => Some(
            Fault::new(format!("{} is negative", quote(shown))).help("write a whole number from 0"),
        ),
        Some(_) | None => Some(
            Fault::new(format!("{} is too large", quote(shown)))
                .help(format!("the largest is {most}")),
        ),
    }
}
