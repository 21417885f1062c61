//! How often it is told that something still goes on: whoever sleeps wakes for it, and only while a
//! start settles.

use std::time::Duration;

/// A beat on the clock of patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticker {
    every: Duration,
    next: Duration,
}

impl Ticker {
    /// The first one comes `every` after `now`; with [`Duration::MAX`], none ever.
    #[must_use]
    pub fn begin(every: Duration, now: Duration) -> Ticker {
        Ticker { every, next: now.saturating_add(every) }
    }

    /// The same, begun anew.
    #[must_use]
    pub fn again(self, now: Duration) -> Ticker {
        Ticker::begin(self.every, now)
    }

    /// When to wake for it.
    #[must_use]
    pub fn next(&self) -> Duration {
        self.next
    }

    /// Whether it is time; once for each time, however late it is asked.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            *self = self.again(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_beat_comes_once_each_time() {
        let mut beat = Ticker::begin(10 * SECOND, 5 * SECOND);
        assert_eq!((beat.is_due(14 * SECOND), beat.next()), (false, 15 * SECOND));
        assert_eq!(
            (beat.is_due(40 * SECOND), beat.is_due(40 * SECOND), beat.next()),
            (true, false, 50 * SECOND)
        );
        assert!(!Ticker::begin(Duration::MAX, SECOND).is_due(1_000_000 * SECOND));
    }
}
