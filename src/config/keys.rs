//! Every key that a user may write and what may stand there: `settings` says it to serde and to
//! editors, this to people.
//!
//! A test holds the two together.

use crate::config::{
    problem::Fault,
    scalar::ScalarKind,
    value::{SpannedValue, Table},
    whole::{age_fault, lock_paths_fault, match_fault, program_fault, rule_fault},
};

/// A key and what may stand there.
pub(crate) struct Key {
    /// Its name within its table.
    pub(crate) name: &'static str,
    /// What may stand there.
    pub(crate) kind: ValueKind,
}

/// What may stand at a key.
pub(crate) enum ValueKind {
    /// A text.
    Text(ScalarKind),
    /// `true` or `false`.
    Bool,
    /// A whole number from 0 to this.
    Count(u32),
    /// A list of texts, and what must be true of it as a whole.
    List(ScalarKind, fn(&[SpannedValue]) -> Option<Fault>),
    /// A table with these keys, and what must be true of it as a whole.
    Table(&'static [Key], fn(&Table) -> Option<Fault>),
    /// A list of tables with these keys, and what must be true of each.
    Tables(&'static [Key], fn(&Table) -> Option<Fault>),
    /// Not ours.
    Free,
}

impl Key {
    const fn text(name: &'static str, text: ScalarKind) -> Key {
        Key { name, kind: ValueKind::Text(text) }
    }

    const fn bool(name: &'static str) -> Key {
        Key { name, kind: ValueKind::Bool }
    }

    const fn table(
        name: &'static str,
        keys: &'static [Key],
        whole: fn(&Table) -> Option<Fault>,
    ) -> Key {
        Key { name, kind: ValueKind::Table(keys, whole) }
    }
}

/// The history beside a lock remembers a hundred events, and a takeover is three of them.
const MOST_TAKEOVERS: u32 = 30;

/// The top level of a file, of a profile and of every other layer.
pub(crate) const ROOT: &[Key] = &[
    Key::text("instance", ScalarKind::Instance),
    Key::text("on_conflict", ScalarKind::Choice(&["refuse", "graceful", "force", "wait"])),
    Key::text("after_wait", ScalarKind::Choice(&["refuse", "graceful", "force"])),
    Key::text("same_token", ScalarKind::Choice(&["refuse", "act", "warn", "off"])),
    Key { name: "token_env", kind: ValueKind::List(ScalarKind::Variable, fine) },
    Key::text("env_file", ScalarKind::Path),
    Key { name: "match", kind: ValueKind::Tables(MATCH, match_fault) },
    Key { name: "rules", kind: ValueKind::Tables(RULE, rule_fault) },
    Key::table("check", CHECK, fine),
    Key::table("lock", LOCK, fine),
    Key::table("timeouts", TIMEOUTS, fine),
    Key::table("kill", KILL, fine),
    Key::table("limits", LIMITS, fine),
    Key::table("telegram", TELEGRAM, fine),
    Key::table("log", LOG, fine),
    Key { name: "app", kind: ValueKind::Free },
];

const MATCH: &[Key] = &[
    Key::text("name", ScalarKind::WholeName),
    Key::text("cmdline", ScalarKind::Regex),
    Key::text("exe", ScalarKind::Glob),
    Key::text("cwd", ScalarKind::Glob),
    Key::text("user", ScalarKind::User),
    Key::text("container", ScalarKind::Choice(CONTAINER)),
];

/// What a rule can do.
pub(crate) const ACTIONS: &[&str] = &["refuse", "graceful", "force", "wait", "ignore"];

const CONTAINER: &[&str] = &["same", "any"];

const RULE: &[Key] = &[
    Key::text("name", ScalarKind::Label),
    Key::table("when", CONDITIONS, age_fault),
    Key::text("action", ScalarKind::Choice(ACTIONS)),
];

const CONDITIONS: &[Key] = &[
    Key::text("name", ScalarKind::WholeName),
    Key::text("cmdline", ScalarKind::Regex),
    Key::text("exe", ScalarKind::Glob),
    Key::text("cwd", ScalarKind::Glob),
    Key::text("user", ScalarKind::User),
    Key::text("container", ScalarKind::Choice(CONTAINER)),
    Key::bool("holds_lock"),
    Key::bool("same_token"),
    Key::bool("orphaned"),
    Key::text(
        "state",
        ScalarKind::Choice(&["running", "sleeping", "stopped", "zombie", "uninterruptible"]),
    ),
    Key::text("older_than", ScalarKind::Duration),
    Key::text("younger_than", ScalarKind::Duration),
    Key::text("managed_by", ScalarKind::Regex),
    Key::bool("local"),
];

const CHECK: &[Key] = &[
    Key { name: "command", kind: ValueKind::List(ScalarKind::Argument, program_fault) },
    Key::text("timeout", ScalarKind::Span),
];

const LOCK: &[Key] = &[
    Key { name: "paths", kind: ValueKind::List(ScalarKind::LockPath, lock_paths_fault) },
    Key::text("on_lost", ScalarKind::Choice(&["stop", "warn"])),
];

const TIMEOUTS: &[Key] = &[
    Key::text("wait", ScalarKind::Patience),
    Key::text("graceful", ScalarKind::Duration),
    Key::text("force", ScalarKind::Duration),
];

const KILL: &[Key] = &[Key::text("signal", ScalarKind::Signal), Key::bool("escalate")];

const LIMITS: &[Key] = &[
    Key { name: "max_targets", kind: ValueKind::Count(u32::MAX) },
    Key { name: "max_takeovers", kind: ValueKind::Count(MOST_TAKEOVERS) },
    Key::text("takeover_window", ScalarKind::Span),
];

const TELEGRAM: &[Key] = &[
    Key::text("webhook", ScalarKind::Choice(&["ignore", "warn", "refuse", "delete"])),
    Key::text("api_url", ScalarKind::ApiUrl),
    Key::text("timeout", ScalarKind::Span),
    Key::text("conflict_window", ScalarKind::Duration),
];

const LOG: &[Key] = &[
    Key::text("level", ScalarKind::Filter),
    Key::text("format", ScalarKind::Choice(&["text", "json"])),
];

fn fine<T: ?Sized>(_: &T) -> Option<Fault> {
    None
}

/// The key of this name.
pub(crate) fn find<'a>(keys: &'a [Key], name: &str) -> Option<&'a Key> {
    keys.iter().find(|key| key.name == name)
}

