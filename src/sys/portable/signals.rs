//! Signals as they arrive.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::{SignalStreams, ignored, wake_guard};
#[cfg(windows)]
pub(crate) use self::windows::{SignalStreams, wake_guard};
use crate::engine::signal::Signal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedSignal {
    /// A signal that asks to end, or this system's equivalent.
    Stop(Signal),
    ChildEnd,
}

impl ReceivedSignal {
    pub(crate) fn is_child_end(self) -> bool {
        self == ReceivedSignal::ChildEnd
    }

    pub(crate) fn stop_signal(self) -> Option<Signal> {
        match self {
            ReceivedSignal::Stop(signal) => Some(signal),
            ReceivedSignal::ChildEnd => None,
        }
    }
}
