//! The child on Unix: it inherits the locks; what the terminal gave to its whole group is not sent
//! again.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process,
};

use rustix::{io::FdFlags, process::Pid};

use crate::{
    engine::signal::Signal,
    error::ExitStatus,
    supervise::portable::{Inheritance, Reaped, prepared},
    sys::{machine::signals::ReceivedSignal, signal_numbers},
};

/// COMMAND, once it was started.
#[derive(Debug)]
pub(crate) struct Child(process::Child);

impl Child {
    /// Starts `program` as `args`. No other thread may start anything meanwhile: it would inherit
    /// the locks as well.
    ///
    /// # Errors
    /// As fork(2) and execvp(3).
    pub(crate) fn spawn(
        program: &Path,
        args: &[OsString],
        inheritance: &Inheritance<'_>,
    ) -> io::Result<Child> {
        let mut command = prepared(program, args, inheritance)?;
        if let Some(name) = args.first() {
            command.arg0(name);
        }
        let flag = |flags| {
            inheritance
                .locks
                .iter()
                .try_for_each(|lock| rustix::io::fcntl_setfd(lock.as_fd(), flags))
        };
        flag(FdFlags::empty())?;
        let child = command.spawn();
        flag(FdFlags::CLOEXEC)?;
        Ok(Child(child?))
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Forwards a signal, unless the terminal sent it to the whole group.
    pub(crate) fn forward(&self, arrived: ReceivedSignal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let (Some(signal), Some(pid)) = (arrived.stop_signal(), pid) else { return };
        if !(has_key(signal) && is_in_foreground(pid)) {
            // It may just have ended, which is noticed next.
            let _ = rustix::process::kill_process(pid, signal_numbers::of(signal));
        }
    }

    /// COMMAND's end; orphans are not ours here.
    pub(crate) fn reap(&mut self) -> Reaped {
        let status = self.0.try_wait().ok().flatten();
        let child = status.map(|status| match (status.code(), status.signal()) {
            (Some(code), _) => ExitStatus::Child(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            (None, Some(signal)) => ExitStatus::Signalled(u8::try_from(signal).unwrap_or(u8::MAX)),
            (None, None) => ExitStatus::Fault,
        });
        Reaped { child, childless: false }
    }
}

/// Whether a terminal has a key for the signal.
fn has_key(signal: Signal) -> bool {
    matches!(signal, Signal::SigInt | Signal::SigQuit)
}

/// The sender of a signal is not known here: one that has a key counts as the terminal's while this
/// process group is in its foreground.
fn is_in_foreground(child: Pid) -> bool {
    #![expect(clippy::disallowed_methods, reason = "asks the terminal for its foreground group")]
    let own = rustix::process::getpgrp();
    let foreground = || rustix::termios::tcgetpgrp(File::open("/dev/tty").ok()?).ok();
    rustix::process::getpgid(Some(child)).is_ok_and(|group| group == own)
        && foreground() == Some(own)
}
