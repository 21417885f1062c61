//! The state of the locks as found by a scan.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::process::ProcessId;
use crate::engine::snapshot::{GuardView, LockState, LockView};
use crate::engine::ticket::Ticket;
use crate::state::lock_file::LockFile;
use crate::state::record::Record;
use crate::state::state_dir::StateDir;
use crate::sys::clock;
use crate::sys::machine::file_watch::FileWatch;
use crate::sys::machine::poll::Poller;

/// The time limit for identifying the holder of a lock, after which it counts as unknown (S8).
pub(super) const IDENTIFY: Duration = Duration::from_millis(100);

const IDENTIFY_PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy)]
pub enum LockProbe<'a> {
    Missing(&'a Path),
    /// Open but not held by this process.
    Open(&'a LockFile),
    /// An attempt to take the lock has just failed.
    Taken(&'a LockFile),
    /// Held by this process.
    Mine(&'a LockFile),
}

impl LockProbe<'_> {
    /// Returns whether no guard has ever held this file, so that it may have replaced a deleted
    /// one.
    pub fn is_new(&self) -> bool {
        match self {
            LockProbe::Missing(_) => true,
            LockProbe::Open(lock) | LockProbe::Taken(lock) | LockProbe::Mine(lock) => lock.is_new(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        match self {
            LockProbe::Missing(path) => path.to_path_buf(),
            LockProbe::Open(lock) | LockProbe::Taken(lock) | LockProbe::Mine(lock) => {
                lock.path().to_owned()
            }
        }
    }
}

/// The former owner of a lock whose new file this process has locked. `Unseen` is in another PID
/// namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplacedOwner {
    Gone,
    Guard,
    Unseen,
}

/// Reads the locks, and retries briefly if a holder cannot be identified, because the lock may be
/// changing hands. Does not retry if `is_in_vain`.
pub(super) fn lock_views(
    locks: &[LockProbe<'_>],
    watch: &FileWatch,
    is_in_vain: bool,
    mut read: impl FnMut(&[LockProbe<'_>]) -> Vec<LockView>,
) -> Vec<LockView> {
    let until = clock::monotonic() + IDENTIFY;
    let mut views = read(locks);
    while !is_in_vain && views.iter().any(is_unidentified) && clock::monotonic() < until {
        // A signal that arrives now ends the next sleep.
        Poller::poll(None, Some(watch), &[], Some(clock::monotonic() + IDENTIFY_PAUSE));
        // The failed attempt is outdated by now, so look at the lock itself.
        let locks: Vec<LockProbe<'_>> = locks
            .iter()
            .map(|lock| match *lock {
                LockProbe::Taken(file) => LockProbe::Open(file),
                lock => lock,
            })
            .collect();
        views = read(&locks);
    }
    views
}

fn is_unidentified(view: &LockView) -> bool {
    matches!(&view.state, LockState::Held(holders) if holders.is_empty())
}

pub(super) fn holders(view: &LockView) -> &[u32] {
    match &view.state {
        LockState::Held(holders) => holders,
        LockState::Free | LockState::Mine | LockState::Unknown => &[],
    }
}

/// A record next to one of the locks.
pub struct FoundRecord {
    pub record: Record,
    /// The lock next to it, if that is not the first one.
    pub other_lock: Option<PathBuf>,
}

/// Reads the records next to the locks. `state_dir` belongs to the first lock. A guard keeps its
/// record next to its own first lock, which may be another one if it has fewer locks.
pub fn found_records(
    state_dir: Option<&StateDir>,
    locks: &[LockProbe<'_>],
    is_wanted: impl Fn(&Record) -> bool,
) -> Vec<FoundRecord> {
    let Some(state_dir) = state_dir else { return Vec::new() };
    let first = state_dir.record().map(|record| FoundRecord { record, other_lock: None });
    let others = locks.iter().skip(1).filter_map(|lock| {
        let other_lock = lock.path();
        let record = StateDir::of_lock(&other_lock)?.record()?;
        Some(FoundRecord { record, other_lock: Some(other_lock) })
    });
    first.into_iter().chain(others).filter(|found| is_wanted(&found.record)).collect()
}

pub(super) fn guard_view(found: &FoundRecord, process: Option<ProcessId>) -> GuardView {
    let FoundRecord { record, other_lock } = found;
    GuardView {
        process,
        ticket: (record.ticket < Ticket::MAX).then_some(record.ticket),
        command: record.command.clone(),
        user: record.user.clone(),
        host: record.host.clone(),
        since: record.since,
        other_lock: other_lock.clone(),
    }
}
