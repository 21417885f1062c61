//! Resolves a command line to what it runs: the script, module or program with its arguments,
//! behind any interpreters and wrappers.
#![expect(clippy::disallowed_methods, reason = "finds files as interpreters do")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::scan::command_context::{CommandContext, CommandOption, ENV_FOLDER, LOCK_FILE};
use crate::scan::executable::has_folder;
use crate::scan::interpreter_command::{InterpreterCommand, Operand};
use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::makefile;
use crate::scan::passed_options::passes_options;
use crate::scan::passing_failure::{is_file, noted};
use crate::scan::poetry_script::script_of_poetry;
use crate::scan::project_scripts;
use crate::scan::settings_writer;
use crate::scan::shell_words::simple_command;
use crate::scan::wrapper_programs::{self, CommandRole};
use crate::scan::wrapper_result::{Entry, EntryFile, EntryLine, PackageEntry, WrappedCommand};
use crate::text::quote;

/// Limits the nesting of wrappers, and of package scripts that run each other.
const MAX_DEPTH: u32 = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) target: Target,
    pub(crate) args: Vec<OsString>,
    /// The name under which a wrapper's file lists the command.
    pub(super) entry: Option<OsString>,
    pub(super) through: Through,
    /// The settings from the words before the target. The folder is absolute.
    pub(crate) context: CommandContext,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file that an interpreter reads, by its path as written.
    Script(PathBuf, Option<Language>),
    /// A Python module that is not in the folder.
    Module(OsString),
    /// A program, by its path or name as written.
    Program(PathBuf),
    /// Code on the command line of an interpreter.
    Code(Language, OsString),
    /// A script of a package by its name, with its shell code if that is more than a simple
    /// command.
    Entry(OsString, Option<String>),
    /// The program comes from standard input, `/dev` or `/proc`, so it is unknown.
    Input,
}

