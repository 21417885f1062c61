//! Compares a process with COMMAND: by what each of them runs, not by how that is spelled.
#![expect(clippy::disallowed_methods, reason = "compares the content of two scripts")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::engine::likeness::{CommandDifference, CommandLikeness};
use crate::scan::command::{Command, ProgramKind};
use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::invocation::{Invocation, Target, Through, absolute, base_name};
use crate::sys::file_id::is_same_file;

/// Longer scripts are not compared byte by byte.
const MAX_SCRIPT: u64 = 1 << 20;

/// A process as the kernel shows it.
pub(super) struct RunningCommand<'a> {
    pub(super) args: Vec<&'a OsStr>,
    /// The working directory, without ` (deleted)`.
    pub(super) cwd: Option<&'a Path>,
    /// Reads the path of its executable, without ` (deleted)`.
    pub(super) exe: &'a dyn Fn() -> Option<PathBuf>,
    /// Tests a program for being its executable.
    pub(super) executes: &'a dyn Fn(&Path) -> bool,
}

impl Command {
    /// Compares a process with what this command would become.
    pub(super) fn likeness(&self, process: &RunningCommand<'_>) -> CommandLikeness {
        let literal = self.invocation_of(process);
        let likeness = self.likeness_of(&literal, process);
        if likeness.is_same() || !self.is_rewritten(process) {
            return likeness;
        }
        let Some(title) = process.args.first() else { return likeness };
        let words: Vec<OsString> = words(title);
        let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
        match self.likeness_of(&Invocation::of(&words, process.cwd), process) {
            CommandLikeness::Same => CommandLikeness::Same,
            near @ CommandLikeness::Near(_) => near,
            CommandLikeness::Different if process.cwd.is_some_and(|cwd| self.is_folder(cwd)) => {
                CommandLikeness::Near(CommandDifference::RewrittenTitle)
            }
            CommandLikeness::Different => CommandLikeness::Different,
        }
    }

    /// Returns whether a process runs this command's script or, without one, its program, wherever
    /// and with whatever arguments.
    pub(super) fn is_same_program(&self, process: &RunningCommand<'_>) -> bool {
        self.is_same_target(&self.invocation_of(process), process)
    }

    /// Returns whether a working directory is this command's own: by its path, as it may have been
    /// deleted and made again.
    pub(super) fn is_folder(&self, cwd: &Path) -> bool {
        cwd == self.cwd
            || cwd == self.folder
            || cfg!(not(target_os = "linux")) && is_same_file(cwd, &self.cwd)
    }

    fn likeness_of(&self, it: &Invocation, process: &RunningCommand<'_>) -> CommandLikeness {
        // Another user's folder cannot be read, but a path from the root is the same everywhere.
        let is_here = match process.cwd {
            Some(cwd) => self.is_folder(cwd),
            None => matches!(&it.target, Target::Script(path, _) if path.is_absolute()),
        };
        let has_same_args = it.args == self.runs.args;
        if !is_here && !has_same_args {
            return CommandLikeness::Different;
        }
        match (is_here, has_same_args) {
            (true, true) if self.is_same_target(it, process) => CommandLikeness::Same,
            (true, false) if self.is_same_target(it, process) => {
                CommandLikeness::Near(CommandDifference::OtherArguments)
            }
            (false, true) if self.is_file_elsewhere(it, process) => {
                CommandLikeness::Near(CommandDifference::OtherFolder)
            }
            (true | false, true | false) => CommandLikeness::Different,
        }
    }

    /// Reads its command line; an interpreter that the table does not know may be the one in the
    /// first line of this command's own script.
    fn invocation_of(&self, process: &RunningCommand<'_>) -> Invocation {
        let read = Invocation::of(&process.args, process.cwd);
        let ProgramKind::Script(interpreters) = &self.kind else { return read };
        if !matches!(read.target, Target::Program(_)) {
            return read;
        }
        let name = process.args.first().map(|name| base_name(Path::new(name)));
        let is_interpreter = interpreters.iter().any(|program| {
            (process.executes)(program) || name.as_ref() == Some(&base_name(program))
        });
        // The kernel puts the script's path after its interpreter and at most one option; `env` may
        // add more. Any other program that has the path there, such as an editor, only reads it.
        let at = (1..4).find(|at| {
            is_interpreter
                && process.args.get(*at).is_some_and(|it| self.is_my_file(Path::new(it), process))
        });
        let Some(at) = at else { return read };
        let (before, args) = process.args.split_at(at + 1);
        let path = before.last().map(PathBuf::from).unwrap_or_default();
        Invocation {
            target: Target::Script(path, None),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            entry: None,
            through: Through::Itself,
        }
    }

    fn is_same_target(&self, theirs: &Invocation, process: &RunningCommand<'_>) -> bool {
        match (&self.runs.target, &theirs.target) {
            (Target::Code(mine, code), Target::Code(theirs, other)) => {
                mine == theirs && code == other
            }
            (Target::Module(mine), Target::Module(theirs))
            | (Target::Entry(mine), Target::Entry(theirs)) => mine == theirs,
            (Target::Script(..) | Target::Program(_), Target::Script(path, _)) => {
                self.is_my_file(path, process) || self.is_named_tool(path)
            }
            (Target::Script(..) | Target::Program(_), Target::Program(path)) => {
                match theirs.through {
                    Through::Itself => self.is_executed_as(path, process),
                    Through::Wrapper if is_bare(path) => base_name(path) == self.target_name(),
                    Through::Wrapper => self.is_my_file(path, process),
                }
            }
            (
                Target::Input
                | Target::Code(..)
                | Target::Module(_)
                | Target::Entry(_)
                | Target::Script(..)
                | Target::Program(_),
                Target::Input
                | Target::Code(..)
                | Target::Module(_)
                | Target::Entry(_)
                | Target::Script(..)
                | Target::Program(_),
            ) => false,
        }
    }

