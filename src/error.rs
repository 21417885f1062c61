//! What can go wrong, said to a person: where, what and the way out; and the table of exit
//! statuses.

use std::{fmt, io::Write, path::Path, process::ExitCode};

use crate::text::printable;

/// The exit statuses of every command, as users and supervisors may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done; or a newer start won, which a supervisor must not revive.
    Done,
    /// A fault of monopoll itself.
    Fault,
    /// `plan --detailed-exitcode`: would start after killing or waiting.
    WouldAct,
    /// `status`: it is not running.
    NotRunning,
    /// `status`: it cannot be known.
    Unknown,
    /// A wrong command line.
    Usage,
    /// A lock file cannot be created or is not safe to use.
    LockFile,
    /// Refused by policy, or waited too long: try again later.
    Refused,
    /// A conflict that may not be signalled.
    Permission,
    /// The configuration is wrong.
    Config,
    /// COMMAND cannot be executed.
    NotExecutable,
    /// COMMAND, or the script that it names, is not found.
    NotFound,
    /// Ended by this signal: 128+n, as shells say it.
    Signalled(u8),
    /// The child's own.
    Child(u8),
}

impl ExitStatus {
    /// The number that the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Done => 0,
            ExitStatus::Fault => 1,
            ExitStatus::WouldAct => 2,
            ExitStatus::NotRunning => 3,
            ExitStatus::Unknown => 4,
            ExitStatus::Usage => 64,
            ExitStatus::LockFile => 73,
            ExitStatus::Refused => 75,
            ExitStatus::Permission => 77,
            ExitStatus::Config => 78,
            ExitStatus::NotExecutable => 126,
            ExitStatus::NotFound => 127,
            ExitStatus::Signalled(signal) => signal.saturating_add(128),
            ExitStatus::Child(code) => code,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}

/// Why monopoll exits without having done what it was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What it exits with.
    pub status: ExitStatus,
    /// What was found, in one sentence or more lines; the place at its end.
    pub what: String,
    /// The way out.
    pub hint: Option<String>,
}

impl Error {
    /// An error with no hint yet.
    pub fn new(status: ExitStatus, what: impl Into<String>) -> Self {
        Error { status, what: what.into(), hint: None }
    }

    /// A lock file or folder that cannot be used.
    #[must_use]
    pub(crate) fn unsafe_lock(path: &Path, why: &str) -> Self {
        let path = printable(&path.to_string_lossy()).into_owned();
        Error::new(ExitStatus::LockFile, format!("the lock cannot be used: {why}: {path}"))
    }

    /// As it is printed: what may be several lines first, and last the one that begins with
    /// `monopoll:`.
    #[must_use]
    pub fn report(&self) -> String {
        match self.to_string().rsplit_once('\n') {
            Some((before, last)) => format!("{before}\nmonopoll: {last}"),
            None => format!("monopoll: {self}"),
        }
    }

    /// The same with the way out.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Error { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// What a program that has the library in it returns from `main`: an error is said once, on
/// standard error, and its status is what a supervisor goes by.
///
/// ```no_run
/// # async fn serve() -> Result<(), monopoll::Error> { Ok(()) }
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> std::process::ExitCode {
///     monopoll::exit(serve().await)
/// }
/// ```
pub fn exit<T>(result: Result<T, Error>) -> ExitCode {
    match result {
        Ok(_) => ExitStatus::Done.into(),
        Err(error) => {
            // Where nobody can be told, the status still can.
            let _ = writeln!(std::io::stderr(), "{}", error.report());
            error.status.into()
        }
    }
}
