//! COMMAND: finds its program as exec would, before anything is touched.
#![expect(clippy::disallowed_methods, reason = "finds files as exec does")]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::engine::variable_kind::{VariableKind, counts_in_script};
use crate::error::{Error, ExitStatus, TRY_AGAIN, may_pass};
use crate::scan::command_context::CommandOption;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
use crate::scan::command_context::LOCK_FILE;
use crate::scan::executable::{self, ProgramKind, has_folder, kind_of, search, with_extension};
use crate::scan::interpreters::{Interpreter, Language, interpreter_by_extension};
use crate::scan::invocation::{Invocation, Target, Through, absolute, base_name};
use crate::scan::makefile;
use crate::scan::needs_shell;
use crate::scan::passing_failure::{self, canonicalize};
use crate::scan::reads_caller::ReadsCaller;
use crate::scan::script_command;
use crate::scan::shell_words;
use crate::scan::unclear_command::UnclearCommand;
use crate::scan::wrapper_programs::CommandRole;
use crate::sys::file_id::is_same_file;
use crate::text::{command_line, printable};

/// The maximum length of a command line in a record, in characters, to keep records small.
const LONGEST_RECORDED: usize = 4000;

#[derive(Debug, Clone)]
pub struct Command {
    pub args: Vec<OsString>,
    /// The path to execute. Links are not resolved, because a program may behave differently by
    /// name.
    pub found: PathBuf,
    /// The path with links resolved.
    pub program: PathBuf,
    pub kind: ProgramKind,
    pub cwd: PathBuf,
    /// The folder in which the bot runs: `cwd`, unless COMMAND changes to another one.
    pub runs_in: PathBuf,
    /// The same folder as `pwd -L` shows it, with links unresolved.
    pub(crate) folder: PathBuf,
    /// The target of COMMAND, after interpreters and wrapper programs.
    pub(crate) runs: Invocation,
    /// The file of `runs`: its path as written, without `.` and `..`.
    pub(crate) file: Option<PathBuf>,
    /// The variables that its shell script, or its line in `package.json`, reads and does not set,
    /// and those that such a line sets.
    pub(crate) reads: Vec<OsString>,
    /// Those that it sets, in any line.
    pub(super) assigns: Vec<OsString>,
    /// What COMMAND starts, as far as its files tell.
    pub(super) started: Vec<StartedCommand>,
    /// What it starts and its files do not tell in full.
    pub(super) unclear: Vec<UnclearCommand>,
    /// A script of it asks on its standard input which bot it starts.
    pub(super) asks: bool,
    /// The use that its script makes of the folder of its caller, if it reads it.
    pub(super) reads_caller: Option<ReadsCaller>,
    /// The number of bots whose tokens this start has. A variable may choose one of them.
    pub(super) bots: usize,
}

/// A command that COMMAND starts.
#[derive(Debug, Clone)]
pub(super) struct StartedCommand {
    pub(super) command: Command,
    /// The variables that are set for the command.
    pub(super) sets: Vec<(OsString, Option<OsString>)>,
    /// The values of the same variables before they are set.
    pub(super) replaces: Vec<(OsString, Option<OsString>)>,
    pub(super) certainty: Certainty,
}

/// How certain it is that COMMAND starts it. A lower grade weakens the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    Certain,
    /// The only `exec`, or the last command, of a script with lines that were not understood: a
    /// doubt.
    Likely,
    /// A command that the words of COMMAND's unknown program go on with: a doubt.
    Launched,
    /// One of several commands that the script starts: a doubt that no token settles.
    Part,
    /// One of several `exec` lines, of which conditions choose one: a near miss.
    Possible,
}

impl Command {
    /// Finds `args[0]` like execvp(3). Fails with 127 if it is not found, and with 126 if it cannot
    /// be executed.
    pub fn find(args: Vec<OsString>, cwd: PathBuf) -> Result<Command, Error> {
        let folder = logical(&cwd);
        passing_failure::reading(|| {
            let mut command = Command::find_without_started(args, cwd, folder)?;
            command.read_scripts();
            command.read_questions();
            Ok(command)
        })
    }

    /// Finds the command, but not what it starts. `folder` is `cwd` as `pwd -L` shows it.
    pub(super) fn find_without_started(
        args: Vec<OsString>,
        cwd: PathBuf,
        folder: PathBuf,
    ) -> Result<Command, Error> {
        let Some(name) = args.first().filter(|name| !name.is_empty()) else {
            return Err(Error::new(ExitStatus::NotFound, "COMMAND is empty")
                .with_hint("write it after `--`: `monopoll run -- python3 main.py`"));
        };
        let found =
            executable::find(name, &cwd).map_err(|status| not_runnable(&args, &cwd, status))?;
        let program = match fs::canonicalize(&found) {
            Err(error) if may_pass(&error) => {
                return Err(not_runnable(&args, &cwd, ExitStatus::Refused));
            }
            program => program.unwrap_or_else(|_| found.clone()),
        };
        let kind = kind_of(&found, &cwd)?;
        executable::require_wrapped_program(&args, &cwd)?;
        Ok(Command::new(args, found, program, kind, cwd, folder))
    }

