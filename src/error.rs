//! The error type of the crate, with its exit status.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

#[cfg(unix)]
use rustix::io::Errno;

use crate::text::{mask_secrets, short_path};

/// The exit statuses of all commands. Users and supervisors rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitStatus {
    /// Success, or a newer start took over: a supervisor must not restart this one.
    Done,
    /// An internal error.
    Fault,
    /// `plan --detailed-exitcode`: a start would kill or wait first.
    WouldAct,
    /// `status`: the instance is not running.
    NotRunning,
    /// `status`: unknown.
    Unknown,
    /// `status`: the instance runs without a guard.
    Unguarded,
    /// A wrong command line.
    Usage,
    /// A lock file cannot be created or is not safe to use.
    LockFile,
    /// Refused by policy, the wait took too long, or a failure that may pass. A later attempt may
    /// succeed.
    Refused,
    /// This user may not signal a conflict.
    Permission,
    /// The configuration is wrong.
    Config,
    /// COMMAND cannot be executed.
    NotExecutable,
    /// COMMAND or its script is not found.
    NotFound,
    /// Ended by this signal: 128+n, as in shells.
    Signaled(u8),
    /// The exit code of the child.
    Child(u8),
}

impl ExitStatus {
    /// Returns the exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Done => 0,
            ExitStatus::Fault => 1,
            ExitStatus::WouldAct => 2,
            ExitStatus::NotRunning => 3,
            ExitStatus::Unknown => 4,
            ExitStatus::Unguarded => 5,
            ExitStatus::Usage => 64,
            ExitStatus::LockFile => 73,
            ExitStatus::Refused => 75,
            ExitStatus::Permission => 77,
            ExitStatus::Config => 78,
            ExitStatus::NotExecutable => 126,
            ExitStatus::NotFound => 127,
            ExitStatus::Signaled(signal) => signal.saturating_add(128),
            ExitStatus::Child(code) => code,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}

/// An error that ends monopoll: what happened, what to do about it, and the exit status.
#[derive(Debug, Clone)]
pub struct Error {
    status: ExitStatus,
    message: String,
    hint: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error without hint or cause.
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Error { status, message: message.into(), hint: None, source: None }
    }

    /// Creates an error with the message `what: source`.
    pub fn from_source(
        status: ExitStatus,
        what: impl fmt::Display,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Error::new(status, format!("{what}: {source}")).with_source(source)
    }

    /// Creates an error with the message `what: source`. If the source may pass, the status is "try
    /// again later".
    pub(crate) fn from_io(status: ExitStatus, what: impl fmt::Display, source: io::Error) -> Self {
        Error::new(status, format!("{what}: {source}")).due_to(source)
    }

    /// Creates the error for an unusable lock file or folder.
    #[must_use]
    pub(crate) fn unsafe_lock(path: &Path, why: &str) -> Self {
        let path = short_path(path);
        Error::new(ExitStatus::LockFile, format!("the lock cannot be used: {why}: {path}"))
    }

    /// Creates the error for an unusable lock file or folder, with the reason `what (source)`.
    #[must_use]
    pub(crate) fn unsafe_lock_due_to(
        path: &Path,
        what: &str,
        source: impl Into<io::Error>,
    ) -> Self {
        const NOT_WRITABLE: &str =
            "make the folder writable for this user, or choose another one in `lock.paths`";
        let source = source.into();
        let error = Error::unsafe_lock(path, &format!("{what} ({source})"));
        let error = match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                error.with_hint(NOT_WRITABLE)
            }
            _ => error,
        };
        error.due_to(source)
    }

    /// Adds a hint about what to do.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Error { hint: Some(hint.into()), ..self }
    }

    /// Adds the cause, which is not printed because the message already includes it.
    #[must_use]
    pub fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error { source: Some(Arc::new(source)), ..self }
    }

    /// Adds the cause. A failure that may pass says nothing about the lock, COMMAND or monopoll, so
    /// the status becomes "try again later", and the hint begins with that.
    #[must_use]
    pub(crate) fn due_to(self, source: io::Error) -> Self {
        if !may_pass(&source) {
            return self.with_source(source);
        }
        let remedy =
            if is_limit_of_open_files(&source) { Some(MORE_OPEN_FILES) } else { self.hint() };
        let hint = match remedy {
            Some(remedy) => format!("{TRY_AGAIN}, or {remedy}"),
            None => TRY_AGAIN.to_owned(),
        };
        Error { status: ExitStatus::Refused, ..self }.with_hint(hint).with_source(source)
    }

    /// Adds that other processes were already ended. No bot runs now, so the status becomes "try
    /// again later"; if the failure persists, the next start finds it before it ends anything.
    #[must_use]
    pub(crate) fn after_ending_others(self) -> Self {
        let message = format!("{}; the old processes have already been ended", self.message);
        Error { status: ExitStatus::Refused, message, ..self }
    }

    /// Returns the status that the process should exit with.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// Returns the message, which may have several lines.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the hint about what to do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the text to print. Its last line begins with `monopoll:`.
    #[must_use]
    pub fn report(&self) -> String {
        match self.to_string().rsplit_once('\n') {
            Some((before, last)) => format!("{before}\nmonopoll: {last}"),
            None => format!("monopoll: {self}"),
        }
    }

    /// Prints the error to standard error, with secrets masked, and returns the exit status.
    #[must_use = "the process should exit with it"]
    pub fn print(&self) -> ExitStatus {
        let text = mask_secrets(&format!("{}\n", self.report()));
        // Use a single write, since other processes may write to the same log. If standard error is
        // full or closed, the exit status still tells.
        let _ = std::io::stderr().write_all(text.as_bytes());
        self.status
    }
}

