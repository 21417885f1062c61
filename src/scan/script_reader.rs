//! Reads a shell script line by line: finds the commands that may be the bot, and whether all other
//! lines are simple.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::engine::variable_kind::VariableKind;
use crate::scan::command_context::CommandContext;
use crate::scan::harmless_command::{Steps, is_never_the_bot, runs_own_script, runs_own_step};
use crate::scan::harmless_line::{assignment, is_harmless_line, is_harmless_trap};
use crate::scan::harmless_output::{writes_a_choice, writes_settings};
use crate::scan::script_command::{ScriptCommand, ScriptRole, ScriptStart, UnknownSettings};
use crate::scan::shell_expansion::Scope;
use crate::scan::shell_statements::{Place, Separator, Statement, functions};
use crate::scan::shell_words::simple_words;

/// The most scripts that are read because another one reads them with `.`.
const MAX_SCRIPTS: u32 = 8;

/// Built-in commands that may change any variable or argument, or give a name a new meaning.
const OPAQUE: [&str; 8] =
    ["eval", "getopts", "mapfile", "readarray", "alias", "trap", "enable", "let"];

/// The folders of the programs that a script finds by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchPath {
    Known,
    /// A line has changed `$PATH` in a way that is not known.
    Other,
}

/// A script while it is read.
pub(super) struct Script<'a> {
    /// The meaning of a step that the project itself defines.
    steps: Steps,
    pub(super) scope: Scope<'a>,
    /// The settings of the lines for the commands after them. The folder counts if `scope` knows
    /// it.
    pub(super) context: CommandContext,
    pub(super) cwd: &'a Path,
    pub(super) environment: Option<PathBuf>,
    pub(super) commands: Vec<ScriptCommand>,
    pub(super) is_simple: bool,
    /// After `set -a`, every variable is exported.
    pub(super) exports_all: bool,
    /// A line has set a variable to an unknown value since the last command.
    pub(super) has_other_settings: bool,
    /// The folder in which the script was started, if a line has read the `.env` there.
    pub(super) env_file_folder: Option<&'a Path>,
    pub(super) path: SearchPath,
    pub(super) functions: BTreeSet<String>,
    /// The number of further scripts that may be read.
    pub(super) scripts_left: u32,
}

impl<'a> Script<'a> {
    pub(super) fn new(text: &str, start: &ScriptStart<'a>, steps: Steps) -> Script<'a> {
        Script {
            steps,
            scope: Scope {
                args: Some(Cow::Borrowed(start.args)),
                script: start.script,
                knows_own_path: false,
                cwd: Some(start.cwd.to_owned()),
                variables: BTreeMap::new(),
                environment: start.environment,
                has_unknown_variables: false,
            },
            context: CommandContext::default(),
            cwd: start.cwd,
            environment: None,
            commands: Vec::new(),
            is_simple: true,
            exports_all: false,
            has_other_settings: false,
            env_file_folder: None,
            path: SearchPath::Known,
            functions: functions(text),
            scripts_left: MAX_SCRIPTS,
        }
    }
}

impl Script<'_> {
    /// Reads one statement. Returns whether it is a command that may be the bot.
    pub(super) fn read(&mut self, statement: &Statement) -> bool {
        let Some(words) = self.scope.words(&statement.text) else {
            self.is_simple = false;
            return false;
        };
        let is_assignment = |word: &String| assignment(word).is_some();
        let count = words.iter().take_while(|word| is_assignment(word)).count();
        let (assignments, command) = words.split_at(count);
        let Some(first) = command.first() else {
            // A variable with the path of the script is used to find its folder.
            self.scope.knows_own_path = true;
            let words = self.scope.words(&statement.text);
            self.scope.knows_own_path = false;
            // `{ echo …; } > .env`
            self.is_simple &= !writes_a_choice(&statement.text);
            let words = words.unwrap_or_default();
            let assignments = words.as_slice();
            for (name, value) in assignments.iter().filter_map(|it| assignment(it)) {
                self.assign(name, value, statement);
            }
            return false;
        };
        let rest = command.get(1..).unwrap_or_default();
        self.forget_variables_with_a_default(&statement.text);
        if is_harmless_line(command, &statement.text) && !self.may_be_bot(command, statement) {
            self.is_simple &= !assignments.iter().any(|it| chooses_step(it, command));
            // `make build < bob`
            self.is_simple &= !reads_a_file(&statement.text) || is_never_the_bot(Path::new(first));
            return false;
        }
        if is_never_the_bot(Path::new(first)) {
            self.is_simple = false;
            return false;
        }
        let is_setup = assignments.is_empty() && self.reads_startup_file(command, statement);
        if is_setup || self.reads_own_env_file(command, &statement.text) {
            return false;
        }
        self.is_simple &= statement.place == Place::Always || is_usual_in_a_condition(command);
        let set: Vec<_> = assignments.iter().filter_map(|it| assignment(it)).collect();
        match first.as_str() {
            "read" => self.forget_variables_of(rest, statement),
            "cd" | "pushd" => self.enter(rest, statement),
            "popd" => self.forget_folder(),
            "set" => self.set(rest, statement),
            "shift" => self.forget_arguments(),
            "export" | "declare" | "typeset" | "readonly" | "local" => {
                self.declare(first == "export", rest, statement);
            }
            "unset" => {
                for name in rest.iter().filter(|name| !name.starts_with('-')) {
                    self.scope.variables.insert(name.clone(), None);
                    self.set_variable(name, None, statement);
                }
            }
            "." | "source" => self.source(rest, statement),
            "for" | "select" => {
                self.scope.variables.extend(rest.first().map(|name| (name.clone(), None)));
            }
            // It may run its arguments.
            name if self.functions.contains(name) => {
                self.is_simple = false;
                return !rest.is_empty() && self.add(set, rest, statement);
            }
            "eval" => match evaluated(rest) {
                Some(command) => return self.add(set, &command, statement),
                None => self.forget_variables(),
            },
            "trap" if is_harmless_trap(rest) => {}
            name if OPAQUE.contains(&name) => self.forget_variables(),
            // `exec > log` only redirects.
            "exec" if command.len() == 1 => {
                self.is_simple &= !reads_a_file(&statement.text);
                self.is_simple &= !writes_settings(&statement.text);
                self.is_simple &=
                    !opens_descriptor(&statement.text) || !writes_a_choice(&statement.text);
            }
            _ => return self.add(set, command, statement),
        }
        false
    }

