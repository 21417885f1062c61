//! Settling who polls: observe → decide → act → take the locks → observe once more → start.
//!
//! The turnstile is held from the first look until the child runs, and the main lock is only ever taken behind it; a
//! waiter is not behind it while it waits. So two starts never signal the same conflict twice, and a waiter never snatches
//! a lock that another start has cleared.

use std::{collections::BTreeSet, time::Duration};

use super::{
    diary,
    place::{Locks, Place},
};
use crate::{
    engine::{
        action::{Action, OnConflict},
        decide::decide,
        fact::Fact,
        plan::{Conflict, Plan, Refusal, Verdict},
        policy::{Patience, Policy},
        snapshot::{ProcessId, Snapshot},
        takeover::{History, Ticket},
    },
    error::{Error, ExitStatus},
    host::{
        beat::Beat,
        clock,
        execute::{self, Event, Outcome, Timing},
        lock::{Held, LockFile},
        look::Standing,
        machine::{Machine, Slept},
        seam::{Host, Interrupted},
        unshared::{AFTER_A_CLOSE, Unshared, Waited},
    },
};

/// How long a start that would refuse anyway waits for another one to be through (S3).
const REFUSING_PATIENCE: Duration = Duration::from_secs(2);

/// How long after its end a conflict that something manages may come back, and one that only has a living parent (S2).
const MANAGED_RESPAWN: Duration = Duration::from_secs(1);
const PARENTED_RESPAWN: Duration = Duration::from_millis(250);

/// How often to try a lock whose holder may let it go without closing it.
const STRANGER: Duration = Duration::from_secs(1);

/// What a start tells while it settles.
#[derive(Debug)]
pub enum Progress<'a> {
    /// It waits for another start to be through.
    Queued,
    /// It waits for the conflicts that the plan waits for; told again where others have taken their place.
    Waiting(&'a Plan),
    /// It ends the conflicts that the plan ends.
    Acting(&'a Plan),
    /// Something was done to one of them.
    Did(Event),
    /// What it was doing still goes on.
    Still,
    /// It looked for the last time before the start.
    Clear(&'a Plan),
}

/// Why there is no start.
#[derive(Debug)]
pub enum Stop {
    /// The plan says so.
    Refused {
        /// Which way.
        refusal: Refusal,
        /// In a sentence.
        why: String,
        /// What was seen.
        plan: Option<Box<Plan>>,
    },
    /// A newer start asked this one to end before it had started.
    Asked,
    /// A signal ended it.
    Interrupted(u8),
    /// Something is wrong.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl From<Interrupted> for Stop {
    fn from(Interrupted(signal): Interrupted) -> Self {
        Stop::Interrupted(signal)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Stop::Failed(Error::new(ExitStatus::Fault, format!("the machine cannot be looked at: {error}")))
    }
}

/// The instance is ours: nobody else starts while this lives.
#[derive(Debug)]
pub struct Settled {
    /// Every lock.
    pub locks: Vec<Held>,
    /// To be let go as soon as the child runs.
    pub turnstile: Unshared,
}

/// One start.
pub struct Settling<'a> {
    /// Where it happens.
    pub machine: &'a mut Machine,
    /// Where the locks are.
    pub place: &'a Place,
    /// What the user wants.
    pub policy: &'a Policy,
    /// The lock files, open.
    pub files: Vec<LockFile>,
    /// What it drew.
    pub ticket: Ticket,
    /// Writes the record, once the locks are had.
    pub announce: &'a dyn Fn() -> std::io::Result<()>,
    /// Who wants to know.
    pub tell: &'a mut dyn FnMut(Progress<'_>),
    /// How often to tell that something still goes on.
    pub beat: Duration,
}

/// How far a start has come.
#[derive(Default)]
struct Course {
    waiting_since: Option<Duration>,
    beat: Option<Beat>,
    /// On the clock of patience.
    until: Option<Duration>,
    rounds: u32,
    /// Somebody has ended, or is just ending: its lock may be free in a moment.
    letting_go: bool,
    /// When the second look may be made.
    look_at: Option<Duration>,
}

