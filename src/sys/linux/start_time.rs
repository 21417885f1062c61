//! Start times of processes, in clock ticks since boot.

use std::time::Duration;

use crate::sys::clock;

/// Returns the start time of a process of this age; zero before the boot.
pub(crate) fn of_age(age: Duration) -> u64 {
    let started = clock::since_boot().saturating_sub(age);
    let millis = u64::try_from(started.as_millis()).unwrap_or(u64::MAX);
    millis.saturating_mul(rustix::param::clock_ticks_per_second()) / 1000
}
