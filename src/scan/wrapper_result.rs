//! The command that a wrapper program starts.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::scan::cargo_run::CargoRun;
use crate::scan::command_context::CommandContext;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WrappedCommand {
    Words(Vec<OsString>, CommandContext),
    Entry(PackageEntry),
    /// The program that cargo builds, with these arguments.
    Cargo(CargoRun, Vec<OsString>),
    Unclear,
}

/// An entry in the wrapper's file, with arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackageEntry {
    pub(super) file: EntryFile,
    pub(super) name: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) context: CommandContext,
    /// The package of a workspace that contains the file, given by name or folder; or hatch's
    /// environment that has the entry.
    pub(super) part: Option<OsString>,
}

/// The file that names commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryFile {
    /// `scripts` in `package.json`. A name that is not there is a program of the packages.
    Package,
    /// `tasks` in `deno.json`, otherwise like `Package`.
    Deno,
    /// `scripts` in `Pipfile`. Any other name is a program.
    Pipfile,
    /// `tool.pdm.scripts` in `pyproject.toml`. Any other name is a program.
    Pdm,
    /// The same, for `pdm start`. Any other name is a subcommand of pdm.
    PdmName,
    /// `tool.rye.scripts` in `pyproject.toml`. Any other name is a program.
    Rye,
    /// The scripts of an environment in `pyproject.toml` or `hatch.toml`. Any other name is a
    /// program.
    Hatch,
}

/// The entry of a name in such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Line(EntryLine),
    /// The file does not define the name. It may set something for every program.
    Missing(CommandContext),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryLine {
    /// Shell code.
    pub(super) line: String,
    /// The arguments that follow it.
    pub(super) args: Vec<OsString>,
    /// The variables, options and folder that the file sets for it.
    pub(super) context: CommandContext,
}

pub(super) fn command(words: &[&OsStr], context: CommandContext) -> Option<WrappedCommand> {
    // A folder, such as `.`, is no program.
    let is_program = words.first().is_some_and(|first| Path::new(first).file_name().is_some());
    is_program.then(|| WrappedCommand::Words(owned(words), context))
}

pub(super) fn owned(words: &[&OsStr]) -> Vec<OsString> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}
