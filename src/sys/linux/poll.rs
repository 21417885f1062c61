//! One sleep for everything that can happen: signals, ends of processes, changes of files, and the
//! time.

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::sys::{
    signal::{SigSet, SigmaskHow, Signal},
    signalfd::{SfdFlags, SignalFd},
    wait::{WaitPidFlag, WaitStatus, waitpid},
};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

pub(crate) use crate::sys::linux::signals::{
    ReceivedSignal, bit, ignored, ignored_at_start, remember_ignored,
};
use crate::sys::{
    clock,
    linux::{
        file_watch::FileWatch,
        pidfd::{ProcessHandle, is_readable},
        real_time_signals,
        signals::{SI_KERNEL, TAKEN},
        wake_pipe::WakePipe,
    },
};

/// How often to look at processes that the kernel cannot tell about (no pidfd).
const BLIND: Duration = Duration::from_millis(20);

/// What ends a sleep before its time.
#[derive(Debug)]
pub struct Poller(SignalSource);

#[derive(Debug)]
enum SignalSource {
    /// The signals of a process that is ours.
    Signals {
        fd: SignalFd,
        /// As the mask was before, for the child.
        original: SigSet,
    },
    /// A word of the program that we are a part of: its signals are its own.
    Recall(CancelHandle),
}

/// Calls back whoever sleeps with the alarm that it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct CancelHandle(Arc<OwnedFd>);

impl CancelHandle {
    /// Ends the sleep, and every later one.
    pub(crate) fn call(&self) {
        // A counter that cannot be written to any more has been written to.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn was_called(&self) -> bool {
        is_readable(self.0.as_fd())
    }
}

/// What a recall is in the place of a signal's number: no signal has it.
const RECALLED: u8 = 0;

/// Why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// This signal says: give up; [`RECALLED`] is the program's word.
    Signal(u8),
    /// A watched file changed.
    Told,
    /// One of the processes has ended.
    Ended,
    /// It is time.
    Late,
}

