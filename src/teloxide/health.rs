//! The health of a bot's polling.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::clock;

/// The health of a bot's polling. Can be read from any task or thread, even after polling has
/// ended.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    /// The end of the last successful poll, in milliseconds since boot plus one; 0 if there was
    /// none.
    last_success: AtomicU64,
    conflicts: AtomicU64,
}

impl Health {
    /// Returns the time since the last successful `getUpdates`, including time in suspend; `None`
    /// before the first. While Telegram is reachable, it stays below the poll timeout plus a few
    /// seconds.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let last = self.0.last_success.load(Ordering::Relaxed).checked_sub(1)?;
        Some(clock::since_boot().saturating_sub(Duration::from_millis(last)))
    }

    /// Returns the number of polls that got a 409.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.0.conflicts.load(Ordering::Relaxed)
    }

    pub(super) fn note_success(&self) {
        let now = clock::millis(clock::since_boot());
        self.0.last_success.store(now.saturating_add(1), Ordering::Relaxed);
    }

    pub(super) fn note_conflict(&self) {
        self.0.conflicts.fetch_add(1, Ordering::Relaxed);
    }
}
