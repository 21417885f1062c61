//! Settling who polls: observe → decide → act → take the locks → observe once more → start.
//!
//! The turnstile is held from the first look until the child runs, and the main lock is only ever
//! taken behind it; a waiter is not behind it while it waits. So two starts never signal the same
//! conflict twice, and a waiter never snatches a lock that another start has cleared.

use std::time::Duration;

use crate::{
    engine::{
        decide::decide,
        plan::{Plan, Suspect},
        policy::Policy,
        reason::{Refusal, RefusalReason, Verdict},
        snapshot::Snapshot,
    },
    error::{Error, ExitStatus},
    guard::{
        account::EndedLog,
        acquire_locks::{RecordState, insist_on_the_place},
        lock_set::{LockHandles, LockSet},
        start_mutex::{MutexOutcome, RefusalCheck},
        start_progress::{StartProgress, deadline, patience, respawn},
    },
    scan::{
        lock_probe::{ScanScope, StartState},
        machine::Machine,
    },
    state::{
        history_file,
        lock::{HeldLock, LockFile},
        record::Record,
    },
    sys::{clock, file_mutex::FileMutex, wake::Interrupted},
    telegram::{FinalCheck, Preflight},
    terminate::execute::{self, NotEnded, Outcome, TerminateEvent, TerminateLimits},
};

/// A plan is a picture of one moment: one that is this old is not acted on.
const OUTDATED: Duration = Duration::from_millis(50);

/// What a start tells while it settles.
#[derive(Debug)]
pub enum StartEvent<'a> {
    /// It looked at the machine and decided.
    Looked {
        /// What was seen.
        snapshot: &'a Snapshot,
        /// What was decided.
        plan: &'a Plan,
        /// How long the decision took.
        took: Duration,
    },
    /// It waits for another start to be through.
    Queued,
    /// It waits for the conflicts that the plan waits for; told again where others have taken their
    /// place.
    Waiting(&'a Plan),
    /// It ends the conflicts that the plan ends.
    Acting(&'a Plan),
    /// Something was done to one of them.
    Did(TerminateEvent),
    /// What it was doing still goes on.
    Still,
    /// It looked for the last time before the start.
    Clear(&'a Plan),
}

/// Why there is no start.
#[derive(Debug)]
pub enum NotStarted {
    /// It is refused.
    Refused(StartRefusal),
    /// A newer start asked this one to end before it had started.
    Asked,
    /// Its locks or their folder were deleted or replaced meanwhile: all of it has to be opened
    /// anew.
    Replaced,
    /// A signal ended it.
    Interrupted(u8),
    /// Something is wrong.
    Failed(Error),
}

/// Why a start is refused.
#[derive(Debug)]
pub enum StartRefusal {
    /// This plan says so.
    Plan(Box<Plan>),
    /// A conflict was not ended.
    NotEnded(NotEnded),
    /// Another start did not finish in time.
    Queued,
}

impl StartRefusal {
    /// The kind of this refusal.
    #[must_use]
    pub fn kind(&self) -> Refusal {
        match self {
            StartRefusal::Plan(plan) => plan.refusal().map_or(Refusal::Policy, RefusalReason::kind),
            StartRefusal::NotEnded(why) => why.kind(),
            StartRefusal::Queued => Refusal::Policy,
        }
    }

    /// The plan that says so.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            StartRefusal::Plan(plan) => Some(plan),
            StartRefusal::NotEnded(_) | StartRefusal::Queued => None,
        }
    }
}

impl From<Box<Plan>> for NotStarted {
    fn from(plan: Box<Plan>) -> Self {
        NotStarted::Refused(StartRefusal::Plan(plan))
    }
}

impl From<Error> for NotStarted {
    fn from(error: Error) -> Self {
        NotStarted::Failed(error)
    }
}

impl From<Interrupted> for NotStarted {
    fn from(Interrupted(signal): Interrupted) -> Self {
        NotStarted::Interrupted(signal)
    }
}

impl From<std::io::Error> for NotStarted {
    fn from(error: std::io::Error) -> Self {
        NotStarted::Failed(Error::from_source(
            ExitStatus::Fault,
            "the machine cannot be looked at",
            error,
        ))
    }
}

/// The instance is ours: nobody else starts while this lives.
#[derive(Debug)]
pub struct Started {
    /// Every lock.
    pub locks: Vec<HeldLock>,
    /// To be let go as soon as the child runs, for the next start.
    pub turnstile: FileMutex,
    /// To be let go after that, for the next who waits.
    pub first: Option<FileMutex>,
}

