//! What only Unix has: users by number, and signals.

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sysinfo::Process;

use crate::engine::{
    process::User,
    signal::{self, SignalResult, SignalToSend},
    snapshot::SignalSupport,
};

/// What one process may send to another.
pub(crate) const REACH: SignalSupport = SignalSupport::Signals;

/// The pid of what adopts orphans.
pub(crate) const INIT: Option<u32> = Some(1);

/// The effective user of this process.
pub(crate) fn myself() -> User {
    by_number(rustix::process::geteuid().as_raw())
}

/// Whether this process may signal everybody.
pub(crate) fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// The users of processes.
#[derive(Debug)]
pub(crate) struct Users;

impl Users {
    /// Each is looked up when it is asked for.
    pub(crate) fn known() -> Users {
        Users
    }

    /// Whose `process` is.
    #[expect(clippy::unused_self, reason = "on Windows one of them is known beforehand")]
    pub(crate) fn of(&self, process: &Process) -> Option<User> {
        process.user_id().map(|uid| by_number(**uid))
    }
}

fn by_number(uid: u32) -> User {
    let name = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
    User { id: uid.to_string(), name: name.unwrap_or_else(|| uid.to_string()) }
}

/// Sends a signal to a process that was identified just now.
pub(crate) fn send(process: &Process, signal: SignalToSend) -> SignalResult {
    let Ok(pid) = i32::try_from(process.pid().as_u32()) else { return SignalResult::Gone };
    let signal = match signal {
        SignalToSend::Kill => Signal::SIGKILL,
        SignalToSend::Continue => Signal::SIGCONT,
        SignalToSend::Signal(signal) => number(signal),
    };
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) => SignalResult::Delivered,
        Err(Errno::EPERM | Errno::EACCES) => SignalResult::Denied,
        // It has ended: there is nobody to signal.
        Err(_) => SignalResult::Gone,
    }
}

/// As the kernel's signals are called here.
pub(crate) fn number(signal: signal::Signal) -> Signal {
    match signal {
        signal::Signal::SigHup => Signal::SIGHUP,
        signal::Signal::SigInt => Signal::SIGINT,
        signal::Signal::SigQuit => Signal::SIGQUIT,
        signal::Signal::SigTerm => Signal::SIGTERM,
        signal::Signal::SigUsr1 => Signal::SIGUSR1,
        signal::Signal::SigUsr2 => Signal::SIGUSR2,
    }
}