    /// Returns whether a step that the project defines may be the bot itself.
    fn may_be_bot(&self, command: &[String], statement: &Statement) -> bool {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let is_only_one = self.steps == Steps::MayBeBot && runs_own_step(&words);
        is_only_one || statement.end == Separator::Background && runs_own_script(&words)
    }

    fn add(&mut self, set: Vec<(&str, &str)>, command: &[String], statement: &Statement) -> bool {
        let (is_exec, words) = match command.split_first() {
            Some((first, rest)) if first == "exec" => (true, self.after_options_of_exec(rest)),
            Some((first, rest)) if first == "command" => (false, rest),
            Some(_) | None => (false, command),
        };
        if words.first().is_none_or(|first| first.starts_with('-')) {
            self.is_simple = false;
            return false;
        }
        let knows_folder = self.scope.cwd.is_some();
        self.is_simple &= knows_folder && !words.iter().any(|word| word.contains('\0'));
        self.is_simple &= !reads_a_file(&statement.text) && self.is_found(program_of(words));
        // A start without the script reads the `.env` of the bot's folder, or of one above.
        let is_below =
            |folder: &Path| self.scope.cwd.as_ref().is_some_and(|cwd| cwd.starts_with(folder));
        self.is_simple &= self.env_file_folder.is_none_or(is_below);
        let mut context = self.context.clone();
        let mut has_unknown = std::mem::take(&mut self.has_other_settings);
        for (name, value) in set {
            if value.contains('\0') {
                self.is_simple = false;
                has_unknown = true;
                // The next command does not have it.
                self.has_other_settings = true;
            } else {
                context.set(OsStr::new(name), Some(OsStr::new(value)));
            }
        }
        // `set -- ./bot`
        let has_set_them = matches!(self.scope.args, Some(Cow::Owned(_)));
        let is_all_arguments =
            ["exec \"$@\"", "exec $@", "exec \"${@}\""].contains(&statement.text.trim());
        let role = match statement.end {
            _ if is_all_arguments && !has_set_them => ScriptRole::Arguments,
            Separator::Background => ScriptRole::Background,
            _ if is_exec => ScriptRole::Exec,
            Separator::Line
            | Separator::Pipe
            | Separator::And
            | Separator::Or
            | Separator::Open
            | Separator::Close => ScriptRole::Other,
        };
        self.commands.push(ScriptCommand {
            words: words.iter().map(OsString::from).collect(),
            context,
            knows_folder,
            environment: self.environment.clone(),
            role,
            unknown: match (has_unknown, statement.place) {
                (false, Place::Always | Place::Perhaps) => UnknownSettings::Same,
                (true, Place::Always) => UnknownSettings::Other,
                (true, Place::Perhaps) => UnknownSettings::Each,
            },
        });
        true
    }

