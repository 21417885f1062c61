//! `#!` lines and program formats, as the kernel reads them.
#![expect(clippy::disallowed_methods, reason = "reads files as exec does")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ExitStatus, TRY_AGAIN};
use crate::scan::executable::{ProgramKind, find, search};
use crate::scan::passing_failure::noted;
use crate::text::printable;

/// The number of bytes of a `#!` line that the kernel reads (`BINPRM_BUF_SIZE`).
const MAX_LINE: u64 = 256;

/// The maximum length of a chain of scripts that the kernel follows.
const MAX_SCRIPTS: usize = 5;

struct FirstLine {
    interpreter: PathBuf,
    /// The rest, trimmed. The kernel passes it as a single argument.
    rest: String,
}

/// The reason a file cannot be executed, with a hint.
struct Fault {
    status: ExitStatus,
    what: String,
    hint: &'static str,
}

impl Fault {
    fn new(what: impl Into<String>, hint: &'static str) -> Fault {
        Fault { status: ExitStatus::NotExecutable, what: what.into(), hint }
    }
}

/// Returns the kind of a program. Fails if the kernel would not execute it, or if env would not
/// find its program.
pub(in crate::scan) fn kind_of(program: &Path, cwd: &Path) -> Result<ProgramKind, Error> {
    let line = require_executable(program, cwd).map_err(|Fault { status, what, hint }| {
        let name = program.to_string_lossy();
        let message = format!("COMMAND `{}` cannot be executed: {what}", printable(&name));
        Error::new(status, message).with_hint(hint)
    })?;
    let Some(line) = line else { return Ok(ProgramKind::Binary) };
    let named = line.rest.split([' ', '\t']).filter(|word| !word.is_empty());
    let found = named.filter_map(|word| search(OsStr::new(word), cwd).ok());
    Ok(ProgramKind::Script(std::iter::once(cwd.join(&line.interpreter)).chain(found).collect()))
}

/// Follows `#!` lines and `env` to a binary. Returns the program's own `#!` line.
fn require_executable(program: &Path, cwd: &Path) -> Result<Option<FirstLine>, Fault> {
    let (mut file, mut scripts) = (program.to_owned(), 0);
    let mut own_line = None;
    // `env` starts a new chain of scripts, so bound the total: a longer chain is endless.
    for _ in 0..4 * MAX_SCRIPTS {
        require_not_written(&file)?;
        // An executable program need not be readable.
        let Some(start) = first_bytes(&file) else { return Ok(own_line) };
        let Some(line) = first_line(&start) else {
            return require_format(&file, &start).map(|()| own_line);
        };
        scripts += 1;
        if scripts > MAX_SCRIPTS {
            break;
        }
        let interpreter = find_interpreter(&line.interpreter, cwd)?;
        file = interpreter;
        if let Some(name) = env_program(&line) {
            file = search_for_env(&name, cwd)?;
            scripts = 0;
        }
        own_line.get_or_insert(line);
    }
    Err(Fault::new("its `#!` lines lead in a circle", "name an interpreter that is a program"))
}

fn find_interpreter(interpreter: &Path, cwd: &Path) -> Result<PathBuf, Fault> {
    let path = cwd.join(interpreter);
    find(path.as_os_str(), cwd).map_err(|status| Fault {
        status,
        what: format!("its interpreter `{}` cannot be", printable(&interpreter.to_string_lossy())),
        hint: if status == ExitStatus::Refused {
            TRY_AGAIN
        } else {
            "check its first line and its line endings"
        },
    })
}

fn search_for_env(name: &str, cwd: &Path) -> Result<PathBuf, Fault> {
    find(OsStr::new(name), cwd).map_err(|status| Fault {
        status,
        what: format!("env does not find `{}`, which its first line names", printable(name)),
        hint: if status == ExitStatus::Refused {
            TRY_AGAIN
        } else if name.contains(' ') {
            "write `#!/usr/bin/env -S`: without `-S`, all of the line is one name"
        } else {
            "install it, or correct its first line"
        },
    })
}

