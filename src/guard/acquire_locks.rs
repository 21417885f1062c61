//! Claiming the instance: all locks or none, the record beside them, and both given back where a
//! guard that lives has lost them.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    engine::snapshot::Snapshot,
    error::{Error, ExitStatus},
    guard::{
        lock_set::LockHandles,
        start::{NotStarted, Start},
    },
    scan::lock_probe::DisplacedOwner,
    state::{
        lock::{HeldLock, LockFile},
        record::Record,
    },
    sys::{clock, file_mutex::AFTER_A_CLOSE},
    terminate::process_control::ProcessControl,
    text::printable,
};

/// How long a guard whose lock was deleted or replaced is given to take it back (S17).
const RETAKING: Duration = Duration::from_secs(1);

/// How often to write a record while others write theirs.
const MOST_CLAIMS: u32 = 20;

impl Start<'_> {
    /// All locks or none; one that its holder is just letting go is tried again for a moment. So is
    /// one that no guard says it has: where not every lock is listed, a look takes it for an
    /// instant, and whoever looks must not be taken for a holder.
    pub(super) fn take(&mut self, locks: LockHandles) -> Result<LockHandles, NotStarted> {
        let guarded = self.place.beside().record().is_some();
        let pauses: &[Duration] =
            if self.course.letting_go || !guarded { &AFTER_A_CLOSE } else { &[] };
        let mut locks = locks;
        for pause in [Duration::ZERO].iter().chain(pauses) {
            let files = match locks {
                LockHandles::Held(_) => return Ok(locks),
                LockHandles::Open(files, _) => files,
            };
            if !pause.is_zero() {
                self.machine.sleep(&BTreeSet::new(), clock::patience().saturating_add(*pause))?;
            }
            locks = LockHandles::try_all(files)?;
        }
        Ok(locks)
    }

    /// Whether a guard that lives has lost to us what we hold: the files are new, and it takes them
    /// back at once if it is let.
    pub(super) fn are_anothers(&self, held: &[HeldLock], snapshot: &Snapshot) -> bool {
        let unseen = || {
            self.place.beside().record().is_some_and(|record| {
                self.machine.displaced_by(&record, held) == DisplacedOwner::Unseen
            })
        };
        !self.course.gave_back && (!snapshot.guards.is_empty() || unseen())
    }

    /// Gives the locks back, and one second for a guard that has lost them to take them. It says so
    /// by its record.
    pub(super) fn let_it_be_retaken(
        &mut self,
        locks: LockHandles,
    ) -> Result<LockHandles, NotStarted> {
        self.course.gave_back = true;
        let files = locks.release()?;
        let until = clock::patience().saturating_add(RETAKING);
        let retaken = |record: Record| {
            files.iter().filter_map(LockFile::known_id).all(|id| record.locks.contains(&id))
        };
        while clock::patience() < until && !self.place.beside().record().is_some_and(retaken) {
            self.machine.sleep(&BTreeSet::new(), until)?;
        }
        Ok(LockHandles::Open(files, None))
    }

    /// From here on a newer start can ask this one.
    pub(super) fn announce(&self, held: &[HeldLock]) -> Result<RecordState, Error> {
        let Some(mine) = self.record else { return Ok(RecordState::Here) };
        let beside = self.place.beside();
        let failed = |error: std::io::Error| {
            let path = printable(&beside.record_path().to_string_lossy()).into_owned();
            Error::new(ExitStatus::LockFile, format!("the record cannot be written beside the lock ({error}): {path}"))
                .with_source(error)
                .with_hint("remove what is in its place, free some space, or name another folder in `lock.paths`")
        };
        // Who asks is behind the turnstile, as this start is: a question that lies here is from one
        // that was killed. Should the counter have vanished since, its ticket may be ours.
        beside.remove_request();
        for _ in 0..MOST_CLAIMS {
            match beside.record() {
                Some(record) if record == *mine => return Ok(RecordState::Here),
                // It came between the last look and now: all of it has vanished, and a guard just
                // puts it back.
                Some(record) => match self.machine.displaced_by(&record, held) {
                    DisplacedOwner::Guard => return Ok(RecordState::Contested),
                    DisplacedOwner::Unseen if !self.course.gave_back => {
                        return Ok(RecordState::Contested);
                    }
                    DisplacedOwner::Unseen | DisplacedOwner::Nobody => beside.discard_record(),
                },
                None if beside.has_record() => beside.discard_record(),
                None => {}
            }
            if beside.claim_record(mine).map_err(failed)? {
                return Ok(RecordState::Here);
            }
        }
        Err(failed(std::io::Error::other("others write theirs all the time")))
    }

    /// Sleeps while the lock is held, so that what something starts again is seen by the second
    /// look.
    pub(super) fn watch_for_a_respawn(
        &mut self,
        at: Duration,
        held: &[HeldLock],
    ) -> Result<(), NotStarted> {
        // Whoever contests it is seen by the look that follows.
        self.announce(held)?;
        while clock::patience() < at {
            if let Some(request) =
                self.record.and_then(|record| self.place.beside().request_to(record.ticket))
            {
                // Heard or not: this start ends now, and that is what was asked.
                let _ = self.place.beside().acknowledge(&request);
                return Err(NotStarted::Asked);
            }
            self.machine.sleep(&BTreeSet::new(), at)?;
        }
        Ok(())
    }
}

/// Whether the record is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordState {
    /// It is.
    Here,
    /// A guard that lives has put its own there.
    Contested,
}

/// A lock on a file that lies nowhere any more keeps nobody out.
pub(super) fn insist_on_the_place(held: &[HeldLock]) -> Result<(), NotStarted> {
    if held.iter().all(|held| held.file().is_in_place()) {
        Ok(())
    } else {
        Err(NotStarted::Replaced)
    }
}
