//! Waits for the conflicts that the plan waits for.
//!
//! Starts that wait for the same guard form a queue: the first one watches the guard, and the
//! others wait for the first. The end of the guard thus wakes one start, which wakes the next.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::ladder::WaitLimit;
use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::ProcessId;
use crate::engine::reason::Verdict;
use crate::guard::attempt::Attempt;
use crate::guard::attempt::start_mutex::{FinalVerdicts, MutexOutcome, StartMutex};
use crate::guard::not_started::NotStarted;
use crate::guard::start_deadlines::deadline;
use crate::guard::start_event::StartEvent;
use crate::state::lock_file::LockFile;
use crate::sys::file_mutex::{FileMutex, WaitDecision, WaitEnd};
use crate::sys::ticker::Ticker;
use crate::sys::wake::SleepEnd;
use crate::terminate::process_control::StartHost;

/// The interval of attempts if the holder may release the lock without closing it.
const RETRY: Duration = Duration::from_secs(1);

/// The interval at which queued starts check the conflicts themselves, because the first one may be
/// stopped (SIGSTOP).
const QUEUE_CHECK: Duration = Duration::from_secs(5);

/// The processes and locks that a plan waits for.
struct WaitTarget<'a> {
    plan: &'a Plan,
    files: &'a [LockFile],
    /// The end of `timeouts.wait`.
    until: Duration,
    living: BTreeSet<ProcessId>,
    has_processes: bool,
    /// A holder that is not a guard may release its lock without closing the file. Nothing wakes
    /// this start then.
    may_release_silently: bool,
}

impl<'a> WaitTarget<'a> {
    fn new(
        plan: &'a Plan,
        files: &'a [LockFile],
        until: Duration,
        host: &dyn StartHost,
    ) -> WaitTarget<'a> {
        let is_no_visible_guard =
            |conflict: &Conflict| conflict.guard.is_none() || conflict.root.is_none();
        let living: BTreeSet<ProcessId> =
            plan.waits().flat_map(Conflict::processes).map(|process| process.id).collect();
        let may_release_silently = plan.waits().any(|conflict| {
            conflict.holds_lock() && (is_no_visible_guard(conflict) || !host.notices_closes())
        });
        let has_processes = !living.is_empty();
        WaitTarget { plan, files, until, living, has_processes, may_release_silently }
    }

    /// Returns whether the processes have ended or the locks are free.
    fn is_gone(&mut self, host: &dyn StartHost) -> bool {
        host.retain_living(&mut self.living);
        self.has_processes && self.living.is_empty()
            || self.may_release_silently && self.files.iter().all(|file| host.is_free(file))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueOutcome {
    /// This start watches the guard itself.
    First,
    /// This start has left the queue and must scan.
    GaveUp,
}

impl Attempt<'_> {
    pub(super) fn wait(
        &mut self,
        mut plan: Plan,
        files: &[LockFile],
    ) -> Result<StartMutex, NotStarted> {
        loop {
            self.wait_for_change(&plan, files)?;
            match self.take_start_mutex(self.progress.until, FinalVerdicts::RefuseOrWait)? {
                MutexOutcome::Held(start_mutex) => {
                    if let Some(preflight) = self.preflight.as_deref_mut() {
                        preflight.ask_again();
                    }
                    return Ok(start_mutex);
                }
                MutexOutcome::DecidedByGuard(next) if next.verdict() == Verdict::Wait => {
                    plan = *next;
                }
                MutexOutcome::DecidedByGuard(next) => return Err(next.into()),
            }
        }
    }

    /// Waits until a conflict of the plan changes, or until `timeouts.wait` is over.
    fn wait_for_change(&mut self, plan: &Plan, files: &[LockFile]) -> Result<(), NotStarted> {
        self.observer.on_event(&StartEvent::Waiting(plan));
        let since = *self.progress.waiting_since.get_or_insert_with(|| self.host.now());
        if self.progress.until.is_none() {
            self.progress.until = plan.deadline().map(|_| deadline(plan, self.host.now()));
        }
        self.progress.may_release_soon = true;
        let until = match self.policy.timeouts.wait {
            WaitLimit::Forever => Duration::MAX,
            WaitLimit::For(wait) => since.saturating_add(wait),
        };
        let mut ticker = *self
            .progress
            .ticker
            .get_or_insert_with(|| Ticker::begin(self.observer.interval(), since));
        let mut target = WaitTarget::new(plan, files, until, self.host);
        match self.become_first(&mut target, &mut ticker)? {
            QueueOutcome::First => self.watch(&mut target, &mut ticker)?,
            QueueOutcome::GaveUp => {}
        }
        self.progress.ticker = Some(ticker);
        Ok(())
    }

    /// Waits in the queue of the starts that wait for the same guard.
    fn become_first(
        &mut self,
        target: &mut WaitTarget<'_>,
        ticker: &mut Ticker,
    ) -> Result<QueueOutcome, NotStarted> {
        let first = self.progress.queue.take().filter(FileMutex::is_in_place);
        if target.plan.waits().any(|conflict| conflict.guard.is_none()) {
            // Leave the queue, because starts behind this one may wait for another conflict.
            return Ok(QueueOutcome::First);
        }
        if first.is_some() {
            self.progress.queue = first;
            return Ok(QueueOutcome::First);
        }
        // Without a queue, only the order of the starts is lost.
        let Ok(queue) = self.lock_set.state_dir().queue() else { return Ok(QueueOutcome::First) };
        let mut round = Ticker::begin(QUEUE_CHECK, self.host.now());
        let mut last_guard =
            target.plan.waits().find_map(|conflict| conflict.guard.as_ref()?.ticket);
        let until = Some(target.until);
        let mut decide_wait = |now| {
            if ticker.is_due(now) {
                self.observer.on_event(&StartEvent::Reminder);
            }
            let mut is_moving = || {
                let guard = self.lock_set.state_dir().record().map(|record| record.ticket);
                std::mem::replace(&mut last_guard, guard) != guard
            };
            let is_stuck = round.is_due(now) && target.is_gone(self.host) && !is_moving();
            if is_stuck {
                WaitDecision::GiveUp
            } else {
                WaitDecision::WaitUntil(ticker.next().min(round.next()))
            }
        };
        match self.host.wait_for_mutex(queue, until, &mut decide_wait)? {
            WaitEnd::Locked(first) => {
                self.progress.queue = Some(first);
                Ok(QueueOutcome::First)
            }
            WaitEnd::TimedOut | WaitEnd::GaveUp => Ok(QueueOutcome::GaveUp),
            WaitEnd::Signal(signal) => Err(NotStarted::Interrupted(signal)),
        }
    }

    fn watch(
        &mut self,
        target: &mut WaitTarget<'_>,
        ticker: &mut Ticker,
    ) -> Result<(), NotStarted> {
        // A living holder that released its lock before this watch began wakes no sleep.
        let will_wake = self.host.watch_locks(target.files, &target.living);
        if !will_wake
            && !target.may_release_silently
            && target.plan.waits().any(Conflict::holds_lock)
        {
            return Ok(());
        }
        loop {
            let now = self.host.now();
            if target.is_gone(self.host) || now >= target.until {
                return Ok(());
            }
            if ticker.is_due(now) {
                self.observer.on_event(&StartEvent::Reminder);
            }
            let next_try =
                if target.may_release_silently { now.saturating_add(RETRY) } else { Duration::MAX };
            if self
                .host
                .sleep_on_locks(&target.living, target.until.min(next_try).min(ticker.next()))?
                == SleepEnd::LockClosed
            {
                return Ok(());
            }
        }
    }
}
