//! Recognizes processes that run COMMAND, and those that are what COMMAND would become.

use std::ffi::OsStr;
use std::path::Path;

use crate::engine::likeness::CommandLikeness;
use crate::scan::command::{Command, ProgramKind};

pub(super) struct RunningCommand<'a> {
    pub(super) args: Vec<&'a OsStr>,
    pub(super) cwd: Option<&'a Path>,
    /// Tests a program for being its executable.
    pub(super) executes: &'a dyn Fn(&Path) -> bool,
}

impl Command {
    /// Compares a process with what this command would become.
    pub(super) fn likeness(&self, process: &RunningCommand<'_>) -> CommandLikeness {
        if self.is_same_command(process) {
            CommandLikeness::Same
        } else {
            CommandLikeness::Different
        }
    }

    fn is_same_command(&self, process: &RunningCommand<'_>) -> bool {
        let args = self.args.get(1..).unwrap_or_default();
        let split = process.args.len().checked_sub(args.len());
        let Some((before, after)) = split.map(|at| process.args.split_at(at)) else { return false };
        let has_place = match (&self.kind, before) {
            (_, [_name]) => true,
            // Any line ends like a script without arguments: the script itself must come before.
            (ProgramKind::Script(_), [_interpreter, .., script]) => {
                self.is_script(script, process.cwd)
            }
            (ProgramKind::Binary | ProgramKind::Script(_), _) => false,
        };
        has_place
            && after.iter().eq(args)
            && process.cwd.is_some_and(|cwd| is_same_folder(cwd, &self.cwd))
            && self.is_same_program(process)
    }

    /// Returns whether a process runs this command's own program, also through a `#!` line.
    pub(super) fn is_same_program(&self, process: &RunningCommand<'_>) -> bool {
        let ProgramKind::Script(interpreters) = &self.kind else {
            return (process.executes)(&self.program);
        };
        // A launcher, such as the shim of a version manager, runs something else under its own
        // name.
        let name = process.args.first().map(Path::new).and_then(Path::file_name);
        let is_same_name =
            name.is_some() && name == self.args.first().map(Path::new).and_then(Path::file_name);
        // The kernel puts the script's path after its interpreter and at most one option; `env` may
        // add more. Any other program that has the path there, such as an editor, only reads it.
        let is_interpreter = interpreters.iter().any(|program| {
            (process.executes)(program) || name.is_some() && name == program.file_name()
        });
        let before_args = process.args.len().checked_sub(self.args.len());
        let mut places = before_args.into_iter().chain(1..4).filter_map(|at| process.args.get(at));
        is_same_name || is_interpreter && places.any(|arg| self.is_script(arg, process.cwd))
    }

    fn is_script(&self, arg: &OsStr, cwd: Option<&Path>) -> bool {
        !arg.is_empty() && cwd.is_some_and(|cwd| is_same_file(&cwd.join(arg), &self.program))
    }
}

#[cfg(unix)]
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    use crate::sys::file_id::FileId;
    one == other || FileId::at(one).is_some_and(|id| FileId::at(other) == Some(id))
}

#[cfg(windows)]
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// `/proc` shows a directory by its real path, as this process knows its own; other systems may
/// not.
fn is_same_folder(one: &Path, other: &Path) -> bool {
    one == other || cfg!(not(target_os = "linux")) && is_same_file(one, other)
}
