//! Regular ticks, for messages about a step that is still in progress.

use std::time::Duration;

/// Ticks on the clock of [`monotonic`](crate::sys::clock::monotonic).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticker {
    every: Duration,
    next: Duration,
}

impl Ticker {
    /// The first tick is `every` after `now`; [`Duration::MAX`] means never.
    pub fn begin(every: Duration, now: Duration) -> Ticker {
        Ticker { every, next: now.saturating_add(every) }
    }

    #[must_use]
    pub fn restart(self, now: Duration) -> Ticker {
        Ticker::begin(self.every, now)
    }

    pub fn next(&self) -> Duration {
        self.next
    }

    /// Returns whether a tick is due. If so, the next interval starts now, even if the call is
    /// late.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            *self = self.restart(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_tick_is_due_once_in_each_interval() {
        let mut ticker = Ticker::begin(10 * SECOND, 5 * SECOND);
        assert_eq!((ticker.is_due(14 * SECOND), ticker.next()), (false, 15 * SECOND));
        assert_eq!(
            (ticker.is_due(40 * SECOND), ticker.is_due(40 * SECOND), ticker.next()),
            (true, false, 50 * SECOND)
        );
        assert!(!Ticker::begin(Duration::MAX, SECOND).is_due(1_000_000 * SECOND));
    }
}
