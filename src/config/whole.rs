//! What must be true of a table or a list as a whole, once each part of it is right.

use std::collections::BTreeMap;

use crate::{
    config::{
        duration,
        keys::ACTIONS,
        problem::Fault,
        value::{SpannedValue, Table, Value},
    },
    text::{join_or, quote},
};

/// An entry of `match` without a pattern would match every process there is.
pub(crate) fn match_fault(entry: &Table) -> Option<Fault> {
    let patterns = ["name", "cmdline", "exe", "cwd"];
    if patterns.iter().any(|key| entry.contains_key(*key)) {
        return None;
    }
    Some(
        Fault::new("the entry matches every process")
            .help(format!("give it at least one of {}", join_or(patterns))),
    )
}

/// A rule that does nothing.
pub(crate) fn rule_fault(rule: &Table) -> Option<Fault> {
    if rule.contains_key("action") {
        return None;
    }
    Some(
        Fault::new("the rule has no action")
            .help(format!("add `action`: {}", join_or(ACTIONS.iter().copied()))),
    )
}

/// Two ages that no process has at once.
pub(crate) fn age_fault(conditions: &Table) -> Option<Fault> {
    let age = |key: &str| match &conditions.get(key)?.value {
        Value::Text(text) => Some((duration::parse(text).ok()?, text.as_str())),
        _ => None,
    };
    let ((older, older_text), (younger, younger_text)) = (age("older_than")?, age("younger_than")?);
    if older < younger {
        return None;
    }
    let found = format!(
        "no process is both older than {} and younger than {}",
        quote(older_text),
        quote(younger_text)
    );
    Some(Fault::new(found).help("`older_than` must be less than `younger_than`"))
}

/// A check needs a program, where it has anything at all.
pub(crate) fn program_fault(command: &[SpannedValue]) -> Option<Fault> {
    match command.first().map(|node| &node.value) {
        Some(Value::Text(program)) if program.trim().is_empty() => Some(
            Fault::new("the program's name is empty")
                .item(0)
                .help("write the program first, or [] for no check"),
        ),
        _ => None,
    }
}

/// One lock file at least, and none twice: it would wait for itself.
pub(crate) fn lock_paths_fault(paths: &[SpannedValue]) -> Option<Fault> {
    if paths.is_empty() {
        return Some(
            Fault::new("the list is empty")
                .help("leave the key out for the default, \"{lock_dir}/{instance}.lock\""),
        );
    }
    let mut seen = BTreeMap::new();
    for (index, node) in paths.iter().enumerate() {
        let Value::Text(text) = &node.value else { continue };
        let steps: Vec<&str> = text.split('/').filter(|step| !step.is_empty()).collect();
        if let Some(first) = seen.insert(steps, index) {
            let message =
                format!("{} is in the list twice, as [{first}] and [{index}]", quote(text));
            return Some(Fault::new(message).item(index).help("take one of them out"));
        }
    }
    None
}
