//! Compares a process with COMMAND by what they run, regardless of spelling.
#![expect(clippy::disallowed_methods, reason = "compares the content of two scripts")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::engine::choosing_variables::Variable;
use crate::engine::likeness::{CommandDifference, CommandDoubt, CommandLikeness, ComparedCommand};
use crate::scan::command::Command;
use crate::scan::command_context::{
    CommandContext, ENVIRONMENT, MODULE_PATH, ONE_OF_SETUPS, PROCESS_NAME, SETUP,
};
use crate::scan::executable::ProgramKind;
use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::invocation::{Invocation, Target, Through, absolute, base_name};
use crate::scan::npm_pnpm_yarn;
use crate::scan::python_program::PythonSpelling;
use crate::scan::settings_writer;
use crate::scan::shell_expansion::may_be;
use crate::scan::shell_words::simple_words;
use crate::scan::wrapper_programs::CommandRole;
use crate::sys::file_id::is_same_file;

/// Longer scripts are not compared by content.
const MAX_SCRIPT: u64 = 1 << 20;

/// A process, as shown by the kernel.
#[derive(Clone)]
pub struct RunningCommand<'a> {
    pub args: Vec<&'a OsStr>,
    /// The working directory, without ` (deleted)`.
    pub cwd: Option<&'a Path>,
    /// Returns the path of the executable, without ` (deleted)`.
    pub exe: &'a dyn Fn() -> Option<PathBuf>,
    /// Returns whether a program is the process's executable.
    pub executes: &'a dyn Fn(&Path) -> bool,
    /// Returns the environment; empty if it cannot be read.
    pub environ: &'a dyn Fn() -> Vec<(OsString, OsString)>,
    /// `sees(theirs, mine)`: does the absolute path `theirs` resolve, in the process's mount
    /// namespace, to the file `mine`? Always true in this process's own mount namespace.
    pub sees: &'a dyn Fn(&Path, &Path) -> bool,
    /// Returns whether it has a file open where a shell keeps its script.
    pub opens: &'a dyn Fn(&Path) -> bool,
}

/// The result of comparing a process with COMMAND.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// The process runs COMMAND's script or, if there is none, its program, in any folder and with
    /// any arguments.
    pub same_program: bool,
    pub likeness: CommandLikeness,
    /// A reason to doubt that the same command is the same bot.
    pub doubt: Option<CommandDoubt>,
    /// COMMAND's script sets a variable that chooses the bot, and the process has another value.
    pub chooses_another: bool,
    /// What the process runs.
    pub compared: ComparedCommand,
    /// The variables that the process's command line sets for the bot.
    pub variables: Vec<Variable>,
    /// Those that the scripts above the process have set for it.
    pub set_by_scripts: Vec<Variable>,
}

impl Command {
    pub fn compare(&self, process: &RunningCommand<'_>) -> Comparison {
        let (likeness, invocation) = self.judge(process);
        if !likeness.is_same() {
            let others = [self.compare_started(process), self.compare_unclear(process)];
            let is_better =
                |it: &Comparison| it.likeness.is_same() || likeness == CommandLikeness::Different;
            let better = others.into_iter().flatten().filter(is_better);
            if let Some(comparison) = better.min_by_key(|it| !it.likeness.is_same()) {
                return comparison;
            }
        }
        let same_program = likeness.is_same() || self.is_same_program(process);
        self.comparison(same_program, likeness, invocation, process)
    }

    /// Compares what another command would become, as a process that does not exist yet.
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    pub(super) fn compare_command(
        &self,
        it: Invocation,
        process: &RunningCommand<'_>,
    ) -> Comparison {
        let likeness = self.likeness_of(&it, process);
        self.comparison(likeness.is_same(), likeness, it, process)
    }

    fn comparison(
        &self,
        same_program: bool,
        likeness: CommandLikeness,
        mut it: Invocation,
        process: &RunningCommand<'_>,
    ) -> Comparison {
        let compared = self.compared(&it, process);
        let doubt = if likeness.is_same() { self.doubt(&mut it, process) } else { None };
        let (chooses_another, variables) = (false, it.context.variables);
        let set_by_scripts = Vec::new();
        Comparison {
            same_program,
            likeness,
            doubt,
            chooses_another,
            compared,
            variables,
            set_by_scripts,
        }
    }

