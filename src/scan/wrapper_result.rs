//! The command that a wrapper program starts, as its command line names it.

use std::ffi::{OsStr, OsString};

use crate::scan::command_context::CommandContext;

/// What a wrapper starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WrappedCommand {
    Words(Vec<OsString>, CommandContext),
    Entry(PackageEntry),
    Unclear,
}

/// An entry in the wrapper's own file, and the arguments to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackageEntry {
    pub(super) file: EntryFile,
    pub(super) name: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) context: CommandContext,
    /// The package of a workspace that has the file, by its name or folder.
    pub(super) workspace: Option<OsString>,
}

/// The file that gives commands a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryFile {
    /// `scripts` in `package.json`; a name that is not there is a program of the packages.
    Package,
    /// `tasks` in `deno.json`, else as above.
    Deno,
    /// `scripts` in `Pipfile`; any other name is a program.
    Pipfile,
}

pub(super) fn command(words: &[&OsStr], context: CommandContext) -> Option<WrappedCommand> {
    (!words.is_empty()).then(|| WrappedCommand::Words(owned(words), context))
}

pub(super) fn owned(words: &[&OsStr]) -> Vec<OsString> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}
