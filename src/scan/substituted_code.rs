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

/// Returns whether an assignment gives a variable with such a name the number of a process:
/// `PID=$(pgrep -f main.py)`.
pub(super) fn is_process_id(name: &str, assignment: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let code = assignment.split_once('=').map(|(_, it)| it.trim().trim_matches('"'));
    let code = code.and_then(|it| it.strip_prefix("$(")?.strip_suffix(')'));
    let Some(code) = code.map(|it| it.trim().trim_end_matches("|| true")) else { return false };
    let code = code.replace("2>/dev/null", "");
    let first = |it: &str| it.split_whitespace().next().unwrap_or_default().to_owned();
    let mut parts = code.split('|');
    let is_source = parts.next().is_some_and(|it| {
        ["lsof", "pgrep", "pidof", "ps"].contains(&&*first(it)) && !it.contains(" -c")
            || it.trim().starts_with("cat ") && it.trim().rsplit('.').next() == Some("pid")
    });
    (name.ends_with("PID") || name.ends_with("PIDS"))
        && is_source
        && parts.all(|it| ["awk", "cut", "grep", "head", "tail", "tr"].contains(&&*first(it)))
        && !code.contains(['`', '(', ')', ';', '&', '<', '>', '\n'])
        && !code.contains("system")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_process_is_known_by_the_program_that_prints_it() {
        for (line, expected) in [
            ("PID=$(pgrep -f \"python3 main.py\")", true),
            ("OLD_PID=\"$(cat bot.pid 2>/dev/null)\"", true),
            ("PIDS=$(ps aux | grep main | grep -v grep | awk '{print $2}')", true),
            ("PID=$(pidof bot || true)", true),
            ("PID=$(./choose bob)", false),
            ("PID=$(cat bob)", false),
            ("PID=$(pgrep -c bot)", false),
            ("PID=$(pgrep bot; ./choose bob)", false),
            ("PID=$(pgrep bot | ./choose bob)", false),
            ("BOT=$(pgrep bot)", false),
        ] {
            let name = line.split('=').next().unwrap();
            assert_eq!(is_process_id(name, line), expected, "{line}");
        }
    }

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
