//! Waiting for those whom the plan waits for to end.
//!
//! Those who wait for a guard queue: the first watches it, the others wait for the first. So the
//! guard's end wakes one of them, and that one lets the next be the first when it has started.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    engine::{
        plan::{Conflict, Plan},
        policy::Patience,
        reason::Verdict,
        snapshot::ProcessId,
    },
    guard::{
        start::{NotStarted, Start, StartEvent},
        start_mutex::{MutexOutcome, RefusalCheck},
        start_progress::deadline,
    },
    scan::machine::{Machine, SleepEnd},
    state::lock::LockFile,
    sys::{
        clock,
        file_mutex::{FileMutex, WaitEnd, WaitUntil},
        ticker::Ticker,
    },
};

/// How often to try a lock whose holder may let it go without closing it.
const STRANGER: Duration = Duration::from_secs(1);

/// How often whoever is not the first sees for itself whether those before it start at all: the
/// first may have been stopped.
const NOT_THE_FIRST: Duration = Duration::from_secs(5);

/// Whom a plan waits for.
struct WaitTarget<'a> {
    plan: &'a Plan,
    /// Who of them has not ended yet.
    known: BTreeSet<ProcessId>,
    somebody: bool,
    /// One of them may let a lock go without a close, which tells nobody; a guard never does that.
    stranger: bool,
}

impl WaitTarget<'_> {
    fn of(plan: &Plan) -> WaitTarget<'_> {
        let by_nobodys_word =
            |conflict: &Conflict| conflict.guard.is_none() || conflict.root.is_none();
        let known: BTreeSet<ProcessId> =
            plan.waits().flat_map(Conflict::processes).map(|process| process.id).collect();
        let stranger = plan.waits().any(|conflict| {
            conflict.holds_lock() && (by_nobodys_word(conflict) || !Machine::HEARS_OF_CLOSES)
        });
        WaitTarget { plan, somebody: !known.is_empty(), known, stranger }
    }

    /// Whether there is nothing to wait for any more, as far as the processes themselves and a try
    /// show.
    fn are_gone(&mut self, machine: &Machine, files: &[LockFile]) -> bool {
        machine.retain_living(&mut self.known);
        self.somebody && self.known.is_empty()
            || self.stranger && files.iter().all(|file| machine.is_free(file))
    }
}

impl Start<'_> {
    /// Waits as this plan says, and comes back behind the turnstile.
    pub(super) fn wait(
        &mut self,
        mut plan: Plan,
        files: &[LockFile],
    ) -> Result<FileMutex, NotStarted> {
        loop {
            self.outlast(&plan, files)?;
            match self.pass(self.course.until, RefusalCheck::WaitsToo)? {
                MutexOutcome::Through(turnstile) => {
                    if let Some(preflight) = self.preflight.as_deref_mut() {
                        preflight.ask_again();
                    }
                    return Ok(turnstile);
                }
                MutexOutcome::Forestalled(next) if next.verdict() == Verdict::Wait => plan = *next,
                MutexOutcome::Forestalled(next) => return Err(next.into()),
            }
        }
    }

    /// Waits until something happens to those that the plan waits for, or the patience is over.
    fn outlast(&mut self, plan: &Plan, files: &[LockFile]) -> Result<(), NotStarted> {
        (self.tell)(StartEvent::Waiting(plan));
        let since = *self.course.waiting_since.get_or_insert_with(clock::patience);
        if self.course.until.is_none() {
            self.course.until = plan.deadline().map(|_| deadline(plan));
        }
        self.course.letting_go = true;
        let patience_ends = match self.policy.timeouts.wait {
            Patience::Forever => Duration::MAX,
            Patience::For(wait) => since.saturating_add(wait),
        };
        let mut beat = *self.course.beat.get_or_insert_with(|| Ticker::begin(self.beat, since));
        let mut awaited = WaitTarget::of(plan);
        let is_first = self.become_the_first(&mut awaited, files, patience_ends, &mut beat)?;
        if is_first {
            self.watch(&mut awaited, files, patience_ends, &mut beat)?;
        }
        self.course.beat = Some(beat);
        Ok(())
    }

    /// Behind those who wait for the same guard. `false`: it never was the first, and has to look
    /// all the same.
    fn become_the_first(
        &mut self,
        awaited: &mut WaitTarget<'_>,
        files: &[LockFile],
        until: Duration,
        beat: &mut Ticker,
    ) -> Result<bool, NotStarted> {
        let first = self.course.first.take().filter(FileMutex::is_in_place);
        if awaited.plan.waits().any(|conflict| conflict.guard.is_none()) {
            // Those behind may have nothing to do with what this one waits for.
            return Ok(true);
        }
        if first.is_some() {
            self.course.first = first;
            return Ok(true);
        }
        // Nothing but the order depends on it.
        let Ok(queue) = self.place.beside().queue() else { return Ok(true) };
        let mut round = Ticker::begin(NOT_THE_FIRST, clock::patience());
        let mut last_guard =
            awaited.plan.waits().find_map(|conflict| conflict.guard.as_ref()?.ticket);
        let mut still = |now| {
            if beat.is_due(now) {
                (self.tell)(StartEvent::Still);
            }
            let mut is_led = || {
                let guard = self.place.beside().record().map(|record| record.ticket);
                std::mem::replace(&mut last_guard, guard) != guard
            };
            let is_stuck = round.is_due(now) && awaited.are_gone(self.machine, files) && !is_led();
            if is_stuck {
                WaitUntil::Enough
            } else {
                WaitUntil::Until(beat.next().min(round.next()))
            }
        };
        match queue.wait_until(Some(until), self.machine.alarm(), &mut still)? {
            WaitEnd::Locked(first) => {
                self.course.first = Some(first);
                Ok(true)
            }
            WaitEnd::TooLong | WaitEnd::Enough => Ok(false),
            WaitEnd::Signal(signal) => Err(NotStarted::Interrupted(signal)),
        }
    }

    /// Until something happens to them.
    fn watch(
        &mut self,
        awaited: &mut WaitTarget<'_>,
        files: &[LockFile],
        until: Duration,
        beat: &mut Ticker,
    ) -> Result<(), NotStarted> {
        // One that let its lock go between the look and this watch, and lives on, tells nobody any
        // more.
        let tells = self.machine.watch_locks(files, &awaited.known);
        if !tells && !awaited.stranger && awaited.plan.waits().any(Conflict::holds_lock) {
            return Ok(());
        }
        loop {
            let now = clock::patience();
            if awaited.are_gone(self.machine, files) || now >= until {
                return Ok(());
            }
            if beat.is_due(now) {
                (self.tell)(StartEvent::Still);
            }
            let next_look =
                if awaited.stranger { now.saturating_add(STRANGER) } else { Duration::MAX };
            if self.machine.sleep_on_locks(&awaited.known, until.min(next_look).min(beat.next()))?
                == SleepEnd::LockClosed
            {
                return Ok(());
            }
        }
    }
}