/// Every key that can be written on one line, as its dotted path; lists count as one key, tables as
/// such are among them.
pub(crate) fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    for key in ROOT {
        paths.push(key.name.to_owned());
        if let ValueKind::Table(keys, _) = key.kind {
            paths.extend(keys.iter().map(|inner| format!("{}.{}", key.name, inner.name)));
        }
    }
    paths
}

/// The table that has a key of this name, where it is not the one that was written in.
pub(crate) fn homes(name: &str) -> Vec<String> {
    paths().into_iter().filter(|path| path.rsplit('.').next() == Some(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    use crate::{config::settings::Settings, engine::signal::Signal};

    /// The dotted names of a schema with the choices that it gives.
    fn of_schema(schema: &Value, root: &Value, prefix: &str, out: &mut BTreeSet<String>) {
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        for option in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
            of_schema(option, root, prefix, out);
        }
        for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            out.insert(format!("{prefix}={}", choice["const"].as_str().unwrap()));
        }
        if let Some(items) = schema.get("items") {
            of_schema(items, root, prefix, out);
        }
        for (name, inner) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let path = format!("{prefix}.{name}");
            out.insert(path.clone());
            of_schema(inner, root, &path, out);
        }
    }

    fn of_keys(keys: &[Key], prefix: &str, out: &mut BTreeSet<String>) {
        for key in keys {
            let path = format!("{prefix}.{}", key.name);
            match &key.kind {
                ValueKind::Text(ScalarKind::Choice(words)) => {
                    out.extend(words.iter().map(|word| format!("{path}={word}")));
                }
                ValueKind::Text(ScalarKind::Signal) => {
                    out.extend(Signal::ALL.map(|signal| format!("{path}={signal}")));
                }
                ValueKind::Table(keys, _) | ValueKind::Tables(keys, _) => of_keys(keys, &path, out),
                ValueKind::Text(_)
                | ValueKind::Bool
                | ValueKind::Count(_)
                | ValueKind::List(..)
                | ValueKind::Free => {}
            }
            out.insert(path);
        }
    }

    #[test]
    fn the_keys_and_the_choices_are_those_of_the_settings() {
        let schema = schemars::schema_for!(Settings);
        let (mut expected, mut found) = (BTreeSet::new(), BTreeSet::new());
        of_schema(schema.as_value(), schema.as_value(), "", &mut expected);
        of_keys(ROOT, "", &mut found);
        assert_eq!(found, expected);
    }
}
