//! The time of the last change of a file or link.
#![expect(
    clippy::disallowed_types,
    reason = "file systems stamp changes by the wall clock: the time only decides on a doubt"
)]

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::sys::clock::WallClock;

/// The coarsest time stamps are those of FAT. Clocks of file servers may differ as much.
pub(super) const MARGIN: Duration = Duration::from_secs(2);

/// The kernel's limit of links in a path.
const MOST_LINKS: usize = 40;

/// Returns the path itself and, while it is a link, what it leads to.
pub(super) fn links(path: &Path) -> Vec<PathBuf> {
    let target = |path: &PathBuf| Some(path.parent()?.join(fs::read_link(path).ok()?));
    std::iter::successors(Some(path.to_owned()), target).take(MOST_LINKS).collect()
}

/// Returns the time since the last change of a file or link. A file that is moved or copied with
/// its times has a new `ctime`.
pub(super) fn age(path: &Path) -> Duration {
    let now = WallClock::now();
    let Ok(seen) = fs::symlink_metadata(path) else { return Duration::ZERO };
    let times = seen.modified().ok().into_iter().chain(status_changed(&seen));
    // A time in the future is later than every process.
    times.max().and_then(|at| now.duration_since(at).ok()).unwrap_or_default()
}

#[cfg(unix)]
fn status_changed(seen: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = Duration::from_secs(u64::try_from(seen.ctime()).ok()?);
    SystemTime::UNIX_EPOCH
        .checked_add(seconds)?
        .checked_add(Duration::from_nanos(u64::try_from(seen.ctime_nsec()).ok()?))
}

/// A copy keeps the time of its last change there, but is created anew.
#[cfg(not(unix))]
fn status_changed(seen: &Metadata) -> Option<SystemTime> {
    seen.created().ok()
}
