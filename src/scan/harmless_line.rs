//! Lines of a start script that do not affect the bot before them: `echo $! > bot.pid`, `wait`,
//! `trap 'rm -f bot.pid' EXIT`.

use crate::scan::harmless_command::{is_harmless, runs_own_step};
use crate::scan::harmless_output::{is_harmless_filter, writes_a_choice};
use crate::scan::settings_files::base_name;
use crate::scan::shell_statements::{Separator, statements};
use crate::scan::shell_words::without_redirections;
use crate::scan::substituted_code::substitutions;

/// Signals that arrive from outside or at the end. DEBUG and ERR handlers run between the lines.
#[rustfmt::skip]
const SIGNALS: [&str; 14] = [
    "EXIT", "0", "HUP", "INT", "QUIT", "TERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "1", "2",
    "3", "15",
];

/// Programs that only print something about a path, a number or a service.
#[rustfmt::skip]
const QUERIES: [&str; 9] = [
    "basename", "cd", "dirname", "expr", "mktemp", "readlink", "realpath", "seq", "systemctl",
];

/// Returns whether a command does not affect the bot, and neither do its redirections and
/// substitutions. `text` is the whole command.
pub(super) fn is_harmless_line(words: &[String], text: &str) -> bool {
    is_harmless(words, text) && !starts_program(text)
}

/// Returns whether a command after the bot starts no other program that may be one.
pub(super) fn is_harmless_after(command: &str) -> bool {
    let command = command.trim();
    let words = words(command);
    let Some(first) = words.first() else { return false };
    match first.as_str() {
        "trap" => is_harmless_trap_line(command) && !starts_program(command),
        "set" | "read" => !starts_program(command),
        _ => {
            let is_assignment = assignment(first).is_some() && first == command;
            is_harmless_line(&words, command) || is_assignment && !starts_program(command)
        }
    }
}

/// Returns whether a line runs code of the project by the name of a step.
pub(super) fn is_own_step(command: &str) -> bool {
    let words = words(command);
    runs_own_step(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn words(command: &str) -> Vec<String> {
    let plain = without_redirections(command).unwrap_or(command);
    plain.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_owned()).collect()
}

/// Returns whether the line `trap HANDLER SIGNAL…` is a harmless one.
fn is_harmless_trap_line(line: &str) -> bool {
    let Some((handler, signals)) = handler_and_signals(line) else { return false };
    let words = [handler].into_iter().chain(signals.split_whitespace());
    is_harmless_trap(&words.map(str::to_owned).collect::<Vec<_>>())
}

/// Splits the line `trap HANDLER SIGNAL…`.
pub(super) fn handler_and_signals(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim().strip_prefix("trap")?.trim_start();
    let quote = ['\'', '"'].into_iter().find(|quote| rest.starts_with(*quote));
    match quote {
        Some(quote) => rest.strip_prefix(quote)?.rsplit_once(quote),
        None => rest.split_once(char::is_whitespace),
    }
}

/// Returns whether `trap` sets handlers for these signals only, which start no other program.
pub(super) fn is_harmless_trap(words: &[String]) -> bool {
    let [handler, signals @ ..] = words else { return false };
    let is_harmless =
        handler == "-" || statements(handler).iter().all(|it| is_harmless_after(&it.text));
    are_late_signals(signals.iter().map(String::as_str)) && is_harmless
}

/// Returns whether these are only signals whose handlers do not run between the lines.
pub(super) fn are_late_signals<'a>(signals: impl Iterator<Item = &'a str>) -> bool {
    let mut signals = signals.peekable();
    signals.peek().is_some() && signals.all(|it| SIGNALS.contains(&it))
}

/// Returns whether a substitution in a line starts a program that may be the bot or choose one:
/// `$(./choose)`, `<(./choose)`.
pub(super) fn starts_program(line: &str) -> bool {
    substitutions(line).is_none_or(|codes| !codes.into_iter().all(is_harmless_code))
}

fn is_harmless_code(code: &str) -> bool {
    // `$((…))` computes.
    if code.starts_with('(') && code.ends_with(')') {
        return !starts_program(&code[1..code.len() - 1]);
    }
    let mut before = Separator::Line;
    statements(code).iter().all(|it| {
        let is_after_pipe = std::mem::replace(&mut before, it.end) == Separator::Pipe;
        let is_harmless = || is_query(&it.text) || is_harmless_after(&it.text);
        is_after_pipe && is_harmless_filter(&it.text) || is_harmless()
    })
}

fn is_query(statement: &str) -> bool {
    let first = statement.split_whitespace().next().unwrap_or_default();
    let reads_file = statement.starts_with('<') && !statement.starts_with("<(");
    let is_query = QUERIES.contains(&base_name(first)) || is_harmless_filter(statement);
    (reads_file || is_query) && !writes_a_choice(statement) && !starts_program(statement)
}

/// Parses a word that sets a variable of a shell.
pub(super) fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (is_name && name.chars().all(is_letter)).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_substitution_is_harmless_if_all_its_programs_are() {
        for line in [
            "echo \"it's $(date) in $(pwd)\"",
            "[ \"$(id -u)\" = 0 ]",
            "mkdir -p \"$(dirname \"$LOG\")\"",
            "kill $(cat bot.pid)",
            "kill $(ps aux | grep '[o]ther' | awk '{print $2}')",
            "sleep $((1 + 2))",
            "echo '$(./bot)'",
            "echo $(<VERSION) `date`",
            "echo $(cd \"$(dirname \"$0\")\" && pwd)",
            "echo $(find . -name .env -newer bot.log)",
            "echo $(find . -name '*.pid' -exec rm {} +)",
        ] {
            assert!(!starts_program(line), "{line}");
        }
        for line in [
            "echo $(./bot)",
            "echo \"$(./bot)\"",
            "echo \"it's\" $(./bot)",
            "echo `./bot`",
            "kill $(cat bot.pid; ./bot)",
            "kill $(cat bot.pid | ./bot)",
            "kill $(cat $(./bot))",
            "cat <(./bot)",
            "echo $(find . -exec ./choose bob \\;)",
            "echo $(find . -name .env -delete)",
            "echo up > >(./bot)",
            "sleep $(($(./bot) + 2))",
            "echo $(echo BOT=bob > .env)",
            "echo $(./bot",
        ] {
            assert!(starts_program(line), "{line}");
        }
    }
}
