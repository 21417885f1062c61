//! The branch of a `case "$1" in` of a start script that its arguments choose.

use std::ffi::OsString;

use crate::scan::shell_expansion::is_unknown;

/// Replaces each `case` that depends on one argument by the branch that is chosen. `None` if there
/// is none, or if it may do something else.
pub(super) fn with_chosen_branches(text: &str, args: &[OsString]) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut chosen = String::new();
    let (mut at, mut is_found) = (0, false);
    while let Some(line) = lines.get(at) {
        // A function has arguments of its own.
        if line.contains("()") || ["shift", "set --", "function"].iter().any(|it| line.contains(it))
        {
            return None;
        }
        at += 1;
        let Some((word, first)) = header(line) else {
            chosen.extend([line, "\n"]);
            continue;
        };
        let value = value(word, args)?;
        let rest = lines.get(at..).unwrap_or_default();
        let (body, used) = if let Some(body) = before_end(first) {
            (body.to_owned(), 0)
        } else {
            let end = rest.iter().position(|line| before_end(line).is_some())?;
            let last = before_end(rest[end])?;
            ([&[first], &rest[..end], &[last]].concat().join("\n"), end + 1)
        };
        chosen.push_str(branch(&body, &value)?);
        chosen.push('\n');
        at += used;
        is_found = true;
    }
    is_found.then_some(chosen)
}

/// Returns the word of `case WORD in`, and what follows.
fn header(line: &str) -> Option<(&str, &str)> {
    let (word, rest) = line.trim_start().strip_prefix("case ")?.split_once(" in")?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some((word.trim(), rest))
}

/// Returns what precedes `esac` at the end of a line.
fn before_end(line: &str) -> Option<&str> {
    line.trim_end().strip_suffix("esac").filter(|it| !it.ends_with(|c: char| c.is_alphanumeric()))
}

/// Returns the value of `$1`, `"${1:-start}"` and the like.
fn value(word: &str, args: &[OsString]) -> Option<String> {
    let name = word.trim_matches('"').strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or(name);
    let (number, default) =
        name.split_once(":-").or_else(|| name.split_once('-')).unwrap_or((name, ""));
    let at = number.parse::<usize>().ok()?.checked_sub(1)?;
    let is_plain = !default.contains(['$', '`', '"', '\'']);
    match args.get(at) {
        Some(arg) if is_unknown(arg) => None,
        Some(arg) if !arg.is_empty() => arg.to_str().map(str::to_owned),
        Some(_) | None => is_plain.then(|| default.to_owned()),
    }
}

/// Returns the commands of the first branch that a value meets; none if it meets none.
fn branch<'a>(body: &'a str, value: &str) -> Option<&'a str> {
    if body.contains(";&") || body.contains(";;&") || body.contains("case ") {
        return None;
    }
    for clause in body.split(";;").map(str::trim).filter(|it| !it.is_empty()) {
        if ['\'', '"'].iter().any(|quote| clause.matches(*quote).count() % 2 == 1) {
            return None;
        }
        let (patterns, commands) = clause.split_once(')')?;
        for pattern in patterns.trim().trim_start_matches('(').split('|').map(str::trim) {
            let is_plain = !pattern.contains(['$', '*', '?', '[', '`', '\\', '#']);
            if pattern != "*" && !is_plain {
                return None;
            }
            if pattern == "*" || pattern.trim_matches(['"', '\'']) == value {
                return Some(commands);
            }
        }
    }
    Some("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_choose_a_branch() {
        let script = "cd x\ncase \"$1\" in\n  start|run)\n    a 'b)'\n    c\n    ;;\n  \
                      \"stop\") d ;;\n  *) e\nesac\nf";
        for (text, arg, expected) in [
            (script, "start", Some("cd x a 'b)' c f")),
            (script, "run", Some("cd x a 'b)' c f")),
            (script, "stop", Some("cd x d f")),
            (script, "other", Some("cd x e f")),
            ("case ${1:-run} in run) a;; (b) c;; esac", "", Some("a")),
            ("case $1 in run) a;; (b) c;; esac", "b", Some("c")),
            ("case $1 in run) a;; esac", "x", Some("")),
            ("case $1 in a) b ;;\nc) d ;; esac", "c", Some("d")),
            ("case $1 in a*) b;; esac", "a", None),
            ("case $1 in $X) b;; *) c;; esac", "a", None),
            ("case $X in a) b;; esac", "a", None),
            ("case $1 in a) b;& c) d;; esac", "a", None),
            ("case $1 in a) echo ';;';; esac", "a", None),
            ("main() {\ncase $1 in a) b;; esac\n}\nmain x", "a", None),
            ("shift\ncase $1 in a) b;; esac", "a", None),
            ("exec a", "a", None),
        ] {
            let chosen = with_chosen_branches(text, &[arg.into()]);
            let chosen = chosen.map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
            assert_eq!(chosen.as_deref(), expected, "{text} {arg}");
        }
    }
}
