//! Every key that a user may write and what may stand there: `settings` says it to serde and to
//! editors, this to people.
//!
//! A test holds the two together.

use crate::config::{
    problem::Fault,
    scalar::Text,
    value::{Node, Table},
    whole::{age_fault, lock_paths_fault, match_fault, program_fault, rule_fault},
};

/// A key and what may stand there.
pub(crate) struct Key {
    /// Its name within its table.
    pub(crate) name: &'static str,
    /// What may stand there.
    pub(crate) kind: Kind,
}

/// What may stand at a key.
pub(crate) enum Kind {
    /// A text.
    Text(Text),
    /// `true` or `false`.
    Bool,
    /// A whole number from 0 to this.
    Count(u32),
    /// A list of texts, and what must be true of it as a whole.
    List(Text, fn(&[Node]) -> Option<Fault>),
    /// A table with these keys, and what must be true of it as a whole.
    Table(&'static [Key], fn(&Table) -> Option<Fault>),
    /// A list of tables with these keys, and what must be true of each.
    Tables(&'static [Key], fn(&Table) -> Option<Fault>),
    /// Not ours.
    Free,
}

impl Key {
    const fn text(name: &'static str, text: Text) -> Key {
        Key { name, kind: Kind::Text(text) }
    }

    const fn bool(name: &'static str) -> Key {
        Key { name, kind: Kind::Bool }
    }

    const fn table(
        name: &'static str,
        keys: &'static [Key],
        whole: fn(&Table) -> Option<Fault>,
    ) -> Key {
        Key { name, kind: Kind::Table(keys, whole) }
    }
}

/// The history beside a lock remembers a hundred events, and a takeover is three of them.
const MOST_TAKEOVERS: u32 = 30;

/// The top level of a file, of a profile and of every other layer.
pub(crate) const ROOT: &[Key] = &[
    Key::text("instance", Text::Instance),
    Key::text("on_conflict", Text::Choice(&["refuse", "graceful", "force", "wait"])),
    Key::text("after_wait", Text::Choice(&["refuse", "graceful", "force"])),
    Key::text("same_token", Text::Choice(&["refuse", "act", "warn", "off"])),
    Key { name: "token_env", kind: Kind::List(Text::Variable, fine) },
    Key::text("env_file", Text::Path),
    Key { name: "match", kind: Kind::Tables(MATCH, match_fault) },
    Key { name: "rules", kind: Kind::Tables(RULE, rule_fault) },
    Key::table("check", CHECK, fine),
    Key::table("lock", LOCK, fine),
    Key::table("timeouts", TIMEOUTS, fine),
    Key::table("kill", KILL, fine),
    Key::table("limits", LIMITS, fine),
    Key::table("telegram", TELEGRAM, fine),
    Key::table("log", LOG, fine),
    Key { name: "app", kind: Kind::Free },
];

const MATCH: &[Key] = &[
    Key::text("name", Text::WholeName),
    Key::text("cmdline", Text::Regex),
    Key::text("exe", Text::Glob),
    Key::text("cwd", Text::Glob),
    Key::text("user", Text::User),
    Key::text("container", Text::Choice(CONTAINER)),
];

/// What a rule can do.
pub(crate) const ACTIONS: &[&str] = &["refuse", "graceful", "force", "wait", "ignore"];

const CONTAINER: &[&str] = &["same", "any"];

const RULE: &[Key] = &[
    Key::text("name", Text::Label),
    Key::table("when", CONDITIONS, age_fault),
    Key::text("action", Text::Choice(ACTIONS)),
];

const CONDITIONS: &[Key] = &[
    Key::text("name", Text::WholeName),
    Key::text("cmdline", Text::Regex),
    Key::text("exe", Text::Glob),
    Key::text("cwd", Text::Glob),
    Key::text("user", Text::User),
    Key::text("container", Text::Choice(CONTAINER)),
    Key::bool("holds_lock"),
    Key::bool("same_token"),
    Key::bool("orphaned"),
    Key::text(
        "state",
        Text::Choice(&["running", "sleeping", "stopped", "zombie", "uninterruptible"]),
    ),
    Key::text("older_than", Text::Duration),
    Key::text("younger_than", Text::Duration),
    Key::text("managed_by", Text::Regex),
    Key::bool("local"),
];

const CHECK: &[Key] = &[
    Key { name: "command", kind: Kind::List(Text::Argument, program_fault) },
    Key::text("timeout", Text::Span),
];

const LOCK: &[Key] = &[
    Key { name: "paths", kind: Kind::List(Text::LockPath, lock_paths_fault) },
    Key::text("on_lost", Text::Choice(&["stop", "warn"])),
];

const TIMEOUTS: &[Key] = &[
    Key::text("wait", Text::Patience),
    Key::text("graceful", Text::Duration),
    Key::text("force", Text::Duration),
];

const KILL: &[Key] = &[Key::text("signal", Text::Signal), Key::bool("escalate")];

const LIMITS: &[Key] = &[
    Key { name: "max_targets", kind: Kind::Count(u32::MAX) },
    Key { name: "max_takeovers", kind: Kind::Count(MOST_TAKEOVERS) },
    Key::text("takeover_window", Text::Span),
];

const TELEGRAM: &[Key] = &[
    Key::text("webhook", Text::Choice(&["ignore", "warn", "refuse", "delete"])),
    Key::text("api_url", Text::ApiUrl),
    Key::text("timeout", Text::Span),
    Key::text("conflict_window", Text::Duration),
];

const LOG: &[Key] =
    &[Key::text("level", Text::Filter), Key::text("format", Text::Choice(&["text", "json"]))];

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
        if let Kind::Table(keys, _) = key.kind {
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
                Kind::Text(Text::Choice(words)) => {
                    out.extend(words.iter().map(|word| format!("{path}={word}")));
                }
                Kind::Text(Text::Signal) => {
                    out.extend(Signal::ALL.map(|signal| format!("{path}={signal}")));
                }
                Kind::Table(keys, _) | Kind::Tables(keys, _) => of_keys(keys, &path, out),
                Kind::Text(_) | Kind::Bool | Kind::Count(_) | Kind::List(..) | Kind::Free => {}
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
