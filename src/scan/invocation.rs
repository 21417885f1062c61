//! What a command line runs: the script, module or program, and the arguments to it, whatever
//! interpreter or wrapper stands before.
#![expect(clippy::disallowed_methods, reason = "finds files as interpreters do")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::scan::interpreters::{Interpreter, Language};
use crate::scan::operand::Operand;
use crate::scan::package_scripts::{self, Entry};
use crate::scan::shell_words::simple_words;
use crate::scan::wrapper_programs::{self, WrappedCommand};

/// Wrappers that start wrappers, and scripts of a package that run each other.
const MAX_DEPTH: u32 = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) target: Target,
    /// The arguments to the target.
    pub(crate) args: Vec<OsString>,
    /// The name by which a wrapper knows the command.
    pub(super) entry: Option<OsString>,
    pub(super) through: Through,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file that an interpreter reads, by its path as written.
    Script(PathBuf, Option<Language>),
    /// A Python module that does not lie in the folder.
    Module(OsString),
    /// A program by its path or name as written.
    Program(PathBuf),
    /// The code on the command line of an interpreter.
    Code(Language, OsString),
    /// A script of a package, whose line is more than one plain command.
    Entry(OsString),
    /// The program is read from standard input, `/dev` or `/proc`: what it is cannot be known.
    Input,
}

/// The role of the process with this command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// It runs the target itself.
    Itself,
    /// It starts the target, in its place or below itself.
    Wrapper,
}

impl Invocation {
    /// Reads a command line, with the files that lie in `folder`.
    pub(super) fn of(args: &[&OsStr], folder: Option<&Path>) -> Invocation {
        let words: Vec<OsString> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut unwrapped = Unwrapped { words, entry: None, through: Through::Itself };
        for _ in 0..MAX_DEPTH {
            match unwrapped.next(folder) {
                Next::Unwrapped(next) => {
                    unwrapped = Unwrapped { entry: next.entry.or(unwrapped.entry), ..next };
                }
                Next::Target(target, args) => {
                    let (entry, through) = (unwrapped.entry, unwrapped.through);
                    return Invocation { target: special(target), args, entry, through };
                }
            }
        }
        let (target, args) = program(&unwrapped.words);
        Invocation { target, args, entry: unwrapped.entry, through: unwrapped.through }
    }
}

enum Next {
    Unwrapped(Unwrapped),
    Target(Target, Vec<OsString>),
}

struct Unwrapped {
    words: Vec<OsString>,
    entry: Option<OsString>,
    through: Through,
}

impl Unwrapped {
    fn next(&self, folder: Option<&Path>) -> Next {
        let words: Vec<&OsStr> = self.words.iter().map(OsString::as_os_str).collect();
        let as_program = || {
            let (target, args) = program(&self.words);
            Next::Target(target, args)
        };
        let Some((first, rest)) = words.split_first() else { return as_program() };
        let name = base_name(Path::new(first));
        // A login shell's name begins with a dash.
        let name = name.strip_prefix('-').unwrap_or(&name);
        if let Some(wrapped) = wrapper_programs::wrapped_command(name, rest) {
            return match wrapped {
                WrappedCommand::Words(words) => launch(words),
                WrappedCommand::Unclear => as_program(),
                WrappedCommand::Entry(file, entry, args) => {
                    match folder.map(|folder| package_scripts::look_up(file, &entry, folder)) {
                        Some(Entry::Line(line)) => self::entry(&entry, &line, args),
                        Some(Entry::Missing) => launch([vec![entry], args].concat()),
                        None => Next::Target(Target::Entry(entry), args),
                    }
                }
            };
        }
        let Some(interpreter) = Interpreter::by_name(name) else { return as_program() };
        let (operand, args) = interpreter.operand(rest);
        let args: Vec<OsString> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let language = interpreter.language;
        match operand {
            Operand::Script(script)
                if wrapper_programs::is_wrapper_script(&base_name(Path::new(script))) =>
            {
                launch([vec![script.to_owned()], args].concat())
            }
            Operand::Script(script) => Next::Target(
                Target::Script(script_file(language, script, folder), Some(language)),
                args,
            ),
            Operand::Module(module) => Next::Target(module_target(module, folder), args),
            Operand::Code(code) => match code.to_str().and_then(simple_words) {
                Some(words) if language == Language::Shell && args.is_empty() => {
                    launch(without_assignments(&words))
                }
                Some(_) | None => Next::Target(Target::Code(language, code.to_owned()), args),
            },
            Operand::Task(task) => {
                let file = wrapper_programs::EntryFile::Package;
                match folder.map(|folder| package_scripts::look_up(file, task, folder)) {
                    Some(Entry::Line(line)) => entry(task, &line, args),
                    Some(Entry::Missing) => Next::Target(
                        Target::Script(script_file(language, task, folder), Some(language)),
                        args,
                    ),
                    None => Next::Target(Target::Entry(task.to_owned()), args),
                }
            }
            Operand::Input => Next::Target(Target::Input, args),
            Operand::Unclear => as_program(),
        }
    }
}

