//! Who holds sees to it that it goes on holding: a lock that was taken away is taken back, what has
//! vanished beside it is written again, and what is asked is heard. What comes of that is for
//! whoever is guarded.

use std::time::Duration;

use crate::{
    engine::action::OnLost,
    error::Error,
    guard::held_locks::{HeldLocks, LockGrip},
    state::{
        record::{Record, RecordStage, Request},
        state_dir::StateDir,
    },
    sys::{clock, machine::file_watch::FileWatch},
};

/// How long somebody else may have what was taken from a guard before it is lost: a start has it
/// for moments.
const CONTESTED: Duration = Duration::from_secs(3);

/// How often to try for what somebody else has for a moment, and for what cannot be had for longer.
const NEXT_TRY: Duration = Duration::from_millis(10);
const NEXT_TRY_LATER: Duration = Duration::from_secs(1);

/// Something that happened to what is held.
#[derive(Debug)]
pub enum LockEvent {
    /// A file beside the lock had vanished and could not be written again.
    Unwritten(String),
    /// A lock file was deleted, moved or replaced, and is held again.
    Retaken,
    /// The same, and it cannot be held again for now.
    Unusable(Error),
    /// The same, and somebody else has it.
    Lost(OnLost),
}

/// Who wants to know, with what lies beside the lock now.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&StateDir, LockEvent);

/// Whether what is held may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepOutcome {
    /// It may.
    Still,
    /// Somebody else has it since just now, and `on_lost` says to stop.
    Lost,
}

/// How the locks were found last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HoldState {
    Firm,
    /// Somebody else has one.
    Contested {
        since: Duration,
    },
    /// Their place cannot be used.
    Unusable,
    /// Somebody else has one for good, and `on_lost` was applied.
    Lost,
}

/// What is held, and what is said about it.
#[derive(Debug)]
pub(crate) struct LockKeeper {
    /// The files beside the lock are watched.
    pub(crate) watch: FileWatch,
    /// What is held, and what lies beside it.
    pub(crate) holding: HeldLocks,
    /// What the guard says about itself.
    pub(crate) record: Record,
    on_lost: OnLost,
    hold: HoldState,
}

impl LockKeeper {
    /// All of it is held firmly.
    pub(crate) fn new(
        watch: FileWatch,
        holding: HeldLocks,
        record: Record,
        on_lost: OnLost,
    ) -> LockKeeper {
        LockKeeper { watch, holding, record, on_lost, hold: HoldState::Firm }
    }

    /// When to look again without being told; `None`: all is well.
    pub(crate) fn next_try(&self) -> Option<Duration> {
        let pause = match self.hold {
            HoldState::Firm => return None,
            HoldState::Contested { .. } => NEXT_TRY,
            HoldState::Unusable | HoldState::Lost => NEXT_TRY_LATER,
        };
        Some(clock::patience().saturating_add(pause))
    }

    /// Sees to it that what lies in the place of the locks is held; where somebody else has it,
    /// `on_lost` says what comes.
    pub(crate) fn keep_hold(&mut self, tell: Tell<'_>) -> KeepOutcome {
        match self.holding.check() {
            LockGrip::Intact if self.hold == HoldState::Firm => KeepOutcome::Still,
            LockGrip::Intact | LockGrip::Retaken => {
                self.hold = HoldState::Firm;
                self.watch.changes_in(&self.holding.folders());
                self.record.locks = self.holding.ids();
                self.write_record(tell);
                tell(self.holding.beside(), LockEvent::Retaken);
                KeepOutcome::Still
            }
            LockGrip::Failed(error) => {
                if std::mem::replace(&mut self.hold, HoldState::Unusable) != HoldState::Unusable {
                    tell(self.holding.beside(), LockEvent::Unusable(error));
                }
                KeepOutcome::Still
            }
            LockGrip::Contested => self.contest(tell),
        }
    }

    fn contest(&mut self, tell: Tell<'_>) -> KeepOutcome {
        let now = clock::patience();
        let since = match self.hold {
            HoldState::Lost => return KeepOutcome::Still,
            HoldState::Contested { since } => since,
            HoldState::Firm | HoldState::Unusable => now,
        };
        // A start that would begin beside this guard sees it, and gives the lock back; one that has
        // written its record did not.
        let another = self
            .holding
            .beside()
            .record()
            .is_some_and(|record| record.whereabouts != self.record.whereabouts);
        self.hold = HoldState::Contested { since };
        if !another && now.saturating_sub(since) < CONTESTED {
            return KeepOutcome::Still;
        }
        self.hold = HoldState::Lost;
        tell(self.holding.beside(), LockEvent::Lost(self.on_lost));
        match self.on_lost {
            OnLost::Warn => KeepOutcome::Still,
            OnLost::Stop => KeepOutcome::Lost,
        }
    }

    /// What is asked of this guard and was not answered yet.
    pub(crate) fn request(&self) -> Option<Request> {
        let beside = self.holding.beside();
        beside.request_to(self.record.ticket).filter(|request| !beside.is_acknowledged(&request.id))
    }

    /// The record and the counter, where they have vanished.
    pub(crate) fn put_back(&mut self, tell: Tell<'_>) {
        let ticket = self.record.ticket;
        let beside = self.holding.beside();
        let (record, counter) = (beside.record(), beside.counter());
        match record {
            // Of two that write theirs at the same moment one is told: who has the newer lies there
            // then.
            None if !beside.has_record() => {
                if let Err(error) = beside.claim_record(&self.record) {
                    self.unwritten(tell, format!("the record cannot be written: {error}"));
                }
            }
            None => self.write_own_record(tell),
            // Where somebody else has the lock, its record is true.
            Some(record) if record.ticket < ticket && self.hold == HoldState::Firm => {
                self.write_record(tell);
            }
            Some(_) if counter.is_some() => return,
            Some(_) => {}
        }
        if let Err(error) = self.holding.beside().restore_counter(ticket) {
            self.unwritten(tell, error.to_string());
        }
    }

    /// Says how far this guard is.
    pub(crate) fn stage(&mut self, stage: RecordStage, tell: Tell<'_>) {
        self.record.stage(stage);
        self.write_own_record(tell);
    }

    /// Unless somebody else has the lock: then that one's record is true.
    fn write_own_record(&mut self, tell: Tell<'_>) {
        match self.hold {
            HoldState::Firm | HoldState::Unusable => self.write_record(tell),
            HoldState::Contested { .. } | HoldState::Lost => {}
        }
    }

    fn write_record(&mut self, tell: Tell<'_>) {
        if let Err(error) = self.holding.beside().write_record(&self.record) {
            self.unwritten(tell, format!("the record cannot be written: {error}"));
        }
    }

    fn unwritten(&mut self, tell: Tell<'_>, why: String) {
        // What was taken away meanwhile is told of by itself, and then written again.
        if self.holding.is_in_place() {
            tell(self.holding.beside(), LockEvent::Unwritten(why));
        }
    }
}
