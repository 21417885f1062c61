//! The ends of a sleep, the same on every system.

/// The end of one sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// A signal has arrived, or the poller was cancelled.
    Signal,
    /// A watched file changed, or may have changed.
    FileChanged,
    /// One of the processes has ended.
    ProcessEnded,
    /// The time is over.
    TimedOut,
}

/// A signal that ends a start arrived during a sleep; `CANCELLED` stands for the program's own
/// word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted(pub u8);

/// No signal has this number.
pub(crate) const CANCELLED: u8 = 0;

/// The end of a sleep on locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SleepEnd {
    /// A lock file was closed.
    LockClosed,
    /// A process ended, or the time was over.
    Otherwise,
}
