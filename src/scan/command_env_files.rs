//! The files with variables that COMMAND reads in any case: those that its options name, and those
//! that its start script reads without a condition.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::scan::command::{Certainty, Command};
use crate::scan::env_file_option::is_env_file;
use crate::scan::invocation::absolute;
use crate::scan::make_rules::is_name;
use crate::scan::settings_files::base_name;
use crate::scan::settings_writer::choices;
use crate::scan::shell_statements::{Place, Statement, functions, statements};
use crate::scan::shell_words::{commands_of_pipeline, first_word, is_name_char, unquoted};

/// Programs that print files, or parts of them.
const PRINTERS: [&str; 12] =
    ["awk", "cat", "cut", "egrep", "fgrep", "gawk", "grep", "head", "rg", "sed", "tail", "xargs"];

/// Those whose first argument is a pattern or code.
const WITH_PATTERN: [&str; 7] = ["awk", "egrep", "fgrep", "gawk", "grep", "rg", "sed"];

/// Characters of a word that a shell expands.
const NOT_PLAIN: [char; 8] = ['$', '*', '?', '`', '"', '\'', '<', '('];

impl Command {
    /// Returns the paths of these files.
    pub(crate) fn env_files(&self, token_variables: &[&str]) -> Vec<PathBuf> {
        let mut files = self.env_files_of_options();
        files.extend(self.env_files_of_script(token_variables));
        files.sort();
        files.dedup();
        files
    }

    /// Returns the paths of those that its start script reads. Empty if a condition may choose
    /// another file, or a line gives one of `token_variables` its value.
    pub(crate) fn env_files_of_script(&self, token_variables: &[&str]) -> Vec<PathBuf> {
        let started: Vec<&Command> = self.started.iter().map(|it| &it.command).collect();
        let names = files_read(&self.script_text(), &self.runs.args, token_variables);
        let names = names.unwrap_or_default();
        let beside = self.file.as_deref().and_then(Path::parent).filter(|_| !names.is_empty());
        let folders = started.iter().map(|it| it.runs_in.as_path());
        let folders = folders.chain([self.runs_in.as_path()]).chain(beside);
        let mut files: Vec<PathBuf> = folders
            .flat_map(|folder| names.iter().map(|name| absolute(Path::new(name), folder)))
            .collect();
        files.sort();
        files.dedup();
        files
    }

    /// Returns the paths of those that its options name, or those of what it starts in any case.
    pub(crate) fn env_files_of_options(&self) -> Vec<PathBuf> {
        let certain = self.started.iter().filter(|it| it.certainty == Certainty::Certain);
        let commands = [self].into_iter().chain(certain.map(|it| &it.command));
        let files = commands.flat_map(|command| {
            let options = command.runs.context.options.iter();
            let files = options.filter(|it| is_env_file(it));
            files.map(|it| absolute(Path::new(&it.value), &command.runs_in)).collect::<Vec<_>>()
        });
        files.collect()
    }
}

/// Returns the names of the files that a script reads; `None` if that is not certain.
fn files_read(text: &str, args: &[OsString], token_variables: &[&str]) -> Option<Vec<String>> {
    // These give `$1` another meaning.
    let changes_arguments = text.contains("shift") || text.contains("set --");
    let args = if changes_arguments { &[] } else { args };
    // A function may be called or not. What writes settings may write these files.
    if !functions(text).is_empty() || !choices(text).is_empty() {
        return None;
    }
    let (mut files, mut others) = (Vec::<String>::new(), Vec::new());
    let mut tested: Option<String> = None;
    let text_of_script = text;
    for Statement { text, place, .. } in statements(text) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let read = match words.as_slice() {
            ["." | "source", file] => vec![*file],
            ["." | "source", ..] => return None,
            ["cd", ..] if !is_known_folder(first_word(text[2..].trim()), text_of_script) => {
                return None;
            }
            [_, ..] if read_names(&text).iter().any(|it| token_variables.contains(it)) => {
                return None;
            }
            _ => files_of_substitution(&text, token_variables)?,
        };
        for file in read.iter().map(|it| with_arguments(unquoted(it), args)) {
            let is_certain = place == Place::Always
                || tested.as_deref().is_some_and(|it| is_same_name(it, &file));
            if !is_certain || file.is_empty() || file.contains(NOT_PLAIN) {
                return None;
            }
            files.push(file);
        }
        tested = tested_file(&words).map(str::to_owned);
        if read.is_empty() && tested.is_none() {
            others.push(text);
        }
    }
    // `env BOT_TOKEN=… ./bot`, `curl -o token.txt …`
    let may_change = |text: &String| {
        token_variables.iter().any(|name| text.contains(&format!("{name}=")))
            || files.iter().any(|file| text.contains(base_name(file)))
    };
    (!others.iter().any(may_change)).then_some(files)
}

