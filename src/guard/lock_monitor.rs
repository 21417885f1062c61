//! Monitors the locks of a guard: retakes replaced locks, restores missing files next to them, and
//! reads requests to end.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::action::OnLost;
use crate::error::Error;
use crate::guard::held_locks::{HeldLocks, LockFileCheck};
use crate::guard::history_writer::HistoryWriter;
use crate::state::end_request::Request;
use crate::state::history_event::HistoryEventKind;
use crate::state::record::{Record, RecordStage};
use crate::sys::machine::file_watch::FileWatch;

/// The time another process may hold the lock before it counts as lost, because starts hold it
/// briefly.
const CONTESTED: Duration = Duration::from_secs(3);

/// The pauses between attempts to retake a lock: while another start may hold it briefly, and
/// later.
const NEXT_TRY: Duration = Duration::from_millis(10);
const NEXT_TRY_LATER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub enum LockEvent {
    /// A missing file next to the lock could not be restored.
    Unwritten(String),
    Retaken,
    /// A lock file was deleted, moved or replaced, and cannot be locked again for now.
    Unusable(Error),
    /// A lock file was replaced, and another guard holds the new one.
    Lost(OnLost),
}

impl LockEvent {
    fn for_history(&self) -> Option<&'static str> {
        match self {
            LockEvent::Retaken => Some("its file was deleted, moved or replaced; acquired again"),
            LockEvent::Lost(OnLost::Stop) => Some("another guard holds it; this bot is ended"),
            LockEvent::Lost(OnLost::Warn) => Some("another guard holds it; this bot keeps running"),
            LockEvent::Unwritten(_) | LockEvent::Unusable(_) => None,
        }
    }
}

pub type OnLockEvent<'a> = &'a mut dyn FnMut(LockEvent);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockCheckOutcome {
    Held,
    /// Another guard holds a lock, and `on_lost` says stop.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HoldState {
    Held,
    Contested {
        since: Duration,
    },
    Unusable,
    /// Another guard holds a lock permanently, and `on_lost` was applied.
    Lost,
}

/// The end of a guard, for its history.
pub struct GuardEnd {
    pub why: String,
    /// The pid of the start or stop that asked for it.
    pub asked_by: Option<u32>,
    /// The number of processes that the guard killed with SIGKILL.
    pub killed: u32,
}

/// The locks of a guard, its record, and the requests to it.
pub struct LockMonitor {
    pub watch: FileWatch,
    pub locks: HeldLocks,
    pub record: Record,
    pub(super) history: HistoryWriter,
    on_lost: OnLost,
    hold: HoldState,
}

impl LockMonitor {
    pub fn new(watch: FileWatch, locks: HeldLocks, record: Record, on_lost: OnLost) -> LockMonitor {
        let history = HistoryWriter::new(record.holder.clone(), record.ticket);
        LockMonitor { watch, locks, record, history, on_lost, hold: HoldState::Held }
    }

    /// Returns the time of the next check without a file event; `None` while the locks are held.
    pub fn next_check(&self, now: Duration) -> Option<Duration> {
        let pause = match self.hold {
            HoldState::Held => return None,
            HoldState::Contested { .. } => NEXT_TRY,
            HoldState::Unusable | HoldState::Lost => NEXT_TRY_LATER,
        };
        Some(now.saturating_add(pause))
    }

    /// Checks at `now`, on the monotonic clock, that the lock files are still at their paths, and
    /// retakes the others. If another guard has them, applies `on_lost`.
    pub fn check_locks(&mut self, now: Duration, on_event: OnLockEvent<'_>) -> LockCheckOutcome {
        match self.locks.check() {
            LockFileCheck::InPlace if self.hold == HoldState::Held => LockCheckOutcome::Held,
            LockFileCheck::InPlace | LockFileCheck::Retaken => {
                self.hold = HoldState::Held;
                self.watch.watch_changes(&self.locks.lock_set.folders());
                self.record.locks = self.locks.ids();
                self.write_record(on_event);
                self.report(LockEvent::Retaken, on_event);
                LockCheckOutcome::Held
            }
            LockFileCheck::Failed(error) => {
                if std::mem::replace(&mut self.hold, HoldState::Unusable) != HoldState::Unusable {
                    self.report(LockEvent::Unusable(error), on_event);
                }
                LockCheckOutcome::Held
            }
            LockFileCheck::Contested => self.contest(now, on_event),
        }
    }