impl Settling<'_> {
    /// Settles who polls.
    ///
    /// # Errors
    /// There is no start, and nothing is left behind.
    pub fn run(mut self) -> Result<Settled, Stop> {
        let mut course = Course::default();
        let mut turnstile = self.pass(patience(self.policy).map(|patience| clock::patience().saturating_add(patience)))?;
        let mut locks = Locks::Open(std::mem::take(&mut self.files), None);
        let mut looked = 0;
        loop {
            // A try says who has a lock better than the kernel's list, and what it wins is kept until the plan says no.
            locks = self.take(locks, course.letting_go)?;
            if matches!(locks, Locks::Held(_))
                && let Some(at) = course.look_at.take()
            {
                self.watch_for_a_respawn(at)?;
            }
            let began = clock::patience();
            let snapshot = self.look(&locks, &course)?;
            let plan = decide(self.policy, &snapshot);
            diary::looked(&snapshot, &plan, clock::patience().saturating_sub(began));
            looked += 1;
            match plan.verdict {
                Verdict::Refuse(refusal) => {
                    return Err(Stop::Refused { refusal, why: plan.reason.clone(), plan: Some(Box::new(plan)) });
                }
                Verdict::Wait => {
                    let files = locks.release()?;
                    drop(turnstile);
                    self.outlast(&plan, &files, &mut course)?;
                    turnstile = self.pass(course.until)?;
                    locks = Locks::Open(files, None);
                }
                Verdict::Act => self.act(&plan, &snapshot, &mut course)?,
                Verdict::Clear => match locks {
                    // The second look, with the locks in hand, is the proof that nobody slipped in.
                    Locks::Held(locks) if looked > 1 => {
                        (self.tell)(Progress::Clear(&plan));
                        self.announce()?;
                        return Ok(Settled { locks, turnstile });
                    }
                    Locks::Held(_) | Locks::Open(..) => {}
                },
            }
        }
    }

    fn look(&mut self, locks: &Locks, course: &Course) -> Result<Snapshot, Stop> {
        let waited = course.waiting_since.map_or(Duration::ZERO, |since| clock::patience().saturating_sub(since));
        let standing = Standing { ticket: Some(self.ticket), waited, history: History { rounds: course.rounds } };
        self.machine.forget_ended();
        Ok(self.machine.look(&locks.sights(), Some(self.place.beside()), &standing)?)
    }

    /// Through the turnstile, one start at a time.
    fn pass(&mut self, until: Option<Duration>) -> Result<Unshared, Stop> {
        let beside = self.place.beside();
        let name = beside.turnstile_name();
        let file = beside.folder().open_or_make(&name)?;
        let mut turnstile = Unshared::open(&file, &beside.folder().path().join(name))?;
        let mut beat = None;
        let mut still = |now| {
            let beat = beat.get_or_insert_with(|| {
                (self.tell)(Progress::Queued);
                Beat::begin(self.beat, now)
            });
            if beat.is_due(now) {
                (self.tell)(Progress::Still);
            }
            beat.next()
        };
        match turnstile.wait_until(until, self.machine.alarm(), &mut still)? {
            Waited::Locked => {
                tracing::trace!("passed the turnstile");
                Ok(turnstile)
            }
            Waited::Signal(signal) => Err(Stop::Interrupted(signal)),
            Waited::TooLong => Err(Stop::Refused { refusal: Refusal::Policy, why: "another start is in progress".to_owned(), plan: None }),
        }
    }

    /// Ends what the plan ends.
    fn act(&mut self, plan: &Plan, snapshot: &Snapshot, course: &mut Course) -> Result<(), Stop> {
        let until = *course.until.get_or_insert_with(|| deadline(plan));
        (self.tell)(Progress::Acting(plan));
        let tell = &mut self.tell;
        let timing = Timing { until: Some(until), beat: self.beat };
        match execute::execute(self.machine, plan, self.policy, timing, &mut |event| tell(Progress::Did(event))) {
            Outcome::Ended => {}
            Outcome::Refused(refusal, why) => return Err(Stop::Refused { refusal, why, plan: None }),
            Outcome::Interrupted(interrupted) => return Err(interrupted.into()),
        }
        course.letting_go = true;
        if plan.kills().any(|conflict| conflict.guard.is_none()) {
            course.rounds += 1;
        }
        let pause = plan.kills().filter_map(|conflict| respawn(conflict, snapshot)).max();
        course.look_at = pause.map(|pause| clock::patience().saturating_add(pause));
        Ok(())
    }

    /// All locks or none; one that its holder is just letting go is tried again for a moment. So is one that no guard says it
    /// has: where not every lock is listed, a look takes it for an instant, and whoever looks must not be taken for a holder.
    fn take(&mut self, locks: Locks, letting_go: bool) -> Result<Locks, Stop> {
        let guarded = self.place.beside().record().is_some();
        let pauses: &[Duration] = if letting_go || !guarded { &AFTER_A_CLOSE } else { &[] };
        let mut locks = locks;
        for pause in [Duration::ZERO].iter().chain(pauses) {
            let files = match locks {
                Locks::Held(_) => return Ok(locks),
                Locks::Open(files, _) => files,
            };
            if !pause.is_zero() {
                self.machine.sleep(&BTreeSet::new(), clock::patience().saturating_add(*pause))?;
            }
            locks = Locks::try_all(files)?;
        }
        Ok(locks)
    }

    /// From here on a newer start can ask this one.
    fn announce(&self) -> Result<(), Error> {
        // Who asks is behind the turnstile, as this start is: a question that lies here is from one that was killed. Should the
        // counter have vanished since, its ticket may be ours.
        self.place.beside().remove_request();
        (self.announce)().map_err(|error| {
            Error::new(ExitStatus::LockFile, format!("the record cannot be written beside the lock: {error}"))
                .hint("free some space, or name another folder in `lock.paths`")
        })
    }

    /// Sleeps while the lock is held, so that what something starts again is seen by the second look.
    fn watch_for_a_respawn(&mut self, at: Duration) -> Result<(), Stop> {
        self.announce()?;
        while clock::patience() < at {
            if let Some(request) = self.place.beside().request_to(self.ticket) {
                // Heard or not: this start ends now, and that is what was asked.
                let _ = self.place.beside().acknowledge(&request);
                return Err(Stop::Asked);
            }
            self.machine.sleep(&BTreeSet::new(), at)?;
        }
        Ok(())
    }

    /// Waits until something happens to those that the plan waits for, or the patience is over.
    fn outlast(&mut self, plan: &Plan, files: &[LockFile], course: &mut Course) -> Result<(), Stop> {
        (self.tell)(Progress::Waiting(plan));
        let since = *course.waiting_since.get_or_insert_with(clock::patience);
        let beat = course.beat.get_or_insert_with(|| Beat::begin(self.beat, since));
        if course.until.is_none() {
            course.until = plan.deadline().map(|_| deadline(plan));
        }
        course.letting_go = true;
        let patience_ends = match self.policy.timeouts.wait {
            Patience::Forever => Duration::MAX,
            Patience::For(wait) => since.saturating_add(wait),
        };
        for file in files {
            self.machine.watch_lock(file);
        }
        // A lock that is let go without a close tells nobody; a guard never does that.
        let by_nobodys_word = |conflict: &Conflict| conflict.guard.is_none() || conflict.root.is_none();
        let stranger = plan.waits().any(|conflict| conflict.holds_lock() && by_nobodys_word(conflict));
        let mut known: BTreeSet<ProcessId> = plan.waits().flat_map(Conflict::processes).map(|process| process.id).collect();
        let somebody = !known.is_empty();
        loop {
            known = self.machine.members(&known).iter().map(|member| member.id).collect();
            let now = clock::patience();
            let over = somebody && known.is_empty() || stranger && files.iter().all(|file| self.machine.is_free(file));
            if over || now >= patience_ends {
                return Ok(());
            }
            if beat.is_due(now) {
                (self.tell)(Progress::Still);
            }
            let next_look = if stranger { now.saturating_add(STRANGER) } else { Duration::MAX };
            if self.machine.sleep_on_locks(&known, patience_ends.min(next_look).min(beat.next()))? == Slept::LockClosed {
                return Ok(());
            }
        }
    }
}

