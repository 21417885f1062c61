//! The folder of a script's caller: a start script that reads it and then enters its own may start
//! another bot from each folder. `DIR=$(pwd); cd "$(dirname "$0")"; ./bot "$DIR/config.json"`

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::scan::command::Command;
use crate::scan::harmless_command::{Steps, is_harmless};
use crate::scan::harmless_line::assignment;
use crate::scan::interpreters::Language;
use crate::scan::invocation::{Invocation, Target, absolute};
use crate::scan::passing_failure::canonicalize;
use crate::scan::reads_caller::ReadsCaller;
use crate::scan::same_command::RunningCommand;
use crate::scan::script_command::{ScriptStart, long_text};
use crate::scan::script_reader::{Script, reads_a_file};
use crate::scan::shell_statements::{Place, Statement, statements};
use crate::scan::shell_words::is_name_char;
use crate::scan::substituted_code::{is_neutral, substitutions};

/// Stands for the folder of the caller. No folder has this name.
const CALLER: &str = "/\u{1}";

/// Names of the current folder, and of the one before.
const FOLDERS: [&str; 5] = ["pwd", "PWD", "OLDPWD", "DIRSTACK", "dirs"];

/// Commands that read the files in their arguments.
#[rustfmt::skip]
const READERS: [&str; 16] = [
    ".", "awk", "cat", "cp", "cut", "find", "grep", "head", "install", "jq", "ln", "ls", "mv",
    "rsync", "sed", "source",
];

impl Command {
    /// Returns whether this command's script reads the folder of its caller, and a process that
    /// runs the script was perhaps started in another folder.
    pub(super) fn reads_another_folder(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
    ) -> bool {
        let Some(read) = &self.reads_caller else { return false };
        let is_here = process.cwd.is_some_and(|cwd| self.is_folder(cwd));
        let may_have_entered_it = read.enters_unknown
            || read.entered.iter().any(|folder| {
                *folder == self.folder || canonicalize(folder).as_ref() == Some(&self.runs_in)
            });
        if is_here && !may_have_entered_it || self.is_opened_from_my_folder(it, process) {
            return false;
        }
        let is_mine = |folder: &PathBuf| {
            self.is_folder(folder) || canonicalize(folder).as_ref() == Some(&self.runs_in)
        };
        !process.started_in().as_ref().is_some_and(is_mine)
    }

    /// Returns whether a process has this command's script open under a path that leads there from
    /// this folder alone.
    fn is_opened_from_my_folder(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let (Target::Script(path, _), Some(mine)) = (&it.target, self.shell_script()) else {
            return false;
        };
        let goes_up = path.components().any(|part| part == Component::ParentDir);
        let own = absolute(path, &self.runs_in);
        path.is_relative()
            && !goes_up
            && canonicalize(&own).as_deref() == Some(&*own)
            && absolute(path, &self.folder) == *mine
            && (process.opens)(mine)
    }

    /// Returns what its shell script does with the folder of its caller; `None` if it does not read
    /// it.
    pub(super) fn find_reads_of_caller(&self) -> Option<ReadsCaller> {
        let (text, args) = match &self.runs.target {
            Target::Script(..) => (long_text(self.shell_script()?)?, &self.runs.args[..]),
            Target::Code(Language::Shell, code) => {
                (code.to_str()?.to_owned(), self.runs.args.get(1..).unwrap_or_default())
            }
            Target::Program(_)
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => return None,
        };
        let environment = |name: &str| {
            let value = self.variable(OsStr::new(name), &[]);
            value.filter(|_| name != "OLDPWD")?.into_string().ok()
        };
        let start = ScriptStart {
            args,
            script: self.shell_script(),
            cwd: Path::new(CALLER),
            environment: &environment,
        };
        Some(read(&text, &start)).filter(|it| it.reads)
    }
}

