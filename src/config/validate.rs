//! Validates each key of a source and collects all problems.

use crate::config::duration::is_not_zero;
use crate::config::key_types::{Key, ValueKind};
use crate::config::parsed_text::{NumberHint, TextKind};
use crate::config::problem::{Fault, FaultScope, Problem};
use crate::config::settings::KEYS;
use crate::config::spanned_value::{SpannedValue, Table, Value};
use crate::engine::instance::Instance;
use crate::text::{closest_name, join_and, quote, short_name};

/// Validates a profile, a variable or a flag. `prefix` is put before its keys in messages.
pub(crate) fn layer(table: &Table, prefix: &str, problems: &mut Vec<Problem>) {
    check_table(table, KEYS, prefix, "", problems);
}

pub(crate) fn file(root: &Table, problems: &mut Vec<Problem>) {
    let mut own = root.clone();
    let profiles = own.remove("profile");
    layer(&own, "", problems);
    let Some(profiles) = profiles else { return };
    let no_table = |node: &SpannedValue, key: &str, help: String| {
        let fault = Fault::new(format!("{}, not a table", found(&node.value))).help(help);
        Problem::with(node.key_location.clone(), key, fault)
    };
    let Value::Table(by_name) = &profiles.value else {
        let help = "write [profile.NAME] above a profile's keys".to_owned();
        return problems.push(no_table(&profiles, "profile", help));
    };
    for (name, profile) in by_name {
        let shown = short_name(name);
        let key = format!("profile.{shown}");
        let Value::Table(table) = &profile.value else {
            let help = format!("write [profile.NAME] above `{shown}`");
            problems.push(no_table(profile, &key, help));
            continue;
        };
        if let Some(fault) = bad_profile_name(name) {
            problems.push(Problem::with(profile.key_location.clone(), &key, fault));
        }
        layer(table, &key, problems);
    }
}

/// Rejects a `timeouts.graceful` of zero with `kill.escalate = false`: such a policy would signal a
/// process and refuse the start at the same moment. `layers` are the merged layers, lowest first.
pub(crate) fn check_time_to_end(layers: &[Table], problems: &mut Vec<Problem>) {
    let value = |table: &str, key: &str| {
        layers.iter().rev().find_map(|layer| match &layer.get(table)?.value {
            Value::Table(table) => table.get(key),
            _ => None,
        })
    };
    let Some(graceful) = value("timeouts", "graceful") else { return };
    let never_escalates =
        value("kill", "escalate").is_some_and(|it| matches!(it.value, Value::Bool(false)));
    let Some(fault) = is_not_zero(&graceful.value).filter(|_| never_escalates) else { return };
    let fault = Fault::new(format!(
        "{}, and `kill.escalate = false` forbids SIGKILL: a start would signal a bot and refuse at \
         once",
        fault.message
    ))
    .help("write more than zero, such as \"30s\", or leave out `kill.escalate`");
    let problem = Problem::with(graceful.location.clone(), "timeouts.graceful", fault);
    if !problems.contains(&problem) {
        problems.push(problem);
    }
}

pub(crate) fn bad_profile_name(name: &str) -> Option<Fault> {
    name.parse::<Instance>().err()?;
    let fault = Fault::of(name, "is not a profile's name");
    Some(fault.help(
        "a profile's name is 1 to 64 letters (a-z, A-Z), digits, `.`, `_` or `-`, as it may \
         become part of a lock file's",
    ))
}

/// Checks a table. `prefix` is its path in messages; `within` is its path in the layer.
fn check_table(
    table: &Table,
    keys: &'static [Key],
    prefix: &str,
    within: &str,
    problems: &mut Vec<Problem>,
) {
    for (name, node) in table {
        let path = join(prefix, &short_name(name));
        match Key::find(keys, name) {
            Some(key) => check_value(node, key, &path, &join(within, name), problems),
            None => problems.push(Problem::with(
                node.key_location.clone(),
                path,
                unknown_key(name, keys, within),
            )),
        }
    }
}