    fn contest(&mut self, now: Duration, on_event: OnLockEvent<'_>) -> LockCheckOutcome {
        let since = match self.hold {
            HoldState::Lost => return LockCheckOutcome::Held,
            HoldState::Contested { since } => since,
            HoldState::Held | HoldState::Unusable => now,
        };
        // A start that notices this guard gives the lock back. If the record names another guard,
        // that start did not notice this one.
        let is_anothers = self
            .locks
            .state_dir()
            .record()
            .is_some_and(|record| record.holder != self.record.holder);
        self.hold = HoldState::Contested { since };
        if !is_anothers && now.saturating_sub(since) < CONTESTED {
            return LockCheckOutcome::Held;
        }
        self.hold = HoldState::Lost;
        self.report(LockEvent::Lost(self.on_lost), on_event);
        match self.on_lost {
            OnLost::Warn => LockCheckOutcome::Held,
            OnLost::Stop => LockCheckOutcome::Lost,
        }
    }

    /// Returns the unanswered request to this guard.
    pub fn request(&self) -> Option<Request> {
        let state_dir = self.locks.state_dir();
        state_dir
            .request_to(self.record.ticket)
            .filter(|request| !state_dir.is_acknowledged(&request.id))
    }

    /// Answers a request. Returns `false` if the answer could not be written.
    pub fn acknowledge(&self, request: &Request) -> bool {
        self.locks.state_dir().acknowledge(request).is_ok()
    }

    /// Restores the record and the counter if they are missing.
    pub fn restore_files(&mut self, on_event: OnLockEvent<'_>) {
        let ticket = self.record.ticket;
        let state_dir = self.locks.state_dir();
        let (record, counter) = (state_dir.record(), state_dir.counter());
        match record {
            // If two guards write at the same time, only the first succeeds.
            None if !state_dir.has_record() => {
                if let Err(error) = state_dir.create_record(&self.record) {
                    self.report_unwritten(format!("cannot write the record: {error}"), on_event);
                }
            }
            None => self.write_own_record(on_event),
            // If another guard holds the lock, its record is correct.
            Some(record) if record.ticket < ticket && self.hold == HoldState::Held => {
                self.write_record(on_event);
            }
            Some(_) if counter.is_some() => return,
            Some(_) => {}
        }
        if let Err(error) = self.locks.state_dir().restore_counter(ticket) {
            self.report_unwritten(error.to_string(), on_event);
        }
    }

    pub fn set_stage(&mut self, stage: RecordStage, on_event: OnLockEvent<'_>) {
        self.record.stage = stage;
        self.write_own_record(on_event);
    }

    /// Removes the record, which tells a requester that the tree has ended.
    pub fn remove_record(&self) {
        self.locks.state_dir().remove_record(self.record.ticket);
    }

    /// Releases the locks and records the end of the guard. Returns the watch, because closing it
    /// takes several milliseconds, for which other starts should not wait.
    pub fn release(self, end: GuardEnd) -> FileWatch {
        let LockMonitor { watch, locks, history, .. } = self;
        let state_dir = Arc::clone(locks.state_dir());
        let GuardEnd { why, asked_by, killed } = end;
        let left = [history.event(HistoryEventKind::Stop { why, asked_by, killed })];
        if killed > 0 {
            // A `stop` that sees the lock free reads this, and reports that SIGKILL was needed.
            history.write(&state_dir, &left);
            drop(locks);
        } else {
            drop(locks);
            history.write(&state_dir, &left);
        }
        watch
    }

    fn write_own_record(&mut self, on_event: OnLockEvent<'_>) {
        match self.hold {
            HoldState::Held | HoldState::Unusable => self.write_record(on_event),
            HoldState::Contested { .. } | HoldState::Lost => {}
        }
    }

    fn write_record(&mut self, on_event: OnLockEvent<'_>) {
        if let Err(error) = self.locks.state_dir().write_record(&self.record) {
            self.report_unwritten(format!("cannot write the record: {error}"), on_event);
        }
    }

    fn report_unwritten(&mut self, why: String, on_event: OnLockEvent<'_>) {
        // A removed folder is reported elsewhere, and its files are restored later.
        if self.locks.is_in_place() {
            self.report(LockEvent::Unwritten(why), on_event);
        }
    }

    fn report(&self, event: LockEvent, on_event: OnLockEvent<'_>) {
        if let Some(why) = event.for_history() {
            self.history.lost(self.locks.state_dir(), why);
        }
        on_event(event);
    }
}
