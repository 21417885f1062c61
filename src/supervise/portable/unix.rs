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

use nix::{sys::signal::kill, unistd::Pid};
use rustix::io::FdFlags;

use crate::{
    engine::signal::Signal,
    error::ExitStatus,
    supervise::portable::{Inheritance, Reaped, prepared},
    sys::machine::{poll::ReceivedSignal, system::number},
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

    /// Sends it on, unless the terminal gave it to the whole group already.
    pub(crate) fn forward(&self, arrived: ReceivedSignal) {
        let (Some(signal), Ok(pid)) = (arrived.asks_to_end(), i32::try_from(self.0.id())) else {
            return;
        };
        let pid = Pid::from_raw(pid);
        if !(is_a_key(signal) && in_the_foreground(pid)) {
            // It may just have ended; then its end is the next thing that is heard.
            let _ = kill(pid, number(signal));
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

/// Whether a terminal has a key for it.
fn is_a_key(signal: Signal) -> bool {
    matches!(signal, Signal::SigInt | Signal::SigQuit)
}

/// Who sent a signal is not told here: one that has a key is taken for the terminal's while this
/// group is in its foreground.
fn in_the_foreground(child: Pid) -> bool {
    #![expect(clippy::disallowed_methods, reason = "the terminal is asked whom it serves")]
    let mine = nix::unistd::getpgrp();
    let in_my_group = nix::unistd::getpgid(Some(child)).is_ok_and(|group| group == mine);
    let foreground = || rustix::termios::tcgetpgrp(File::open("/dev/tty").ok()?).ok();
    in_my_group && foreground().is_some_and(|group| group.as_raw_nonzero().get() == mine.as_raw())
}
