//! What time it is: two clocks that nobody can set, and the one on the wall to be printed.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where the time is read"
)]

use std::time::{Duration, SystemTime};

/// Since boot, going on in suspend: for ages and for what happened before.
#[cfg(target_os = "linux")]
#[must_use]
pub fn since_boot() -> Duration {
    read(rustix::time::ClockId::Boottime)
}

/// Since some moment before every process: macOS's goes on in suspend, other systems' may stand
/// still.
#[cfg(all(unix, not(target_os = "linux")))]
#[must_use]
pub fn since_boot() -> Duration {
    read(rustix::time::ClockId::Monotonic)
}

/// Since boot, going on in suspend, in whole seconds.
#[cfg(windows)]
#[must_use]
pub fn since_boot() -> Duration {
    // Where it cannot be told, nothing that is remembered lies before it.
    Duration::from_secs(sysinfo::System::uptime().unwrap_or_default())
}

/// Since some moment, standing still in suspend: for patience with others.
#[cfg(target_os = "linux")]
#[must_use]
pub fn patience() -> Duration {
    read(rustix::time::ClockId::Monotonic)
}

/// Since the first time that it was asked for: std's clock stands still in suspend where the system
/// has one that does.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn patience() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// The processor time of this thread: for limits on its own work.
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
#[must_use]
pub(crate) fn thread_cpu() -> Duration {
    read(rustix::time::ClockId::ThreadCPUTime)
}

/// The wall clock, only to be printed: anybody can set it. `clippy.toml` disallows the type, so
/// that each use says what it is for.
#[derive(Debug)]
pub struct WallClock;

impl WallClock {
    /// The time of day.
    #[must_use]
    pub fn now() -> SystemTime {
        SystemTime::now()
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn seconds() -> u64 {
        WallClock::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(unix)]
fn read(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