    /// The same program, started under the name `name`.
    fn is_executed_as(&self, name: &Path, process: &RunningCommand<'_>) -> bool {
        let is_same_name = base_name(name) == self.target_name();
        // By its path alone: two names of one file are two programs here.
        let written = process.cwd.map(|cwd| absolute(name, cwd));
        if !is_bare(name) && written.is_some() && written == self.file {
            return true;
        }
        match (&self.runs.target, &self.file) {
            // A wrapper, such as the shim of a version manager, runs something else under its own
            // name.
            (Target::Script(..), _) => is_same_name,
            // A wrapper finds it in a place of its own.
            (_, None) => {
                is_same_name || (process.exe)().is_some_and(|exe| self.is_named_tool(&exe))
            }
            (_, Some(file)) => {
                let program = fs::canonicalize(file).unwrap_or_else(|_| file.clone());
                // One file may have several names, and do something else under each of them.
                let has_own_name = file.file_name() == program.file_name();
                (has_own_name || is_same_name)
                    && ((process.executes)(&program) || (process.exe)().as_ref() == Some(&program))
            }
        }
    }

    /// Returns whether a file has the name of the program that a wrapper of this command finds in
    /// the folder of an environment.
    fn is_named_tool(&self, path: &Path) -> bool {
        let folder = path.parent().map(base_name);
        self.runs.through == Through::Wrapper
            && matches!(&self.runs.target, Target::Program(name) if is_bare(name))
            && matches!(folder.as_deref(), Some("bin" | ".bin" | "Scripts"))
            && base_name(path) == self.target_name()
    }

    /// The same path as it is written, or the same file.
    fn is_my_file(&self, path: &Path, process: &RunningCommand<'_>) -> bool {
        let Some(mine) = &self.file else { return false };
        let cwd = match process.cwd {
            Some(cwd) => cwd,
            None if path.is_absolute() => Path::new("/"),
            None => return false,
        };
        !path.as_os_str().is_empty()
            && (absolute(path, cwd) == *mine || is_same_file(&cwd.join(path), mine))
    }

    /// The same file, or one with the same name and content, which a process in another folder
    /// runs.
    fn is_file_elsewhere(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let (Some(mine), Some(cwd)) = (&self.file, process.cwd) else { return false };
        let path = match &it.target {
            Target::Script(path, _) => path.clone(),
            Target::Program(path) if !is_bare(path) => path.clone(),
            Target::Program(_) => match (process.exe)() {
                Some(exe) if it.through == Through::Itself => exe,
                Some(_) | None => return false,
            },
            Target::Module(_) | Target::Code(..) | Target::Entry(_) | Target::Input => {
                return false;
            }
        };
        let theirs = cwd.join(&path);
        base_name(&theirs) == base_name(mine)
            && (self.is_my_file(&path, process) || has_same_content(&theirs, mine))
    }

    /// Returns whether its command line is a title that it wrote itself, over that of an executable
    /// which this command would have.
    fn is_rewritten(&self, process: &RunningCommand<'_>) -> bool {
        // What is left of the command line behind a title is filled with NULs.
        let Some((title, rest)) = process.args.split_first() else { return false };
        if !rest.iter().all(|arg| arg.is_empty()) {
            return false;
        }
        let name = base_name(Path::new(title));
        let name = name.strip_prefix('-').unwrap_or(&name);
        if title.is_empty() || Interpreter::by_name(name).is_some() {
            return false;
        }
        let Some(exe) = (process.exe)() else { return false };
        let exe_name = base_name(&exe);
        exe_name != name && self.would_execute(&exe, &exe_name, process)
    }

    fn would_execute(&self, exe: &Path, name: &str, process: &RunningCommand<'_>) -> bool {
        let language = Interpreter::by_name(name).map(|it| it.language);
        let interpreters = match &self.kind {
            ProgramKind::Binary => &[][..],
            ProgramKind::Script(interpreters) => interpreters,
        };
        let programs = || interpreters.iter().chain([&self.program]);
        let own_languages = programs()
            .filter_map(|program| Interpreter::by_name(&base_name(program)))
            .map(|it| it.language)
            .chain(self.language());
        language.is_some_and(|language| own_languages.into_iter().any(|own| own == language))
            || programs().any(|program| exe == program || (process.executes)(program))
    }

    fn language(&self) -> Option<Language> {
        match &self.runs.target {
            Target::Script(_, language) => *language,
            Target::Code(language, _) => Some(*language),
            Target::Module(_) => Some(Language::Python),
            Target::Entry(_) => Some(Language::JavaScript),
            Target::Program(_) | Target::Input => None,
        }
    }
}

/// A name without a folder, which is searched for.
fn is_bare(path: &Path) -> bool {
    path.components().count() == 1 && path.is_relative() && !path.starts_with(".")
}

fn words(text: &OsStr) -> Vec<OsString> {
    text.to_string_lossy().split_whitespace().map(OsString::from).collect()
}

fn has_same_content(one: &Path, other: &Path) -> bool {
    let length =
        |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|it| it.len());
    let Some(size) = length(one).filter(|size| *size <= MAX_SCRIPT) else { return false };
    let read = |path: &Path| {
        let mut content = Vec::new();
        File::open(path).and_then(|file| file.take(MAX_SCRIPT).read_to_end(&mut content)).ok()?;
        Some(content)
    };
    length(other) == Some(size) && read(one).is_some_and(|one| read(other) == Some(one))
}