    /// Skips a name for the process, and options that clear its environment or make it a login.
    fn after_options_of_exec<'b>(&mut self, words: &'b [String]) -> &'b [String] {
        let mut words = words;
        loop {
            words = match words {
                [option, _, rest @ ..] if option == "-a" => rest,
                [option, rest @ ..] if option == "-c" || option == "-l" => rest,
                _ => return words,
            };
            self.is_simple = false;
        }
    }
}

/// Returns the program that a command runs, also by `nohup`.
fn program_of(words: &[String]) -> &str {
    let program = words.iter().find(|it| *it != "nohup");
    program.map_or("", String::as_str)
}

/// Returns whether `exec` opens a descriptor for the lines that follow: `exec 3> bot.txt`.
fn opens_descriptor(text: &str) -> bool {
    text.match_indices('>').any(|(at, _)| text[..at].ends_with(|c: char| ('3'..='9').contains(&c)))
}

/// Variables with the repository of git.
const REPOSITORY_VARIABLES: [&str; 2] = ["GIT_DIR", "GIT_WORK_TREE"];

/// Beginnings of the names of variables that a build writes into what it makes.
const BUILT_IN_PREFIXES: [&str; 4] = ["NEXT_PUBLIC_", "NUXT_", "REACT_APP_", "VITE_"];

/// Options of a compiler or of node that choose code.
const CHOOSING_FLAGS: [&str; 7] =
    ["--cfg", "--conditions", "--env-file", "--import", "--require", "-D", "-tags"];

/// Returns whether a variable may choose what a step does: `BOT=bob npm run build`.
fn chooses_step(word: &str, command: &[String]) -> bool {
    let Some((name, value)) = assignment(word) else { return false };
    if name.ends_with("FLAGS") || name == "NODE_OPTIONS" {
        return CHOOSING_FLAGS.iter().any(|flag| value.contains(flag));
    }
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let kind = VariableKind::of(OsStr::new(name));
    let is_of_tools = [VariableKind::Harmless, VariableKind::Session].contains(&kind);
    let may_choose = kind.may_choose()
        || !is_of_tools && runs_own_script(&words)
        || REPOSITORY_VARIABLES.contains(&name)
        || BUILT_IN_PREFIXES.iter().any(|start| name.starts_with(start));
    may_choose && !["dev", "development", "prod", "production", "test"].contains(&value)
}

/// Returns whether a command enters a virtual environment, or only sets options of the shell.
fn is_usual_in_a_condition(command: &[String]) -> bool {
    match command {
        [first, file] if [".", "source"].contains(&first.as_str()) => {
            file.ends_with("/bin/activate")
        }
        [first, options @ ..] if first == "set" => {
            options.iter().all(|it| it != "--" && it.starts_with(['-', '+']))
        }
        _ => false,
    }
}

/// Returns the command that `eval` runs, if it is a single one with known words.
fn evaluated(words: &[String]) -> Option<Vec<String>> {
    let words = simple_words(&words.join(" "))?;
    let words: Vec<String> =
        words.into_iter().map(|word| word.into_string().ok()).collect::<Option<_>>()?;
    let first = words.first()?;
    let is_setting = assignment(first).is_some()
        || OPAQUE.contains(&&**first)
        || ["cd", "export", "set", "unset", "source", "."].contains(&&**first);
    (!is_setting && !words.iter().any(|word| word.contains('\0'))).then_some(words)
}

/// Returns whether a command gets a file or a text on its standard input, which may choose the bot.
pub(super) fn reads_a_file(command: &str) -> bool {
    let mut quote: Option<char> = None;
    command.char_indices().any(|(at, c)| {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            Some(_) | None => {}
        }
        let from = command[at..].trim_start_matches('<').trim_start();
        c == '<' && quote.is_none() && !from.starts_with("/dev/null") && !from.starts_with('&')
    })
}