/// The failures that may pass: the machine is short of memory, processes, descriptors or space, or
/// a device failed once. All others stay until a person changes something.
#[cfg(unix)]
const PASSING: [Errno; 15] = [
    Errno::AGAIN,
    Errno::BUSY,
    Errno::DEADLK,
    Errno::DQUOT,
    Errno::INTR,
    Errno::IO,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOBUFS,
    Errno::NOLCK,
    Errno::NOMEM,
    Errno::NOSPC,
    Errno::STALE,
    Errno::TIMEDOUT,
    Errno::TXTBSY,
];

/// The hint for a failure that may pass.
pub(crate) const TRY_AGAIN: &str = "try again later";

const MORE_OPEN_FILES: &str = "allow more open files with `ulimit -n`";

#[cfg(unix)]
fn is_limit_of_open_files(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::MFILE)
}

#[cfg(windows)]
fn is_limit_of_open_files(_: &io::Error) -> bool {
    false
}

/// Returns whether a failure may pass without anyone changing something.
#[cfg(unix)]
pub(crate) fn errno_may_pass(errno: Errno) -> bool {
    PASSING.contains(&errno)
}

/// Returns whether a failure may pass without anyone changing something.
#[cfg(unix)]
pub fn may_pass(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(errno_may_pass)
        || error.kind() == io::ErrorKind::TimedOut
}

/// Returns whether a failure may pass without anyone changing something.
#[cfg(windows)]
pub fn may_pass(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::OutOfMemory
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::TimedOut
            | io::ErrorKind::WouldBlock
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A program without a result of its own ended successfully.
impl From<()> for ExitStatus {
    fn from((): ()) -> Self {
        ExitStatus::Done
    }
}

/// Prints any error and returns the exit code, for the `main` of a program that uses the library.
/// The status returned by [`run`](crate::run) becomes the exit code.
///
/// ```no_run
/// # async fn serve() -> Result<(), monopoll::Error> { Ok(()) }
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> std::process::ExitCode {
///     monopoll::exit(serve().await)
/// }
/// ```
pub fn exit(result: Result<impl Into<ExitStatus>, Error>) -> ExitCode {
    result.map_or_else(|error| error.print(), Into::into).into()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::*;

    #[test]
    fn the_status_of_a_child_becomes_that_of_the_program() {
        let code = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(format!("{:?}", exit(Ok(ExitStatus::Child(7)))), code(7));
        assert_eq!(format!("{:?}", exit(Ok(()))), code(0));
        let refused = Error::new(ExitStatus::Refused, "x");
        assert_eq!(format!("{:?}", exit(Err::<(), _>(refused))), code(75));
    }

    #[cfg(unix)]
    #[test]
    fn a_failure_that_may_pass_says_to_try_again() {
        let error = |errno: Errno| {
            let error = Error::new(ExitStatus::LockFile, "x").with_hint("free some space");
            error.due_to(io::Error::from(errno))
        };
        for errno in [
            Errno::AGAIN,
            Errno::NOMEM,
            Errno::NFILE,
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::IO,
            Errno::NOLCK,
            Errno::STALE,
            Errno::TXTBSY,
        ] {
            assert_eq!(error(errno).status(), ExitStatus::Refused, "{errno}");
            assert_eq!(error(errno).hint(), Some("try again later, or free some space"));
        }
        for errno in [
            Errno::ACCESS,
            Errno::PERM,
            Errno::ROFS,
            Errno::NOENT,
            Errno::ISDIR,
            Errno::LOOP,
            Errno::NAMETOOLONG,
            Errno::FBIG,
            Errno::NOEXEC,
            Errno::TOOBIG,
            Errno::NOSYS,
        ] {
            assert_eq!(error(errno).status(), ExitStatus::LockFile, "{errno}");
            assert_eq!(error(errno).hint(), Some("free some space"));
        }
        assert!(error(Errno::MFILE).hint().unwrap().contains("ulimit -n"));
        let no_errno = Error::new(ExitStatus::Fault, "x").due_to(io::Error::other("y"));
        assert_eq!((no_errno.status(), no_errno.hint()), (ExitStatus::Fault, None));
    }

    #[test]
    fn a_failure_after_others_were_ended_says_so_and_may_be_tried_again() {
        let error = Error::new(ExitStatus::NotExecutable, "x").with_hint("y").after_ending_others();
        assert_eq!(error.status(), ExitStatus::Refused);
        assert_eq!(error.to_string(), "x; the old processes have already been ended; y");
    }

    #[test]
    fn a_long_path_is_truncated() {
        let error = Error::unsafe_lock(Path::new(&"/long".repeat(1000)), "it is a folder");
        assert!(error.message().len() < 500, "{error}");
    }

    #[test]
    fn the_hint_is_printed_after_the_message_and_the_cause_is_kept_apart() {
        let cause = io::Error::other("disk full");
        let error = Error::new(ExitStatus::LockFile, format!("no lock: {cause}"))
            .with_hint("free some space")
            .with_source(cause);
        assert_eq!(error.to_string(), "no lock: disk full; free some space");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("disk full"));
        assert_eq!(Error::new(ExitStatus::Fault, "x").hint(), None);
    }
}