impl Target {
    /// Describes a target without a file of its own, as its command line names it.
    pub(crate) fn without_file(&self) -> Option<String> {
        match self {
            Target::Script(..) | Target::Program(_) => None,
            Target::Module(name) => Some(format!("-m {}", name.display())),
            Target::Code(_, code) => Some(format!("-c {}", quote(&code.to_string_lossy()))),
            Target::Entry(name, _) => Some(name.to_string_lossy().into_owned()),
            Target::Input => Some("standard input".to_owned()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// The process runs the target itself.
    Itself,
    /// The process starts the target as a child, or is replaced by it.
    Wrapper,
}

impl Invocation {
    /// Parses a command line, and reads the files in `folder` that it refers to.
    pub(super) fn of(args: &[&OsStr], folder: Option<&Path>, role: CommandRole) -> Invocation {
        let words: Vec<OsString> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut unwrapped = Unwrapped {
            words,
            entry: None,
            through: Through::Itself,
            context: CommandContext::default(),
            role,
            has_own_path: false,
        };
        let mut depth = 0;
        let (mut target, args) = loop {
            depth += 1;
            match unwrapped.next(folder).filter(|_| depth <= MAX_DEPTH) {
                Some(Next::Unwrapped(next)) => unwrapped = next,
                Some(Next::Target(target, args)) => break (special(target), args),
                None => break program(&unwrapped.words),
            }
        };
        let Unwrapped { entry, through, mut context, .. } = unwrapped;
        let args = match &mut target {
            Target::Program(name) if makefile::is_make(name) => {
                let (entered, args) = makefile::enters(&args);
                // A running make has already changed its folder.
                if let (Some(entered), CommandRole::Mine) = (entered, role) {
                    let before = absolute_folder(&context, folder);
                    if let Some(before) =
                        before.as_deref().or(folder).filter(|_| has_folder(name.as_os_str()))
                    {
                        *name = absolute(name, before);
                    }
                    context.enter(&entered);
                }
                let entered = absolute_folder(&context, folder);
                let recipe = entered.as_deref().or(folder).and_then(|it| makefile::read(&args, it));
                let before = recipe.and_then(|it| settings_writer::of_recipe(&it));
                context.options.extend(before);
                args
            }
            Target::Script(..)
            | Target::Program(_)
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => args,
        };
        context.folder = absolute_folder(&context, folder);
        let is_path = |it: &&mut CommandOption| [ENV_FOLDER, LOCK_FILE].contains(&&*it.name);
        for option in context.options.iter_mut().filter(is_path) {
            let folder = context.folder.as_deref().or(folder).unwrap_or(Path::new(""));
            option.value = absolute(Path::new(&option.value), folder).into();
        }
        Invocation { target, args, entry, through, context }
    }

    /// Adds the options that this command gets from its environment.
    pub(super) fn add_environment(
        &mut self,
        environ: &[(OsString, OsString)],
        folder: Option<&Path>,
    ) {
        let passed = environ.iter().filter(|(name, _)| passes_options(name));
        self.context.add_passed_options(passed.cloned());
        if !self.context.options.iter().any(CommandOption::is_setup) {
            let before = settings_writer::of_environment(environ, folder);
            self.context.options.extend(before);
        }
        if let Target::Module(_) = self.target {
            let entered = self.context.folder.clone();
            self.context.set_module_search(environ, entered.as_deref().or(folder));
        }
    }

    /// A `#!` script by its own path.
    pub(super) fn of_script(words: &[&OsStr]) -> Invocation {
        let words: Vec<OsString> = words.iter().map(|word| (*word).to_owned()).collect();
        let (target, args) = program(&words);
        Invocation {
            target,
            args,
            entry: None,
            through: Through::Itself,
            context: CommandContext::default(),
        }
    }

    /// Parses a command line with an unknown first word by its executable, because an interpreter
    /// may run under any name. `None` if the executable is no interpreter, or what it runs is
    /// unknown.
    pub(super) fn by_executable(
        args: &[&OsStr],
        executable: &Path,
        folder: Option<&Path>,
        role: CommandRole,
    ) -> Option<Invocation> {
        Interpreter::by_name(&base_name(executable))?;
        let words = [&[executable.as_os_str()], args.get(1..).unwrap_or_default()].concat();
        let mut read = Invocation::of(&words, folder, role);
        // The file behind a link does not show the virtual environment.
        read.context.python = None;
        match read.target {
            Target::Script(..) | Target::Module(_) | Target::Code(..) | Target::Entry(..) => {
                Some(read)
            }
            Target::Program(_) | Target::Input => None,
        }
    }
}

enum Next {
    Unwrapped(Unwrapped),
    Target(Target, Vec<OsString>),
}

#[derive(Clone)]
struct Unwrapped {
    words: Vec<OsString>,
    entry: Option<OsString>,
    through: Through,
    context: CommandContext,
    role: CommandRole,
    /// A wrapper, such as uv, chooses the file of a program that is given by its name.
    has_own_path: bool,
}

impl Unwrapped {
    /// Takes one step through wrappers and interpreters; `None` if the words are those of a
    /// program.
    fn next(&mut self, folder: Option<&Path>) -> Option<Next> {
        let words = self.words.clone();
        let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
        let (first, rest) = words.split_first()?;
        let name = wrapper_programs::program_name(Path::new(first));
        // The name of a login shell begins with a dash.
        let name = name.strip_prefix('-').unwrap_or(&name);
        if let Some(wrapped) = wrapper_programs::wrapped_command(name, rest, self.role) {
            self.has_own_path |= wrapper_programs::has_own_path(name);
            return self.unwrap(wrapped, folder);
        }
        let interpreter = Interpreter::by_name(name)?;
        let InterpreterCommand { operand, args, context } = interpreter.read(rest);
        let words = args;
        let args: Vec<OsString> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let language = interpreter.language;
        if operand == Operand::Unclear {
            return None;
        }
        self.context = std::mem::take(&mut self.context).with(context);
        let whole = absolute_folder(&self.context, folder);
        let folder = whole.as_deref().or(folder);
        Some(match operand {
            Operand::Script(script) if wrapper_programs::is_wrapper_script(Path::new(script)) => {
                self.launch([vec![script.to_owned()], args].concat(), CommandContext::default())
            }
            Operand::Script(script) => Next::Target(
                Target::Script(script_file(language, script, folder), Some(language)),
                args,
            ),
            Operand::Module(module) => {
                let target = module_target(module, folder);
                let runner = match target {
                    // A file of the folder comes before all other modules.
                    Target::Script(..) => None,
                    Target::Module(_)
                    | Target::Program(_)
                    | Target::Code(..)
                    | Target::Entry(..)
                    | Target::Input => wrapper_programs::run_by_module(module, words),
                };
                match runner {
                    Some(wrapped @ (WrappedCommand::Words(..) | WrappedCommand::Entry(_))) => {
                        return self.unwrap(wrapped, folder);
                    }
                    Some(WrappedCommand::Cargo(..) | WrappedCommand::Unclear) | None => {
                        let is_chosen_here = has_folder(first) || !self.has_own_path;
                        self.context.python = is_chosen_here.then(|| (*first).to_owned());
                        Next::Target(target, args)
                    }
                }
            }
            Operand::Code(code)
                if language == Language::Python
                    && let Some(script) = code.to_str().and_then(script_of_poetry) =>
            {
                self.launch(script, CommandContext::default())
            }
            Operand::Code(code) => match code.to_str().and_then(simple_command) {
                Some((words, mut context)) if language == Language::Shell && args.is_empty() => {
                    // A running shell has already changed to the folder.
                    if self.role == CommandRole::Process && self.through == Through::Itself {
                        context.folder = None;
                    }
                    self.launch(words, context)
                }
                Some(_) | None => Next::Target(Target::Code(language, code.to_owned()), args),
            },
            Operand::Task(task) => {
                let entry = PackageEntry {
                    file: EntryFile::Package,
                    name: task.to_owned(),
                    args: args.clone(),
                    context: CommandContext::default(),
                    part: None,
                };
                match folder.map(|it| project_scripts::look_up(&entry, it)) {
                    Some(Entry::Line(line)) => self.enter(task, line, folder),
                    Some(Entry::Missing(_)) => Next::Target(
                        Target::Script(script_file(language, task, folder), Some(language)),
                        args,
                    ),
                    None => Next::Target(Target::Entry(task.to_owned(), None), args),
                }
            }
            Operand::Input => Next::Target(Target::Input, args),
            Operand::Unclear => return None,
        })
    }

    fn unwrap(&mut self, wrapped: WrappedCommand, folder: Option<&Path>) -> Option<Next> {
        match wrapped {
            WrappedCommand::Words(words, context) => Some(self.launch(words, context)),
            WrappedCommand::Unclear => None,
            WrappedCommand::Cargo(run, args) => {
                let words = [vec![run.path(folder?)?.into_os_string()], args].concat();
                Some(self.launch(words, CommandContext::default()))
            }
            WrappedCommand::Entry(entry) => {
                let mut context = self.context.clone().with(entry.context.clone());
                let whole = absolute_folder(&context, folder);
                let mut folder = whole.as_deref().or(folder);
                let package;
                if let Some(workspace) = &entry.part
                    && entry.file == EntryFile::Package
                {
                    package = project_scripts::workspace_folder(workspace, folder?)?;
                    context.folder = Some(package.clone());
                    folder = Some(&package);
                }
                self.context = context;
                let found = folder.map(|folder| project_scripts::look_up(&entry, folder));
                let PackageEntry { file, name, args, .. } = entry;
                Some(match found {
                    Some(Entry::Line(line)) => self.enter(&name, line, folder),
                    Some(Entry::Missing(_)) if file == EntryFile::PdmName => return None,
                    Some(Entry::Missing(context)) => {
                        self.launch([vec![name], args].concat(), context)
                    }
                    None => Next::Target(Target::Entry(name, None), args),
                })
            }
        }
    }

    fn launch(&self, words: Vec<OsString>, context: CommandContext) -> Next {
        Next::Unwrapped(Unwrapped {
            words,
            entry: self.entry.clone(),
            through: Through::Wrapper,
            context: self.context.clone().with(context),
            role: self.role,
            has_own_path: self.has_own_path,
        })
    }

    fn enter(&mut self, name: &OsStr, line: EntryLine, folder: Option<&Path>) -> Next {
        let EntryLine { line, args, context } = line;
        self.context = std::mem::take(&mut self.context).with(context);
        let before = folder.and_then(|folder| settings_writer::of_package_script(name, folder));
        self.context.options.extend(before);
        match simple_command(&line) {
            Some((words, context)) => {
                self.entry = Some(name.to_owned());
                self.launch([words, args].concat(), context)
            }
            None => Next::Target(Target::Entry(name.to_owned(), Some(line)), args),
        }
    }
}

/// Returns the absolute path of the folder that a context enters from `folder`, if any.
fn absolute_folder(context: &CommandContext, folder: Option<&Path>) -> Option<PathBuf> {
    let entered = context.folder.as_deref()?;
    Some(absolute(entered, folder.unwrap_or(Path::new(""))))
}

fn program(words: &[OsString]) -> (Target, Vec<OsString>) {
    let (first, args) = words
        .split_first()
        .map_or((OsString::new(), &[][..]), |(first, args)| (first.clone(), args));
    (Target::Program(first.into()), args.to_vec())
}

/// Files in `/dev` and `/proc` are different for each process.
fn special(target: Target) -> Target {
    match target {
        Target::Script(path, _)
            if ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder)) =>
        {
            Target::Input
        }
        Target::Script(..)
        | Target::Module(_)
        | Target::Program(_)
        | Target::Code(..)
        | Target::Entry(..)
        | Target::Input => target,
    }
}

/// Returns the file that an interpreter reads if it is given this word.
fn script_file(language: Language, word: &OsStr, folder: Option<&Path>) -> PathBuf {
    let url = word.to_str().and_then(|word| word.strip_prefix("file://"));
    let script = PathBuf::from(url.map_or(word, OsStr::new));
    let Some(folder) = folder else { return script };
    let path = folder.join(&script);
    let kind = noted(&path, fs::metadata(&path)).map(|file| file.file_type());
    match (language, kind) {
        (Language::Python, Some(kind)) if kind.is_dir() && is_file(&path.join("__main__.py")) => {
            script.join("__main__.py")
        }
        (Language::JavaScript, Some(kind)) if kind.is_dir() => {
            script.join(project_scripts::package_main(&path))
        }
        (Language::JavaScript, None) => {
            let with_extension = [".js", ".mjs", ".cjs"].iter().map(|extension| {
                let mut name = script.clone().into_os_string();
                name.push(extension);
                PathBuf::from(name)
            });
            with_extension.into_iter().find(|file| is_file(&folder.join(file))).unwrap_or(script)
        }
        (_, Some(_) | None) => script,
    }
}

/// Resolves `-m NAME` to its file in the folder, else to its name.
pub(super) fn module_target(module: &OsStr, folder: Option<&Path>) -> Target {
    let path = module.to_str().map(|name| name.replace('.', "/"));
    let file = folder.zip(path).and_then(|(folder, path)| {
        [format!("{path}.py"), format!("{path}/__main__.py")]
            .into_iter()
            .map(PathBuf::from)
            .find(|file| is_file(&folder.join(file)))
    });
    match file {
        Some(file) => Target::Script(file, Some(Language::Python)),
        None => Target::Module(module.to_owned()),
    }
}

pub(super) fn base_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Makes a path absolute, without `.` and `..`. Follows no links.
pub(crate) fn absolute(path: &Path, folder: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(whole.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => whole.push(part),
        }
    }
    whole
}