    /// Describes the program of this process, as it was started.
    pub(crate) fn of_this_process(args: Vec<OsString>, program: PathBuf, cwd: PathBuf) -> Command {
        let folder = logical(&cwd);
        Command::new(args, program.clone(), program, ProgramKind::Binary, cwd, folder)
    }

    fn new(
        args: Vec<OsString>,
        found: PathBuf,
        program: PathBuf,
        kind: ProgramKind,
        cwd: PathBuf,
        mut folder: PathBuf,
    ) -> Command {
        let started_in = folder.clone();
        let mut runs_in = cwd.clone();
        let words: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
        let mut runs = Invocation::of(&words, Some(&folder), CommandRole::Mine);
        if is_script_with_another_meaning(&args, &kind) {
            runs = Invocation::of_script(&words);
        }
        // A link to an interpreter may have any name.
        if let (Target::Program(_), Through::Itself) = (&runs.target, runs.through)
            && let Some(by_link) =
                Invocation::by_executable(&words, &program, Some(&folder), CommandRole::Mine)
        {
            runs = by_link;
        }
        let environ: Vec<_> = env::vars_os().collect();
        runs.add_environment(&environ, Some(&folder));
        if let Some(entered) = &runs.context.folder {
            folder.clone_from(entered);
            runs_in = canonicalize(entered).unwrap_or_else(|| entered.clone());
        }
        let file = match &runs.target {
            Target::Script(path, _) => Some(absolute(path, &folder)),
            Target::Program(_) if runs.through == Through::Itself => {
                // make enters its folder after it was found.
                Some(absolute(&with_extension(written_path(&args, &found)), &started_in))
            }
            Target::Program(path) if has_folder(path.as_os_str()) => Some(absolute(path, &folder)),
            Target::Program(name) => search(name.as_os_str(), &runs_in).ok(),
            Target::Module(_) | Target::Code(..) | Target::Entry(..) | Target::Input => None,
        };
        let is_script = |path: &Path| match runs.through {
            Through::Itself => matches!(kind, ProgramKind::Script(_)),
            Through::Wrapper => matches!(kind_of(path, &cwd), Ok(ProgramKind::Script(_))),
        };
        if let (Target::Program(_), Some(path)) = (&runs.target, &file)
            && is_script(path)
        {
            runs.target = Target::Script(path.clone(), None);
        }
        let (started, unclear) = (Vec::new(), Vec::new());
        let mut text = script_text(&runs, file.as_deref(), &runs_in);
        for setup in runs.context.options.iter().filter(|it| it.is_setup()) {
            text.push('\n');
            text.push_str(&setup.value.to_string_lossy());
        }
        let mut reads = shell_words::variables_read(&text);
        let mut assigns = shell_words::variables_set(&text);
        if runs.entry.is_some() {
            // A line of `package.json` chooses by any name, as a recipe does.
            let by_line = runs.context.variables.iter().map(|(name, _)| name);
            let by_line =
                by_line.filter(|it| counts_in_script(it) && !VariableKind::of(it).may_choose());
            reads.extend(by_line.clone().cloned());
            assigns.extend(by_line.cloned());
        }
        Command {
            args,
            found,
            program,
            kind,
            cwd,
            runs_in,
            folder,
            runs,
            file,
            reads,
            assigns,
            started,
            unclear,
            asks: false,
            reads_caller: None,
            bots: 0,
        }
    }

    /// Returns the folders from which a loader may search for `.env`: that of the script, and the
    /// one that COMMAND enters.
    pub(crate) fn loader_folders(&self) -> Vec<PathBuf> {
        let started = self.started.iter().filter(|it| it.certainty == Certainty::Certain);
        let commands = [self].into_iter().chain(started.map(|it| &it.command));
        let folders = commands.flat_map(|command| {
            let script = match &command.runs.target {
                Target::Script(..) => command.file.as_deref().and_then(Path::parent),
                Target::Program(_)
                | Target::Module(_)
                | Target::Code(..)
                | Target::Entry(..)
                | Target::Input => None,
            };
            script.into_iter().chain([command.folder.as_path()])
        });
        folders.map(Path::to_owned).collect()
    }

