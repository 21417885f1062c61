//! A quick test of whether a command line may be COMMAND's, without allocations or further reads.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memchr::memmem::{self, Finder};

use crate::scan::command::Command;
use crate::scan::interpreters::Language;
use crate::scan::invocation::Target;
use crate::scan::linux::installed_programs::is_installed;
use crate::scan::python_program::PythonProgram;
use crate::scan::unclear_command::UnclearCommand;

/// A shorter name would match almost every command line.
const MIN_STEM: usize = 3;

#[derive(Debug)]
pub(super) struct CommandSearch {
    /// The names of what COMMAND runs, in each spelling.
    names: Vec<Finder<'static>>,
    /// The programs that may be COMMAND under another name.
    pub(super) programs: Programs,
}

/// In the order of their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Programs {
    /// COMMAND is a script or a module.
    None,
    /// All but those in the folders of installed programs: COMMAND is in none of these.
    NotInstalled,
    Any,
}

impl CommandSearch {
    pub(super) fn new(command: &Command) -> CommandSearch {
        let commands = [command].into_iter().chain(command.started.iter().map(|it| &it.command));
        let unclear = command.unclear.iter().map(|_| Programs::Any);
        let programs = commands.map(programs_of).chain(unclear).max().unwrap_or(Programs::None);
        let mut search = CommandSearch { names: Vec::new(), programs };
        search.add(command);
        for started in &command.started {
            search.add(&started.command);
        }
        for name in command.unclear.iter().filter_map(UnclearCommand::name) {
            search.add_name(spelling(Path::new(name)));
        }
        search
    }

    fn add_name(&mut self, name: &[u8]) {
        if !name.is_empty() {
            self.names.push(Finder::new(name).into_owned());
        }
    }

    fn add(&mut self, command: &Command) {
        let mut add = |name: &[u8]| self.add_name(name);
        add(command.runs.entry.as_ref().map_or(&[], |entry| entry.as_bytes()));
        match &command.runs.target {
            Target::Script(path, language) => {
                add(spelling(path));
                if let Some(real) = command.file.as_ref().and_then(|file| file.canonicalize().ok())
                {
                    add(spelling(&real));
                }
                // A folder stands for its main file.
                if let Some(Language::Python | Language::JavaScript) = language {
                    let file = command.file.as_deref().unwrap_or(path);
                    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
                    let is_main = matches!(
                        path.file_stem().and_then(OsStr::to_str),
                        Some("__main__" | "index")
                    );
                    // A script or `-m` may name the package.
                    let is_in_package = || file.with_file_name("__init__.py").exists();
                    if is_main || folder.len() >= MIN_STEM && is_in_package() {
                        add(folder.as_bytes());
                    }
                    add(b"\0.\0");
                    add(b"\0./\0");
                }
                // The process may run the module that the script only calls.
                let program = PythonProgram::of(&command.runs, &command.runs_in, None);
                if let Some(call) = program.and_then(|it| it.calls) {
                    let module = call.module.rsplit('.').next().unwrap_or_default();
                    add(if module.len() >= MIN_STEM { module } else { &call.module }.as_bytes());
                }
            }
            Target::Program(path) => add(path.file_name().unwrap_or_default().as_bytes()),
            // A process may run the file of the module.
            Target::Module(name) => {
                let parts = name.as_bytes().split(|byte| *byte == b'.');
                let long: Vec<_> = parts.filter(|part| part.len() >= MIN_STEM).collect();
                if long.is_empty() {
                    add(name.as_bytes());
                }
                long.into_iter().for_each(add);
            }
            Target::Entry(name, line) => {
                add(name.as_bytes());
                add(line.as_ref().map_or(&[], |line| line.as_bytes()));
            }
            Target::Code(_, code) => add(code.as_bytes()),
            Target::Input => {}
        }
    }

    /// Returns whether a command line has one of the names. A process in a folder of COMMAND may
    /// run it by any other.
    pub(super) fn has_name(&self, cmdline: &[u8]) -> bool {
        self.names.iter().any(|name| name.find(cmdline).is_some())
    }
}

fn programs_of(command: &Command) -> Programs {
    match command.runs.target {
        Target::Program(_) if is_installed(&command.program) => Programs::Any,
        Target::Program(_) => Programs::NotInstalled,
        Target::Script(..)
        | Target::Module(_)
        | Target::Entry(..)
        | Target::Code(..)
        | Target::Input => Programs::None,
    }
}

/// Returns the base name without an extension, because modules are given without one.
fn spelling(path: &Path) -> &[u8] {
    let stem = path.file_stem().unwrap_or_default().as_bytes();
    if stem.len() < MIN_STEM { path.file_name().unwrap_or_default().as_bytes() } else { stem }
}

pub(super) fn first_argument(args: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, args).unwrap_or(args.len());
    args.get(..end).unwrap_or_default()
}

/// Returns whether a command line is a single string other than a plain program name. A process
/// that overwrites its command line pads the end with NULs or leaves none.
pub(super) fn is_title(cmdline: &[u8]) -> bool {
    let Some(last) = cmdline.iter().rposition(|byte| *byte != 0) else { return false };
    let (title, end) = cmdline.split_at(last + 1);
    memchr::memchr(0, title).is_none() && (end.len() != 1 || memmem::find(title, b" ").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_string_that_is_no_plain_name() {
        for (cmdline, expected) in [
            (&b"npm start\0\0\0\0"[..], true),
            (b"bot: polling\0", true),
            (b"mybot\0\0\0", true),
            (b"mybot", true),
            (b"mybot\0", false),
            (b"python3\0main.py\0", false),
            (b"python3\0main.py\0\0", false),
            (b"", false),
            (b"\0\0", false),
        ] {
            assert_eq!(is_title(cmdline), expected, "{}", String::from_utf8_lossy(cmdline));
        }
    }
}
