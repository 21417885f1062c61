//! Receives signals with tokio's handlers, because the child would inherit a blocked mask.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, kill, sigaction};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::engine::signal::Signal;
use crate::sys::portable::signals::ReceivedSignal;
use crate::sys::signal_numbers;

pub(crate) struct SignalStreams(Vec<(ReceivedSignal, Stream)>);

/// Ends the sleep of this guard, which receives the signal.
pub(crate) fn wake_guard() {
    // A signal to this very process cannot fail.
    let _ = kill(Pid::this(), nix::sys::signal::Signal::SIGCHLD);
}

impl SignalStreams {
    /// Receives the end of a child and every stop signal that was not ignored before.
    pub(crate) fn open() -> io::Result<SignalStreams> {
        let ignored = ignored();
        let mut streams = vec![(ReceivedSignal::ChildEnd, signal(SignalKind::child())?)];
        for stop in Signal::ALL {
            let number = signal_numbers::of(stop).as_raw();
            if ignored & bit(number) == 0 {
                streams.push((ReceivedSignal::Stop(stop), signal(SignalKind::from_raw(number))?));
            }
        }
        Ok(SignalStreams(streams))
    }

    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        arrived: &mut VecDeque<ReceivedSignal>,
    ) -> Poll<()> {
        for (signal, stream) in &mut self.0 {
            if let Poll::Ready(Some(())) = stream.poll_recv(context) {
                arrived.push_back(*signal);
            }
        }
        if arrived.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}

fn bit(number: i32) -> u64 {
    1 << (number - 1)
}

/// Returns the mask of ignored signals. Must be called before any handler is installed.
pub(crate) fn ignored() -> u64 {
    let numbers = Signal::ALL.into_iter().map(|signal| signal_numbers::of(signal).as_raw());
    numbers.filter(|number| is_ignored(*number)).fold(0, |mask, number| mask | bit(number))
}

#[expect(unsafe_code, reason = "nothing safe says whether a signal is ignored")]
fn is_ignored(number: i32) -> bool {
    let Ok(signal) = nix::sys::signal::Signal::try_from(number) else { return false };
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: an action can only be read by replacing it. The new one runs no code, and the old one
    // is restored at once.
    let Ok(before) = (unsafe { sigaction(signal, &ignore) }) else { return false };
    // SAFETY: as above; restores the previous action.
    let _ = unsafe { sigaction(signal, &before) };
    matches!(before.handler(), SigHandler::SigIgn)
}