impl Poller {
    /// From here on signals are taken by [`next`](Self::next); those that were ignored before stay
    /// ignored.
    pub(crate) fn set() -> std::io::Result<Poller> {
        let ignored = ignored_at_start();
        let mut mask = SigSet::empty();
        // The end of a child is always heard: see `wrap::spawn` for one that was ignored.
        TAKEN
            .into_iter()
            .filter(|signal| ignored & bit(*signal) == 0 || *signal == Signal::SIGCHLD)
            .for_each(|signal| mask.add(signal));
        let mask = real_time_signals::add_to(&mask, ignored);
        let original = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Poller(SignalSource::Signals { fd, original }))
    }

    /// One that takes no signals, and what calls its sleeper back.
    pub(crate) fn with_recall() -> std::io::Result<(Poller, CancelHandle)> {
        let recall =
            CancelHandle(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        Ok((Poller(SignalSource::Recall(recall.clone())), recall))
    }

    /// Whether its sleeper was called back.
    pub(crate) fn is_recalled(&self) -> bool {
        match &self.0 {
            SignalSource::Signals { .. } => false,
            SignalSource::Recall(recall) => recall.was_called(),
        }
    }

    /// To be polled: readable when something has arrived.
    fn fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            SignalSource::Signals { fd, .. } => fd.as_fd(),
            SignalSource::Recall(recall) => recall.0.as_fd(),
        }
    }

    /// The mask that was there before.
    pub(crate) fn original_mask(&self) -> SigSet {
        match &self.0 {
            SignalSource::Signals { original, .. } => *original,
            // Nothing is started by whoever takes no signals.
            SignalSource::Recall(_) => SigSet::empty(),
        }
    }

    /// The next signal that has arrived.
    pub(crate) fn next(&self) -> Option<ReceivedSignal> {
        let fd = match &self.0 {
            SignalSource::Signals { fd, .. } => fd,
            SignalSource::Recall(_) => return None,
        };
        let info = fd.read_signal().ok().flatten()?;
        let number = i32::try_from(info.ssi_signo).ok()?;
        Some(ReceivedSignal { number, by_terminal: info.ssi_code == SI_KERNEL })
    }

    /// Sleeps until a signal that ends a start, a change, the end of one of `processes`, or this
    /// time on the patience clock.
    pub(crate) fn sleep(
        alarm: Option<&Poller>,
        watch: Option<&FileWatch>,
        processes: &[&ProcessHandle],
        until: Option<Duration>,
    ) -> Wake {
        loop {
            match Self::doze(alarm, watch, processes, until) {
                Some(wake) => return wake,
                None => {
                    if let Some(signal) = alarm.and_then(Poller::end_of_a_start) {
                        return Wake::Signal(signal);
                    }
                }
            }
        }
    }

    /// Takes what has arrived; the number of the first signal that says: give up.
    fn end_of_a_start(&self) -> Option<u8> {
        if self.is_recalled() {
            return Some(RECALLED);
        }
        while let Some(arrived) = self.next() {
            if arrived.tells_of_a_child() {
                reap_orphans();
            }
            if arrived.ends_a_start() {
                return Some(u8::try_from(arrived.number).unwrap_or(u8::MAX));
            }
            if arrived.is(Signal::SIGTSTP) {
                // Ctrl-Z works as if the signal had not been taken.
                let _ = nix::sys::signal::raise(Signal::SIGSTOP);
            }
        }
        None
    }

    /// Sleeps until a signal that ends a start, the ringing of `bell`, or this time on the patience
    /// clock.
    pub(crate) fn listen(alarm: Option<&Poller>, bell: &WakePipe, until: Duration) -> Wake {
        loop {
            let mut fds = vec![PollFd::from_borrowed_fd(bell.fd(), PollFlags::IN)];
            fds.extend(alarm.map(|alarm| PollFd::from_borrowed_fd(alarm.fd(), PollFlags::IN)));
            let left = until.saturating_sub(clock::patience());
            // EINTR is a wake like any other: whoever wakes looks at everything.
            let _ = poll(&mut fds, Timespec::try_from(left).ok().as_ref());
            let has_rung = fds.first().is_some_and(|bell| !bell.revents().is_empty());
            match alarm.and_then(Poller::end_of_a_start) {
                Some(signal) => return Wake::Signal(signal),
                None if has_rung => return Wake::Told,
                None if left.is_zero() => return Wake::Late,
                None => {}
            }
        }
    }

    /// As `sleep`, but any signal ends it: `None`, and [`next`](Self::next) says which.
    pub(crate) fn doze(
        alarm: Option<&Poller>,
        watch: Option<&FileWatch>,
        processes: &[&ProcessHandle],
        until: Option<Duration>,
    ) -> Option<Wake> {
        let now = clock::patience();
        let blind_watch = watch.and_then(FileWatch::patience);
        let blind_process = processes.iter().any(|process| process.fd().is_none()).then_some(BLIND);
        let blind = blind_watch.into_iter().chain(blind_process).min();
        let left = until.map(|until| until.saturating_sub(now));
        let timeout = left.into_iter().chain(blind).min();
        let mut fds = Vec::with_capacity(processes.len() + 2);
        if let Some(alarm) = alarm {
            fds.push(PollFd::from_borrowed_fd(alarm.fd(), PollFlags::IN));
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
        // EINTR is a wake like any other: whoever wakes looks at everything.
        let _ = poll(&mut fds, timeout.as_ref());
        let ready = |range: std::ops::Range<usize>| {
            fds.get(range).is_some_and(|fds| fds.iter().any(|fd| !fd.revents().is_empty()))
        };
        if ready(0..signals) {
            return None;
        }
        if ready(watched..fds.len())
            || (blind_process.is_some() && processes.iter().any(|process| process.has_ended()))
        {
            return Some(Wake::Ended);
        }
        if ready(signals..watched)
            || blind_watch.is_some() && left.is_none_or(|left| !left.is_zero())
        {
            return Some(Wake::Told);
        }
        Some(Wake::Late)
    }
}

/// A start has no child of its own yet: whoever ended was adopted, by PID 1 of a container, or was
/// there before the exec.
fn reap_orphans() {
    while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive)
    {
    }
}