    pub(super) fn compared(
        &self,
        it: &Invocation,
        process: &RunningCommand<'_>,
    ) -> ComparedCommand {
        let text = |text: &OsStr| text.to_string_lossy().into_owned();
        let whole = |path: &Path| {
            let folder = it.context.folder.as_deref().or(process.cwd);
            text(folder.map_or(path.to_owned(), |folder| absolute(path, folder)).as_os_str())
        };
        let program = match &it.target {
            Target::Program(path) if is_bare(path) => match (process.exe)() {
                Some(exe) if it.through == Through::Itself => text(exe.as_os_str()),
                Some(_) | None => text(path.as_os_str()),
            },
            Target::Script(path, _) | Target::Program(path) => whole(path),
            Target::Module(_) | Target::Code(..) | Target::Entry(..) | Target::Input => {
                it.target.without_file().unwrap_or_default()
            }
        };
        let args = it.args.iter().map(|arg| text(arg)).collect();
        let same_args = self.has_same_args(it, &process.at(it.context.folder.as_deref()));
        ComparedCommand { program, args, same_args }
    }

    /// Returns a reason to doubt that a process that runs the same command is the same bot.
    fn doubt(&self, it: &mut Invocation, process: &RunningCommand<'_>) -> Option<CommandDoubt> {
        let spelling = self.python_spelling(it, process);
        it.add_environment(&(process.environ)(), process.cwd);
        let folder = it.context.folder.clone();
        let folder = folder.as_deref().or(process.cwd);
        let here = process.at(folder);
        let is_elsewhere = folder.is_some_and(|folder| !self.is_folder(folder))
            && !self.has_entered_its_folder(it, &here)
            && !self.has_moved_to_its_file(it, &here);
        let is_same_target = self.is_same_target(it, &here);
        let mut mine = self.runs.context.clone();
        // Where the modules were found has been compared.
        if spelling.is_some() {
            for context in [&mut mine, &mut it.context] {
                context
                    .options
                    .retain(|it| ![ENVIRONMENT, MODULE_PATH].contains(&it.name.as_str()));
            }
        }
        it.context.resolve_env_files(here.cwd.unwrap_or(Path::new("/")));
        mine.resolve_env_files(&self.runs_in);
        match it.context.other_option(&mine) {
            None if !is_same_target && let Some(PythonSpelling::InDoubt(doubt)) = spelling => {
                Some(doubt)
            }
            Some(name) if [ENVIRONMENT, MODULE_PATH].contains(&name.as_str()) => {
                Some(CommandDoubt::Modules)
            }
            Some(name) if [SETUP, ONE_OF_SETUPS].contains(&name.as_str()) => {
                let options = self.runs.context.options.iter().chain(&it.context.options);
                let texts = options.filter(|it| it.name == name);
                Some(settings_writer::doubt(texts.map(|it| it.value.to_string_lossy())))
            }
            Some(name) => Some(CommandDoubt::Option(name)),
            None if self.asks => Some(CommandDoubt::Question),
            None if self.reads_another_folder(it, &here) => Some(CommandDoubt::CallerFolder),
            None if is_elsewhere
                && self.is_known_elsewhere(it, process)
                && !self.was_started_here(it, &here) =>
            {
                Some(CommandDoubt::OtherFolder)
            }
            None if !is_same_target
                && !self.was_started_here(it, &here)
                && self.other_release(it, process) == Some(CommandLikeness::Same) =>
            {
                Some(CommandDoubt::RemovedRelease)
            }
            None if is_elsewhere => Some(CommandDoubt::Folder),
            None if self.compare_go_program(it, &here).is_some() => Some(CommandDoubt::GoRun),
            None => (self.has_other_link(it, process)
                || self.is_behind_another_link(it, process)
                || self.has_other_name(it, process))
            .then_some(CommandDoubt::ScriptName),
        }
    }

    /// Returns the name that this command's process gets.
    fn process_name(&self) -> String {
        let mut options = self.runs.context.options.iter();
        let name = options.rfind(|it| it.name == PROCESS_NAME);
        name.map_or_else(|| self.target_name(), |it| base_name(Path::new(&it.value)))
    }

    /// Returns whether a process runs the one program under another name, which it can read.
    fn has_other_name(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let (Target::Program(name), Target::Program(_), Through::Itself) =
            (&it.target, &self.runs.target, it.through)
        else {
            return false;
        };
        let name = base_name(name);
        // A program may set its title itself.
        let is_title = name.contains([' ', ':'])
            || process.args.len() > 1 && process.args.iter().skip(1).all(|arg| arg.is_empty());
        name != self.process_name() && !is_title
    }