/// The end of everything that this plan may take. The ladder begins a moment later than the plan and has the last word.
fn deadline(plan: &Plan) -> Duration {
    plan.deadline().map_or(Duration::MAX, |time| clock::patience().saturating_add(time).saturating_add(Duration::from_secs(1)))
}

/// How long a start may take that has not seen anything yet; `None`: for ever.
fn patience(policy: &Policy) -> Option<Duration> {
    let actions = || policy.rules.iter().map(|rule| rule.action).chain([policy.on_conflict.into(), policy.after_wait.into()]);
    let waits = actions().any(|action| action == Action::Wait);
    let kills = actions().any(Action::kills);
    let ending = if kills { policy.timeouts.graceful.saturating_add(policy.timeouts.force) } else { Duration::ZERO };
    let waiting = match (waits, policy.timeouts.wait) {
        (false, _) => Duration::ZERO,
        (true, Patience::For(wait)) => wait,
        (true, Patience::Forever) => return None,
    };
    let total = ending.saturating_add(waiting);
    let refuses = policy.on_conflict == OnConflict::Refuse && total.is_zero();
    Some(if refuses { REFUSING_PATIENCE } else { total.max(REFUSING_PATIENCE) })
}

/// How long after its end this conflict may come back.
fn respawn(conflict: &Conflict, snapshot: &Snapshot) -> Option<Duration> {
    let root = conflict.root.as_ref().filter(|_| conflict.guard.is_none())?;
    match (&root.managed_by, root.parent) {
        (Fact::Known(Some(_)) | Fact::Unknown, _) => Some(MANAGED_RESPAWN),
        (Fact::Known(None), Fact::Known(0 | 1)) => None,
        (Fact::Known(None), Fact::Known(parent)) if parent == snapshot.me.pid => None,
        (Fact::Known(None), Fact::Known(_) | Fact::Unknown) => Some(PARENTED_RESPAWN),
    }
}
