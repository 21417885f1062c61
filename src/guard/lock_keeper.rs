//! Who holds sees to it that it goes on holding: a lock that was taken away is taken back, what has
//! vanished beside it is written again, and what is asked is heard. What comes of that is for
//! whoever is guarded.

use std::time::Duration;

use crate::{
    engine::action::OnLost,
    error::Error,
    guard::held_locks::{Grip, Holding},
    state::{
        record::{Record, Request, Stage},
        state_dir::Beside,
    },
    sys::{clock, machine::file_watch::Watch},
};

/// How long somebody else may have what was taken from a guard before it is lost: a start has it
/// for moments.
const CONTESTED: Duration = Duration::from_secs(3);

/// How often to try for what somebody else has for a moment, and for what cannot be had for longer.
const NEXT_TRY: Duration = Duration::from_millis(10);
const NEXT_TRY_LATER: Duration = Duration::from_secs(1);

/// Something that happened to what is held.
#[derive(Debug)]
pub enum Trouble {
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
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&Beside, Trouble);

/// Whether what is held may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It may.
    Still,
    /// Somebody else has it since just now, and `on_lost` says to stop.
    Lost,
}

/// How the locks were found last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
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
pub(crate) struct Keeper {
    /// The files beside the lock are watched.
    pub(crate) watch: Watch,
    /// What is held, and what lies beside it.
    pub(crate) holding: Holding,
    /// What the guard says about itself.
    pub(crate) record: Record,
    on_lost: OnLost,
    hold: Hold,
}

impl Keeper {
    /// All of it is held firmly.
    pub(crate) fn new(watch: Watch, holding: Holding, record: Record, on_lost: OnLost) -> Keeper {
        Keeper { watch, holding, record, on_lost, hold: Hold::Firm }
    }

    /// When to look again without being told; `None`: all is well.
    pub(crate) fn next_try(&self) -> Option<Duration> {
        let pause = match self.hold {
            Hold::Firm => return None,
            Hold::Contested { .. } => NEXT_TRY,
            Hold::Unusable | Hold::Lost => NEXT_TRY_LATER,
        };
        Some(clock::patience().saturating_add(pause))
    }

    /// Sees to it that what lies in the place of the locks is held; where somebody else has it,
    /// `on_lost` says what comes.
    pub(crate) fn keep_hold(&mut self, tell: Tell<'_>) -> Kept {
        match self.holding.check() {
            Grip::Intact if self.hold == Hold::Firm => Kept::Still,
            Grip::Intact | Grip::Retaken => {
                self.hold = Hold::Firm;
                self.watch.changes_in(&self.holding.folders());
                self.record.locks = self.holding.ids();
                self.write_record(tell);
                tell(self.holding.beside(), Trouble::Retaken);
                Kept::Still
            }
            Grip::Failed(error) => {
                if std::mem::replace(&mut self.hold, Hold::Unusable) != Hold::Unusable {
                    tell(self.holding.beside(), Trouble::Unusable(error));
                }
                Kept::Still
            }
            Grip::Contested => self.contest(tell),
        }
    }

    fn contest(&mut self, tell: Tell<'_>) -> Kept {
        let now = clock::patience();
        let since = match self.hold {
            Hold::Lost => return Kept::Still,
            Hold::Contested { since } => since,
            Hold::Firm | Hold::Unusable => now,
        };
        // A start that would begin beside this guard sees it, and gives the lock back; one that has
        // written its record did not.
        let another = self
            .holding
            .beside()
            .record()
            .is_some_and(|record| record.whereabouts != self.record.whereabouts);
        self.hold = Hold::Contested { since };
        if !another && now.saturating_sub(since) < CONTESTED {
            return Kept::Still;
        }
        self.hold = Hold::Lost;
        tell(self.holding.beside(), Trouble::Lost(self.on_lost));
        match self.on_lost {
            OnLost::Warn => Kept::Still,
            OnLost::Stop => Kept::Lost,
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
            Some(record) if record.ticket < ticket && self.hold == Hold::Firm => {
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
    pub(crate) fn stage(&mut self, stage: Stage, tell: Tell<'_>) {
        self.record.stage(stage);
        self.write_own_record(tell);
    }

    /// Unless somebody else has the lock: then that one's record is true.
    fn write_own_record(&mut self, tell: Tell<'_>) {
        match self.hold {
            Hold::Firm | Hold::Unusable => self.write_record(tell),
            Hold::Contested { .. } | Hold::Lost => {}
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
            tell(self.holding.beside(), Trouble::Unwritten(why));
        }
    }
}
