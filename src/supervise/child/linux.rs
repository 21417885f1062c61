//! COMMAND on Linux: forwards signals depending on their sender, and reaps every orphan.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use tracing::warn;

use crate::supervise::child::{Inheritance, Reaped, exit_status, spawn};
use crate::sys::machine::signals::{self, NoPermission, ReceivedSignal};

pub(in crate::supervise) struct Child {
    pid: Pid,
}

impl Child {
    /// Must be called on the main thread, because the child gets its death signal when the thread
    /// that forked it ends.
    pub(in crate::supervise) fn spawn(
        program: &Path,
        args: &[OsString],
        inheritance: &Inheritance<'_>,
    ) -> io::Result<Child> {
        spawn::spawn(program, args, inheritance).map(|pid| Child { pid })
    }

    pub(in crate::supervise) fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Forwards a signal, unless the terminal sent it to the whole group.
    pub(in crate::supervise) fn forward(&self, signal: ReceivedSignal) {
        let has_got_it = signal.by_terminal
            && nix::unistd::getpgid(Some(self.pid)) == Ok(nix::unistd::getpgrp())
            && !is_for_session_leader(signal);
        if !has_got_it && signals::send(self.pid, signal.number) == Err(NoPermission) {
            let (name, pid) = (signal.name(), self.pid);
            warn!("no permission to send {name} to COMMAND (pid {pid}): end it as its user");
        }
        if signal.is(Signal::SIGTSTP) {
            // Ctrl-Z stops both, and the shell sees the guard stopped.
            let _ = nix::sys::signal::raise(Signal::SIGSTOP);
        }
    }

    pub(in crate::supervise) fn reap(&mut self) -> Reaped {
        let mut reaped = Reaped { child: None, is_childless: false };
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            // Peek first: COMMAND's pid must not be reused while a signal may be on its way.
            let status = waitid(Id::All, peek);
            reaped.is_childless = status == Err(Errno::ECHILD);
            let Ok(status) = status else { return reaped };
            let Some(ended) = status.pid() else { return reaped };
            if ended == self.pid {
                reaped.child = Some(match status {
                    WaitStatus::Exited(_, code) => exit_status(Some(code), None),
                    WaitStatus::Signaled(_, signal, _) => exit_status(None, Some(signal as i32)),
                    _ => exit_status(None, None),
                });
            }
            if waitpid(ended, Some(WaitPidFlag::WNOHANG)).is_err() {
                return reaped;
            }
        }
    }
}

/// Returns whether the signal is a terminal's hangup, which only the session leader gets.
fn is_for_session_leader(signal: ReceivedSignal) -> bool {
    signal.is(Signal::SIGHUP) && nix::unistd::getsid(None) == Ok(nix::unistd::getpid())
}
