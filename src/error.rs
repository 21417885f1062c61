//! The error of the whole crate – what happened, where, and what to do – and its exit status.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::text::{mask_secrets, short_path};

/// The exit statuses of all commands; users and supervisors rely on their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitStatus {
    /// Done; or a newer start took over, and a supervisor must not restart this one.
    Done,
    /// An internal error.
    Fault,
    /// `plan --detailed-exitcode`: would start after killing or waiting.
    WouldAct,
    /// `status`: the instance is not running.
    NotRunning,
    /// `status`: not known.
    Unknown,
    /// `status`: the instance runs without a guard.
    Unguarded,
    /// A wrong command line.
    Usage,
    /// A lock file cannot be created or is not safe to use.
    LockFile,
    /// Refused by policy, or waited too long: try again later.
    Refused,
    /// A conflict that this user may not signal.
    Permission,
    /// The configuration is wrong.
    Config,
    /// COMMAND cannot be executed.
    NotExecutable,
    /// COMMAND, or the script that it names, is not found.
    NotFound,
    /// Ended by this signal: 128+n, as in shells.
    Signaled(u8),
    /// The exit code of the child.
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

/// Why monopoll exits without having done what it was asked to do.
#[derive(Debug, Clone)]
pub struct Error {
    status: ExitStatus,
    message: String,
    hint: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without hint and cause.
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Error { status, message: message.into(), hint: None, source: None }
    }

    /// An error with the message `what: source`.
    pub fn from_source(
        status: ExitStatus,
        what: impl fmt::Display,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Error::new(status, format!("{what}: {source}")).with_source(source)
    }

    /// An unusable lock file or folder.
    #[must_use]
    pub(crate) fn unsafe_lock(path: &Path, why: &str) -> Self {
        let path = short_path(path);
        Error::new(ExitStatus::LockFile, format!("the lock cannot be used: {why}: {path}"))
    }

    /// An unusable lock file or folder: `what (source)`.
    #[must_use]
    pub(crate) fn unsafe_lock_due_to(
        path: &Path,
        what: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Error::unsafe_lock(path, &format!("{what} ({source})")).with_source(source)
    }

    /// Adds a remedy.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Error { hint: Some(hint.into()), ..self }
    }

    /// Adds the cause. It is not printed: the message has its text already.
    #[must_use]
    pub fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error { source: Some(Arc::new(source)), ..self }
    }

    /// The status that the process should exit with.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// The message, with the place at its end; may have several lines.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The remedy.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The text as it is printed: its last line begins with `monopoll:`.
    #[must_use]
    pub fn report(&self) -> String {
        match self.to_string().rsplit_once('\n') {
            Some((before, last)) => format!("{before}\nmonopoll: {last}"),
            None => format!("monopoll: {self}"),
        }
    }

    /// Prints the report to standard error, secrets masked, and returns the exit status.
    #[must_use = "the process should exit with it"]
    pub fn print(&self) -> ExitStatus {
        let text = mask_secrets(&format!("{}\n", self.report()));
        // In one write, as other processes may write to the same log. When standard error is full
        // or closed, the exit status remains.
        let _ = std::io::stderr().write_all(text.as_bytes());
        self.status
    }
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

/// A program that ends by itself is done.
impl From<()> for ExitStatus {
    fn from((): ()) -> Self {
        ExitStatus::Done
    }
}

/// Prints the error, if there is one, and returns the exit code: for the `main` of a program that
/// uses the library. The status that [`run`](crate::run) returns becomes that of the program.
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