/// Replaces `$1` in a word by the first argument of a script, and so on, if that is a plain word.
fn with_arguments(word: &str, args: &[OsString]) -> String {
    let mut word = word.to_owned();
    let is_plain = |arg: &&str| arg.chars().all(|c| is_name_char(c) || "./-".contains(c));
    for (number, arg) in (1..=9).zip(args) {
        if let Some(arg) = arg.to_str().filter(is_plain) {
            word = word.replace(&format!("${{{number}}}"), arg).replace(&format!("${number}"), arg);
        }
    }
    word
}

/// Returns whether a script enters the current folder, its own, or one that is written down.
/// `cd "$1"` may enter that of any bot.
fn is_known_folder(word: &str, script: &str) -> bool {
    let is_own = |text: &str| {
        ["$0", "{0", "BASH_SOURCE", "HOME", "PWD", "pwd"].iter().any(|it| text.contains(it))
    };
    let Some((_, variable)) = word.split_once('$') else { return !word.contains('`') };
    let variable = variable.trim_start_matches('{');
    let end = variable.find(|c| !is_name_char(c)).unwrap_or(variable.len());
    let set = variable.get(..end).filter(|it| is_name(it)).map(|name| format!("{name}="));
    let mut lines = script.lines();
    is_own(word)
        || set.is_some_and(|set| {
            lines.any(|line| line.split_once(&set).is_some_and(|(_, value)| is_own(value)))
        })
}

/// Returns the file of `[ -f FILE ]`; `None` for another test.
fn tested_file<'a>(words: &[&'a str]) -> Option<&'a str> {
    match words {
        [_, "-f" | "-e" | "-r" | "-s", file, ..] => Some(unquoted(file)),
        _ => None,
    }
}

/// Returns the files that a substitution reads for `export` or a variable; `None` if a variable
/// for a token gets another value.
pub(super) fn files_of_substitution<'a>(
    statement: &'a str,
    token_variables: &[&str],
) -> Option<Vec<&'a str>> {
    let rest = statement.strip_prefix("export ").unwrap_or(statement).trim_start();
    let name = rest.split_once('=').map(|(name, _)| name).filter(|it| is_name(it));
    let sets_token = name.is_some_and(|name| token_variables.contains(&name));
    let sets = name.is_some() || rest.starts_with("$(") && statement.starts_with("export ");
    let inner = rest.split_once("$(").and_then(|(_, inner)| Some(inner.rsplit_once(')')?.0));
    let Some(inner) = inner.filter(|_| sets) else {
        return if sets_token { None } else { Some(Vec::new()) };
    };
    let reads_another = sets_token && name.is_some_and(|name| names_another_token(inner, &[name]));
    match files_printed(inner) {
        Some(_) if reads_another => None,
        Some(files) => Some(files),
        None if sets_token || name.is_none() => None,
        None => Some(Vec::new()),
    }
}

/// Returns the files that code of a substitution prints, or parts of them; `None` if a program
/// prints something else.
pub(super) fn files_printed(code: &str) -> Option<Vec<&str>> {
    let command = commands_of_pipeline(code).first()?.trim();
    if let Some(file) = command.strip_prefix('<') {
        return Some(file.split_whitespace().take(1).collect());
    }
    let mut words = command.split(|c: char| c.is_whitespace() || c == '<');
    let program = base_name(words.next()?);
    let has_pattern = WITH_PATTERN.contains(&program);
    let arguments = words.filter(|word| !unquoted(word).is_empty() && !word.starts_with('-'));
    let is_number = |word: &str| word.bytes().all(|it| it.is_ascii_digit());
    let files = arguments.skip(usize::from(has_pattern));
    let files = files.filter(|it| is_file_name(it) && !is_number(it));
    PRINTERS.contains(&program).then(|| files.collect())
}

/// Returns whether code names a variable for a token other than these: `grep BOB_TOKEN .env`.
pub(super) fn names_another_token(code: &str, names: &[&str]) -> bool {
    let mut words = code.split(|c| !is_name_char(c));
    words.any(|word| word.contains("TOKEN") && !names.contains(&word))
}

