//! Starts, signals and reaps COMMAND.
//!
//! Unix: the child inherits the locks, and signals are forwarded to it. Windows: the lock stays
//! with the guard, and the console signals the child itself. Only on Linux, the guard reaps the
//! orphans of its tree, and the child gets a signal if its guard is killed.

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod linux;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
mod spawn;
#[cfg(all(unix, any(not(target_os = "linux"), monopoll_portable)))]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::io;

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(super) use self::linux::Child;
#[cfg(all(unix, any(not(target_os = "linux"), monopoll_portable)))]
pub(super) use self::unix::Child;
#[cfg(windows)]
pub(super) use self::windows::Child;
use crate::engine::ladder::{AfterGraceful, StopMode, StopOptions};
use crate::engine::signal::Signal;
use crate::error::ExitStatus;
use crate::state::lock_file::HeldLock;
use crate::sys::machine::poll::Poller;

/// Makes this process the parent of the tree's orphans, if the system supports that.
#[cfg_attr(
    any(not(target_os = "linux"), monopoll_portable),
    expect(clippy::unnecessary_wraps, reason = "it fails on Linux alone")
)]
pub(super) fn adopt_orphans() -> io::Result<()> {
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(())
}

#[cfg_attr(
    any(not(target_os = "linux"), monopoll_portable),
    expect(dead_code, reason = "each system uses a part of it")
)]
pub(super) struct Inheritance<'a> {
    /// The locks to inherit: no other start gets one while any process of the tree has it open.
    pub(super) locks: &'a [HeldLock],
    /// Has the original signal mask, and is notified when the child ends.
    pub(super) poller: &'a Poller,
    pub(super) death_signal: Signal,
    pub(super) variable: (&'static str, OsString),
}

#[derive(Debug, Clone, Copy)]
pub struct Reaped {
    /// The status of COMMAND, once it is reaped.
    pub child: Option<ExitStatus>,
    /// True if this process has no child left. Always false on systems where it does not adopt
    /// orphans.
    pub is_childless: bool,
}

/// Returns the options that this system supports. If no signal can ask a process to end, it is
/// killed at once.
pub(super) fn possible_options(options: StopOptions) -> StopOptions {
    if cfg!(unix) || options.escalation == AfterGraceful::Refuse {
        options
    } else {
        StopOptions { mode: StopMode::Force, ..options }
    }
}

#[cfg(any(not(target_os = "linux"), monopoll_portable))]
fn prepare(
    program: &std::path::Path,
    args: &[OsString],
    inheritance: &Inheritance<'_>,
) -> std::io::Result<std::process::Command> {
    #![expect(clippy::disallowed_methods, reason = "this is where COMMAND is started")]
    let Some((_, rest)) = args.split_first() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let (name, value) = &inheritance.variable;
    let mut command = std::process::Command::new(program);
    command.args(rest).env(name, value);
    Ok(command)
}

#[cfg(unix)]
fn exit_status(code: Option<i32>, signal: Option<i32>) -> ExitStatus {
    match (code, signal) {
        (Some(code), _) => ExitStatus::Child(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        (None, Some(signal)) => ExitStatus::Signaled(u8::try_from(signal).unwrap_or(u8::MAX)),
        (None, None) => ExitStatus::Fault,
    }
}
