//! A command of a shell script, and how the script runs it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::scan::command_context::CommandContext;
use crate::scan::small_file;

/// A longer script does more than starting a bot.
const MAX_LENGTH: u64 = 4 << 10;

/// A command that a script runs, and what the lines before set for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScriptCommand {
    /// Some may be unknown.
    pub(super) words: Vec<OsString>,
    pub(super) context: CommandContext,
    /// Whether the folder of the context is the one in which the command runs.
    pub(super) knows_folder: bool,
    /// The `bin` folder of a virtual environment, which comes first in `$PATH`.
    pub(super) environment: Option<PathBuf>,
    pub(super) role: ScriptRole,
    pub(super) unknown: UnknownSettings,
}

/// The variables that are set for a command to values that are not known, such as `ROLE=$(role)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownSettings {
    /// The same values as for the command before.
    Same,
    /// Other values, and other variables, than for the command before.
    Other,
    /// Each run of the command may get other values: it is in a loop or branch.
    Each,
}

/// How a script runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptRole {
    /// The script has only simple lines, and becomes this command or waits for it.
    Certain,
    /// The script replaces itself by the command.
    Exec,
    /// The command goes into the background.
    Background,
    /// The script replaces itself by its arguments.
    Arguments,
    /// In a branch that the arguments of the script do not choose.
    NotChosen,
    Other,
}

/// Where a script is, and how it was started.
pub(super) struct ScriptStart<'a> {
    pub(super) args: &'a [OsString],
    pub(super) script: Option<&'a Path>,
    /// The current folder.
    pub(super) cwd: &'a Path,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
}

/// A script up to this length is searched for questions and for its caller's folder.
const MAX_LONG: u64 = 64 << 10;

/// Returns the text of a script that may be longer, to look for what chooses its bot.
pub(super) fn long_text(path: &Path) -> Option<String> {
    small_file::text(path, MAX_LONG)
}

/// Returns the text of a short script.
pub(super) fn text(path: &Path) -> Option<String> {
    small_file::text(path, MAX_LENGTH)
}
