//! A process, pinned: what is sent here reaches this process or nobody, however often its pid is
//! used again.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal},
};

use crate::{
    engine::{
        process::ProcessId,
        signal::{self, SignalResult, SignalToSend},
    },
    sys::linux::proc_fs::ProcFs,
};

/// A grip on one process.
#[derive(Debug)]
pub struct ProcessHandle {
    pub(crate) id: ProcessId,
    grip: HandleKind,
}

/// How it is held.
#[derive(Debug)]
enum HandleKind {
    Pidfd(OwnedFd),
    /// The kernel has no pidfd (before 5.3): pid and start time are compared at each use.
    Checked,
}

/// A grip on a process that has not been identified yet.
#[derive(Debug)]
pub(crate) struct PinnedPid(HandleKind);

impl PinnedPid {
    /// Pins whoever has this pid now. Facts that are read afterwards are this process's, if it
    /// still lives then.
    pub(crate) fn new(pid: u32) -> Result<PinnedPid, Errno> {
        match rustix::process::pidfd_open(raw(pid)?, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(PinnedPid(HandleKind::Pidfd(pidfd))),
            // The kernel never forbids it: a container's older list of allowed calls does, by which
            // nobody must become unseen.
            Err(Errno::NOSYS | Errno::PERM) => Ok(PinnedPid(HandleKind::Checked)),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn into_handle(self, id: ProcessId) -> ProcessHandle {
        ProcessHandle { id, grip: self.0 }
    }
}

impl ProcessHandle {
    /// Whether the kernel says that the whole process has ended, reaped or not.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.grip {
            HandleKind::Pidfd(pidfd) => is_readable(pidfd.as_fd()),
            HandleKind::Checked => !self.is_still_there(),
        }
    }

    /// Sends a signal to exactly this process.
    pub(crate) fn send(&self, signal: SignalToSend) -> SignalResult {
        let sent = match &self.grip {
            HandleKind::Pidfd(pidfd) => rustix::process::pidfd_send_signal(pidfd, number(signal)),
            HandleKind::Checked if self.is_still_there() => {
                raw(self.id.pid).and_then(|pid| rustix::process::kill_process(pid, number(signal)))
            }
            HandleKind::Checked => Err(Errno::SRCH),
        };
        match sent {
            Ok(()) => SignalResult::Delivered,
            Err(Errno::PERM | Errno::ACCESS) => SignalResult::Denied,
            // It has ended: there is nobody to signal.
            Err(_) => SignalResult::Gone,
        }
    }

    /// To be polled: readable at its end. `None`: it has to be asked.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.grip {
            HandleKind::Pidfd(pidfd) => Some(pidfd.as_fd()),
            HandleKind::Checked => None,
        }
    }

    fn is_still_there(&self) -> bool {
        let stat = ProcFs::open().and_then(|proc| proc.stat(self.id.pid, &mut Vec::new()));
        stat.is_ok_and(|stat| stat.start == self.id.start && !matches!(stat.state, b'Z' | b'X'))
    }
}

fn raw(pid: u32) -> Result<Pid, Errno> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)
}

/// Whether there is something to read; of a pidfd, that the last thread of its process has ended.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&at_once)), Ok(ready) if ready > 0)
}

fn number(signal: SignalToSend) -> Signal {
    match signal {
        SignalToSend::Kill => Signal::KILL,
        SignalToSend::Continue => Signal::CONT,
        SignalToSend::Signal(signal::Signal::SigHup) => Signal::HUP,
        SignalToSend::Signal(signal::Signal::SigInt) => Signal::INT,
        SignalToSend::Signal(signal::Signal::SigQuit) => Signal::QUIT,
        SignalToSend::Signal(signal::Signal::SigTerm) => Signal::TERM,
        SignalToSend::Signal(signal::Signal::SigUsr1) => Signal::USR1,
        SignalToSend::Signal(signal::Signal::SigUsr2) => Signal::USR2,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a real process is signalled")]

    use super::*;

    #[test]
    fn without_pidfd_the_start_time_tells_a_recycled_pid() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let start = ProcFs::open().unwrap().stat(child.id(), &mut Vec::new()).unwrap().start;
        let recycled = ProcessHandle {
            id: ProcessId { pid: child.id(), start: start - 1 },
            grip: HandleKind::Checked,
        };
        assert!(recycled.has_ended());
        assert_eq!(recycled.send(SignalToSend::Kill), SignalResult::Gone);
        let itself =
            ProcessHandle { id: ProcessId { pid: child.id(), start }, grip: HandleKind::Checked };
        assert!(!itself.has_ended());
        assert_eq!(itself.send(SignalToSend::Kill), SignalResult::Delivered);
        assert!(!child.wait().unwrap().success());
    }
}
