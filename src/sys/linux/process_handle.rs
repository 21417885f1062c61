//! A pinned process: a signal reaches only this process, even if its pid is reused.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use crate::engine::process::ProcessId;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::signal_numbers;

pub struct ProcessHandle {
    pub(crate) id: ProcessId,
    pin: Pin,
}

enum Pin {
    Pidfd(OwnedFd),
    /// No pidfd is available (kernels before 5.3), so pid and start time are compared at each use.
    StartTime,
}

pub(crate) struct PinnedPid(Pin);

impl PinnedPid {
    /// Pins the process that currently has this pid. Facts that are read later belong to it if it
    /// is still alive then.
    pub(crate) fn new(pid: u32) -> Result<PinnedPid, Errno> {
        match rustix::process::pidfd_open(raw(pid)?, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(PinnedPid(Pin::Pidfd(pidfd))),
            // Outdated seccomp filters of containers forbid this; the kernel itself only lacks it.
            Err(Errno::NOSYS | Errno::PERM | Errno::NODEV) => Ok(PinnedPid(Pin::StartTime)),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn into_handle(self, id: ProcessId) -> ProcessHandle {
        ProcessHandle { id, pin: self.0 }
    }
}

impl ProcessHandle {
    /// Returns whether all threads of the process have ended, whether reaped or not.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.pin {
            Pin::Pidfd(pidfd) => is_readable(pidfd.as_fd()),
            Pin::StartTime => !self.is_still_there(),
        }
    }

    pub(crate) fn send(&self, signal: SignalToSend) -> SignalResult {
        let signal = signal_numbers::to_send(signal);
        let sent = match &self.pin {
            // Filters of containers may allow only one of the two calls.
            Pin::Pidfd(pidfd) => match rustix::process::pidfd_send_signal(pidfd, signal) {
                Err(Errno::NOSYS) => self.send_by_pid(signal),
                sent => sent,
            },
            Pin::StartTime => self.send_by_pid(signal),
        };
        match sent {
            Ok(()) => SignalResult::Delivered,
            Err(Errno::PERM | Errno::ACCESS) => SignalResult::Denied,
            Err(_) => SignalResult::Gone,
        }
    }

    fn send_by_pid(&self, signal: rustix::process::Signal) -> Result<(), Errno> {
        if self.is_still_there() {
            rustix::process::kill_process(raw(self.id.pid)?, signal)
        } else {
            Err(Errno::SRCH)
        }
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.pin {
            Pin::Pidfd(pidfd) => Some(pidfd.as_fd()),
            Pin::StartTime => None,
        }
    }

    fn is_still_there(&self) -> bool {
        let stat = ProcFs::open().ok().and_then(|proc| proc.stat_of(self.id));
        stat.is_some_and(|stat| !stat.has_ended())
    }
}

fn raw(pid: u32) -> Result<Pid, Errno> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)
}

/// Returns whether a descriptor is readable, which a pidfd is once all threads have ended.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&at_once)), Ok(ready) if ready > 0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a real process is signaled")]

    use super::*;

    #[test]
    fn without_a_pidfd_the_start_time_reveals_a_reused_pid() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let start = ProcFs::open().unwrap().stat(child.id(), &mut Vec::new()).unwrap().start;
        let reused = ProcessHandle {
            id: ProcessId { pid: child.id(), start: start - 1 },
            pin: Pin::StartTime,
        };
        assert!(reused.has_ended());
        assert_eq!(reused.send(SignalToSend::Kill), SignalResult::Gone);
        let itself =
            ProcessHandle { id: ProcessId { pid: child.id(), start }, pin: Pin::StartTime };
        assert!(!itself.has_ended());
        assert_eq!(itself.send(SignalToSend::Kill), SignalResult::Delivered);
        assert!(!child.wait().unwrap().success());
    }
}
