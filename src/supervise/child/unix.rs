//! COMMAND on Unix systems other than Linux.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::{io, process};

use rustix::io::FdFlags;
use rustix::process::Pid;

use crate::engine::signal::Signal;
use crate::supervise::child::{Inheritance, Reaped, exit_status, prepare};
use crate::sys::machine::signals::ReceivedSignal;
use crate::sys::signal_numbers;

pub(in crate::supervise) struct Child(process::Child);

impl Child {
    /// Starts `program` with `args`. No other thread may start a process at the same time, because
    /// it would inherit the locks too.
    pub(in crate::supervise) fn spawn(
        program: &Path,
        args: &[OsString],
        inheritance: &Inheritance<'_>,
    ) -> io::Result<Child> {
        let mut command = prepare(program, args, inheritance)?;
        if let Some(name) = args.first() {
            command.arg0(name);
        }
        let set_flags = |flags| {
            inheritance
                .locks
                .iter()
                .try_for_each(|lock| rustix::io::fcntl_setfd(lock.as_fd(), flags))
        };
        set_flags(FdFlags::empty())?;
        let child = command.spawn();
        set_flags(FdFlags::CLOEXEC)?;
        Ok(Child(child?))
    }

    pub(in crate::supervise) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Forwards a signal, unless the terminal sent it to the whole group.
    pub(in crate::supervise) fn forward(&self, signal: ReceivedSignal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let (Some(signal), Some(pid)) = (signal.stop_signal(), pid) else { return };
        if !(has_key(signal) && is_in_foreground(pid)) {
            // Fails if the child has just ended, which will be noticed next.
            let _ = rustix::process::kill_process(pid, signal_numbers::of(signal));
        }
    }

    /// Reaps COMMAND. On these systems, orphans get another parent.
    pub(in crate::supervise) fn reap(&mut self) -> Reaped {
        let status = self.0.try_wait().ok().flatten();
        let child = status.map(|status| exit_status(status.code(), status.signal()));
        Reaped { child, is_childless: false }
    }
}

fn has_key(signal: Signal) -> bool {
    matches!(signal, Signal::SigInt | Signal::SigQuit)
}

/// Returns whether the terminal signals the child too. The sender is unknown, so a signal that has
/// a key counts as the terminal's while this process group is in the foreground.
fn is_in_foreground(child: Pid) -> bool {
    #![expect(clippy::disallowed_methods, reason = "asks the terminal for its foreground group")]
    let own = rustix::process::getpgrp();
    let foreground = || rustix::termios::tcgetpgrp(File::open("/dev/tty").ok()?).ok();
    rustix::process::getpgid(Some(child)) == Ok(own) && foreground() == Some(own)
}