    /// Returns the folders with the `.env` that COMMAND may read: its own and those of loaders.
    pub(crate) fn env_file_folders(&self) -> BTreeSet<PathBuf> {
        std::iter::once(self.runs_in.clone()).chain(self.loader_folders()).collect()
    }

    /// Returns the value that COMMAND itself sets for a variable, or that it unsets it.
    pub(crate) fn sets(&self, name: &str) -> Option<&Option<OsString>> {
        let started = self.started.iter().filter(|it| it.certainty == Certainty::Certain);
        let by_started =
            started.flat_map(|it| it.sets.iter().chain(&it.command.runs.context.variables));
        let mut set = self.runs.context.variables.iter().chain(by_started).rev();
        set.find(|(set, _)| set == name).map(|(_, value)| value)
    }

    /// Returns the words of COMMAND, of what it starts, and of its shell script. They may name a
    /// file with variables, or a folder that has one.
    pub(crate) fn words(&self) -> Vec<String> {
        let options = self.runs.context.options.iter().map(|option| option.value.as_os_str());
        let values = self.runs.context.variables.iter().filter_map(|(_, value)| value.as_deref());
        let texts = self.args.iter().map(OsString::as_os_str).chain(options).chain(values);
        let mut texts: Vec<String> = texts.map(|it| it.to_string_lossy().into_owned()).collect();
        texts.push(self.script_text());
        let is_end = |c: char| c.is_whitespace() || "'\"`;=&|()<>".contains(c);
        let words = texts.iter().flat_map(|text| text.split(is_end));
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Notes the number of bots whose tokens this start has.
    #[must_use]
    pub(crate) fn with_bots(mut self, bots: usize) -> Command {
        self.bots = bots;
        for started in &mut self.started {
            started.command.bots = bots;
        }
        self
    }

    /// Returns whether lines that may choose the bot run before it.
    pub(crate) fn has_setup(&self) -> bool {
        self.runs.context.options.iter().any(CommandOption::is_setup)
    }

    /// Returns the paths that the arguments and options of COMMAND, and of what it starts, may
    /// mean.
    pub(crate) fn named_files(&self) -> Vec<PathBuf> {
        let commands = self.with_started();
        let paths = commands.flat_map(|command| {
            let is_option = |it: &&CommandOption| it.name.starts_with('-');
            let options = command.runs.context.options.iter().filter(is_option);
            let words = command.runs.args.iter().chain(options.map(|it| &it.value));
            let values = words.filter_map(|word| word.to_str()).flat_map(|word| {
                [Some(word), word.split_once('=').map(|(_, value)| value)].into_iter().flatten()
            });
            values.map(|it| command.runs_in.join(it)).collect::<Vec<_>>()
        });
        paths.collect()
    }

    /// Returns the lock file with which flock(1) starts this command.
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    pub(super) fn lock_file(&self) -> Option<&OsStr> {
        let commands = self.with_started();
        let mut options = commands.flat_map(|it| &it.runs.context.options);
        options.find(|it| it.name == LOCK_FILE).map(|it| it.value.as_os_str())
    }

    /// Returns the text of its shell script, recipe or line of `package.json`; empty without one.
    pub(super) fn script_text(&self) -> String {
        script_text(&self.runs, self.file.as_deref(), &self.runs_in)
    }

    /// Returns the text of a script of up to 64 KiB, after the text of the scripts that it reads.
    pub(super) fn long_script_text(&self) -> String {
        let mut text = self.own_long_script_text();
        for file in shell_words::scripts_read(&text) {
            let inner = script_command::text(&self.runs_in.join(file)).unwrap_or_default();
            text = format!("{inner}\n{text}");
        }
        text
    }

    /// Returns the same without the scripts that it reads.
    pub(super) fn own_long_script_text(&self) -> String {
        match self.shell_script() {
            Some(script) => script_command::long_text(script).unwrap_or_default(),
            None => self.script_text(),
        }
    }

    /// Returns the base name of the script or program.
    pub(crate) fn target_name(&self) -> String {
        match &self.runs.target {
            Target::Script(path, _) | Target::Program(path) => base_name(path),
            Target::Module(name) | Target::Entry(name, _) => name.to_string_lossy().into_owned(),
            Target::Code(..) | Target::Input => self.base_name(),
        }
    }

    pub fn base_name(&self) -> String {
        let name = self.args.first().map(Path::new).and_then(Path::file_name);
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Returns the user id of the owner of the script or program.
    pub(crate) fn owner(&self) -> Option<String> {
        file_owner(self.file.as_deref().unwrap_or(&self.program))
    }

    /// Returns the command line for a record, with secrets masked.
    pub(crate) fn recorded(&self) -> String {
        command_line(&self.text()).chars().take(LONGEST_RECORDED).collect()
    }

    pub fn text(&self) -> Vec<String> {
        self.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }
}

/// Returns the text of a line of `package.json`, a shell script or a recipe; empty if it is none.
fn script_text(runs: &Invocation, file: Option<&Path>, folder: &Path) -> String {
    match &runs.target {
        Target::Program(program) if makefile::is_make(program) => {
            makefile::read(&runs.args, folder).map(|recipe| recipe.text).unwrap_or_default()
        }
        Target::Entry(_, Some(line)) => line.clone(),
        Target::Code(Language::Shell, line) => line.to_string_lossy().into_owned(),
        Target::Script(_, None | Some(Language::Shell)) => {
            file.and_then(script_command::text).unwrap_or_default()
        }
        Target::Script(..)
        | Target::Module(_)
        | Target::Program(_)
        | Target::Code(..)
        | Target::Entry(..)
        | Target::Input => String::new(),
    }
}

/// Returns whether COMMAND is a script such as `./node2`, `./sh1` or `./make`, which only has the
/// name of another program. The shims of version managers and `node_modules/.bin/tsx` are scripts
/// too, and run the interpreter that they are named after.
fn is_script_with_another_meaning(args: &[OsString], kind: &ProgramKind) -> bool {
    let Some(path) = args.first().filter(|name| has_folder(name)).map(Path::new) else {
        return false;
    };
    let is_shim = path
        .parent()
        .is_some_and(|folder| folder.ends_with("shims") || folder.ends_with("node_modules/.bin"));
    matches!(kind, ProgramKind::Script(_))
        && (Interpreter::by_name(&base_name(path)).is_some() || makefile::is_make(path))
        && !is_shim
}

/// Returns the path of a program as written, or as found in `$PATH`.
fn written_path(args: &[OsString], found: &Path) -> PathBuf {
    match args.first() {
        Some(written) if has_folder(written) => PathBuf::from(written),
        Some(_) | None => found.to_owned(),
    }
}

/// Returns `$PWD` if it is this folder, else the folder itself.
pub(super) fn logical(cwd: &Path) -> PathBuf {
    let is_plain = |path: &PathBuf| path.is_absolute() && absolute(path, cwd) == *path;
    env::var_os("PWD")
        .map(PathBuf::from)
        .filter(is_plain)
        .filter(|path| is_same_file(path, cwd))
        .unwrap_or_else(|| cwd.to_owned())
}

#[cfg(unix)]
fn file_owner(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|metadata| metadata.uid().to_string())
}

/// Outside of Unix, only an administrator sees other users' processes, and there is no root.
#[cfg(not(unix))]
fn file_owner(_path: &Path) -> Option<String> {
    None
}

fn not_runnable(args: &[OsString], cwd: &Path, status: ExitStatus) -> Error {
    if status == ExitStatus::Refused {
        let name = args[0].to_string_lossy();
        let what = format!("the file of COMMAND `{}` cannot be read", printable(&name));
        return Error::new(status, what).with_hint(TRY_AGAIN);
    }
    if let Some(error) = needs_shell::error(args, status) {
        return error;
    }
    let name = printable(&args[0].to_string_lossy()).into_owned();
    let is_missing = status == ExitStatus::NotFound;
    let hint = if let Some(interpreter) = interpreter_of(&args[0], cwd) {
        let words: Vec<String> =
            args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        format!("did you mean `monopoll run -- {interpreter} {}`?", command_line(&words))
    } else if !is_missing {
        "check that it is a file, and its permissions (`chmod +x`)".to_owned()
    } else if is_quoted_line(args, cwd) {
        format!("leave out the quotes: `-- {name}`")
    } else if Path::new(&name).components().count() > 1 {
        "check its path".to_owned()
    } else {
        "check its spelling and $PATH".to_owned()
    };
    let what = if is_missing { "is not found" } else { "cannot be executed" };
    Error::new(status, format!("COMMAND `{name}` {what}")).with_hint(hint)
}

fn interpreter_of(script: &OsStr, cwd: &Path) -> Option<&'static str> {
    let interpreter = interpreter_by_extension(Path::new(script))?;
    cwd.join(script).is_file().then_some(interpreter)
}

/// Returns whether a whole command line was given as one word that starts with a program.
fn is_quoted_line(args: &[OsString], cwd: &Path) -> bool {
    let [line] = args else { return false };
    let line = line.to_string_lossy();
    let mut words = line.split_whitespace();
    let (Some(program), Some(_)) = (words.next(), words.next()) else { return false };
    executable::find(OsStr::new(program), cwd).is_ok()
}
