//! The turnstile: one start at a time, in the order in which they came.

use std::{cell::Cell, time::Duration};

use crate::{
    engine::{
        action::OnConflict,
        decide::decide,
        fact::Truth,
        plan::Plan,
        policy::Policy,
        reason::{Refusal, Verdict},
        start_history::Ticket,
    },
    guard::{
        lock_set::LockSet,
        start::{NotStarted, Start, StartEvent, StartRefusal},
    },
    scan::{lock_probe::StartState, machine::Machine},
    state::record::RecordStage,
    sys::{
        file_mutex::{FileMutex, WaitEnd, WaitUntil},
        machine::pidfd::ProcessHandle,
        ticker::Ticker,
    },
};

/// How the way to the turnstile ended.
pub(super) enum MutexOutcome {
    /// Behind it.
    Through(FileMutex),
    /// A guard runs meanwhile, and this comes of it, whatever else there is to be seen.
    Forestalled(Box<Plan>),
}

/// What a guard that runs may say to whoever queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalCheck {
    /// Only that there will be no start: one refusal refuses the whole start.
    Refusals,
    /// That it is to be waited for, too: all of the machine was looked at before.
    WaitsToo,
}

/// What a start wants, as far as a guard that runs can say something to it.
struct MutexRequest<'a> {
    policy: &'a Policy,
    mine: Option<Ticket>,
    heed: RefusalCheck,
    standing: StartState,
}

/// What comes of a guard that runs.
struct RefusedEarly {
    plan: Plan,
    handle: ProcessHandle,
}

impl Start<'_> {
    /// Through the turnstile. Where many queue, most need not look at everybody: whoever is through
    /// and runs meanwhile decides for those behind it.
    pub(super) fn pass(
        &mut self,
        until: Option<Duration>,
        heed: RefusalCheck,
    ) -> Result<MutexOutcome, NotStarted> {
        let (mut beat, has_queued) = (None, Cell::new(false));
        let (forestalled, glanced_at) = (Cell::new(None), Cell::new(None));
        let wish = MutexRequest {
            policy: self.policy,
            mine: self.record.map(|record| record.ticket),
            heed,
            standing: self.standing(),
        };
        let mut still = |now| {
            has_queued.set(true);
            let beat = beat.get_or_insert_with(|| {
                (self.tell)(StartEvent::Queued);
                Ticker::begin(self.beat, now)
            });
            if beat.is_due(now) {
                (self.tell)(StartEvent::Still);
            }
            let by = forestalled_by(self.machine, self.place, &wish, &glanced_at);
            let still =
                if by.is_some() { WaitUntil::Enough } else { WaitUntil::Until(beat.next()) };
            forestalled.set(by);
            still
        };
        let RefusedEarly { plan, handle } = loop {
            match self.place.beside().turnstile()?.wait_until(
                until,
                self.machine.alarm(),
                &mut still,
            )? {
                WaitEnd::Locked(turnstile) if turnstile.is_in_place() => {
                    // Whoever was the first may run by now: that is cheaper to see than everybody.
                    let may_run = heed == RefusalCheck::WaitsToo || has_queued.get();
                    match may_run
                        .then(|| forestalled_by(self.machine, self.place, &wish, &glanced_at))
                        .flatten()
                    {
                        Some(forestalled) => break forestalled,
                        None => return Ok(MutexOutcome::Through(turnstile)),
                    }
                }
                WaitEnd::Locked(_) if !self.place.is_in_place() => {
                    return Err(NotStarted::Replaced);
                }
                // One that was deleted or replaced meanwhile keeps nobody out.
                WaitEnd::Locked(_) => {}
                WaitEnd::Enough => {
                    if let Some(forestalled) = forestalled.take() {
                        break forestalled;
                    }
                }
                WaitEnd::Signal(signal) => return Err(NotStarted::Interrupted(signal)),
                WaitEnd::TooLong => return Err(NotStarted::Refused(StartRefusal::Queued)),
            }
        };
        // Whoever waits next waits for this guard.
        self.machine.keep_in_view(handle);
        Ok(MutexOutcome::Forestalled(Box::new(plan)))
    }
}

/// What comes of the guard that runs, if there is one by its own word and the kernel's, and it
/// keeps this start from starting. Nobody is glanced at twice: where nothing came of it there is
/// the turnstile, and a look at everybody behind it.
fn forestalled_by(
    machine: &Machine,
    place: &LockSet,
    wish: &MutexRequest<'_>,
    glanced_at: &Cell<Option<Ticket>>,
) -> Option<RefusedEarly> {
    let record = place.beside().record().filter(|record| record.state == RecordStage::Running)?;
    if glanced_at.replace(Some(record.ticket)) == Some(record.ticket) {
        return None;
    }
    let is_newer = wish.mine.is_some_and(|mine| mine < record.ticket);
    let is_respected = matches!(wish.policy.on_conflict, OnConflict::Refuse | OnConflict::Wait);
    if !(is_newer || is_respected) {
        return None;
    }
    let (snapshot, handle) = machine.glance_at(&place.first_lock()?, &record, &wish.standing)?;
    let plan = decide(wish.policy, &snapshot);
    // A token may be carried by its tree alone, which only a look at everybody finds.
    let asks_for_a_token = wish.policy.rules.iter().any(|rule| rule.when.name_the_token());
    let is_all = !asks_for_a_token
        || snapshot.processes.iter().any(|process| process.same_token() == Truth::True);
    let is_heeded = match plan.verdict() {
        Verdict::Refuse(Refusal::Superseded) => true,
        Verdict::Refuse(Refusal::Policy) => is_all && wish.policy.on_conflict == OnConflict::Refuse,
        // Whoever must not be signalled, or took over too often, is worth a look at everybody.
        Verdict::Refuse(Refusal::Permission | Refusal::Storm) | Verdict::Act | Verdict::Clear => {
            false
        }
        Verdict::Wait => is_all && wish.heed == RefusalCheck::WaitsToo,
    };
    is_heeded.then_some(RefusedEarly { plan, handle })
}
