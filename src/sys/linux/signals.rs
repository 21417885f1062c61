//! Signals as they arrive here: which are taken, what each is about, and which were ignored.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::Signal;

use crate::{engine::signal, sys::linux::proc_fs::ProcFs};

/// Every signal that the kernel lets a process take, and that is not about what the process itself
/// did.
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

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReceivedSignal {
    pub(crate) number: i32,
    /// The terminal sent it, and so to its whole foreground group.
    pub(crate) by_terminal: bool,
}

impl ReceivedSignal {
    pub(crate) fn is(self, signal: Signal) -> bool {
        self.number == signal as i32
    }

    /// A child has ended: there is somebody to reap, and nothing to forward.
    pub(crate) fn tells_of_a_child(self) -> bool {
        self.is(Signal::SIGCHLD)
    }

    /// The signal by its name here, if it is one that asks a process to end.
    pub(crate) fn asks_to_end(self) -> Option<signal::Signal> {
        signal::Signal::ALL.into_iter().find(|signal| {
            Signal::try_from(self.number).is_ok_and(|it| it.as_str() == signal.name())
        })
    }

    /// Whether somebody who has not started yet should give up.
    pub(crate) fn ends_a_start(self) -> bool {
        ![Signal::SIGCHLD, Signal::SIGCONT, Signal::SIGWINCH, Signal::SIGTSTP]
            .into_iter()
            .any(|harmless| self.is(harmless))
    }
}

/// `SI_KERNEL` of asm-generic/siginfo.h: what the terminal's keys send.
pub(crate) const SI_KERNEL: i32 = 0x80;

pub(crate) fn bit(signal: Signal) -> u64 {
    1 << (signal as i32 - 1)
}

/// The signals that were ignored when this process started.
static IGNORED_AT_START: AtomicU64 = AtomicU64::new(0);

/// To be called before Rust's start-up.
pub(crate) extern "C" fn remember_ignored() {
    IGNORED_AT_START.store(ignored(), Ordering::Relaxed);
}

/// The signals that were ignored when this process started, as a mask.
pub(crate) fn ignored_at_start() -> u64 {
    IGNORED_AT_START.load(Ordering::Relaxed)
}

/// The signals that are ignored now, as a mask (proc(5), `SigIgn`).
pub(crate) fn ignored() -> u64 {
    let mut status = Vec::new();
    let read = ProcFs::open().and_then(|proc| proc.read(std::process::id(), "status", &mut status));
    let text = String::from_utf8_lossy(&status);
    let line = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    read.ok()
        .and(line)
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}
