//! Signals as tokio tells of them; one that was ignored stays ignored.

use std::{future::pending, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sys::machine::poll;

/// The signals that were ignored before any was heeded.
pub(crate) struct IgnoredSignals(u64);

impl IgnoredSignals {
    /// To be asked before the first signal is heeded.
    pub(crate) fn before() -> IgnoredSignals {
        IgnoredSignals(poll::ignored())
    }

    /// Takes a signal from here on, unless it is ignored.
    ///
    /// # Errors
    /// There is no runtime that could tell of it.
    pub(crate) fn or_heeded(&self, kind: SignalKind) -> io::Result<HandledSignal> {
        let is_ignored = self.0 & (1 << (kind.as_raw_value() - 1)) != 0;
        (!is_ignored).then(|| signal(kind)).transpose().map(HandledSignal)
    }
}

/// A signal that is taken; nothing where it is ignored.
pub(crate) struct HandledSignal(Option<Signal>);

impl HandledSignal {
    /// Resolves when it arrives: never, if it is ignored.
    pub(crate) async fn arrival(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        pending::<()>().await;
    }
}
