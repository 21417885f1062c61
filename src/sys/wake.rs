//! The ends of a sleep, the same on every system.

/// A signal that ends a start arrived during a sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted(pub u8);

/// The end of a sleep on locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SleepEnd {
    /// A lock file was closed.
    LockClosed,
    /// A process ended, or the time was over.
    Otherwise,
}
