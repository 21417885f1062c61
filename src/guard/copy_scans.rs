//! The scans after a start for second copies of the bot: those that ran before (`second_copy.rs`),
//! and those that begin later (`later_copy.rs`).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::debug;

use crate::engine::process::ProcessId;
use crate::engine::respawn::EarlierRounds;
use crate::engine::ticket::Ticket;
use crate::guard::follow_up_event::{FollowUpEvent, Reporter};
use crate::guard::later_copy::LaterCopySearch;
use crate::guard::second_copy::{CopyAlarm, CopyCertainty, CopySearch};
use crate::guard::start_request::StartRequest;
use crate::sys::clock;
use crate::sys::machine::{memory, signals};

/// The times of the scans, after the start.
pub(super) const TIMES: [Duration; 6] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(2),
];

/// The scans for second copies. Each has a thread of its own that lives only for the scan: the
/// child of a killed guard gets the death signal once for every thread of the guard.
pub(crate) struct CopyScans {
    scan: Arc<Mutex<CopyScan>>,
    /// An additional scan, for what the last one saw and could not confirm yet.
    confirm_at: Arc<Mutex<Option<Duration>>>,
    began: Duration,
    done: usize,
}

struct CopyScan {
    copies: CopySearch,
    later: LaterCopySearch,
    alarm: CopyAlarm,
    ticket: Ticket,
    reporter: Reporter,
}

impl CopyScans {
    /// `None` if there is no COMMAND.
    pub(super) fn new(
        request: &StartRequest,
        rounds: EarlierRounds,
        suspects: BTreeSet<ProcessId>,
        alarm: CopyAlarm,
        ticket: Ticket,
        reporter: Reporter,
    ) -> Option<CopyScans> {
        let token_variables = request.config.token_variables().map(str::to_owned).collect();
        let scan_request = request.scan_request();
        let scan = CopyScan {
            copies: CopySearch::new(scan_request.clone(), token_variables)?,
            later: LaterCopySearch::new(scan_request, rounds, suspects),
            alarm,
            ticket,
            reporter,
        };
        Some(CopyScans {
            scan: Arc::new(Mutex::new(scan)),
            confirm_at: Arc::default(),
            began: clock::monotonic(),
            done: 0,
        })
    }

    /// Returns the time of the next scan.
    pub(crate) fn next(&self) -> Option<Duration> {
        let planned = TIMES.get(self.done).map(|time| self.began.saturating_add(*time));
        planned.into_iter().chain(*lock(&self.confirm_at)).min()
    }

    /// Begins the next scan if it is due.
    pub(crate) fn begin_if_due(&mut self) {
        let now = clock::monotonic();
        if self.next().is_none_or(|next| now < next) {
            return;
        }
        let is_planned = |time: &&Duration| self.began.saturating_add(**time) <= now;
        self.done = TIMES.iter().take_while(is_planned).count();
        *lock(&self.confirm_at) = None;
        let (scan, confirm_at) = (Arc::clone(&self.scan), Arc::clone(&self.confirm_at));
        let run = move || {
            if let Some(time) = lock(&scan).run() {
                *lock(&confirm_at) = Some(time);
                signals::wake_guard();
            }
            memory::release_unused();
        };
        if let Err(error) = thread::Builder::new().name("copies".to_owned()).spawn(run) {
            debug!("cannot look for a second copy: no thread ({error})");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CopyScan {
    /// Reports second copies. If one that ran before is certain, the guard ends its tree. Returns
    /// when a process must be seen again to count.
    fn run(&mut self) -> Option<Duration> {
        let copies = self.copies.find(self.ticket);
        for copy in &copies {
            self.reporter.alert(&FollowUpEvent::SecondCopy(copy));
        }
        if copies.iter().any(|copy| copy.certainty == CopyCertainty::Certain) {
            self.alarm.raise();
            return None;
        }
        let later = self.later.find(self.ticket);
        for conflict in &later.confirmed {
            self.reporter.alert(&FollowUpEvent::LaterCopy(conflict));
        }
        later.confirm_at
    }
}
