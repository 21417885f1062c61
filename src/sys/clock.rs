//! The clocks: two that cannot be set, and the wall clock for display.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where the time is read"
)]

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// Returns the time since boot including suspend, for comparison with earlier events. On Windows,
/// it has whole seconds. On systems other than Linux and macOS, it may stop during suspend.
pub fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    return read(rustix::time::ClockId::Boottime);
    #[cfg(all(unix, not(target_os = "linux")))]
    return read(rustix::time::ClockId::Monotonic);
    // Zero if unknown. Recorded events then appear to be in the future, and the limit of takeovers
    // does not apply.
    #[cfg(windows)]
    Duration::from_secs(sysinfo::System::uptime().unwrap_or_default())
}

/// Returns the time since the first call, for deadlines. Excludes suspend if the system supports
/// that.
pub fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(crate) fn thread_cpu() -> Duration {
    read(rustix::time::ClockId::ThreadCPUTime)
}

/// The wall clock, only for display, because anyone can set it. `clippy.toml` disallows the type,
/// so that each use needs a reason.
pub struct WallClock;

impl WallClock {
    pub fn now() -> SystemTime {
        SystemTime::now()
    }

    pub fn seconds() -> u64 {
        WallClock::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(unix)]
fn read(clock: rustix::time::ClockId) -> Duration {
    rustix::time::clock_gettime(clock).try_into().unwrap_or_default()
}
