//! The context of a command, set by the words before it: its folder, its variables, and options
//! that may change what it does.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::choosing_variables::{EVERY_VARIABLE, Variable};
use crate::engine::variable_kind::CHOOSING_VARIABLES;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CommandContext {
    /// The folder in which the command runs, if it is a different one.
    pub(crate) folder: Option<PathBuf>,
    /// Variables in order, so the last value counts. `None` unsets the variable.
    pub(crate) variables: Vec<Variable>,
    pub(crate) options: Vec<CommandOption>,
    /// The interpreter of `python -m`, as written, unless a wrapper chooses it.
    pub(super) python: Option<OsString>,
}

/// An option of an interpreter or wrapper that may select another bot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommandOption {
    pub(crate) name: String,
    /// Empty if the option has no value.
    pub(crate) value: OsString,
}

impl CommandOption {
    /// Returns whether it stands for lines that write settings before the start.
    pub(super) fn is_setup(&self) -> bool {
        [SETUP, ONE_OF_SETUPS].contains(&&*self.name)
    }
}

/// The name of every option whose value is the user of the command. It is part of a guessed name;
/// where only one side has it, the users of the processes are compared.
pub(super) const USER_OPTION: &str = "--user";

/// The name of the option for a folder whose `.envrc` sets variables. It is part of a guessed name;
/// where only one side has it, the variables of the processes are compared.
pub(super) const ENV_FOLDER: &str = "direnv exec";

/// The name of the option for lines that write the bot's settings before it starts. It is part of a
/// guessed name. Where only the process has them, the settings are still those that they wrote.
pub(super) const SETUP: &str = "settings written before the start";

/// The same where the package writes other settings for other scripts: only the last written ones
/// are still there.
pub(super) const ONE_OF_SETUPS: &str = "one of several settings written before the start";

/// The name of the option for the lock file of flock(1). It is part of a guessed name. One side
/// without it says nothing: the bot itself does not have it.
pub(super) const LOCK_FILE: &str = "flock";

/// The name of the option for the name of the process: `exec -a alice ./bot`. It is part of a
/// guessed name. A process has its name without the option.
pub(super) const PROCESS_NAME: &str = "exec -a";

/// The virtual environment in which `python -m` finds its module.
pub(super) const ENVIRONMENT: &str = "virtual environment";

/// The folders in which `python -m` finds its module.
pub(super) const MODULE_PATH: &str = "$PYTHONPATH";

impl CommandContext {
    pub(super) fn set(&mut self, name: &OsStr, value: Option<&OsStr>) {
        self.variables.push((name.to_owned(), value.map(OsStr::to_owned)));
    }

    /// Unsets all variables. Those of a guessed name are listed too.
    pub(super) fn clear_variables(&mut self) {
        self.set(OsStr::new(EVERY_VARIABLE), None);
        for name in CHOOSING_VARIABLES {
            self.set(OsStr::new(name), None);
        }
    }

    /// Changes the folder, like `cd`.
    pub(super) fn enter(&mut self, folder: &Path) {
        self.folder = Some(match self.folder.take() {
            Some(outer) => outer.join(folder),
            None => folder.to_owned(),
        });
    }

    /// Combines this context with that of the command inside it.
    pub(super) fn with(mut self, inner: CommandContext) -> CommandContext {
        if let Some(folder) = inner.folder {
            self.enter(&folder);
        }
        self.variables.extend(inner.variables);
        self.options.extend(inner.options);
        self
    }

    /// Returns the name of an option in which the command of a process and COMMAND differ.
    pub(super) fn other_option(&self, mine: &CommandContext) -> Option<String> {
        let (mut theirs, mut mine) = (self.options.clone(), mine.options.clone());
        for options in [&mut theirs, &mut mine] {
            for option in options.iter_mut().filter(|it| it.name == ENVIRONMENT) {
                option.value = fs::canonicalize(&option.value)
                    .map_or_else(|_| option.value.clone(), PathBuf::into_os_string);
            }
            options.sort();
            options.dedup();
        }
        let missing = |options: &[CommandOption], of: &[CommandOption]| {
            let is_unsaid = |option: &CommandOption| {
                [USER_OPTION, ENV_FOLDER, ENVIRONMENT, LOCK_FILE, PROCESS_NAME]
                    .contains(&&*option.name)
                    && of.iter().all(|it| it.name != option.name)
            };
            let mut all = options.iter();
            all.find(|it| !of.contains(it) && !is_unsaid(it)).map(|option| option.name.clone())
        };
        // What was written before the start of a process is still there.
        if mine.iter().all(|it| it.name != SETUP) {
            theirs.retain(|it| it.name != SETUP);
        }
        missing(&theirs, &mine).or_else(|| missing(&mine, &theirs))
    }
}

/// Parses a word that sets a variable.
pub(super) fn assignment(word: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let (name, value) = word.to_str()?.split_once('=')?;
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_letter)).then(|| (OsStr::new(name), OsStr::new(value)))
}

/// Records and skips the words that set variables.
pub(super) fn after_assignments<'a, 'b>(
    words: &'b [&'a OsStr],
    context: &mut CommandContext,
) -> &'b [&'a OsStr] {
    let mut words = words;
    while let Some((first, rest)) = words.split_first()
        && let Some((name, value)) = assignment(first)
    {
        context.set(name, Some(value));
        words = rest;
    }
    words
}
