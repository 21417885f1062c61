//! Signals that arrive, and signals that were ignored at the start.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;

use crate::engine::signal;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::signal_numbers;

/// Every signal that a process can receive, except those about its own faults.
pub(crate) const TAKEN: [Signal; 15] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGCONT,
    Signal::SIGTSTP,
    Signal::SIGWINCH,
    Signal::SIGCHLD,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedSignal {
    pub number: i32,
    /// Sent by the terminal, and therefore to its whole foreground group.
    pub by_terminal: bool,
}

impl ReceivedSignal {
    pub(crate) fn is(self, signal: Signal) -> bool {
        self.number == signal as i32
    }

    pub(crate) fn name(self) -> String {
        match Signal::try_from(self.number) {
            Ok(signal) => signal.to_string(),
            Err(_) => format!("signal {}", self.number),
        }
    }

    /// Returns whether a child has ended, in which case nothing is forwarded.
    pub(crate) fn is_child_end(self) -> bool {
        self.is(Signal::SIGCHLD)
    }

    pub(crate) fn stop_signal(self) -> Option<signal::Signal> {
        signal::Signal::ALL
            .into_iter()
            .find(|signal| signal_numbers::of(*signal).as_raw() == self.number)
    }

    pub(crate) fn ends_a_start(self) -> bool {
        ![Signal::SIGCHLD, Signal::SIGCONT, Signal::SIGWINCH, Signal::SIGTSTP]
            .into_iter()
            .any(|harmless| self.is(harmless))
    }
}

/// `SI_KERNEL` of asm-generic/siginfo.h, for the terminal's keys.
pub(crate) const SI_KERNEL: i32 = 0x80;

pub(crate) fn bit(signal: Signal) -> u64 {
    1 << (signal as i32 - 1)
}

static IGNORED_AT_START: AtomicU64 = AtomicU64::new(0);

/// Must be called before Rust's startup code, which changes the ignored signals.
pub(crate) extern "C" fn remember_ignored() {
    IGNORED_AT_START.store(ignored(), Ordering::Relaxed);
}

pub(crate) fn ignored_at_start() -> u64 {
    IGNORED_AT_START.load(Ordering::Relaxed)
}

pub(crate) fn ignored() -> u64 {
    let ignored =
        ProcFs::open().ok().and_then(|proc| proc.status(std::process::id(), &mut Vec::new()).ok());
    ignored.and_then(|status| status.ignored_signals).unwrap_or_default()
}

/// Returns `mask` with every real-time signal that is not ignored. Only the C library knows their
/// range.
#[expect(unsafe_code, reason = "sigaddset(3): no safe interface takes a real-time signal")]
pub(crate) fn with_real_time(mask: &SigSet, ignored: u64) -> SigSet {
    let mut raw = *mask.as_ref();
    for number in
        (libc::SIGRTMIN()..=libc::SIGRTMAX()).filter(|number| ignored & (1 << (number - 1)) == 0)
    {
        // SAFETY: the set is initialized, and the C library defines the range of these numbers.
        unsafe { libc::sigaddset(&raw mut raw, number) };
    }
    // SAFETY: a valid set with additional valid signals.
    unsafe { SigSet::from_sigset_t_unchecked(raw) }
}

/// Ends the sleep of this guard, whose main thread receives the signal.
pub(crate) fn wake_guard() {
    // A signal to this very process cannot fail.
    let _ = nix::sys::signal::kill(Pid::this(), Signal::SIGCHLD);
}

/// Sends a signal by number, which may be a real-time signal. Fails only without permission: if the
/// process has ended, that is noticed elsewhere.
#[expect(unsafe_code, reason = "kill(2): no safe interface takes a real-time signal")]
pub(crate) fn send(to: Pid, number: i32) -> Result<(), NoPermission> {
    // SAFETY: takes two numbers.
    match Errno::result(unsafe { libc::kill(to.as_raw(), number) }) {
        Err(Errno::EPERM) => Err(NoPermission),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The process is another user's, or a filter forbids the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPermission;
