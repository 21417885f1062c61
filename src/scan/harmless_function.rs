//! Functions of a start script that only say something or tidy up: `log() { echo "$1"; }`.

use std::collections::BTreeSet;

use crate::scan::harmless_line::{assignment, is_harmless_after, without_neutral_substitutions};
use crate::scan::shell_statements::{function_name, statements};

/// Returns the text without its harmless functions, and the names of these.
pub(super) fn without_harmless_functions(text: &str) -> (String, BTreeSet<String>) {
    let (mut kept, mut names) = (String::new(), BTreeSet::new());
    let mut rest = text;
    while let Some(line) = rest.split_inclusive('\n').next() {
        let body = function_name(line).zip(body(rest));
        match body {
            Some((name, (body, after))) if is_harmless_body(body) => {
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
    (kept, names)
}

/// Returns whether a statement calls one of these functions, now or by `trap`.
pub(super) fn is_call(statement: &str, functions: &BTreeSet<String>) -> bool {
    let mut words = statement.split_whitespace();
    let name = match words.next() {
        Some("trap") => words.next().map(|it| it.trim_matches(['\'', '"'])),
        first => first,
    };
    let starts_program =
        || statement.contains('`') || without_neutral_substitutions(statement).contains("$(");
    name.is_some_and(|name| functions.contains(name)) && !starts_program()
}

/// Returns the body of the function that begins here, and what follows it.
fn body(text: &str) -> Option<(&str, &str)> {
    let start = text.find('{')?;
    // The name, brackets and perhaps an end of line come before.
    text[..start]
        .chars()
        .all(|c| c.is_whitespace() || "()_-".contains(c) || c.is_alphanumeric())
        .then_some(())?;
    let (mut depth, mut quote) = (0_u32, None);
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < start) {
        match (quote, c) {
            (Some(open), _) => quote = quote.filter(|_| c != open),
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') => {
                depth -= 1;
                if depth == 0 {
                    return Some((&text[start + 1..at], &text[at + 1..]));
                }
            }
            (None, _) => {}
        }
    }
    None
}

fn is_harmless_body(body: &str) -> bool {
    statements(body).iter().all(|it| {
        let local = it.text.strip_prefix("local ").map(str::trim_start);
        match local {
            Some(variable) => {
                assignment(variable).is_some()
                    && !variable.contains('`')
                    && !without_neutral_substitutions(variable).contains("$(")
            }
            None => is_harmless_after(&it.text),
        }
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
        ] {
            let (kept, names) = without_harmless_functions(text);
            let names = names.into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!((kept.as_str(), names.as_str()), (expected, found), "{text}");
        }
    }
}
