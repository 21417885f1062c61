//! The health of a bot's polling: the age of its last good poll, and its conflicts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::clock;

/// The health of a bot's polling, to be read from any task or thread, and also after its end.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    /// The end of the last good poll, in milliseconds since boot plus one; 0: there was none.
    last_success: AtomicU64,
    conflicts: AtomicU64,
}

impl Health {
    /// The time since the last good `getUpdates`, by a clock that runs in suspend; `None` before
    /// the first. It stays below the poll's timeout and some seconds while the bot can be reached.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let last = self.0.last_success.load(Ordering::Relaxed).checked_sub(1)?;
        Some(clock::since_boot().saturating_sub(Duration::from_millis(last)))
    }

    /// The number of polls that were answered with a 409.
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