fn check_value(
    node: &SpannedValue,
    key: &Key,
    path: &str,
    within: &str,
    problems: &mut Vec<Problem>,
) {
    let check = || key.check.and_then(|check| check(&node.value));
    let mut check_items = |items: &[SpannedValue], kind, check| {
        let before = problems.len();
        let item = Key { name: "", kind, check };
        for (index, node) in items.iter().enumerate() {
            check_value(node, &item, &format!("{path}[{index}]"), within, problems);
        }
        problems.len() == before
    };
    let fault = match (&key.kind, &node.value) {
        (ValueKind::Free, _) | (ValueKind::Bool, Value::Bool(_)) => None,
        (ValueKind::Text(text), Value::Text(value)) => (text.check)(value).err().or_else(check),
        (ValueKind::Count(most), Value::Integer(shown, value)) => bad_count(shown, *value, *most),
        (ValueKind::List(text), Value::List(items)) => {
            if check_items(items, ValueKind::Text(*text), None) { check() } else { None }
        }
        (ValueKind::Table(keys), Value::Table(table)) => {
            check_table(table, keys, path, within, problems);
            check()
        }
        (ValueKind::Tables(keys), Value::List(items)) => {
            check_items(items, ValueKind::Table(keys), key.check);
            None
        }
        (kind, value) => Some(mismatch(kind, value, within)),
    };
    let Some(fault) = fault else { return };
    let location = match (&node.value, &fault.scope) {
        (Value::Table(_), _) => node.key_location.clone(),
        (Value::Text(text), FaultScope::Part(part)) => node.location.within(text, part),
        (Value::List(items), FaultScope::Item(index)) => {
            items.get(*index).unwrap_or(node).location.clone()
        }
        (_, FaultScope::All | FaultScope::Part(_) | FaultScope::Item(_)) => node.location.clone(),
    };
    problems.push(Problem::with(location, path, fault));
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn unknown_key(name: &str, keys: &'static [Key], within: &str) -> Fault {
    if within.is_empty() && matches!(name, "monopoll" | "tool") {
        let line = if name == "tool" { "[tool.monopoll]" } else { "[monopoll]" };
        return Fault::new("monopoll's keys are not in a table")
            .help(format!("delete the line `{line}`"));
    }
    let fault = Fault::new("unknown key");
    let names = || keys.iter().map(|key| key.name);
    if let Some(near) = closest_name(name, names()) {
        return fault.help(format!("did you mean `{near}`?"));
    }
    if within.is_empty() && name == "profile" {
        return fault.help("a profile belongs in a file, and not in another profile");
    }
    match Key::path_to(KEYS, name) {
        Some(path) if path.contains('.') => fault.help(format!("write it as `{path}`")),
        Some(path) => fault
            .help(format!("`{path}` belongs to the top level: write it above the first [table]"))
            .assignment(&path, example_of(&path)),
        None if within.is_empty() => {
            fault.help(format!("the keys are {}; your own belong under [app]", join_and(names())))
        }
        None => fault.help(format!("the keys here are {}", join_and(names()))),
    }
}

/// Examples for the two lists of tables, in the syntax of a variable or flag.
const MATCH: &str = r#"[{ cmdline = "…" }]"#;
const RULES: &str = r#"[{ when = { managed_by = "…" }, action = "refuse" }]"#;

fn example_of(key: &str) -> &'static str {
    match key {
        "match" => MATCH,
        "rules" => RULES,
        _ => "…",
    }
}

fn mismatch(kind: &ValueKind, value: &Value, within: &str) -> Fault {
    let help = match (kind, value) {
        (
            ValueKind::Text(TextKind { number_hint: NumberHint::Seconds, .. }),
            Value::Integer(number, Some(0..)),
        ) => format!("write a duration such as \"{number}s\""),
        (
            ValueKind::Text(TextKind { number_hint: NumberHint::Quoted, .. }),
            Value::Integer(number, _),
        ) => format!("write it in quotes: \"{}\"", short_name(number)),
        (ValueKind::Text(text), _) => (text.hint)(),
        (ValueKind::Bool, _) => "write true or false, without quotes".to_owned(),
        (ValueKind::Count(_), Value::Float(_)) => "write a whole number, such as 5".to_owned(),
        (ValueKind::Count(_), _) => "write a whole number, without quotes".to_owned(),
        (ValueKind::List(_), Value::Text(text)) if text.trim().is_empty() => {
            "leave the key out, or write [] for an empty list".to_owned()
        }
        (ValueKind::List(item), Value::Text(text)) => {
            format!("write a list: [\"{}\"]", short_name(&(item.split)(text).join("\", \"")))
        }
        (ValueKind::List(_), _) => "write a list of strings, such as [\"a\", \"b\"]".to_owned(),
        (ValueKind::Table(_), Value::List(items))
            if items.iter().all(|item| matches!(item.value, Value::Table(_))) =>
        {
            format!("it is a single table: write [{within}], in single brackets")
        }
        (ValueKind::Table(keys), _) => {
            format!("write a table; its keys are {}", join_and(keys.iter().map(|key| key.name)))
        }
        (ValueKind::Tables(_), _) => format!("write [[{within}]] above each entry"),
        (ValueKind::Free, _) => String::new(),
    };
    let fault = Fault::new(found(value)).help(help);
    match kind {
        ValueKind::Tables(_) => fault.assignment(within, example_of(within)),
        ValueKind::Table(keys) if matches!(value, Value::List(_)) => match keys.first() {
            Some(key) => fault.assignment(&join(within, key.name), "…"),
            None => fault,
        },
        ValueKind::Free
        | ValueKind::Bool
        | ValueKind::Text(_)
        | ValueKind::Count(_)
        | ValueKind::List(_)
        | ValueKind::Table(_) => fault,
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() => "is empty".to_owned(),
        Value::Text(text) => format!("{} is a string", quote(text)),
        Value::Integer(number, _) | Value::Float(number) => {
            format!("{} is a number", quote(number))
        }
        Value::Bool(value) => format!("`{value}` is a boolean"),
        Value::Datetime(datetime) => format!("`{datetime}` is a date or a time"),
        Value::List(_) => "is a list".to_owned(),
        Value::Table(_) => "is a table".to_owned(),
    }
}

fn bad_count(shown: &str, value: Option<i64>, most: u32) -> Option<Fault> {
    match value {
        Some(value) if u32::try_from(value).is_ok_and(|value| value <= most) => None,
        Some(..0) => Some(Fault::of(shown, "is negative").help("write a whole number from 0")),
        Some(_) | None => {
            Some(Fault::of(shown, "is too large").help(format!("the largest is {most}")))
        }
    }
}
