//! Finds a program like exec, and checks that the kernel can execute it. If that failed only at
//! exec, the healthy bot would already have been ended.
#![expect(clippy::disallowed_methods, reason = "finds and reads files as exec does")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::error::{Error, ExitStatus, TRY_AGAIN, may_pass};
use crate::scan::passing_failure;
use crate::scan::wrapper_programs::{CommandRole, wrapped_command};
use crate::scan::wrapper_result::WrappedCommand;
use crate::text::printable;

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(super) use self::unix::kind_of;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramKind {
    Binary,
    /// A `#!` script, with the programs that its first line names, such as `/usr/bin/env` and the
    /// program that env finds.
    Script(Vec<PathBuf>),
}

/// Finds a program by its path or in `$PATH`. The error is the exit status; `Refused` if the files
/// cannot be read for a reason that may pass.
pub(super) fn find(name: &OsStr, cwd: &Path) -> Result<PathBuf, ExitStatus> {
    if has_folder(name) { check(&with_extension(cwd.join(name))) } else { search(name, cwd) }
}

/// Finds a program in `$PATH`, like execvp(3).
pub(super) fn search(name: &OsStr, cwd: &Path) -> Result<PathBuf, ExitStatus> {
    // The default path of execvp(3).
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
    let mut status = ExitStatus::NotFound;
    for folder in env::split_paths(&path) {
        let candidate = with_extension(cwd.join(folder).join(name));
        match fs::metadata(&candidate) {
            Ok(_) => {}
            Err(error) if may_pass(&error) => return Err(refused(&candidate, error)),
            // A folder that cannot be searched counts as empty.
            Err(_) => continue,
        }
        match check(&candidate) {
            Ok(program) => return Ok(program),
            Err(worse) => status = worse,
        }
    }
    Err(status)
}

/// Returns whether a name is a path, for which `$PATH` is not searched.
pub(super) fn has_folder(name: &OsStr) -> bool {
    name.to_string_lossy().contains(std::path::is_separator)
}

/// Appends `.exe` on Windows, where it can be omitted.
pub(super) fn with_extension(path: PathBuf) -> PathBuf {
    if cfg!(windows) && path.extension().is_none() && !path.is_file() {
        let whole = path.with_extension("exe");
        if whole.is_file() { whole } else { path }
    } else {
        path
    }
}

fn check(path: &Path) -> Result<PathBuf, ExitStatus> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => ExitStatus::NotExecutable,
        _ if may_pass(&error) => refused(path, error),
        _ => ExitStatus::NotFound,
    })?;
    if !metadata.is_file() {
        return Err(ExitStatus::NotExecutable);
    }
    match access(path) {
        Ok(()) => Ok(path.to_owned()),
        Err(error) if may_pass(&error) => Err(refused(path, error)),
        Err(_) => Err(ExitStatus::NotExecutable),
    }
}

/// Notes a failure that may pass. It counts although another search may go on without the file.
fn refused(path: &Path, error: io::Error) -> ExitStatus {
    passing_failure::note(path, error);
    ExitStatus::Refused
}

#[cfg(unix)]
fn access(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::EXEC_OK)?)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it may fail")]
fn access(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Wrappers that search `$PATH` for the given command, and fail if it is not there.
const SEARCHING_WRAPPERS: [&str; 16] = [
    "env",
    "nohup",
    "nice",
    "ionice",
    "setsid",
    "stdbuf",
    "timeout",
    "chrt",
    "taskset",
    "prlimit",
    "setarch",
    "time",
    "flock",
    "numactl",
    "tini",
    "dumb-init",
];

/// Requires that the program started by such wrappers can be executed.
pub(super) fn require_wrapped_program(args: &[OsString], cwd: &Path) -> Result<(), Error> {
    let mut words: Vec<OsString> = args.to_vec();
    let mut wrappers = 0;
    loop {
        let Some((first, rest)) = words.split_first() else { return Ok(()) };
        let name = Path::new(first).file_name().unwrap_or_default().to_string_lossy();
        if !SEARCHING_WRAPPERS.contains(&&*name) {
            break;
        }
        let rest: Vec<&OsStr> = rest.iter().map(OsString::as_os_str).collect();
        let Some(WrappedCommand::Words(command, context)) =
            wrapped_command(&name, &rest, CommandRole::Mine)
        else {
            return Ok(());
        };
        if context.folder.is_some() || context.variables.iter().any(|(name, _)| name == "PATH") {
            return Ok(());
        }
        words = command;
        wrappers += 1;
    }
    let Some(program) = words.first().filter(|word| wrappers > 0 && !word.is_empty()) else {
        return Ok(());
    };
    let found = find(program, cwd).map_err(|status| {
        let wrapper = printable(&args[0].to_string_lossy()).into_owned();
        let program = printable(&program.to_string_lossy()).into_owned();
        let (what, hint) = match status {
            ExitStatus::Refused => ("cannot be read", TRY_AGAIN),
            ExitStatus::NotFound => ("is not found", "check its spelling and $PATH"),
            _ => ("cannot be executed", "check its spelling and $PATH"),
        };
        Error::new(status, format!("COMMAND's program `{program}`, after `{wrapper}`, {what}"))
            .with_hint(hint)
    })?;
    kind_of(&found, cwd).map(drop)
}

/// `#!` lines have no meaning outside of Unix.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix a format may be wrong")]
pub(super) fn kind_of(_program: &Path, _cwd: &Path) -> Result<ProgramKind, Error> {
    Ok(ProgramKind::Binary)
}
