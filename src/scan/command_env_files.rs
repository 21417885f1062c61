//! The files with variables that COMMAND reads in any case: those that its options name, and those
//! that its start script reads without a condition.

use std::path::{Path, PathBuf};

use crate::scan::command::{Certainty, Command};
use crate::scan::env_file_option::is_env_file;
use crate::scan::invocation::absolute;
use crate::scan::make_rules::is_name;
use crate::scan::settings_files::base_name;
use crate::scan::settings_writer::choices;
use crate::scan::shell_statements::{Place, Statement, functions, statements};
use crate::scan::shell_words::unquoted;

/// Programs that print a file, or what is in it.
const PRINTERS: [&str; 5] = ["cat", "egrep", "grep", "sed", "xargs"];

impl Command {
    /// Returns the paths of these files. Empty if a condition may choose another file, or a line
    /// gives one of `token_variables` its value.
    pub(crate) fn env_files(&self, token_variables: &[&str]) -> Vec<PathBuf> {
        let started: Vec<&Command> = self.started.iter().map(|it| &it.command).collect();
        let names = files_read(&self.script_text(), token_variables).unwrap_or_default();
        let folders = started.iter().map(|it| it.runs_in.as_path()).chain([self.runs_in.as_path()]);
        let by_script = folders
            .flat_map(|folder| names.iter().map(move |name| absolute(Path::new(name), folder)));
        let mut files: Vec<PathBuf> =
            self.env_files_of_options().into_iter().chain(by_script).collect();
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
fn files_read(text: &str, token_variables: &[&str]) -> Option<Vec<String>> {
    // A function may be called or not. What writes settings may write these files.
    if !functions(text).is_empty() || !choices(text).is_empty() {
        return None;
    }
    let (mut files, mut others) = (Vec::<String>::new(), Vec::new());
    let mut tested: Option<String> = None;
    for Statement { text, place, .. } in statements(text) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let read = match words.as_slice() {
            ["." | "source", file] => vec![*file],
            ["." | "source", ..] => return None,
            _ => files_of_substitution(&text, token_variables)?,
        };
        for file in read.iter().map(|it| unquoted(it)) {
            let is_certain = place == Place::Always
                || tested.as_deref().is_some_and(|it| is_same_name(it, file));
            if !is_certain || file.is_empty() || file.contains(['$', '*', '?', '`', '"', '\'']) {
                return None;
            }
            files.push(file.to_owned());
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
    if let Some(file) = inner.trim().strip_prefix('<') {
        return Some(vec![file.trim()]);
    }
    let mut words = inner.split(|c: char| c.is_whitespace() || c == '|' || c == '<');
    let is_reader = words.next().is_some_and(|first| PRINTERS.contains(&first));
    let is_file = |word: &&str| {
        let word = unquoted(word);
        !word.is_empty() && !word.starts_with('-') && !PRINTERS.contains(&word)
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
            ("BOT_TOKEN=$(<token.txt)\nexport BOT_TOKEN\n", Some(vec!["token.txt"])),
            ("[ -f .env.a ] && . ./.env.a\n./bot", Some(vec!["./.env.a"])),
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
            (". ./.env.a\ncurl -o .env.a https://example.com\n./bot", None),
        ] {
            let seen = files_read(text, &["BOT_TOKEN"]);
            let seen = seen.as_ref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(seen, expected, "{text}");
        }
    }
}
