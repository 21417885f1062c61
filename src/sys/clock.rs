//! The clocks: two that cannot be set, and the wall clock, only to be printed.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where the time is read"
)]

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// Returns the time since boot, suspend included, to compare it with what happened before this
/// process. Windows counts whole seconds; other systems than Linux and macOS may stop in suspend.
pub fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    return read(rustix::time::ClockId::Boottime);
    #[cfg(all(unix, not(target_os = "linux")))]
    return read(rustix::time::ClockId::Monotonic);
    // Zero where it is unknown: recorded events then lie in the future, and the limit of takeovers
    // does not apply.
    #[cfg(windows)]
    Duration::from_secs(sysinfo::System::uptime().unwrap_or_default())
}

/// Returns the time since the first call, suspend excluded where the system can: for deadlines.
pub fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(all(target_os = "linux", not(monopoll_portable)))]
pub(crate) fn thread_cpu() -> Duration {
    read(rustix::time::ClockId::ThreadCPUTime)
}

/// The wall clock, only to be printed: anybody can set it. `clippy.toml` disallows the type, so
/// that each use says what it is for.
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