/// One start.
pub struct Start<'a> {
    /// Where it happens.
    pub machine: &'a mut Machine,
    /// Where the locks are.
    pub place: &'a LockSet,
    /// What the user wants.
    pub policy: &'a Policy,
    /// The lock files, open.
    pub files: Vec<LockFile>,
    /// What it says about itself, once the locks are had, and its ticket with it. `None`: it starts
    /// nothing, and is newer than everybody, as a person is who stops what runs.
    pub record: Option<&'a Record>,
    /// What Telegram is asked before anybody is signalled, and before the start; `None`: it is not
    /// asked.
    pub preflight: Option<&'a mut Preflight>,
    /// How far it has come.
    pub course: &'a mut StartProgress,
    /// Who wants to know.
    pub tell: &'a mut dyn FnMut(StartEvent<'_>),
    /// How often to tell that something still goes on.
    pub beat: Duration,
}

impl Start<'_> {
    /// Settles who polls.
    ///
    /// # Errors
    /// There is no start, and nothing is left behind.
    pub fn run(mut self) -> Result<Started, NotStarted> {
        let settled = self.settle();
        // Whatever went wrong in a place that lies nowhere any more went wrong because of that.
        if matches!(settled, Err(NotStarted::Failed(_))) && !self.place.is_in_place() {
            Err(NotStarted::Replaced)
        } else {
            settled
        }
    }

    fn settle(&mut self) -> Result<Started, NotStarted> {
        let first =
            patience(self.policy).map(|patience| clock::patience().saturating_add(patience));
        let mut turnstile = match self.pass(self.course.until.or(first), RefusalCheck::Refusals)? {
            MutexOutcome::Through(turnstile) => turnstile,
            MutexOutcome::Forestalled(plan) => return Err(plan.into()),
        };
        let mut locks = LockHandles::Open(std::mem::take(&mut self.files), None);
        let mut looked = 0;
        let mut suspects: Option<Vec<Suspect>> = None;
        loop {
            // A try says who has a lock better than the kernel's list, and what it wins is kept
            // until the plan says no.
            locks = self.take(locks)?;
            if let LockHandles::Held(held) = &locks {
                insist_on_the_place(held)?;
                if let Some(at) = self.course.look_at.take() {
                    self.watch_for_a_respawn(at, held)?;
                }
            }
            let looked_at = clock::patience();
            // Who only looks related is found by the first look, and told when there is a start.
            let breadth =
                if suspects.is_some() { ScanScope::InTheWay } else { ScanScope::Everybody };
            let snapshot = self.look(&locks, breadth)?;
            if let LockHandles::Held(held) = &locks
                && self.are_anothers(held, &snapshot)
            {
                locks = self.let_it_be_retaken(locks)?;
                continue;
            }
            let began = clock::patience();
            let mut plan = decide(self.policy, &snapshot);
            let took = clock::patience().saturating_sub(began);
            (self.tell)(StartEvent::Looked { snapshot: &snapshot, plan: &plan, took });
            plan.suspects.clone_from(suspects.get_or_insert_with(|| plan.suspects.clone()));
            if self.hear_telegram(&mut plan, looked_at)? == TelegramDelay::Late {
                continue;
            }
            looked += 1;
            match plan.verdict() {
                Verdict::Refuse(_) => return Err(Box::new(plan).into()),
                Verdict::Wait => {
                    let files = locks.release()?;
                    drop(turnstile);
                    turnstile = self.wait(plan, &files)?;
                    locks = LockHandles::Open(files, None);
                }
                Verdict::Act => self.act(&plan, &snapshot)?,
                Verdict::Clear => match locks {
                    // The second look, with the locks in hand, is the proof that nobody slipped in.
                    LockHandles::Held(held) if looked > 1 => {
                        if self.hear_telegram_out()? == TelegramDelay::Late {
                            locks = LockHandles::Held(held);
                            continue;
                        }
                        if self.announce(&held)? == RecordState::Contested {
                            locks = LockHandles::Held(held);
                            continue;
                        }
                        insist_on_the_place(&held)?;
                        held.iter().for_each(HeldLock::mark_as_settled);
                        (self.tell)(StartEvent::Clear(&plan));
                        return Ok(Started {
                            locks: held,
                            turnstile,
                            first: self.course.first.take(),
                        });
                    }
                    LockHandles::Held(_) | LockHandles::Open(..) => {}
                },
            }
        }
    }

    /// A plan that Telegram objects to is a refusal; one that is a refusal already need not wait
    /// for its word.
    fn hear_telegram(
        &mut self,
        plan: &mut Plan,
        looked_at: Duration,
    ) -> Result<TelegramDelay, NotStarted> {
        let Some(preflight) = self.preflight.as_deref_mut().filter(|_| !plan.is_refusal()) else {
            return Ok(TelegramDelay::AtOnce);
        };
        let is_new = !preflight.has_answer();
        match preflight.objection(self.machine)? {
            Some(objection) => plan.refuse(objection),
            None if is_new && clock::patience().saturating_sub(looked_at) >= OUTDATED => {
                return Ok(TelegramDelay::Late);
            }
            None => {}
        }
        Ok(TelegramDelay::AtOnce)
    }

    /// The last thing before the start is announced, with the locks in hand; where it takes time,
    /// another look follows.
    fn hear_telegram_out(&mut self) -> Result<TelegramDelay, NotStarted> {
        let Some(preflight) = self.preflight.as_deref_mut() else {
            return Ok(TelegramDelay::AtOnce);
        };
        match preflight.last_word(self.machine)? {
            FinalCheck::Nothing => Ok(TelegramDelay::AtOnce),
            FinalCheck::Deleted => Ok(TelegramDelay::Late),
        }
    }

    /// What is known of this start now.
    pub(super) fn standing(&self) -> StartState {
        let waited = self
            .course
            .waiting_since
            .map_or(Duration::ZERO, |since| clock::patience().saturating_sub(since));
        StartState {
            ticket: self.record.map(|record| record.ticket),
            waited,
            history: self.course.history.clone(),
        }
    }

    fn look(&mut self, locks: &LockHandles, breadth: ScanScope) -> Result<Snapshot, NotStarted> {
        let standing = self.standing();
        self.machine.forget_ended();
        let mut snapshot =
            self.machine.look(&locks.sights(), Some(self.place.beside()), &standing, breadth)?;
        if matches!(locks, LockHandles::Open(..))
            || !(snapshot.processes.is_empty() && snapshot.guards.is_empty())
        {
            // Where nobody is seen nobody can be in the way, and the start need not wait for this.
            snapshot.history.tries =
                history_file::of_this_boot(self.place.beside(), self.machine.whereabouts());
        }
        Ok(snapshot)
    }

    /// Ends what the plan ends.
    fn act(&mut self, plan: &Plan, snapshot: &Snapshot) -> Result<(), NotStarted> {
        let until = *self.course.until.get_or_insert_with(|| deadline(plan));
        (self.tell)(StartEvent::Acting(plan));
        let tell = &mut self.tell;
        let mut account = EndedLog::begin();
        let mut note = |event| {
            account.note(event);
            tell(StartEvent::Did(event));
        };
        let timing = TerminateLimits { until: Some(until), beat: self.beat };
        let outcome = execute::execute(self.machine, plan, self.policy, timing, &mut note);
        self.course.ended.extend(account.ended(plan));
        match outcome {
            Outcome::Ended => {}
            // In a place that lies nowhere any more no guard hears anything.
            Outcome::NotEnded(NotEnded::NotAsked { .. }) if !self.place.is_in_place() => {
                return Err(NotStarted::Replaced);
            }
            Outcome::NotEnded(why) => {
                return Err(NotStarted::Refused(StartRefusal::NotEnded(why)));
            }
            Outcome::Interrupted(interrupted) => return Err(interrupted.into()),
        }
        self.course.letting_go = true;
        let guarded = plan.kills().filter(|conflict| conflict.guard.is_some());
        self.course
            .history
            .released
            .extend(guarded.filter_map(|conflict| conflict.root.as_ref()).map(|root| root.id));
        let mut unguarded = plan.kills().filter(|conflict| conflict.guard.is_none()).peekable();
        self.course.history.rounds += u32::from(unguarded.peek().is_some());
        let above =
            unguarded.filter_map(|conflict| conflict.root.as_ref()?.launchers.known()).flatten();
        self.course.history.launchers.extend(above.map(|launcher| launcher.id));
        let pause = plan.kills().filter_map(|conflict| respawn(conflict, snapshot)).max();
        self.course.look_at = pause.map(|pause| clock::patience().saturating_add(pause));
        Ok(())
    }
}

/// How long Telegram's word took to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TelegramDelay {
    /// What was seen is still what is.
    AtOnce,
    /// Long enough to look again.
    Late,
}
