//! The start mutex: one start at a time, in order of arrival.
//!
//! Each lock has a start mutex, and a start takes those of all its locks, so starts with a lock in
//! common take turns. They are taken in the order of the locks, so that two starts never deadlock.

use std::cell::Cell;
use std::time::Duration;

use crate::engine::action::OnConflict;
use crate::engine::decide::decide;
use crate::engine::fact::Truth;
use crate::engine::plan::Plan;
use crate::engine::policy::Policy;
use crate::engine::reason::{RefusalKind, Verdict};
use crate::engine::ticket::Ticket;
use crate::guard::attempt::Attempt;
use crate::guard::lock_set::LockSet;
use crate::guard::not_started::{NotStarted, StartRefusal};
use crate::guard::start_event::StartEvent;
use crate::scan::scan_request::StartState;
use crate::state::record::RecordStage;
use crate::sys::file_mutex::{FileMutex, WaitDecision, WaitEnd};
use crate::sys::machine::process_handle::ProcessHandle;
use crate::sys::ticker::Ticker;
use crate::terminate::process_control::StartHost;

/// The start mutexes of all locks.
pub(super) struct StartMutex(Vec<FileMutex>);

impl StartMutex {
    fn is_in_place(&self) -> bool {
        self.0.iter().all(FileMutex::is_in_place)
    }
}

pub(super) enum MutexOutcome {
    Held(StartMutex),
    /// A guard is running, which alone determines the decision.
    DecidedByGuard(Box<Plan>),
}

/// The verdicts for which the running guard alone is sufficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FinalVerdicts {
    /// A refusal, which holds no matter what else the scan would find.
    Refuse,
    /// Also a wait, because the rest of the machine has already been scanned.
    RefuseOrWait,
}

struct MutexRequest<'a> {
    policy: &'a Policy,
    ticket: Option<Ticket>,
    verdicts: FinalVerdicts,
    state: StartState,
}

struct GuardDecision {
    plan: Plan,
    handle: Option<ProcessHandle>,
}

impl Attempt<'_> {
    /// Waits for the start mutex. Most queued starts need no full scan: a guard that is running
    /// when their turn comes determines the decision.
    pub(super) fn take_start_mutex(
        &mut self,
        until: Option<Duration>,
        verdicts: FinalVerdicts,
    ) -> Result<MutexOutcome, NotStarted> {
        let (mut ticker, has_queued) = (None, Cell::new(false));
        let (decided, seen) = (Cell::new(None), Cell::new(None));
        let request = MutexRequest {
            policy: self.policy,
            ticket: self.record.map(|record| record.ticket),
            verdicts,
            state: self.state(),
        };
        let mut decide_wait = |now| {
            has_queued.set(true);
            let ticker = ticker.get_or_insert_with(|| {
                self.observer.on_event(&StartEvent::Queued);
                Ticker::begin(self.observer.interval(), now)
            });
            if ticker.is_due(now) {
                self.observer.on_event(&StartEvent::Reminder);
            }
            let decision = decided_by_guard(self.host, self.lock_set, &request, &seen);
            let gives_up = decision.is_some();
            decided.set(decision);
            if gives_up { WaitDecision::GiveUp } else { WaitDecision::WaitUntil(ticker.next()) }
        };
        let mut held = StartMutex(Vec::new());
        let GuardDecision { plan, handle } = loop {
            if !held.is_in_place() {
                if !self.lock_set.is_in_place() {
                    return Err(NotStarted::Replaced);
                }
                // A deleted mutex file excludes no other start.
                held.0.clear();
            }
            let Some(next) = self.lock_set.state_dirs().nth(held.0.len()) else {
                // An earlier start may be running. This check is cheaper than a scan.
                let may_be_guarded = verdicts == FinalVerdicts::RefuseOrWait || has_queued.get();
                match may_be_guarded
                    .then(|| decided_by_guard(self.host, self.lock_set, &request, &seen))
                    .flatten()
                {
                    Some(decided) => break decided,
                    None => return Ok(MutexOutcome::Held(held)),
                }
            };
            match self.host.wait_for_mutex(next.start_mutex()?, until, &mut decide_wait)? {
                WaitEnd::Locked(mutex) => held.0.push(mutex),
                WaitEnd::GaveUp => {
                    if let Some(decided) = decided.take() {
                        break decided;
                    }
                }
                WaitEnd::Signal(signal) => return Err(NotStarted::Interrupted(signal)),
                WaitEnd::TimedOut => return Err(NotStarted::Refused(StartRefusal::Queued)),
            }
        };
        // If a wait follows, it is for this guard.
        if let Some(handle) = handle {
            self.host.watch_process(handle);
        }
        Ok(MutexOutcome::DecidedByGuard(Box::new(plan)))
    }
}

/// Decides based on the running guard alone, if the kernel confirms its record and it prevents this
/// start. Examines each guard once. Otherwise, the full scan under the mutex decides.
fn decided_by_guard(
    host: &dyn StartHost,
    lock_set: &LockSet,
    request: &MutexRequest<'_>,
    seen: &Cell<Option<Ticket>>,
) -> Option<GuardDecision> {
    let record =
        lock_set.state_dir().record().filter(|record| record.stage == RecordStage::Running)?;
    if seen.replace(Some(record.ticket)) == Some(record.ticket) {
        return None;
    }
    let is_newer = request.ticket.is_some_and(|mine| mine < record.ticket);
    let is_left_alone = matches!(request.policy.on_conflict, OnConflict::Refuse | OnConflict::Wait);
    if !(is_newer || is_left_alone) {
        return None;
    }
    let (snapshot, handle) =
        host.snapshot_of_guard(&lock_set.first_lock_path()?, &record, &request.state)?;
    let plan = decide(request.policy, &snapshot);
    // A rule may depend on a token or a connection anywhere in the guard's tree, which only a full
    // scan finds.
    let asks_for_tree = request.policy.rules.iter().any(|rule| rule.when.depend_on_tree());
    let is_complete = !asks_for_tree
        || snapshot.processes.iter().any(|process| process.same_token() == Truth::True);
    let is_final = match plan.verdict() {
        Verdict::Refuse(RefusalKind::Superseded) => true,
        Verdict::Refuse(RefusalKind::Policy) => {
            is_complete && request.policy.on_conflict == OnConflict::Refuse
        }
        // These verdicts depend on more than the guard.
        Verdict::Refuse(RefusalKind::Permission | RefusalKind::TooManyTakeovers)
        | Verdict::Act
        | Verdict::Clear => false,
        Verdict::Wait => is_complete && request.verdicts == FinalVerdicts::RefuseOrWait,
    };
    is_final.then_some(GuardDecision { plan, handle })
}
