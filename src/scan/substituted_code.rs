//! The substitutions in a line of shell code: `$(…)`, `<(…)` and backquotes.

use crate::scan::shell_statements::end_of_block;

/// Returns the code of the substitutions in a line; `None` if one has no end.
pub(super) fn substitutions(line: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let mut quote: Option<char> = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = after;
        match (quote, c) {
            (Some('\''), '\'') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                let mut chars = after.chars();
                chars.next();
                rest = chars.as_str();
            }
            (None, '\'') => quote = Some(c),
            (_, '"') => quote = if quote.is_some() { None } else { Some(c) },
            (_, '`') => {
                let (code, behind) = after.split_once('`')?;
                found.push(code);
                rest = behind;
            }
            (_, '$') | (None, '<' | '>') if after.starts_with('(') => {
                let code = &after[1..];
                let end = end_of_block(code, '(', ')')?;
                found.push(&code[..end]);
                rest = &code[end + 1..];
            }
            (_, _) => {}
        }
    }
    Some(found)
}

/// Returns whether code only prints something that is the same for all bots of a host, or differs
/// between two starts of one: `date +%s`, `git rev-parse HEAD`, `hostname`.
pub(super) fn is_neutral(code: &str) -> bool {
    let mut words = code.split_whitespace();
    let is_neutral = match words.next() {
        Some("date" | "hostname" | "nproc" | "uname") => true,
        // The name of a branch may choose the bot, and so may a folder.
        Some("git") => match words.next() {
            Some("rev-parse") => words
                .all(|it| !it.starts_with("--") || it.starts_with("--short") || it == "--verify"),
            Some("describe") => words.all(|it| it != "--all"),
            Some(_) | None => false,
        },
        Some(_) | None => false,
    };
    is_neutral && !code.contains(['`', '$', '(', ';', '|', '&', '<', '>'])
}

/// Removes the substitutions with a neutral output.
pub(super) fn without_neutral_substitutions(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("$(") {
        kept.push_str(before);
        let Some((code, behind)) = after.split_once(')') else {
            return text.to_owned();
        };
        if is_neutral(code) {
            rest = behind;
        } else {
            kept.push_str("$(");
            rest = after;
        }
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_each_substitution_is_found() {
        for (line, expected) in [
            ("echo \"it's $(date) in $(pwd)\"", Some(vec!["date", "pwd"])),
            ("echo '$(./bot)' \\$ `date`", Some(vec!["date"])),
            ("cat <(./bot \")\") > >(tee log)", Some(vec!["./bot \")\"", "tee log"])),
            ("kill $(cat $(ls))", Some(vec!["cat $(ls)"])),
            ("sleep $((1 + 2)) ${A}", Some(vec!["(1 + 2)"])),
            ("echo > log", Some(vec![])),
            ("echo $(./bot", None),
        ] {
            assert_eq!(substitutions(line), expected, "{line}");
        }
    }
}
