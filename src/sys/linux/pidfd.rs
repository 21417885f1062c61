//! A process, pinned: what is sent here reaches this process or nobody, however often its pid is
//! used again.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal},
};

use crate::{
    engine::{plan::Blow, signal, snapshot::ProcessId},
    sys::linux::proc_fs::Proc,
    terminate::process_control::Sent,
};

/// A grip on one process.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: ProcessId,
    grip: Grip,
}

/// How it is held.
#[derive(Debug)]
enum Grip {
    Pidfd(OwnedFd),
    /// The kernel has no pidfd (before 5.3): pid and start time are compared at each use.
    Checked,
}

/// A grip on a process that has not been identified yet.
#[derive(Debug)]
pub(crate) struct Pin(Grip);

impl Pin {
    /// Pins whoever has this pid now. Facts that are read afterwards are this process's, if it
    /// still lives then.
    pub(crate) fn new(pid: u32) -> Result<Pin, Errno> {
        match rustix::process::pidfd_open(raw(pid)?, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Pin(Grip::Pidfd(pidfd))),
            // The kernel never forbids it: a container's older list of allowed calls does, by which
            // nobody must become unseen.
            Err(Errno::NOSYS | Errno::PERM) => Ok(Pin(Grip::Checked)),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn into_handle(self, id: ProcessId) -> Handle {
        Handle { id, grip: self.0 }
    }
}

impl Handle {
    /// Whether the kernel says that the whole process has ended, reaped or not.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.grip {
            Grip::Pidfd(pidfd) => is_readable(pidfd.as_fd()),
            Grip::Checked => !self.is_still_there(),
        }
    }

    /// Sends a signal to exactly this process.
    pub(crate) fn send(&self, blow: Blow) -> Sent {
        let sent = match &self.grip {
            Grip::Pidfd(pidfd) => rustix::process::pidfd_send_signal(pidfd, number(blow)),
            Grip::Checked if self.is_still_there() => {
                raw(self.id.pid).and_then(|pid| rustix::process::kill_process(pid, number(blow)))
            }
            Grip::Checked => Err(Errno::SRCH),
        };
        match sent {
            Ok(()) => Sent::Delivered,
            Err(Errno::PERM | Errno::ACCESS) => Sent::Denied,
            // It has ended: there is nobody to signal.
            Err(_) => Sent::Gone,
        }
    }

    /// To be polled: readable at its end. `None`: it has to be asked.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.grip {
            Grip::Pidfd(pidfd) => Some(pidfd.as_fd()),
            Grip::Checked => None,
        }
    }

    fn is_still_there(&self) -> bool {
        let stat = Proc::open().and_then(|proc| proc.stat(self.id.pid, &mut Vec::new()));
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

fn number(blow: Blow) -> Signal {
    match blow {
        Blow::Kill => Signal::KILL,
        Blow::Continue => Signal::CONT,
        Blow::Signal(signal::Signal::SigHup) => Signal::HUP,
        Blow::Signal(signal::Signal::SigInt) => Signal::INT,
        Blow::Signal(signal::Signal::SigQuit) => Signal::QUIT,
        Blow::Signal(signal::Signal::SigTerm) => Signal::TERM,
        Blow::Signal(signal::Signal::SigUsr1) => Signal::USR1,
        Blow::Signal(signal::Signal::SigUsr2) => Signal::USR2,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a real process is signalled")]

    use super::*;

    #[test]
    fn without_pidfd_the_start_time_tells_a_recycled_pid() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let start = Proc::open().unwrap().stat(child.id(), &mut Vec::new()).unwrap().start;
        let recycled =
            Handle { id: ProcessId { pid: child.id(), start: start - 1 }, grip: Grip::Checked };
        assert!(recycled.has_ended());
        assert_eq!(recycled.send(Blow::Kill), Sent::Gone);
        let itself = Handle { id: ProcessId { pid: child.id(), start }, grip: Grip::Checked };
        assert!(!itself.has_ended());
        assert_eq!(itself.send(Blow::Kill), Sent::Delivered);
        assert!(!child.wait().unwrap().success());
    }
}