fn read(text: &str, start: &ScriptStart<'_>) -> ReadsCaller {
    let mut script = Script::new(text, start, Steps::Prepare);
    let mut found = ReadsCaller::default();
    for statement in statements(text) {
        script.scope.knows_own_path = true;
        let words = script.scope.words(&statement.text);
        script.scope.knows_own_path = false;
        script.read(&statement);
        let values = script.context.variables.iter().filter_map(|(_, value)| value.as_deref());
        found.reads |= values.into_iter().any(|it| names_caller(&it.to_string_lossy()));
        match words {
            Some(words) => found.add(&words, &statement, &script),
            None => found.reads |= names_a_folder(&statement.text),
        }
    }
    found
}

impl ReadsCaller {
    fn add(&mut self, words: &[String], statement: &Statement, script: &Script<'_>) {
        let text = &statement.text;
        let count = words.iter().take_while(|word| assignment(word).is_some()).count();
        let (set, command) = words.split_at(count);
        let is_unknown = |word: &String| word.contains('\0');
        let has_unknown = words.iter().any(is_unknown);
        let is_derived = has_unknown
            && (names_a_folder(text) || !self.has_left && reads_own_files(text, script));
        let Some(first) = command.first() else {
            // A known value counts where it is used.
            self.reads |= is_derived;
            return;
        };
        match first.as_str() {
            "cd" | "pushd" | "popd" => return self.enter(command, statement, script),
            _ if is_harmless(command, text) && !text.contains(":=") => return,
            _ => {}
        }
        let is_read = |word: &String| names_caller(word);
        let args = command.get(1..).unwrap_or_default();
        let is_file = |word: &String| {
            let is_relative = !word.starts_with(['-', '/', '\0']) && !word.is_empty();
            let looks_so = word.contains(['.', '/']) || READERS.contains(&first.as_str());
            is_relative && looks_so && !word.contains("://")
        };
        let is_setting = ["export", "declare", "local", "readonly", "set", "typeset", "unset"];
        let is_own_program = first.contains('/') && is_file(first);
        let reads_files = !self.has_left
            && !is_setting.contains(&first.as_str())
            && (is_own_program || args.iter().any(is_file));
        self.reads |= is_derived
            || set.iter().chain(command).any(is_read)
            || reads_files
            || self.has_input_of_caller(text, script);
    }

    fn enter(&mut self, command: &[String], statement: &Statement, script: &Script<'_>) {
        let folder = command.get(1..).unwrap_or_default().iter().find(|it| !it.starts_with('-'));
        let goes_back = command[0] == "popd" || command.iter().any(|word| word == "-");
        match &script.scope.cwd {
            _ if goes_back => self.has_left = false,
            Some(cwd) if names_caller(&cwd.to_string_lossy()) => {}
            Some(cwd) => {
                self.entered.push(cwd.clone());
                self.has_left = true;
            }
            None => match folder {
                Some(folder) if names_caller(folder) => {}
                Some(folder) if folder.starts_with('/') && !folder.contains('\0') => {
                    self.entered.push(PathBuf::from(folder));
                    self.has_left |= statement.place == Place::Always;
                }
                Some(folder) if !folder.contains('\0') && !self.has_left => {}
                Some(_) | None => {
                    self.enters_unknown = true;
                    self.has_left |=
                        statement.place == Place::Always && !names_a_folder(&statement.text);
                }
            },
        }
    }

    /// Returns whether a command gets a file of the caller's folder on its standard input.
    fn has_input_of_caller(&self, text: &str, script: &Script<'_>) -> bool {
        let Some((_, file)) = text.split_once('<').filter(|_| reads_a_file(text)) else {
            return false;
        };
        let words = script.scope.words(file.trim_start_matches('<')).unwrap_or_default();
        words.first().is_some_and(|file| {
            names_caller(file)
                || names_a_folder(text) && file.contains('\0')
                || !self.has_left && !file.starts_with(['/', '\0'])
        })
    }
}