    /// Returns whether two paths lead to the one script or program, as one of them is a link, which
    /// may be in another folder. A script can read its own name, and the settings beside it.
    fn has_other_link(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let path = match (&it.target, &self.runs.target, it.through) {
            (Target::Script(path, _), Target::Script(..), _) => path,
            (Target::Program(path), Target::Program(_), Through::Itself) if !is_bare(path) => path,
            _ => return false,
        };
        let (Some(mine), Some(cwd)) = (&self.file, process.cwd) else { return false };
        let theirs = absolute(path, cwd);
        let folder = |path: &Path| path.parent().and_then(|it| fs::canonicalize(it).ok());
        is_same_file(&theirs, mine)
            && (theirs.file_stem() != mine.file_stem() && matches!(it.target, Target::Script(..))
                || theirs.parent() != mine.parent() && folder(&theirs) != folder(mine))
    }

    /// Returns whether two links with other names in one folder, such as `/srv/alice` and
    /// `/srv/bob`, lead to the one script or folder. Beside the folder itself, a link such as
    /// `current` says nothing.
    fn is_behind_another_link(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let Some(cwd) = process.cwd else { return false };
        let started_in = process.started_in().filter(|folder| is_same_file(folder, cwd));
        let folder = it.context.folder.clone().or(started_in).unwrap_or_else(|| cwd.to_owned());
        let (theirs, mine) = match (&it.target, &self.runs.target, &self.file) {
            (Target::Script(path, _), Target::Script(..), Some(mine)) => {
                (absolute(path, &folder), mine)
            }
            (Target::Program(path), Target::Program(_), Some(mine)) if !is_bare(path) => {
                (absolute(path, &folder), mine)
            }
            _ => (folder, &self.folder),
        };
        let theirs: Vec<&Path> = theirs.ancestors().collect();
        let mine: Vec<&Path> = mine.ancestors().collect();
        let mut pairs = theirs.iter().rev().zip(mine.iter().rev());
        pairs
            .find(|(theirs, mine)| theirs != mine)
            .is_some_and(|(theirs, mine)| is_link(theirs) && is_link(mine))
    }

    /// Returns the likeness of a process, and what was compared.
    fn judge(&self, process: &RunningCommand<'_>) -> (CommandLikeness, Invocation) {
        let literal = self.invocation_of(process);
        let likeness = self.likeness_of(&literal, process);
        if likeness.is_same() || !self.is_rewritten(process) {
            return (likeness, literal);
        }
        let Some(title) = process.args.first() else { return (likeness, literal) };
        let words: Vec<OsString> = words(title);
        let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
        // The title of a package manager is shortened and does not say which package it runs. The
        // program it starts is found on its own.
        let name = words.first().map(|name| base_name(Path::new(name)));
        if name.is_some_and(|name| npm_pnpm_yarn::is_one(&name)) {
            return (likeness, literal);
        }
        let read = Invocation::of(&words, process.cwd, CommandRole::Process);
        match self.likeness_of(&read, process) {
            likeness @ (CommandLikeness::Same | CommandLikeness::Near(_)) => (likeness, read),
            CommandLikeness::Different if self.is_at_my_folder(process) => {
                (CommandLikeness::Near(CommandDifference::RewrittenTitle), read)
            }
            CommandLikeness::Different => (CommandLikeness::Different, read),
        }
    }

    /// Returns whether a process runs this command's script or, if there is none, its program, in
    /// any folder and with any arguments.
    pub(super) fn is_same_program(&self, process: &RunningCommand<'_>) -> bool {
        let it = self.invocation_of(process);
        let process = process.at(it.context.folder.as_deref());
        self.is_same_target(&it, &process) && self.sees_my_file(&it, &process)
    }

    /// Returns whether a working directory is this command's own. Compares paths, because the
    /// folder may have been deleted and recreated.
    pub(super) fn is_folder(&self, cwd: &Path) -> bool {
        cwd == self.runs_in
            || cwd == self.folder
            || cfg!(not(target_os = "linux")) && is_same_file(cwd, &self.runs_in)
    }

    /// Returns whether this command, or one that it starts, may run in this folder.
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    pub(super) fn may_run_in(&self, cwd: &Path) -> bool {
        let started = self.started.iter().map(|it| &it.command);
        [self].into_iter().chain(started).any(|it| it.is_folder(cwd))
            || self.unclear.iter().any(|it| it.may_be_in(cwd))
    }

