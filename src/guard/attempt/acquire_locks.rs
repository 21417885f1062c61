//! Takes the locks, all or none, and writes the record; gives both back to a living guard that has
//! lost them.

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
use crate::sys::file_mutex::RELEASE_PAUSES;
use crate::text::printable;

/// The time that a guard gets to take back a lock that was deleted or replaced (S17).
const RETAKING: Duration = Duration::from_secs(1);

/// The number of tries to write the record while others write theirs.
const MAX_CLAIMS: u32 = 20;

impl Attempt<'_> {
    /// Takes all locks or none. Retries briefly where the holder may be releasing one, and where no
    /// record names a guard: a scan takes a lock for an instant where the kernel's list of locks is
    /// incomplete, and must not be taken for a holder.
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

    /// Returns whether a living guard has lost these locks: their files are new, and it takes them
    /// back as soon as it can.
    pub(super) fn belong_to_a_guard(&self, held: &[HeldLock], snapshot: &Snapshot) -> bool {
        let unseen = || {
            self.lock_set.state_dir().record().is_some_and(|record| {
                self.host.displaced_by(&record, held) == DisplacedOwner::Unseen
            })
        };
        !self.progress.has_given_back && (!snapshot.guards.is_empty() || unseen())
    }

    /// Releases the locks, and waits until the guard that has lost them says by its record that it
    /// has them again – for a second at most.
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

    /// Writes the record: from here on a newer start can ask this one to end.
    pub(super) fn write_record(&self, held: &[HeldLock]) -> Result<RecordState, Error> {
        let Some(mine) = self.record else { return Ok(RecordState::Written) };
        let state_dir = self.lock_set.state_dir();
        let failed = |error: std::io::Error| {
            let path = printable(&state_dir.record_path().to_string_lossy()).into_owned();
            let what = format!("cannot write the record next to the lock ({error}): {path}");
            Error::new(ExitStatus::LockFile, what).with_source(error).with_hint(
                "free some space, remove what is in its place, or choose another folder in \
                 `lock.paths`",
            )
        };
        // Requests are written with the start mutex held, as it is now: one that is left over is
        // from a start that was killed, and names our ticket if the counter has vanished since.
        state_dir.remove_request();
        for _ in 0..MAX_CLAIMS {
            match state_dir.record() {
                Some(record) if record == *mine => return Ok(RecordState::Written),
                // Written since the last scan: the files had vanished, and a guard restores them.
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

    /// Sleeps with the locks held, so that the second scan sees what a supervisor starts again.
    pub(super) fn wait_for_respawn(
        &mut self,
        at: Duration,
        held: &[HeldLock],
    ) -> Result<(), NotStarted> {
        // A guard that contests the record is seen by the scan that follows.
        self.write_record(held)?;
        while self.host.now() < at {
            if let Some(request) =
                self.record.and_then(|record| self.lock_set.state_dir().request_to(record.ticket))
            {
                // Even if the answer cannot be written, this start ends as it was asked to.
                let _ = self.lock_set.state_dir().acknowledge(&request);
                return Err(NotStarted::Superseded);
            }
            self.host.sleep(&BTreeSet::new(), at)?;
        }
        Ok(())
    }
}

/// `Contested`: a living guard has written its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordState {
    Written,
    Contested,
}

/// Requires that every lock file still lies at its path: one that was deleted keeps no other start
/// out.
pub(super) fn require_in_place(held: &[HeldLock]) -> Result<(), NotStarted> {
    if held.iter().all(|held| held.file().is_in_place()) {
        Ok(())
    } else {
        Err(NotStarted::Replaced)
    }
}