/// Returns the program that `#!/usr/bin/env …` starts; `None` for other interpreters, or if options
/// change the folder or the search path.
fn env_program(line: &FirstLine) -> Option<String> {
    if line.interpreter.file_name()? != "env" {
        return None;
    }
    let split = ["-S", "--split-string=", "--split-string "]
        .iter()
        .find_map(|option| line.rest.strip_prefix(option));
    let words: Vec<&str> = match split {
        Some(rest) if rest.contains(['\'', '"', '\\', '$', '#']) => return None,
        Some(rest) => rest.split_whitespace().collect(),
        // Other kernels split the line into words.
        None if cfg!(not(target_os = "linux")) => line.rest.split_whitespace().collect(),
        None => vec![&line.rest],
    };
    let program = words.into_iter().find(|word| !word.contains('=') || word.starts_with("PATH="));
    program
        .filter(|word| !word.is_empty() && !word.starts_with('-') && !word.starts_with("PATH="))
        .map(str::to_owned)
}

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
fn require_not_written(path: &Path) -> Result<(), Fault> {
    if crate::sys::linux::write_lease::is_open_for_writing(path) {
        let what = format!("`{}` is being written", printable(&path.to_string_lossy()));
        let hint = "wait until it is written, then start again";
        return Err(Fault { status: ExitStatus::Refused, what, hint });
    }
    Ok(())
}

#[cfg(any(not(target_os = "linux"), monopoll_portable))]
#[expect(clippy::unnecessary_wraps, reason = "on Linux the kernel says")]
fn require_not_written(_path: &Path) -> Result<(), Fault> {
    Ok(())
}

/// Requires a format that the kernel can execute. A script without `#!` is fine, because execvp(3)
/// runs it with a shell.
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
fn require_format(path: &Path, start: &[u8]) -> Result<(), Fault> {
    use crate::sys::linux::elf::{self, ElfFault};
    use crate::sys::linux::foreign_formats;

    const REBUILD: &str = "copy or build it again for this system";
    let name = path.to_string_lossy();
    let name = printable(&name);
    if start.is_empty() {
        return Err(Fault::new(format!("`{name}` is empty"), REBUILD));
    }
    if !start.starts_with(elf::MAGIC) {
        let first_line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // Shells recognize binary files the same way.
        if first_line.contains(&0) && !foreign_formats::may_execute(start) {
            return Err(Fault::new(format!("`{name}` is not a program for Linux"), REBUILD));
        }
        return Ok(());
    }
    let Ok(read) = File::open(path).and_then(|file| elf::loader(&file)) else { return Ok(()) };
    let what = match read {
        Ok(None) => return Ok(()),
        Ok(Some(loader)) => return require_loader(&name, &loader),
        Err(ElfFault::OtherMachine) if foreign_formats::may_execute(start) => return Ok(()),
        Err(ElfFault::OtherMachine) => "is for another kind of processor",
        Err(ElfFault::Truncated) => "is cut off",
        Err(ElfFault::NoProgram) => "is not a program",
    };
    Err(Fault::new(format!("`{name}` {what}"), REBUILD))
}

#[cfg(any(not(target_os = "linux"), monopoll_portable))]
fn require_format(path: &Path, start: &[u8]) -> Result<(), Fault> {
    if start.is_empty() {
        let what = format!("`{}` is empty", printable(&path.to_string_lossy()));
        return Err(Fault::new(what, "copy or build it again"));
    }
    Ok(())
}

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
fn require_loader(program: &str, loader: &Path) -> Result<(), Fault> {
    let is_missing =
        std::fs::metadata(loader).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    if !is_missing {
        return Ok(());
    }
    let loader = printable(&loader.to_string_lossy()).into_owned();
    Err(Fault {
        status: ExitStatus::NotFound,
        what: format!("`{program}` needs the loader `{loader}`, which is not there"),
        hint: "it was built for another system (glibc or musl): build it for this one",
    })
}

fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    // Without room for the whole line, the first reads are short.
    let mut start = Vec::with_capacity(512);
    let file = noted(path, File::open(path))?;
    noted(path, file.take(MAX_LINE).read_to_end(&mut start))?;
    Some(start)
}

fn first_line(start: &[u8]) -> Option<FirstLine> {
    let line = start.strip_prefix(b"#!")?.split(|byte| matches!(byte, b'\n' | 0)).next()?;
    let line = trim(line);
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (interpreter, rest) = line.split_at(end);
    (!interpreter.is_empty()).then(|| FirstLine {
        interpreter: Path::new(OsStr::from_bytes(interpreter)).to_owned(),
        rest: String::from_utf8_lossy(trim(rest)).into_owned(),
    })
}

/// Trims blanks. The kernel treats a carriage return as part of the name.
fn trim(mut line: &[u8]) -> &[u8] {
    while let Some(rest) = line.strip_prefix(b" ").or_else(|| line.strip_prefix(b"\t")) {
        line = rest;
    }
    while let Some(rest) = line.strip_suffix(b" ").or_else(|| line.strip_suffix(b"\t")) {
        line = rest;
    }
    line
}
