//! Functions of a start script that only say something or tidy up: `log() { echo "$1"; }`.

use std::collections::BTreeSet;

use crate::scan::harmless_command::Steps;
use crate::scan::harmless_line::{
    are_late_signals, assignment, handler_and_signals, is_harmless_after, is_own_step,
    starts_program,
};
use crate::scan::harmless_output::writes_a_choice;
use crate::scan::shell_statements::{end_of_block, function_name, functions, statements};

/// Returns the text without its harmless functions, and the names of these.
pub(super) fn without_harmless_functions(text: &str, steps: Steps) -> (String, BTreeSet<String>) {
    let (mut kept, mut names) = (String::new(), BTreeSet::new());
    let mut rest = text;
    while let Some(line) = rest.split_inclusive('\n').next() {
        let found = function_name(line).and_then(|name| body(rest, &name).map(|it| (name, it)));
        match found {
            Some((name, (body, after))) if is_harmless_body(body, steps) => {
                names.insert(name);
                // The rest of its last line goes on.
                rest = after;
            }
            Some(_) | None => {
                kept.push_str(line);
                rest = &rest[line.len()..];
            }
        }
    }
    // The name of a harmless function may have another meaning in a branch.
    let others = functions(&kept);
    names.retain(|name| !others.contains(name) && !kept.contains(&format!("{name}()")));
    (kept, names)
}

/// Returns whether a statement only calls these functions, now or by `trap`.
pub(super) fn is_call(statement: &str, functions: &BTreeSet<String>) -> bool {
    match handler_and_signals(statement).filter(|_| statement.starts_with("trap ")) {
        Some((handler, signals)) => {
            let is_harmless = |it: &str| calls(it, functions) || is_harmless_after(it);
            are_late_signals(signals.split_whitespace())
                && statements(handler).iter().all(|it| is_harmless(&it.text))
        }
        None => calls(statement, functions),
    }
}

/// Returns whether a statement only calls one of these functions.
fn calls(statement: &str, functions: &BTreeSet<String>) -> bool {
    let name = statement.split_whitespace().next();
    name.is_some_and(|name| functions.contains(name))
        && !starts_program(statement)
        && !writes_a_choice(statement)
}

/// Returns the body of the function with this name that begins here, and what follows it.
fn body<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let text = text.trim_start();
    let rest = text.strip_prefix("function ").unwrap_or(text).trim_start().strip_prefix(name)?;
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("()").unwrap_or(rest).trim_start().strip_prefix('{')?;
    let end = end_of_block(rest, '{', '}')?;
    Some((&rest[..end], &rest[end + 1..]))
}

fn is_harmless_body(body: &str, steps: Steps) -> bool {
    statements(body).iter().all(|it| {
        let local = it.text.strip_prefix("local ").map(str::trim_start);
        if let Some(variable) = local {
            return assignment(variable).is_some() && !starts_program(variable);
        }
        let first = it.text.split_whitespace().next().unwrap_or_default();
        // These change variables or options of the whole script.
        assignment(first).is_none()
            && !["read", "set"].contains(&first)
            && is_harmless_after(&it.text)
            && (steps == Steps::Prepare || !is_own_step(&it.text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_that_start_no_other_program_are_left_out() {
        for (text, expected, found) in [
            ("log() { echo \"$1\"; }\nlog up\n./bot\n", "\nlog up\n./bot\n", "log"),
            ("function log {\n  local m=\"$1\"\n  echo \"[$m]\"\n}\n./bot", "\n./bot", "log"),
            ("end()\n{\n  rm -f bot.pid\n  kill 0\n}\n./bot", "\n./bot", "end"),
            ("run() { ./bot; }\nrun", "run() { ./bot; }\nrun", ""),
            ("log() { echo $(./bot); }", "log() { echo $(./bot); }", ""),
            ("set() { echo BOT=bob > .env; }", "set() { echo BOT=bob > .env; }", ""),
            ("log() { local m=$(./bot); }", "log() { local m=$(./bot); }", ""),
            ("init() { BOT=bob; }", "init() { BOT=bob; }", ""),
            ("init() { read BOT; }", "init() { read BOT; }", ""),
            (
                "run()\n(\n  python3 -m bot\n)\nlog() { echo up; }",
                "run()\n(\n  python3 -m bot\n)\n",
                "log",
            ),
            ("log() { echo up; }\nlog() { ./bot; }", "\nlog() { ./bot; }", ""),
        ] {
            let (kept, names) = without_harmless_functions(text, Steps::Prepare);
            let names = names.into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!((kept.as_str(), names.as_str()), (expected, found), "{text}");
        }
    }
}
