//! What the lines of a shell script set for the commands after them: variables, the folder, options
//! of the shell and its arguments.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::engine::variable_kind::VariableKind;
use crate::scan::command_env_files::files_of_substitution;
use crate::scan::harmless_line::assignment;
use crate::scan::invocation::absolute;
use crate::scan::script_command::text;
use crate::scan::script_questions::read_options;
use crate::scan::script_reader::{Script, SearchPath};
use crate::scan::shell_statements::{Place, Statement, functions, statements};
use crate::scan::shell_substitution::canonical;
use crate::scan::shell_words::variables_set;
use crate::scan::substituted_code::{is_process_id, without_neutral_substitutions};

impl Script<'_> {
    pub(super) fn assign(&mut self, name: &str, value: &str, statement: &Statement) {
        let is_more_path = name == "PATH"
            && self.path == SearchPath::Other
            && !statement.text.contains(['`', '('])
            && self.adds_folders_of_host(value);
        let is_certain = statement.place == Place::Always
            && !value.contains('\0')
            && !self.scope.variables.contains_key(name);
        let value = is_certain.then(|| value.to_owned());
        // Such a value is part of no name of a bot. A command with it is not known.
        let is_neutral = statement.place == Place::Always
            && statement.text.contains("$(")
            && !without_neutral_substitutions(&statement.text).contains(['$', '`'])
            && !VariableKind::of(OsStr::new(name)).may_choose();
        // The number of a process that runs is part of none either.
        let is_process = statement.place == Place::Always && is_process_id(name, &statement.text);
        self.is_simple &= is_certain || is_neutral || is_process || is_more_path;
        // A variable of the environment stays exported.
        if self.exports_all || (self.scope.environment)(name).is_some() {
            self.set_variable(name, value.as_deref(), statement);
        }
        self.scope.variables.insert(name.to_owned(), value);
    }

    pub(super) fn declare(&mut self, exports: bool, words: &[String], statement: &Statement) {
        for word in words {
            match assignment(word) {
                Some((name, value)) => {
                    self.assign(name, value, statement);
                    let value = self.scope.variables.get(name).cloned().flatten();
                    if exports {
                        self.set_variable(name, value.as_deref(), statement);
                    }
                }
                None if exports && !word.starts_with('-') => {
                    match self.scope.variables.get(word).cloned().flatten() {
                        Some(value) => self.set_variable(word, Some(&value), statement),
                        None => self.is_simple = false,
                    }
                }
                None => self.is_simple = false,
            }
        }
    }

    /// Sets a variable for the commands that follow. An unknown value is left out, so that it
    /// differs from none.
    pub(super) fn set_variable(&mut self, name: &str, value: Option<&str>, statement: &Statement) {
        let is_unset = statement.text.starts_with("unset");
        self.context.variables.retain(|(own, _)| own != name);
        self.has_other_settings |= value.is_none() && !is_unset;
        if (value.is_some() || is_unset) && statement.place == Place::Always {
            self.context.set(OsStr::new(name), value.map(OsStr::new));
        }
    }

    pub(super) fn enter(&mut self, words: &[String], statement: &Statement) {
        let is_physical = words.iter().any(|word| word == "-P");
        let folder = words.iter().find(|word| !["--", "-P", "-L"].contains(&word.as_str()));
        let home = || (self.scope.environment)("HOME");
        let folder = folder.cloned().or_else(home);
        let folder = folder.filter(|it| !it.contains('\0') && !it.starts_with('-'));
        let from = match (&folder, &self.scope.cwd) {
            (Some(folder), None) if folder.starts_with('/') => Some(self.cwd.to_owned()),
            (_, known) => known.clone(),
        };
        let (Some(folder), Some(from), Place::Always) = (folder, from, statement.place) else {
            return self.forget_folder();
        };
        self.is_simple &= self.scope.cwd.is_some();
        let before = self.scope.cwd.as_deref().and_then(Path::to_str).map(str::to_owned);
        self.scope.variables.insert("OLDPWD".to_owned(), before);
        let entered = absolute(Path::new(&folder), &from);
        let entered = if is_physical { canonical(entered) } else { entered };
        self.context.enter(if is_physical { &entered } else { Path::new(&folder) });
        self.scope.cwd = Some(entered);
    }

    pub(super) fn forget_folder(&mut self) {
        self.scope.cwd = None;
        self.scope.variables.insert("OLDPWD".to_owned(), None);
        self.is_simple = false;
    }

    pub(super) fn set(&mut self, words: &[String], statement: &Statement) {
        let is_option = |word: &&String| {
            (word.starts_with(['-', '+']) && word.len() > 1 && *word != "--")
                || ["pipefail", "errexit", "nounset", "xtrace", "allexport"].contains(&&***word)
        };
        let options = words.iter().take_while(is_option).count();
        let (options, args) = words.split_at(options);
        if let Some((first, rest)) = args.split_first() {
            let args = if first == "--" { rest } else { args };
            if statement.place == Place::Always && !args.iter().any(|arg| arg.contains('\0')) {
                self.scope.args = Some(args.iter().map(OsString::from).collect());
            } else {
                self.forget_arguments();
            }
        }
        let allexport =
            |word: &String| word == "allexport" || word.starts_with('-') && word.contains('a');
        self.exports_all = options.iter().any(allexport) && !options.iter().any(|it| it == "+o");
    }

    pub(super) fn source(&mut self, words: &[String], statement: &Statement) {
        match words {
            [file] if file.ends_with("/bin/activate") && !file.contains('\0') => {
                self.environment = Path::new(file).parent().map(Path::to_owned);
                self.scope.variables.insert("PATH".to_owned(), None);
            }
            [file, ..] if !file.contains('\0') => {
                self.read_commands_of(file, statement.place);
                self.forget_variables();
            }
            _ => self.forget_variables(),
        }
    }

    /// Finds the commands of another script that this one reads. What it sets may change until the
    /// next start.
    pub(super) fn read_commands_of(&mut self, file: &str, place: Place) {
        let path = self.scope.cwd.as_deref().map(|cwd| absolute(Path::new(file), cwd));
        let Some(left) = self.scripts_left.checked_sub(1) else { return };
        let Some(text) = path.as_deref().and_then(text) else { return };
        self.scripts_left = left;
        self.is_simple = false;
        self.functions.extend(functions(&text));
        for mut inner in statements(&text) {
            if place == Place::Perhaps {
                inner.place = place;
            }
            self.read(&inner);
        }
    }

    /// Reads a line that gives the script the variables of the `.env` in the folder of its start,
    /// which a start without the script reads too. Returns whether it is one.
    pub(super) fn reads_own_env_file(&mut self, command: &[String], statement: &str) -> bool {
        let by_export = || match files_of_substitution(statement, &[]).as_deref() {
            Some([file]) if command.len() == 2 && reads_all(statement) => Some((*file).to_owned()),
            Some(_) | None => None,
        };
        let file = match command {
            [first, file] if [".", "source"].contains(&first.as_str()) => Some(file.clone()),
            [first, ..] if first == "export" => by_export(),
            _ => None,
        };
        let (Some(file), Some(cwd)) = (file, &self.scope.cwd) else { return false };
        let path = absolute(Path::new(&file), cwd);
        if path != self.cwd.join(".env") {
            return false;
        }
        self.env_file_folder = Some(self.cwd);
        for name in text(&path).iter().flat_map(|text| variables_set(text)) {
            let text = name.to_string_lossy().into_owned();
            // A bot that reads the file itself keeps the value of its environment.
            self.is_simple &= (self.scope.environment)(&text).is_none();
            self.context.variables.retain(|(own, _)| *own != *name);
            self.scope.variables.insert(text, None);
        }
        true
    }

    /// Forgets the variables that `read` with these words sets.
    pub(super) fn forget_variables_of(&mut self, words: &[String], statement: &Statement) {
        let mut names = read_options("read", words).names;
        if names.is_empty() {
            names.push("REPLY".to_owned());
        }
        if names.iter().any(|name| name.contains('\0')) {
            return self.forget_variables();
        }
        for name in names {
            if self.exports_all || (self.scope.environment)(&name).is_some() {
                self.set_variable(&name, None, statement);
                self.is_simple = false;
            }
            self.scope.variables.insert(name, None);
        }
    }

    /// Forgets the variables that an expansion such as `${BOT:=bob}` may set.
    pub(super) fn forget_variables_with_a_default(&mut self, text: &str) {
        for (_, rest) in text.match_indices("${").map(|(at, _)| text.split_at(at + 2)) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, operator) = rest.split_at(end.unwrap_or(rest.len()));
            if operator.starts_with('=') || operator.starts_with(":=") {
                self.is_simple &= !self.exports_all;
                self.scope.variables.insert(name.to_owned(), None);
            }
        }
    }

    pub(super) fn forget_arguments(&mut self) {
        self.scope.args = None;
        self.is_simple = false;
    }

    pub(super) fn forget_variables(&mut self) {
        self.scope.has_unknown_variables = true;
        self.scope.variables.values_mut().for_each(|value| *value = None);
        self.context.variables.clear();
        self.has_other_settings = true;
        self.is_simple = false;
    }
}

/// Returns whether `export` gets all variables of a file, without a pattern that chooses some.
fn reads_all(statement: &str) -> bool {
    #[rustfmt::skip]
    const USUAL: [&str; 22] = [
        "", "cat", "egrep", "grep", "sed", "xargs", "-0", "-E", "-Ev", "-L", "-d", "-v", "1",
        "'#'", "'\\n'", "'^#'", "'^$'", "'^\\s*#'", "'s/#.*//'", "'s/#.*//g'", "\"#\"", "\"^#\"",
    ];
    let statement = statement.replace("$(", " ");
    let words = statement.split(|c: char| c.is_whitespace() || "|)<".contains(c)).skip(1);
    words.filter(|it| !USUAL.contains(it) && *it != "\"").count() == 1
}
