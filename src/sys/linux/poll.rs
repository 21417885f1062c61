//! A single sleep for signals, ends of processes, file changes, a closed pipe, and a deadline.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::sys::clock;
use crate::sys::linux::file_watch::FileWatch;
use crate::sys::linux::process_handle::{ProcessHandle, is_readable};
use crate::sys::linux::signals::{self, ReceivedSignal, SI_KERNEL, TAKEN, bit};
use crate::sys::wake::{CANCELLED, Interrupted, Wake};

const CHECK_INTERVAL: Duration = Duration::from_millis(20);

pub struct Poller(SignalSource);

enum SignalSource {
    Signals {
        fd: SignalFd,
        /// The original mask, for the child.
        original: SigSet,
    },
    /// For a program that uses the library and handles its own signals.
    Cancel(CancelHandle),
}

#[derive(Debug, Clone)]
pub(crate) struct CancelHandle(Arc<OwnedFd>);

impl CancelHandle {
    /// Ends the current sleep and all later ones.
    pub(crate) fn cancel(&self) {
        // If the counter is full, it was written before.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// Signals the end of another thread's work to a sleeping thread.
#[derive(Debug)]
pub(crate) struct WakePipe(OwnedFd);

/// Wakes the sleeper on drop, no matter how its thread ends.
pub(crate) struct WakeOnDrop(#[expect(dead_code, reason = "it is there to be closed")] OwnedFd);

impl WakePipe {
    pub(crate) fn new() -> io::Result<(WakePipe, WakeOnDrop)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok((WakePipe(read), WakeOnDrop(write)))
    }
}

impl Poller {
    /// Receives all signals from now on through [`next_signal`](Self::next_signal). Ignored signals
    /// stay ignored.
    pub(crate) fn for_signals() -> io::Result<Poller> {
        let ignored = signals::ignored_at_start();
        let mut mask = SigSet::empty();
        // SIGCHLD is always needed. `supervise::child::spawn` restores it for the child if it was
        // ignored.
        TAKEN
            .into_iter()
            .filter(|signal| ignored & bit(*signal) == 0 || *signal == Signal::SIGCHLD)
            .for_each(|signal| mask.add(signal));
        let mask = signals::with_real_time(&mask, ignored);
        let original = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Poller(SignalSource::Signals { fd, original }))
    }

    /// Receives no signals. The handle ends its sleeps.
    pub(crate) fn with_cancel() -> io::Result<(Poller, CancelHandle)> {
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let cancel = CancelHandle(Arc::new(counter));
        Ok((Poller(SignalSource::Cancel(cancel.clone())), cancel))
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match &self.0 {
            SignalSource::Signals { .. } => false,
            SignalSource::Cancel(cancel) => is_readable(cancel.0.as_fd()),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            SignalSource::Signals { fd, .. } => fd.as_fd(),
            SignalSource::Cancel(cancel) => cancel.0.as_fd(),
        }
    }

    pub(crate) fn original_mask(&self) -> SigSet {
        match &self.0 {
            SignalSource::Signals { original, .. } => *original,
            // A program that uses the library starts no child here.
            SignalSource::Cancel(_) => SigSet::empty(),
        }
    }

    pub(crate) fn next_signal(&self) -> Option<ReceivedSignal> {
        let SignalSource::Signals { fd, .. } = &self.0 else { return None };
        let info = fd.read_signal().ok().flatten()?;
        let number = i32::try_from(info.ssi_signo).ok()?;
        Some(ReceivedSignal { number, by_terminal: info.ssi_code == SI_KERNEL })
    }

    /// Takes the signals that have arrived, up to the first that ends a start.
    pub(crate) fn interruption(&self) -> Option<Interrupted> {
        if self.is_cancelled() {
            return Some(Interrupted(CANCELLED));
        }
        while let Some(signal) = self.next_signal() {
            if signal.is_child_end() {
                reap_orphans();
            }
            if signal.ends_a_start() {
                return Some(Interrupted(u8::try_from(signal.number).unwrap_or(u8::MAX)));
            }
            if signal.is(Signal::SIGTSTP) {
                // Ctrl-Z should work as usual.
                let _ = nix::sys::signal::raise(Signal::SIGSTOP);
            }
        }
        None
    }

    /// Sleeps until the other end of `pipe` is closed or until `until`. Returns whether it is
    /// closed.
    pub(crate) fn sleep_on_pipe(
        poller: Option<&Poller>,
        pipe: &WakePipe,
        until: Duration,
    ) -> Result<bool, Interrupted> {
        loop {
            let mut fds = vec![PollFd::from_borrowed_fd(pipe.0.as_fd(), PollFlags::IN)];
            fds.extend(poller.map(|poller| PollFd::from_borrowed_fd(poller.fd(), PollFlags::IN)));
            let left = until.saturating_sub(clock::monotonic());
            // After EINTR, everything is checked again, as after any wakeup.
            let _ = poll(&mut fds, Timespec::try_from(left).ok().as_ref());
            let is_closed = fds.first().is_some_and(|pipe| !pipe.revents().is_empty());
            if let Some(interrupted) = poller.and_then(Poller::interruption) {
                return Err(interrupted);
            }
            if is_closed || left.is_zero() {
                return Ok(is_closed);
            }
        }
    }

    /// Sleeps until a signal, a change of a watched file, the end of a process, or `until`.
    pub(crate) fn poll(
        poller: Option<&Poller>,
        watch: Option<&FileWatch>,
        processes: &[&ProcessHandle],
        until: Option<Duration>,
    ) -> Wake {
        let check_files = watch.and_then(FileWatch::check_interval);
        let check_processes =
            processes.iter().any(|process| process.fd().is_none()).then_some(CHECK_INTERVAL);
        let left = until.map(|until| until.saturating_sub(clock::monotonic()));
        let timeout = left.into_iter().chain(check_files).chain(check_processes).min();
        let mut fds = Vec::with_capacity(processes.len() + 2);
        if let Some(poller) = poller {
            fds.push(PollFd::from_borrowed_fd(poller.fd(), PollFlags::IN));
        }
        let signals = fds.len();
        if let Some(fd) = watch.and_then(FileWatch::fd) {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        let watched = fds.len();
        fds.extend(
            processes
                .iter()
                .filter_map(|process| process.fd())
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // After EINTR, everything is checked again, as after any wakeup.
        let _ = poll(&mut fds, timeout.as_ref());
        let ready = |range: std::ops::Range<usize>| {
            fds.get(range).is_some_and(|fds| fds.iter().any(|fd| !fd.revents().is_empty()))
        };
        if ready(0..signals) {
            return Wake::Signal;
        }
        if ready(watched..fds.len())
            || (check_processes.is_some() && processes.iter().any(|process| process.has_ended()))
        {
            return Wake::ProcessEnded;
        }
        if ready(signals..watched)
            || check_files.is_some() && left.is_none_or(|left| !left.is_zero())
        {
            return Wake::FileChanged;
        }
        Wake::TimedOut
    }
}

/// Reaps orphans that a start adopted as PID 1 or before an exec. It has no child of its own yet.
fn reap_orphans() {
    let was_reaped = |status| status != WaitStatus::StillAlive;
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(was_reaped) {}
}