    fn likeness_of(&self, it: &Invocation, process: &RunningCommand<'_>) -> CommandLikeness {
        let process = &process.at(it.context.folder.as_deref());
        let likeness = self.likeness_by_path(it, process);
        let is_same_place = || {
            let is_seen = |cwd: &Path| {
                (process.sees)(cwd, &self.runs_in) || self.is_known_elsewhere(it, process)
            };
            process.cwd.is_none_or(is_seen) && self.sees_my_file(it, process)
        };
        match likeness {
            CommandLikeness::Different | CommandLikeness::Near(CommandDifference::OtherFolder) => {
                likeness
            }
            CommandLikeness::Same | CommandLikeness::Near(_) if is_same_place() => likeness,
            CommandLikeness::Same | CommandLikeness::Near(_) => CommandLikeness::Different,
        }
    }

    /// Returns whether a process is in this command's folder, and not in another one at the same
    /// path.
    fn is_at_my_folder(&self, process: &RunningCommand<'_>) -> bool {
        process.cwd.is_some_and(|cwd| self.is_folder(cwd) && (process.sees)(cwd, &self.runs_in))
    }

    /// Returns whether the process's path leads to this command's file: it may have other mounts.
    fn sees_my_file(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let (Target::Script(path, _) | Target::Program(path), Some(mine)) =
            (&it.target, &self.file)
        else {
            return true;
        };
        is_bare(path) && matches!(it.target, Target::Program(_))
            || (process.sees)(&absolute(path, process.cwd.unwrap_or(Path::new("/"))), mine)
    }

    /// Compares a process that sees the same files as this one.
    fn likeness_by_path(&self, it: &Invocation, process: &RunningCommand<'_>) -> CommandLikeness {
        // Another user's working directory cannot be read, but an absolute path means the same
        // everywhere.
        let is_here = match process.cwd {
            Some(cwd) => self.is_folder(cwd),
            None => matches!(&it.target, Target::Script(path, _) if path.is_absolute()),
        };
        let has_same_args = self.has_same_args(it, process);
        if !is_here && !has_same_args {
            return CommandLikeness::Different;
        }
        let other_args = || {
            CommandLikeness::Near(if self.has_other_subcommand(it) {
                CommandDifference::OtherSubcommand
            } else {
                CommandDifference::OtherArguments
            })
        };
        if let Some(likeness) = self.compare_go_program(it, process) {
            return likeness;
        }
        let is_other_spelling = || self.python_spelling(it, process).is_some();
        let is_known = || {
            self.was_started_here(it, process)
                || self.is_known_elsewhere(it, process)
                || self.has_entered_its_folder(it, process)
        };
        if !is_here && is_known() {
            return CommandLikeness::Same;
        }
        match (is_here, has_same_args) {
            (true, true) if self.is_same_target(it, process) => CommandLikeness::Same,
            (true, false) if self.is_same_target(it, process) => other_args(),
            (true | false, true) if is_other_spelling() => CommandLikeness::Same,
            (true, false) if is_other_spelling() => other_args(),
            (true | false, true) if let Some(alike) = self.other_release(it, process) => alike,
            (true, true) if let Some(other) = self.other_build(it, process) => {
                CommandLikeness::Near(other)
            }
            (true | false, true) if self.is_file_elsewhere(it, process) => {
                CommandLikeness::Near(CommandDifference::OtherFolder)
            }
            (true | false, true | false) => CommandLikeness::Different,
        }
    }

    /// Returns whether a process in another folder was started in this command's, as far as its
    /// `$PWD` tells: a link on the way was moved since, or the process has left or its folder was
    /// moved and removed, and its relative script is not in its current folder.
    fn was_started_here(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let Some(cwd) = process.cwd else { return false };
        let has_left = match &it.target {
            Target::Script(path, _) => path.is_relative() && !cwd.join(path).exists(),
            Target::Program(_)
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => false,
        };
        let is_behind_a_link = self.folder != self.runs_in;
        let Some(start) = (has_left || is_behind_a_link).then(|| process.started_in()).flatten()
        else {
            return false;
        };
        (has_left && self.is_folder(&start) || is_behind_a_link && start == self.folder)
            && self.is_same_target(it, &process.at(Some(&start)))
    }