fn names_caller(word: &str) -> bool {
    word.contains(CALLER)
}

/// Returns whether a command asks for the current folder, or for the one before.
fn names_a_folder(text: &str) -> bool {
    text.split(|c| !is_name_char(c)).any(|word| FOLDERS.contains(&word))
}

/// Returns whether a substitution reads files of the current folder: `$(cat settings)`,
/// `$(< settings)`.
fn reads_own_files(text: &str, script: &Script<'_>) -> bool {
    let codes = substitutions(text).unwrap_or_default().into_iter();
    let mut commands =
        codes.filter(|code| !is_neutral(code)).flat_map(|code| code.split([';', '|', '&', '(']));
    commands.any(|command| {
        let command = command.trim();
        let file = command.strip_prefix('<');
        let words = script.scope.words(file.unwrap_or(command)).unwrap_or_default();
        let mut operands = words.iter().map(String::as_str).filter(|word| !word.starts_with('-'));
        let program = operands.next().unwrap_or_default();
        let is_of_folder = |word: &str| {
            !word.starts_with(['/', '\0']) && !word.is_empty() && word.parse::<u32>().is_err()
        };
        if file.is_some() {
            return is_of_folder(program);
        }
        // The first operand of these is a pattern or code.
        let skipped = usize::from(["awk", "grep", "jq", "sed"].contains(&program));
        READERS.contains(&program) && operands.skip(skipped).any(is_of_folder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_reads_the_folder_of_its_caller_by_name_or_by_its_files() {
        let environment = |name: &str| (name == "HOME").then(|| "/home/u".to_owned());
        let script = Some(Path::new("/srv/common/run"));
        let start =
            ScriptStart { args: &[], script, cwd: Path::new(CALLER), environment: &environment };
        let own = "cd \"$(dirname \"$0\")\"";
        for text in [
            "A=$(pwd); OWN; ./bot $A",
            "A=$PWD; OWN; A=$A ./bot",
            "A=${PWD##*/}; OWN; ./bot $A",
            "OWN; ./bot $OLDPWD/x",
            "OWN; D=$OLDPWD; export D; ./bot",
            "A=$(realpath x); OWN; ./bot $A",
            "cp x /srv/common; OWN; ./bot",
            "A=$(cat x); OWN; ./bot $A",
            "A=$(< x); OWN; ./bot $A",
            ". ./x; OWN; ./bot",
            "./choose; OWN; ./bot",
            ": ${A:=$PWD}; OWN; ./bot",
            "OWN; cd -; . x; OWN; ./bot",
            "pushd /x; popd; . x; cd /x; ./bot",
            "set -a; A=$PWD; OWN; ./bot",
            "OWN; ./bot < $OLDPWD/x",
        ] {
            let text = text.replace("OWN", own);
            assert!(read(&text, &start).reads, "{text}");
        }
        for text in [
            "OWN; ./bot",
            "OWN; ./bot $PWD $(pwd) $(realpath x) < x",
            "A=$(cd \"$(dirname \"$0\")\" && pwd); cd $A; ./bot $A",
            "A=$(dirname \"$(readlink -f \"$0\")\"); . $A/x; cd $A; ./bot < $A/x",
            "OWN; . ./x; A=$(cat x) ./bot",
            "A=$(pwd); OWN; ./bot; cd $A",
            "echo $PWD; mkdir -p x; pip install -r x.txt; OWN; ./bot",
            "N=$(nproc) D=$(date); OWN; ./bot",
            "cd /srv/x || exit 1; . ./x; ./bot",
            "cd $(git -C /srv/x rev-parse --show-toplevel); . ./x; ./bot",
            ". ~/x; OWN; ./bot",
            "systemctl stop bot; OWN; ./bot",
        ] {
            let text = text.replace("OWN", own);
            assert!(!read(&text, &start).reads, "{text}");
        }
    }
}
