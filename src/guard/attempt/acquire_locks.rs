//! Takes the locks, all or none, and writes the record. Returns both to a living guard that lost
//! them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::snapshot::Snapshot;
use crate::error::{Error, ExitStatus};
use crate::guard::attempt::Attempt;
use crate::guard::lock_set::LockHandles;
use crate::guard::not_started::NotStarted;
use crate::scan::lock_views::DisplacedOwner;
use crate::state::lock_file::{HeldLock, LockFile};
use crate::state::record::Record;
use crate::state::state_dir::MAKE_ROOM;
use crate::sys::file_mutex::RELEASE_PAUSES;
use crate::text::printable;

/// The time for a guard to retake a lock that was deleted or replaced (S17).
const RETAKING: Duration = Duration::from_secs(1);

/// The number of attempts to write the record while other starts write theirs.
const MAX_CLAIMS: u32 = 20;

impl Attempt<'_> {
    /// Takes all locks or none. Retries briefly if the holder may be releasing one, or if no record
    /// names a guard: if the kernel's list is incomplete, scans hold locks for an instant.
    pub(super) fn take_locks(&mut self, mut locks: LockHandles) -> Result<LockHandles, NotStarted> {
        let guarded = self.lock_set.state_dir().record().is_some();
        let pauses: &[Duration] =
            if self.progress.may_release_soon || !guarded { &RELEASE_PAUSES } else { &[] };
        for pause in [Duration::ZERO].iter().chain(pauses) {
            let files = match locks {
                LockHandles::Held(_) => return Ok(locks),
                LockHandles::Open(files, _) => files,
            };
            if !pause.is_zero() {
                self.host.sleep(&BTreeSet::new(), self.host.now().saturating_add(*pause))?;
            }
            locks = LockHandles::try_all(files)?;
        }
        Ok(locks)
    }

    /// Returns whether a living guard has lost these locks, because their files were replaced, and
    /// will retake them.
    pub(super) fn belong_to_a_guard(&self, held: &[HeldLock], snapshot: &Snapshot) -> bool {
        let unseen = || {
            self.lock_set.state_dir().record().is_some_and(|record| {
                self.host.displaced_by(&record, held) == DisplacedOwner::Unseen
            })
        };
        !self.progress.has_given_back && (!snapshot.guards.is_empty() || unseen())
    }

    /// Releases the locks and waits up to a second for the record of the guard that lost them to
    /// show that it has them again.
    pub(super) fn give_back_to_guard(
        &mut self,
        locks: LockHandles,
    ) -> Result<LockHandles, NotStarted> {
        self.progress.has_given_back = true;
        let files = locks.release()?;
        let until = self.host.now().saturating_add(RETAKING);
        let retaken = |record: Record| {
            files.iter().filter_map(LockFile::known_id).all(|id| record.locks.contains(&id))
        };
        while self.host.now() < until && !self.lock_set.state_dir().record().is_some_and(retaken) {
            self.host.sleep(&BTreeSet::new(), until)?;
        }
        Ok(LockHandles::Open(files, None))
    }

    /// Writes the record. From then on, newer starts can ask this one to end.
    pub(super) fn write_record(&self, held: &[HeldLock]) -> Result<RecordState, Error> {
        let Some(mine) = self.record else { return Ok(RecordState::Written) };
        let state_dir = self.lock_set.state_dir();
        let failed = |error: std::io::Error| {
            let path = printable(&state_dir.record_path().to_string_lossy()).into_owned();
            let what = format!("cannot write the record next to the lock ({error}): {path}");
            Error::new(ExitStatus::LockFile, what).with_hint(MAKE_ROOM).due_to(error)
        };
        // Requests are written under the start mutex, which this start holds. A leftover is from a
        // killed start, and may contain this ticket if the counter was lost.
        state_dir.remove_request();
        for _ in 0..MAX_CLAIMS {
            match state_dir.record() {
                Some(record) if record == *mine => return Ok(RecordState::Written),
                // Written since the last scan, by a guard that restores lost files.
                Some(record) => match self.host.displaced_by(&record, held) {
                    DisplacedOwner::Guard => return Ok(RecordState::Contested),
                    DisplacedOwner::Unseen if !self.progress.has_given_back => {
                        return Ok(RecordState::Contested);
                    }
                    DisplacedOwner::Unseen | DisplacedOwner::Gone => {
                        state_dir.remove_stale_record();
                    }
                },
                None if state_dir.has_record() => state_dir.remove_stale_record(),
                None => {}
            }
            if state_dir.create_record(mine).map_err(failed)? {
                return Ok(RecordState::Written);
            }
        }
        Err(failed(std::io::Error::other("other starts keep replacing it")))
    }

    /// Waits with the locks held, so that the second scan sees what a supervisor restarts.
    pub(super) fn wait_for_respawn(
        &mut self,
        at: Duration,
        held: &[HeldLock],
    ) -> Result<(), NotStarted> {
        // If a guard contests the record, the next scan sees it.
        self.write_record(held)?;
        while self.host.now() < at {
            if let Some(request) =
                self.record.and_then(|record| self.lock_set.state_dir().request_to(record.ticket))
            {
                // End even if the answer cannot be written.
                let _ = self.lock_set.state_dir().acknowledge(&request);
                return Err(NotStarted::Superseded);
            }
            self.host.sleep(&BTreeSet::new(), at)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordState {
    Written,
    /// A living guard has written its own record.
    Contested,
}

/// Requires that every lock file is still at its path. A deleted file excludes no other start.
pub(super) fn require_in_place(held: &[HeldLock]) -> Result<(), NotStarted> {
    if held.iter().all(|held| held.file().is_in_place()) {
        Ok(())
    } else {
        Err(NotStarted::Replaced)
    }
}
