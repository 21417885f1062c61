//! Signals by handlers that tokio installs, as a mask would be the child's too.
#![expect(unsafe_code, reason = "nothing safe says whether a signal was ignored at the start")]

use std::{
    collections::VecDeque,
    fmt, io,
    task::{Context, Poll},
};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, sigaction};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::{
    engine::signal::Signal,
    sys::portable::{poll::ReceivedSignal, unix::number},
};

/// Everything that arrives.
pub(crate) struct SignalStreams(Vec<(ReceivedSignal, Stream)>);

impl SignalStreams {
    /// Every signal that asks to end, but for those that were ignored before, and the end of a
    /// child.
    pub(crate) fn open() -> io::Result<SignalStreams> {
        let ignored = ignored();
        let mut sources = vec![(ReceivedSignal::Child, signal(SignalKind::child())?)];
        for asking in Signal::ALL {
            let number = number(asking) as i32;
            if ignored & bit(number) == 0 {
                sources.push((ReceivedSignal::Ask(asking), signal(SignalKind::from_raw(number))?));
            }
        }
        Ok(SignalStreams(sources))
    }

    /// Takes what has arrived.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        arrived: &mut VecDeque<ReceivedSignal>,
    ) -> Poll<()> {
        for (what, stream) in &mut self.0 {
            if let Poll::Ready(Some(())) = stream.poll_recv(context) {
                arrived.push_back(*what);
            }
        }
        if arrived.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl fmt::Debug for SignalStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(arrived, _)| arrived)).finish()
    }
}

fn bit(number: i32) -> u64 {
    1 << (number - 1)
}

/// The signals that were ignored when this process started, as a mask; to be asked before any
/// handler is installed.
pub(crate) fn ignored() -> u64 {
    let asking = Signal::ALL.into_iter().map(number);
    asking.filter(|signal| is_ignored(*signal)).fold(0, |mask, signal| mask | bit(signal as i32))
}

fn is_ignored(signal: nix::sys::signal::Signal) -> bool {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: to be told what was there one has to put something in its place: nothing that runs
    // code, and what was there is put back at once.
    let Ok(before) = (unsafe { sigaction(signal, &ignore) }) else { return false };
    // SAFETY: as above; this is the very action that was installed.
    let _ = unsafe { sigaction(signal, &before) };
    matches!(before.handler(), SigHandler::SigIgn)
}