/// Returns the variables that `read` sets, with its options.
pub(super) fn read_names(statement: &str) -> Vec<&str> {
    let mut words = without_assignments(statement).split_whitespace();
    let is_read = words.next() == Some("read");
    words.filter(|_| is_read).map(unquoted).collect()
}

/// Returns what follows the assignments before a command: `IFS= read -r BOT_TOKEN`.
pub(super) fn without_assignments(statement: &str) -> &str {
    let mut rest = statement.trim_start();
    loop {
        let word = first_word(rest);
        let after = rest.get(word.len()..).unwrap_or_default().trim_start();
        if after.is_empty() || !word.split_once('=').is_some_and(|(name, _)| is_name(name)) {
            return rest;
        }
        rest = after;
    }
}

/// Returns whether a word is rather a file than the pattern of grep or the code of sed.
fn is_file_name(word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_-./$\"{}~@+".contains(c);
    word.chars().all(is_part)
}

fn is_same_name(one: &str, other: &str) -> bool {
    let plain = |name: &'_ str| name.trim_start_matches("./").to_owned();
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_which_files_it_reads_in_any_case() {
        for (text, expected) in [
            (". ./.env.a\nexec python3 main.py\n", Some(vec!["./.env.a"])),
            ("set -a; source '.env.a'; set +a\nexec python3 main.py", Some(vec![".env.a"])),
            ("export $(grep -v '^#' .env.a | xargs)\npython3 main.py", Some(vec![".env.a"])),
            ("export $(cat .env.a | xargs) && python3 main.py", Some(vec![".env.a"])),
            ("export BOT_TOKEN=\"$(cat token.txt)\"\nexec ./bot", Some(vec!["token.txt"])),
            (
                "BOT_TOKEN=$(grep '^BOT_TOKEN=' .env.a | head -n 1)\nexport BOT_TOKEN",
                Some(vec![".env.a"]),
            ),
            ("BOT_TOKEN=$(<token.txt)\nexport BOT_TOKEN\n", Some(vec!["token.txt"])),
            ("[ -f .env.a ] && . ./.env.a\n./bot", Some(vec!["./.env.a"])),
            ("cd \"$(dirname \"$0\")\"\n. ./.env.a\n./bot", Some(vec!["./.env.a"])),
            ("D=${0%/*}; cd \"$D\" && . ./.env.a\n./bot", Some(vec!["./.env.a"])),
            ("# . ./.env.b\necho .env.b\n./bot", Some(vec![])),
            // Something may choose another file, or another value.
            ("if [ $1 = b ]; then . ./.env.b; fi\n./bot", None),
            ("[ \"$1\" = b ] && . ./.env.b\n./bot", None),
            ("[ -f .env.a ] && . ./.env.b\n./bot", None),
            ("case $1 in b) . ./.env.b;; esac", None),
            (". ./.env.$1\n./bot", None),
            (". ./.env.a || . ./.env.b\n./bot", None),
            ("load() {\n. ./.env.b\n}\n./bot", None),
            ("export BOT_TOKEN=$OTHER\n. ./.env.a\n", None),
            ("export BOT_TOKEN=$(pass show bot)\n. ./.env.a\n", None),
            ("cp .env.a .env\n./bot", None),
            ("cp envs/$1 run.env\n. ./run.env\n./bot", None),
            (". ./envs/alice\n[ -f nofile ] || . ./envs/bob\n./bot", None),
            (". ./.env.a\nexport A=1 BOT_TOKEN=\"$OTHER\"\n./bot", None),
            (". ./.env.a\ndeclare BOT_TOKEN=\"$OTHER\"\n./bot", None),
            (". ./.env.a\nexec env BOT_TOKEN=\"$OTHER\" ./bot", None),
            (". ./.env.a\n{ . ./.env.b; }\n./bot", None),
            (". ./.env.a\nload()\n{\n. ./.env.b\n}\nload\n./bot", None),
            (". ./.env.a\nIFS= read -r BOT_TOKEN < token.txt\n./bot", None),
            (". ./.env.a\nexport $(./show)\n./bot", None),
            ("cd \"$1\"\n. ./.env.a\n./bot", None),
            ("cd \"$BOT_DIR\" && . ./.env.a\n./bot", None),
            (". ./.env.a\n. <(./show)\n./bot", None),
            ("BOT_TOKEN=$(grep BOB_TOKEN .env.a)\n./bot", None),
            (". ./.env.a\ncurl -o .env.a https://example.com\n./bot", None),
        ] {
            let seen = files_read(text, &[], &["BOT_TOKEN"]);
            let seen = seen.as_ref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(seen, expected, "{text}");
        }
    }
}