    fn has_same_args(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        // A package manager appends the arguments to the script's line.
        if let (Target::Entry(_, Some(line)), Target::Code(Language::Shell, code)) =
            (&self.runs.target, &it.target)
        {
            let added = code.to_str().and_then(|code| code.strip_prefix(line.as_str()));
            return added.is_some_and(|added| {
                added.trim().is_empty() && self.runs.args.is_empty()
                    || simple_words(added).is_some_and(|words| words == self.runs.args)
            });
        }
        let [mine, theirs] = [&self.runs.args, &it.args].map(|it| with_split_options(it));
        let folder = process.cwd.unwrap_or(Path::new("/"));
        may_be(&self.runs.args, &it.args)
            || may_be(&mine, &theirs)
            || are_same_files((&mine, &self.runs_in), (&theirs, folder))
    }

    /// Returns whether both begin their arguments with a word, and these differ.
    fn has_other_subcommand(&self, it: &Invocation) -> bool {
        let is_word = |word: &&OsString| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
            let word = word.to_str().unwrap_or_default();
            word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(is_part)
        };
        let mine = self.runs.args.first().filter(is_word);
        mine.zip(it.args.first().filter(is_word)).is_some_and(|(mine, theirs)| mine != theirs)
    }

    /// Parses the process's command line. An unknown interpreter may be the one in the first line
    /// of this command's script.
    pub(super) fn invocation_of(&self, process: &RunningCommand<'_>) -> Invocation {
        let role = CommandRole::Process;
        let read = Invocation::of(&process.args, process.cwd, role);
        // The module may be in the folder that the process has left.
        if let Target::Module(_) = read.target
            && let Some(start) = process.started_in().filter(|start| self.is_folder(start))
        {
            return Invocation::of(&process.args, Some(&start), role);
        }
        if !matches!(read.target, Target::Program(_)) {
            return read;
        }
        let has_other_name = read.through == Through::Itself && process.args.len() > 1;
        if let Some(exe) = has_other_name.then(|| (process.exe)()).flatten()
            && let Some(by_exe) = Invocation::by_executable(&process.args, &exe, process.cwd, role)
        {
            return by_exe;
        }
        let ProgramKind::Script(interpreters) = &self.kind else { return read };
        let name = process.args.first().map(|name| base_name(Path::new(name)));
        let is_interpreter = interpreters.iter().any(|program| {
            (process.executes)(program) || name.as_ref() == Some(&base_name(program))
        });
        // The kernel puts the script's path after its interpreter and at most one option, and `env`
        // may add more. Any other program with the path there, such as an editor, only reads the
        // script.
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
            context: CommandContext::default(),
        }
    }

    fn is_same_target(&self, theirs: &Invocation, process: &RunningCommand<'_>) -> bool {
        match (&self.runs.target, &theirs.target) {
            (Target::Code(mine, code), Target::Code(theirs, other)) => {
                mine == theirs && code == other
            }
            (Target::Module(mine), Target::Module(theirs)) => mine == theirs,
            (Target::Entry(mine, line), Target::Entry(theirs, other)) => {
                mine == theirs && line == other
            }
            // The rest of the line consists of arguments, which are compared separately.
            (Target::Entry(_, Some(line)), Target::Code(Language::Shell, code)) => {
                code.to_str().is_some_and(|code| code.starts_with(line.as_str()))
            }
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
                | Target::Entry(..)
                | Target::Script(..)
                | Target::Program(_),
                Target::Input
                | Target::Code(..)
                | Target::Module(_)
                | Target::Entry(..)
                | Target::Script(..)
                | Target::Program(_),
            ) => false,
        }
    }

    /// Returns whether the process runs the same program, started under the name `name`.
    fn is_executed_as(&self, name: &Path, process: &RunningCommand<'_>) -> bool {
        let is_same_name = base_name(name) == self.process_name();
        // Compare paths only, because two names of one file are different programs.
        let written = process.cwd.map(|cwd| absolute(name, cwd));
        if !is_bare(name) && is_same_name && written.is_some() && written == self.file {
            return true;
        }
        // A path to somewhere else is another program, unless this one was searched in `$PATH` too.
        let is_same_name = is_same_name && (is_bare(name) || self.is_searched());
        match (&self.runs.target, &self.file) {
            // A wrapper, such as a version manager's shim, runs another program under its own name.
            (Target::Script(..), _) => is_same_name,
            // A wrapper finds the program in a place of its own.
            (_, None) => {
                is_same_name || (process.exe)().is_some_and(|exe| self.is_named_tool(&exe))
            }
            (_, Some(file)) => {
                // Its file may have been replaced since it started. Then the path is the same.
                let may_be_replaced = || {
                    let exe = (process.exe)();
                    exe.is_some_and(|exe| {
                        exe.file_name() == file.file_name() || fs::read_link(file).is_ok()
                    })
                };
                if !(process.executes)(file) && !may_be_replaced() {
                    return false;
                }
                let program = fs::canonicalize(file).unwrap_or_else(|_| file.clone());
                // A file with several names may do something different under each.
                let own = base_name(&program);
                let has_own_name = self.process_name() == own || base_name(name) == own;
                (has_own_name || is_same_name)
                    && ((process.executes)(&program) || (process.exe)().as_ref() == Some(&program))
            }
        }
    }

    /// Returns whether this command's program is given without a folder.
    fn is_searched(&self) -> bool {
        self.args.first().is_some_and(|name| is_bare(Path::new(name)))
    }

    /// Returns whether a file has the name of this command's program, in a folder where its wrapper
    /// looks.
    fn is_named_tool(&self, path: &Path) -> bool {
        let folder = path.parent().map(base_name);
        self.runs.through == Through::Wrapper
            && matches!(&self.runs.target, Target::Program(name) if is_bare(name))
            && matches!(folder.as_deref(), Some("bin" | ".bin" | "Scripts"))
            && base_name(path) == self.target_name()
    }

    /// Returns whether a path is spelled the same, or leads to the same file.
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

    /// Returns whether a process in another folder runs the same file, or one with the same name
    /// and content.
    fn is_file_elsewhere(&self, it: &Invocation, process: &RunningCommand<'_>) -> bool {
        let (Some(mine), Some(cwd)) = (&self.file, process.cwd) else { return false };
        let path = match &it.target {
            Target::Script(path, _) => path.clone(),
            Target::Program(path) if !is_bare(path) => path.clone(),
            Target::Program(_) => match (process.exe)() {
                Some(exe) if it.through == Through::Itself => exe,
                Some(_) | None => return false,
            },
            Target::Module(_) | Target::Code(..) | Target::Entry(..) | Target::Input => {
                return false;
            }
        };
        let theirs = cwd.join(&path);
        base_name(&theirs) == base_name(mine)
            && (self.is_my_file(&path, process) || has_same_content(&theirs, mine))
    }

    /// Returns whether a process has overwritten its command line with a title, and its executable
    /// could be this command's.
    fn is_rewritten(&self, process: &RunningCommand<'_>) -> bool {
        // The unused rest of the original command line is filled with NULs after the title.
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
            Target::Entry(..) => Some(Language::JavaScript),
            Target::Program(_) | Target::Input => None,
        }
    }
}

