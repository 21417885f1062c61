//! Waiting: for the turnstile, and for those whom the plan waits for to end.

use std::{cell::Cell, collections::BTreeSet, time::Duration};

use super::{
    course::deadline,
    place::Place,
    settle::{Progress, Settling, Stop},
};
use crate::{
    engine::action::OnConflict,
    engine::{
        decide::decide,
        fact::Truth,
        plan::{Conflict, Plan, Refusal, Verdict},
        policy::{Patience, Policy},
        snapshot::ProcessId,
        takeover::Ticket,
    },
    host::{
        beat::Beat,
        beside::Stage,
        clock,
        lock::LockFile,
        look::Standing,
        machine::{
            Machine, Slept,
            handle::Handle,
            wait::{Alarm, Wake},
        },
        unshared::{Still, Unshared, Waited},
    },
};

/// How often to try a lock whose holder may let it go without closing it.
const STRANGER: Duration = Duration::from_secs(1);

/// Within what whoever waited, and was not the first at the turnstile, comes back, each at a moment of its own: all at once they would
/// leave the first one no processor to start on.
const A_MOMENT: Duration = Duration::from_millis(100);

/// How the way to the turnstile ended.
pub(super) enum Passage {
    /// Behind it.
    Through(Unshared),
    /// A guard runs meanwhile, and this comes of it, whatever else there is to be seen.
    Forestalled(Box<Plan>),
}

/// What a guard that runs may say to whoever queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heed {
    /// Only that there will be no start: one refusal refuses the whole start.
    Refusals,
    /// That it is to be waited for, too: all of the machine was looked at before.
    WaitsToo,
}

/// What a start wants, as far as a guard that runs can say something to it.
struct Wish<'a> {
    policy: &'a Policy,
    mine: Option<Ticket>,
    heed: Heed,
    standing: Standing,
}

/// What comes of a guard that runs.
struct Forestalled {
    plan: Plan,
    handle: Handle,
}

