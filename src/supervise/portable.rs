//! COMMAND as its guard handles it on systems other than Linux.
//!
//! Unix: the child inherits the locks, and signals are forwarded. Windows: the lock stays with the
//! guard, and the console gives its keys to the child by itself. Nothing ends the child when its
//! guard is killed; the record still names it.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::{ffi::OsString, io, path::Path};

#[cfg(unix)]
pub(crate) use unix::Child;
#[cfg(windows)]
pub(crate) use windows::Child;

use crate::{
    engine::{
        ladder::{AfterGraceful, StopMode, StopOptions},
        signal::Signal,
    },
    error::ExitStatus,
    state::lock_file::HeldLock,
    sys::machine::poll::Poller,
};

/// What the child gets from its guard.
#[derive(Debug)]
pub(crate) struct Inheritance<'a> {
    /// The locks: on Unix nobody else starts while anything of the tree has one open.
    #[cfg_attr(windows, expect(dead_code, reason = "the lock is not inherited there"))]
    pub(crate) locks: &'a [HeldLock],
    /// To be rung at the child's end where no signal tells of it.
    #[cfg_attr(unix, expect(dead_code, reason = "SIGCHLD tells of it"))]
    pub(crate) alarm: &'a Poller,
    /// What the child gets when its guard is killed: on Linux alone.
    #[expect(dead_code, reason = "no other system has that")]
    pub(crate) on_guards_death: Signal,
    /// Added to its environment.
    pub(crate) held: (&'static str, OsString),
}

/// What there was to reap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reaped {
    /// COMMAND's end, if it came just now.
    pub(crate) child: Option<ExitStatus>,
    /// Nobody is left below this process: that cannot be known without a look.
    pub(crate) childless: bool,
}

/// Orphans of the tree go where the system takes them.
///
/// # Errors
/// Never.
#[expect(clippy::unnecessary_wraps, reason = "on Linux the kernel may refuse")]
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// What this system can do of it: where nothing can ask a process to end, there is nothing to wait
/// for before it is killed.
pub(crate) fn within_reach(manner: StopOptions) -> StopOptions {
    let can_ask = cfg!(unix);
    if can_ask || manner.escalation == AfterGraceful::Refuse {
        manner
    } else {
        StopOptions { mode: StopMode::Force, ..manner }
    }
}

fn prepared(
    program: &Path,
    args: &[OsString],
    inheritance: &Inheritance<'_>,
) -> io::Result<std::process::Command> {
    #![expect(clippy::disallowed_methods, reason = "this is where COMMAND is started")]
    let Some((_, rest)) = args.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let (variable, value) = &inheritance.held;
    let mut command = std::process::Command::new(program);
    command.args(rest).env(variable, value);
    Ok(command)
}