impl RunningCommand<'_> {
    /// Returns the folder that `PWD` named at the start of the process.
    pub(super) fn started_in(&self) -> Option<PathBuf> {
        let folder = (self.environ)().into_iter().find(|(name, _)| name == "PWD");
        folder.map(|(_, folder)| PathBuf::from(folder))
    }

    /// Returns the same process in the folder that its command line enters, if any.
    fn at<'b>(&'b self, folder: Option<&'b Path>) -> RunningCommand<'b> {
        RunningCommand { cwd: folder.or(self.cwd), ..self.clone() }
    }
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_symlink())
}

/// Returns whether a path is a name without a folder, which is searched in `$PATH`.
fn is_bare(path: &Path) -> bool {
    path.components().count() == 1 && path.is_relative() && !path.starts_with(".")
}

/// Splits each `--name=value`: most programs read it like `--name value`.
fn with_split_options(args: &[OsString]) -> Vec<OsString> {
    let split = |arg: &OsString| {
        // Programs in Go have one dash.
        let option =
            arg.to_str().filter(|it| it.starts_with('-')).and_then(|it| it.split_once('='));
        option.map_or_else(|| vec![arg.clone()], |(name, value)| vec![name.into(), value.into()])
    };
    args.iter().flat_map(split).collect()
}

/// Returns whether arguments differ only in how they name a file from their folders: `prod.env` in
/// its folder is `/srv/bot/prod.env` elsewhere.
fn are_same_files(
    (mine, here): (&[OsString], &Path),
    (theirs, there): (&[OsString], &Path),
) -> bool {
    let is_same = |(mine, theirs): (&OsString, &OsString)| {
        let [name, other] = [mine, theirs].map(|it| Path::new(it).file_name());
        let whole = |folder: &Path, path: &OsString| fs::canonicalize(folder.join(path)).ok();
        mine == theirs
            || name.is_some()
                && name == other
                && whole(here, mine).is_some_and(|mine| whole(there, theirs) == Some(mine))
    };
    mine.len() == theirs.len() && mine.iter().zip(theirs).all(is_same)
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
