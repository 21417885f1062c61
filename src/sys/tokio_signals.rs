//! Signals as delivered by tokio. Ignored signals stay ignored.

use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sys::machine::signals;

/// The ignored signals. Must be read before any signal is handled.
pub(crate) struct IgnoredSignals(u64);

impl IgnoredSignals {
    pub(crate) fn read() -> IgnoredSignals {
        IgnoredSignals(signals::ignored())
    }

    pub(crate) fn handle(&self, kind: SignalKind) -> io::Result<HandledSignal> {
        let is_ignored = self.0 & (1 << (kind.as_raw_value() - 1)) != 0;
        (!is_ignored).then(|| signal(kind)).transpose().map(HandledSignal)
    }
}

pub(crate) struct HandledSignal(Option<Signal>);

impl HandledSignal {
    /// Resolves when the signal arrives; never if it is ignored.
    pub(crate) async fn arrival(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        pending::<()>().await;
    }
}
