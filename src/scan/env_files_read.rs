//! The files with variables that COMMAND reads in any case: those that its options name, and those
//! that its start script reads without a condition.

use std::path::{Path, PathBuf};

use crate::scan::command::{Certainty, Command};
use crate::scan::env_file_option::is_env_file;
use crate::scan::invocation::absolute;

/// Words with which a line begins that runs only sometimes, or later.
const CONDITIONS: [&str; 13] = [
    "if", "elif", "else", "case", "esac", "while", "until", "for", "select", "function", "trap",
    "exit", "return",
];

/// Programs that print a file, or what is in it.
const READERS: [&str; 5] = ["cat", "egrep", "grep", "sed", "xargs"];

impl Command {
    /// Returns the files. None if a condition may choose another file, or one of
    /// `token_variables` gets its value elsewhere.
    pub(crate) fn env_files(&self, token_variables: &[&str]) -> Vec<PathBuf> {
        let started: Vec<&Command> = self.started.iter().map(|it| &it.command).collect();
        let certain = self.started.iter().filter(|it| it.certainty == Certainty::Certain);
        let commands = [self].into_iter().chain(certain.map(|it| &it.command));
        let by_options = commands.flat_map(|command| {
            let options = command.runs.context.options.iter();
            let files = options.filter(|it| is_env_file(it));
            files.map(|it| absolute(Path::new(&it.value), &command.runs_in)).collect::<Vec<_>>()
        });
        let names = files_read(&self.script_text(), token_variables).unwrap_or_default();
        let folders = started.iter().map(|it| it.runs_in.as_path()).chain([self.runs_in.as_path()]);
        let by_script = folders
            .flat_map(|folder| names.iter().map(move |name| absolute(Path::new(name), folder)));
        let mut files: Vec<PathBuf> = by_options.chain(by_script).collect();
        files.sort();
        files.dedup();
        files
    }
}

/// Returns the names of the files that a script reads; `None` if that is not certain.
fn files_read(text: &str, token_variables: &[&str]) -> Option<Vec<String>> {
    let mut files = Vec::new();
    if text.contains("() {") || text.contains("(){") {
        return None;
    }
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let mut tested: Option<String> = None;
        for statement in line.split(';').flat_map(|it| it.split("&&")).map(str::trim) {
            let words: Vec<&str> = statement.split_whitespace().collect();
            let Some(first) = words.first() else { continue };
            if CONDITIONS.contains(first) {
                return None;
            }
            if ["[", "[[", "test"].contains(first) {
                tested = Some(tested_file(&words)?.to_owned());
                continue;
            }
            let read = if let ["." | "source", file] = words.as_slice() {
                vec![*file]
            } else if [".", "source"].contains(first) {
                return None;
            } else {
                files_of_substitution(statement, token_variables)?
            };
            if statement.contains("||") && !read.is_empty() {
                return None;
            }
            for file in read.into_iter().map(without_quotes) {
                let is_plain = !file.is_empty() && !file.contains(['$', '*', '?', '`', '"', '\'']);
                if !is_plain || tested.as_ref().is_some_and(|it| !is_same_name(it, file)) {
                    return None;
                }
                files.push(file.to_owned());
            }
        }
    }
    Some(files)
}

/// Returns the file of `[ -f FILE ]`; `None` for another test.
fn tested_file<'a>(words: &[&'a str]) -> Option<&'a str> {
    match words {
        [_, "-f" | "-e" | "-r" | "-s", file, ..] => Some(without_quotes(file)),
        _ => None,
    }
}

/// Returns the files that a substitution reads for `export` or a variable; `None` if a variable
/// for a token gets another value.
fn files_of_substitution<'a>(statement: &'a str, token_variables: &[&str]) -> Option<Vec<&'a str>> {
    let rest = statement.strip_prefix("export ").unwrap_or(statement).trim_start();
    let name = rest.split_once('=').map(|(name, _)| name).filter(|it| is_name(it));
    let sets_token = name.is_some_and(|name| token_variables.contains(&name));
    let sets = name.is_some() || rest.starts_with("$(") && statement.starts_with("export ");
    let inner = rest.split_once("$(").and_then(|(_, inner)| Some(inner.rsplit_once(')')?.0));
    let Some(inner) = inner.filter(|_| sets) else {
        return if sets_token { None } else { Some(Vec::new()) };
    };
    if let Some(file) = inner.trim().strip_prefix('<') {
        return Some(vec![file.trim()]);
    }
    let mut words = inner.split(|c: char| c.is_whitespace() || c == '|' || c == '<');
    let is_reader = words.next().is_some_and(|first| READERS.contains(&first));
    let is_file = |word: &&str| {
        let word = without_quotes(word);
        !word.is_empty() && !word.starts_with('-') && !READERS.contains(&word)
    };
    let files: Vec<&str> = words.filter(is_file).filter(|it| is_file_name(it)).collect();
    match (is_reader, sets_token) {
        (true, _) => Some(files),
        (false, true) => None,
        (false, false) => Some(Vec::new()),
    }
}

/// Returns whether a word is rather a file than the pattern of grep or the code of sed.
fn is_file_name(word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_-./$\"{}~@+".contains(c);
    word.chars().all(is_part)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_same_name(one: &str, other: &str) -> bool {
    let plain = |name: &'_ str| name.trim_start_matches("./").to_owned();
    plain(one) == plain(other)
}

fn without_quotes(word: &str) -> &str {
    word.trim_matches(['"', '\''])
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
            ("BOT_TOKEN=$(<token.txt)\nexport BOT_TOKEN\n", Some(vec!["token.txt"])),
            ("[ -f .env.a ] && . ./.env.a\n./bot", Some(vec!["./.env.a"])),
            ("# . ./.env.b\necho .env.b\n./bot", Some(vec![])),
            ("cp .env.a .env\n./bot", Some(vec![])),
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
        ] {
            let seen = files_read(text, &["BOT_TOKEN"]);
            let seen = seen.as_ref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(seen, expected, "{text}");
        }
    }
}
