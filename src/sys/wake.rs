//! The ends of a sleep, the same on every system.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// A signal has arrived, or the poller was cancelled.
    Signal,
    /// A watched file changed, or may have changed.
    FileChanged,
    ProcessEnded,
    TimedOut,
}

/// A signal ended a start during a sleep; `CANCELLED` means the cancellation by the program
/// itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted(pub u8);

/// No signal has this number.
pub(crate) const CANCELLED: u8 = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SleepEnd {
    LockClosed,
    /// A process ended, or the time was over.
    Otherwise,
}
