//! Start times of processes, in seconds since 1970.
#![expect(clippy::disallowed_types, reason = "a start time to be printed")]

use std::time::Duration;

use crate::sys::clock::WallClock;

/// Returns the start time of a process of this age.
pub(crate) fn of_age(age: Duration) -> u64 {
    WallClock::seconds().saturating_sub(age.as_secs())
}
