//! The reasons a sleep ends, on every system.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// A signal has arrived, or the poller was cancelled.
    Signal,
    /// A watched file changed, or may have changed.
    FileChanged,
    ProcessEnded,
    TimedOut,
}

/// The signal that ended a start during a sleep; `CANCELLED` if the program itself canceled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted(pub u8);

/// Not the number of any signal.
pub(crate) const CANCELLED: u8 = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SleepEnd {
    LockClosed,
    /// A process ended, or the time is over.
    Otherwise,
}