impl Settling<'_> {
    /// Waits as this plan says, and comes back behind the turnstile.
    pub(super) fn wait(&mut self, mut plan: Plan, files: &[LockFile]) -> Result<Unshared, Stop> {
        loop {
            self.outlast(&plan, files)?;
            match self.pass(self.course.until, Heed::WaitsToo)? {
                Passage::Through(turnstile) => {
                    if let Some(preflight) = self.preflight.as_deref_mut() {
                        preflight.ask_again();
                    }
                    return Ok(turnstile);
                }
                Passage::Forestalled(next) if next.verdict == Verdict::Wait => plan = *next,
                Passage::Forestalled(next) => return Err(Stop::by(*next)),
            }
        }
    }

    /// Through the turnstile, one start at a time. Where many queue, most need not: whoever is through and runs meanwhile
    /// decides for those behind it.
    pub(super) fn pass(&mut self, until: Option<Duration>, heed: Heed) -> Result<Passage, Stop> {
        let beside = self.place.beside();
        let name = beside.turnstile_name();
        let mut beat = None;
        let (forestalled, glanced_at) = (Cell::new(None), Cell::new(None));
        let wish = Wish { policy: self.policy, mine: self.record.map(|record| record.ticket), heed, standing: self.standing() };
        let mut still = |now| {
            let beat = beat.get_or_insert_with(|| {
                (self.tell)(Progress::Queued);
                Beat::begin(self.beat, now)
            });
            if beat.is_due(now) {
                (self.tell)(Progress::Still);
            }
            let by = forestalled_by(self.machine, self.place, &wish, &glanced_at);
            let still = if by.is_some() { Still::Enough } else { Still::Until(beat.next()) };
            forestalled.set(by);
            still
        };
        let mut is_spread = heed == Heed::Refusals;
        let Forestalled { plan, handle } = loop {
            // Opened once: to close it would wake all that queue here.
            let mut turnstile = match self.course.turnstile.take() {
                Some(kept) => kept,
                None => Unshared::open(beside.folder().open_or_make(&name)?, &beside.folder().path().join(&name))?,
            };
            if !is_spread && !turnstile.try_lock()? {
                is_spread = true;
                let at = clock::patience() + a_moment(self.machine);
                if let Wake::Signal(signal) = Alarm::sleep(self.machine.alarm(), None, &[], until.into_iter().chain([at]).min()) {
                    return Err(Stop::Interrupted(signal));
                }
            }
            match turnstile.wait_until(until, self.machine.alarm(), &mut still)? {
                Waited::Locked if beside.folder().still_has(&name, turnstile.as_file()) => {
                    // Whoever was the first may run by now: that is cheaper to see than everybody.
                    if heed == Heed::WaitsToo
                        && let Some(forestalled) = forestalled_by(self.machine, self.place, &wish, &glanced_at)
                    {
                        break forestalled;
                    }
                    tracing::trace!("passed the turnstile");
                    return Ok(Passage::Through(turnstile));
                }
                Waited::Locked if !self.place.is_in_place() => return Err(Stop::Replaced),
                // One that was deleted or replaced meanwhile keeps nobody out.
                Waited::Locked => {}
                Waited::Enough => {
                    if let Some(forestalled) = forestalled.take() {
                        self.course.turnstile = Some(turnstile);
                        break forestalled;
                    }
                }
                Waited::Signal(signal) => return Err(Stop::Interrupted(signal)),
                Waited::TooLong => {
                    return Err(Stop::Refused { refusal: Refusal::Policy, why: "another start is in progress".to_owned(), plan: None });
                }
            }
        };
        // Whoever waits next waits for this guard.
        self.machine.keep_in_view(handle);
        Ok(Passage::Forestalled(Box::new(plan)))
    }

    /// Waits until something happens to those that the plan waits for, or the patience is over.
    fn outlast(&mut self, plan: &Plan, files: &[LockFile]) -> Result<(), Stop> {
        (self.tell)(Progress::Waiting(plan));
        let since = *self.course.waiting_since.get_or_insert_with(clock::patience);
        if self.course.until.is_none() {
            self.course.until = plan.deadline().map(|_| deadline(plan));
        }
        self.course.letting_go = true;
        let patience_ends = match self.policy.timeouts.wait {
            Patience::Forever => Duration::MAX,
            Patience::For(wait) => since.saturating_add(wait),
        };
        let is_new = self.machine.watch_locks(files);
        // A lock that is let go without a close tells nobody; a guard never does that.
        let by_nobodys_word = |conflict: &Conflict| conflict.guard.is_none() || conflict.root.is_none();
        let stranger = plan.waits().any(|conflict| conflict.holds_lock() && (by_nobodys_word(conflict) || !Machine::HEARS_OF_CLOSES));
        let mut known: BTreeSet<ProcessId> = plan.waits().flat_map(Conflict::processes).map(|process| process.id).collect();
        let somebody = !known.is_empty();
        // One that let its lock go between the look and this watch, and lives on, tells nobody any more.
        let guarded = !stranger && plan.waits().any(Conflict::holds_lock);
        if is_new && guarded && !files.iter().any(|file| self.machine.is_held_by(file, &known)) {
            return Ok(());
        }
        loop {
            self.machine.retain_living(&mut known);
            let now = clock::patience();
            let over = somebody && known.is_empty() || stranger && files.iter().all(|file| self.machine.is_free(file));
            if over || now >= patience_ends {
                return Ok(());
            }
            let beat = self.course.beat.get_or_insert_with(|| Beat::begin(self.beat, since));
            if beat.is_due(now) {
                (self.tell)(Progress::Still);
            }
            let next_beat = beat.next();
            let next_look = if stranger { now.saturating_add(STRANGER) } else { Duration::MAX };
            if self.machine.sleep_on_locks(&known, patience_ends.min(next_look).min(next_beat))? == Slept::LockClosed {
                return Ok(());
            }
        }
    }
}

/// Somewhere within [`A_MOMENT`]: where on the clock somebody comes is chance enough.
fn a_moment(machine: &Machine) -> Duration {
    let chance =
        clock::patience().subsec_nanos().wrapping_mul(2_654_435_761) ^ machine.whereabouts().process.pid.wrapping_mul(2_246_822_519);
    A_MOMENT.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

/// What comes of the guard that runs, if there is one by its own word and the kernel's, and it keeps this start from starting.
/// Nobody is glanced at twice: where nothing came of it there is the turnstile, and a look at everybody behind it.
fn forestalled_by(machine: &Machine, place: &Place, wish: &Wish<'_>, glanced_at: &Cell<Option<Ticket>>) -> Option<Forestalled> {
    let record = place.beside().record().filter(|record| record.state == Stage::Running)?;
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
    let is_all = !asks_for_a_token || snapshot.processes.iter().any(|process| process.same_token() == Truth::True);
    let is_heeded = match plan.verdict {
        Verdict::Refuse(Refusal::Superseded) => true,
        Verdict::Refuse(Refusal::Policy) => is_all && wish.policy.on_conflict == OnConflict::Refuse,
        // Whoever must not be signalled, or took over too often, is worth a look at everybody.
        Verdict::Refuse(Refusal::Permission | Refusal::Storm) | Verdict::Act | Verdict::Clear => false,
        Verdict::Wait => is_all && wish.heed == Heed::WaitsToo,
    };
    is_heeded.then_some(Forestalled { plan, handle })
}
