//! Lines of a start script that do not affect the bot before them: `echo $! > bot.pid`, `wait`,
//! `trap 'rm -f bot.pid' EXIT`.

use crate::scan::harmless_command::is_harmless;
use crate::scan::shell_statements::statements;
use crate::scan::shell_words::without_redirections;

/// Signals that arrive from outside or at the end. DEBUG and ERR handlers run between the lines.
#[rustfmt::skip]
const SIGNALS: [&str; 14] = [
    "EXIT", "0", "HUP", "INT", "QUIT", "TERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "1", "2",
    "3", "15",
];

/// Commands that say which processes `kill` ends.
const ASKING: [&str; 4] = ["cat ", "jobs", "pgrep ", "pidof "];

/// Returns whether a command after the bot starts no other program that may be one.
pub(super) fn is_harmless_after(command: &str) -> bool {
    let command = command.trim();
    let plain = without_redirections(command).unwrap_or(command);
    let words: Vec<String> =
        plain.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_owned()).collect();
    let Some(first) = words.first() else { return false };
    let asks_for_processes = || {
        let asked = command.split_once("$(").map(|(_, code)| code);
        first == "kill"
            && command.matches("$(").count() == 1
            && asked.is_some_and(|code| ASKING.iter().any(|it| code.trim_start().starts_with(it)))
    };
    let starts_program = || {
        command.contains('`')
            || !asks_for_processes() && without_neutral_substitutions(command).contains("$(")
    };
    match first.as_str() {
        "trap" => is_harmless_trap_line(command) && !starts_program(),
        "set" | "read" => !starts_program(),
        _ => {
            (is_harmless(&words, command) || assignment(first).is_some() && first == command)
                && !starts_program()
        }
    }
}

/// Returns whether the line `trap HANDLER SIGNAL…` is a harmless one.
fn is_harmless_trap_line(line: &str) -> bool {
    let rest = line.trim().trim_start_matches("trap").trim_start();
    let quote = ['\'', '"'].into_iter().find(|quote| rest.starts_with(*quote));
    let parts = match quote {
        Some(quote) => rest.strip_prefix(quote).and_then(|rest| rest.rsplit_once(quote)),
        None => rest.split_once(char::is_whitespace),
    };
    let Some((handler, signals)) = parts else { return false };
    let words = [handler].into_iter().chain(signals.split_whitespace());
    is_harmless_trap(&words.map(str::to_owned).collect::<Vec<_>>())
}

/// Returns whether `trap` sets handlers for these signals only, which start no other program.
pub(super) fn is_harmless_trap(words: &[String]) -> bool {
    let [handler, signals @ ..] = words else { return false };
    let is_harmless =
        handler == "-" || statements(handler).iter().all(|it| is_harmless_after(&it.text));
    !signals.is_empty() && signals.iter().all(|it| SIGNALS.contains(&it.as_str())) && is_harmless
}

/// Removes the substitutions whose output differs between two starts of one bot, or is the same for
/// all programs of a host: `$(date +%s)`, `$(git rev-parse HEAD)`, `$(hostname)`.
pub(super) fn without_neutral_substitutions(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("$(") {
        kept.push_str(before);
        let Some((code, behind)) = after.split_once(')') else {
            return text.to_owned();
        };
        let mut words = code.split_whitespace();
        let is_neutral = match words.next() {
            Some("date" | "hostname" | "nproc" | "uname") => true,
            // The name of a branch may choose the bot, and so may a folder.
            Some("git") => match words.next() {
                Some("rev-parse") => words.all(|it| {
                    !it.starts_with("--") || it.starts_with("--short") || it == "--verify"
                }),
                Some("describe") => words.all(|it| it != "--all"),
                Some(_) | None => false,
            },
            Some(_) | None => false,
        };
        if !is_neutral || code.contains(['`', '$', '(', ';', '|', '&', '<', '>']) {
            kept.push_str("$(");
            rest = after;
            continue;
        }
        rest = behind;
    }
    kept + rest
}

/// Parses a word that sets a variable of a shell.
pub(super) fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (is_name && name.chars().all(is_letter)).then_some((name, value))
}
