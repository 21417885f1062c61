//! Whether a bot hears: the age of its last good poll.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::sys::clock;

/// How a bot's polling goes, for whoever watches it from another task or thread. It goes on saying
/// so when the polling has ended.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<HealthState>);

#[derive(Debug, Default)]
struct HealthState {
    /// When the last good poll ended, in milliseconds since boot and one more; 0: there was none.
    good: AtomicU64,
    conflicts: AtomicU64,
}

impl Health {
    /// How long ago the last good `getUpdates` ended, on a clock that goes on in suspend; `None`:
    /// there was none yet. A bot that hears has one for each long poll, so this stays below the
    /// poll's timeout and some seconds.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let good = self.0.good.load(Ordering::Relaxed).checked_sub(1)?;
        Some(clock::since_boot().saturating_sub(Duration::from_millis(good)))
    }

    /// How many polls were answered with a 409 so far.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.0.conflicts.load(Ordering::Relaxed)
    }

    pub(crate) fn good(&self) {
        let now = clock::millis(clock::since_boot());
        self.0.good.store(now.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn conflict(&self) {
        self.0.conflicts.fetch_add(1, Ordering::Relaxed);
    }
}
