//! Events that the guarantees exclude by name.

use std::fmt;

use monopoll_test_bots::stage::Ended;

#[derive(Default)]
pub(super) struct Excluded {
    /// S15: SIGKILL to a guard, which leaves processes behind.
    left_by_killed: usize,
    /// S11: without `kill.escalate`, what outlives its signal is left alone.
    not_ended: usize,
    /// S17: another process has the lock, and `lock.on_lost` decides.
    pub(super) lost_locks: usize,
}

impl Excluded {
    pub(super) fn note(&mut self, ended: &Ended, left: &[i32]) {
        self.left_by_killed += usize::from(ended.code.is_none() && !left.is_empty());
        let texts = [NOT_ENDED, "`kill.escalate` is false"];
        self.not_ended += usize::from(texts.iter().any(|text| ended.err.contains(text)));
    }

    pub(super) fn add(&mut self, other: &Excluded) {
        self.left_by_killed += other.left_by_killed;
        self.not_ended += other.not_ended;
        self.lost_locks += other.lost_locks;
    }
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Excluded { left_by_killed, not_ended, lost_locks } = self;
        write!(
            f,
            "{left_by_killed} killed guards left processes, {not_ended} trees were not ended, \
             {lost_locks} guards lost their lock"
        )
    }
}

/// What a guard prints that leaves processes alone.
pub(super) const NOT_ENDED: &str = "could not be ended";

/// What a guard prints that has lost its lock.
pub(super) const LOST: &str = "because of `lock.on_lost`";