fn launch(words: Vec<OsString>) -> Next {
    Next::Unwrapped(Unwrapped { words, entry: None, through: Through::Wrapper })
}

fn entry(name: &OsStr, line: &str, args: Vec<OsString>) -> Next {
    match simple_words(line) {
        Some(words) => Next::Unwrapped(Unwrapped {
            words: [without_assignments(&words), args].concat(),
            entry: Some(name.to_owned()),
            through: Through::Wrapper,
        }),
        None => Next::Target(Target::Entry(name.to_owned()), args),
    }
}

fn without_assignments(words: &[OsString]) -> Vec<OsString> {
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    wrapper_programs::after_assignments(&words).iter().map(|word| (*word).to_owned()).collect()
}

fn program(words: &[OsString]) -> (Target, Vec<OsString>) {
    let (first, args) = words
        .split_first()
        .map_or((OsString::new(), &[][..]), |(first, args)| (first.clone(), args));
    (Target::Program(first.into()), args.to_vec())
}

/// Files in `/dev` and `/proc` differ between processes.
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
        | Target::Entry(_)
        | Target::Input => target,
    }
}

/// Returns the file that an interpreter reads when it is given this word.
fn script_file(language: Language, word: &OsStr, folder: Option<&Path>) -> PathBuf {
    let url = word.to_str().and_then(|word| word.strip_prefix("file://"));
    let script = PathBuf::from(url.map_or(word, OsStr::new));
    let Some(folder) = folder else { return script };
    let kind = fs::metadata(folder.join(&script)).map(|file| file.file_type());
    match (language, kind) {
        (Language::Python, Ok(kind))
            if kind.is_dir() && folder.join(&script).join("__main__.py").is_file() =>
        {
            script.join("__main__.py")
        }
        (Language::JavaScript, Ok(kind)) if kind.is_dir() => {
            script.join(package_scripts::package_main(&folder.join(&script)))
        }
        (Language::JavaScript, Err(_)) => {
            let with_extension = [".js", ".mjs", ".cjs"].iter().map(|extension| {
                let mut name = script.clone().into_os_string();
                name.push(extension);
                PathBuf::from(name)
            });
            with_extension.into_iter().find(|file| folder.join(file).is_file()).unwrap_or(script)
        }
        (_, Ok(_) | Err(_)) => script,
    }
}

/// `-m NAME` by its file in the folder, else by its name.
fn module_target(module: &OsStr, folder: Option<&Path>) -> Target {
    let path = module.to_str().map(|name| name.replace('.', "/"));
    let file = folder.zip(path).and_then(|(folder, path)| {
        [format!("{path}.py"), format!("{path}/__main__.py")]
            .into_iter()
            .map(PathBuf::from)
            .find(|file| fs::metadata(folder.join(file)).is_ok_and(|file| file.is_file()))
    });
    match file {
        Some(file) => Target::Script(file, Some(Language::Python)),
        None => Target::Module(module.to_owned()),
    }
}

pub(super) fn base_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Makes a path absolute, without `.` and `..`; follows no link.
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
