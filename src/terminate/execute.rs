//! A plan is carried out: every conflict at once, each on its own ladder, identity checked at each
//! signal.

use std::{collections::BTreeSet, io, time::Duration};

use crate::{
    engine::{
        ladder::{Stop, StopMeans},
        plan::{Conflict, Plan},
        process::ProcessId,
        reason::Refusal,
        signal::{SignalResult, SignalToSend},
        snapshot::GuardView,
        stop_progress::{AfterStep, GiveUpReason, JobState, StopProgress},
    },
    sys::{ticker::Ticker, wake::Interrupted},
    terminate::process_control::{AskOutcome, ProcessControl},
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every conflict has ended, with its whole tree.
    Ended,
    /// One has not.
    NotEnded(NotEnded),
    /// A signal told this start to give up.
    Interrupted(Interrupted),
}

/// Why a conflict was not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEnded {
    /// A signal was not permitted.
    Denied {
        /// The process that it was for.
        pid: u32,
    },
    /// The ladder ended before the tree did.
    GaveUp(GiveUpReason),
    /// The deadline of the whole start has passed.
    OutOfTime,
    /// A guard in another PID namespace did not answer.
    NoAnswer,
    /// A guard could not be asked, and nobody was signalled in its stead.
    NotAsked {
        /// Its pid, where it can be seen.
        guard: Option<u32>,
        /// Why the request was not written.
        error: io::ErrorKind,
    },
}

impl NotEnded {
    /// The kind of the refusal that follows.
    #[must_use]
    pub fn kind(self) -> Refusal {
        match self {
            NotEnded::Denied { .. } => Refusal::Permission,
            NotEnded::GaveUp(_)
            | NotEnded::OutOfTime
            | NotEnded::NoAnswer
            | NotEnded::NotAsked { .. } => Refusal::Policy,
        }
    }
}

/// Something that was done, for whoever wants to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminateEvent {
    /// A guard was asked; its pid, where it can be seen.
    Asked(Option<u32>),
    /// It heard, and ends its tree itself.
    Heard(Option<u32>),
    /// A signal was sent.
    Sent(ProcessId, SignalToSend),
    /// Everything of this conflict has ended.
    Ended(Option<u32>),
    /// It still goes on.
    Still,
}

/// How long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminateLimits {
    /// The deadline of the whole start.
    pub until: Option<Duration>,
    /// How often to tell that it still goes on.
    pub beat: Duration,
}

/// Ends every conflict that the plan ends.
pub fn execute(
    host: &mut dyn ProcessControl,
    plan: &Plan,
    timing: TerminateLimits,
    tell: &mut dyn FnMut(TerminateEvent),
) -> Outcome {
    let beat = Ticker::begin(timing.beat, host.now());
    match Execution::begin(host, plan, tell) {
        Ok(mut execution) => {
            execution.run(host, timing.until, beat, tell).unwrap_or_else(Outcome::Interrupted)
        }
        Err(outcome) => outcome,
    }
}

/// The conflicts that have not ended yet.
struct Execution {
    targets: Vec<EndingTarget>,
}

struct EndingTarget {
    /// The root and everything below it that was ever seen.
    known: BTreeSet<ProcessId>,
    root: Option<ProcessId>,
    means: EndingMeans,
    /// When to look who is below the root, whose own word was relied on until then.
    look_at: Option<Duration>,
}

/// How long a guard may take from the end of its last process to its own word for that.
const SIGNING_OFF: Duration = Duration::from_millis(2);

enum EndingMeans {
    /// Its guard heard, and ends its tree itself.
    Asked(GuardView),
    /// We signal it.
    Signals(StopProgress),
}

impl Execution {
    fn begin(
        host: &mut dyn ProcessControl,
        plan: &Plan,
        tell: &mut dyn FnMut(TerminateEvent),
    ) -> Result<Execution, Outcome> {
        let mut targets = Vec::new();
        for (conflict, stop) in plan.stops() {
            let means = means(host, conflict, stop, tell)?;
            let known = conflict.processes().map(|process| process.id).collect();
            targets.push(EndingTarget {
                known,
                root: conflict.root.as_ref().map(|root| root.id),
                means,
                look_at: None,
            });
        }
        Ok(Execution { targets })
    }

    fn run(
        &mut self,
        host: &mut dyn ProcessControl,
        until: Option<Duration>,
        mut beat: Ticker,
        tell: &mut dyn FnMut(TerminateEvent),
    ) -> Result<Outcome, Interrupted> {
        loop {
            let mut wake = until.unwrap_or(Duration::MAX);
            let mut awaited = BTreeSet::new();
            let mut told = false;
            let mut tell_of = |event| {
                told = true;
                tell(event);
            };
            let mut left = Vec::new();
            for mut target in std::mem::take(&mut self.targets) {
                match target.step(host, &mut tell_of) {
                    StepOutcome::Ended => {
                        tell_of(TerminateEvent::Ended(target.root.map(|root| root.pid)));
                    }
                    StepOutcome::NotEnded(why) => return Ok(Outcome::NotEnded(why)),
                    StepOutcome::Look { at } => {
                        wake = wake.min(at);
                        awaited.extend(target.known.iter().copied());
                        left.push(target);
                    }
                }
            }
            self.targets = left;
            if self.targets.is_empty() {
                return Ok(Outcome::Ended);
            }
            if until.is_some_and(|until| host.now() >= until) {
                return Ok(Outcome::NotEnded(NotEnded::OutOfTime));
            }
            if told {
                // That something was done says as well that it goes on.
                beat = beat.restart(host.now());
            } else if beat.is_due(host.now()) {
                tell(TerminateEvent::Still);
            }
            host.sleep(&awaited, wake.min(beat.next()))?;
        }
    }
}

enum StepOutcome {
    Ended,
    Look { at: Duration },
    NotEnded(NotEnded),
}

impl EndingTarget {
    fn step(
        &mut self,
        host: &mut dyn ProcessControl,
        tell: &mut dyn FnMut(TerminateEvent),
    ) -> StepOutcome {
        let signed_off = match &self.means {
            EndingMeans::Signals(_) => false,
            // Its lock goes once its tree has ended; what is left of the guard itself then polls
            // nobody. What it had not started, and so left alone, may stay: it has signed off then.
            EndingMeans::Asked(guard) => host.has_signed_off(guard),
        };
        match &self.means {
            EndingMeans::Asked(guard) if signed_off && host.has_left(guard) => {
                return StepOutcome::Ended;
            }
            // It knows its tree best, and tells when that has ended: by its record, its lock, or
            // its own end.
            EndingMeans::Asked(_) if !signed_off => {
                let living = host.living(&self.known);
                // One that ended may have left somebody behind, of whom a guard that is killed
                // would not tell any more: unless it has signed off by then, it is looked at who is
                // below it.
                if living != self.known {
                    self.look_at.get_or_insert(host.now().saturating_add(SIGNING_OFF));
                }
                let at = self.look_at.unwrap_or(Duration::MAX);
                if host.now() < at && self.root.is_some_and(|root| living.contains(&root)) {
                    self.known = living;
                    return StepOutcome::Look { at };
                }
            }
            EndingMeans::Asked(_) | EndingMeans::Signals(_) => {}
        }
        self.look_at = None;
        let alive = host.members(&self.known);
        self.known = alive.iter().map(|member| member.id).collect();
        let progress = match &mut self.means {
            EndingMeans::Signals(progress) => progress,
            EndingMeans::Asked(guard) => {
                let tree = !signed_off && alive.iter().any(|member| Some(member.id) != self.root);
                let gone = !tree
                    && (alive.is_empty() && self.root.is_some()
                        || !signed_off && host.has_left(guard));
                return if gone {
                    StepOutcome::Ended
                } else {
                    StepOutcome::Look { at: Duration::MAX }
                };
            }
        };
        let next = progress.step(host.now(), &alive);
        for &(id, signal) in &next.signals {
            match host.send(id, signal) {
                SignalResult::Delivered => tell(TerminateEvent::Sent(id, signal)),
                SignalResult::Gone => {}
                SignalResult::Denied => {
                    return StepOutcome::NotEnded(NotEnded::Denied { pid: id.pid });
                }
            }
        }
        match next.then {
            // The look that found nobody is the proof that nobody is left.
            AfterStep::Ended => StepOutcome::Ended,
            AfterStep::Look { at } => StepOutcome::Look { at },
            AfterStep::GaveUp(reason) => StepOutcome::NotEnded(NotEnded::GaveUp(reason)),
        }
    }
}

fn means(
    host: &mut dyn ProcessControl,
    conflict: &Conflict,
    stop: Stop,
    tell: &mut dyn FnMut(TerminateEvent),
) -> Result<EndingMeans, Outcome> {
    let signals = || Ok(EndingMeans::Signals(StopProgress::new(stop.options)));
    let guard = match (stop.means, &conflict.guard) {
        (StopMeans::Ask | StopMeans::AskThenSignal, Some(guard)) => guard,
        (StopMeans::Signal, _) | (StopMeans::Ask | StopMeans::AskThenSignal, None) => {
            return signals();
        }
    };
    let root = conflict.root.as_ref();
    tell(TerminateEvent::Asked(root.map(|root| root.id.pid)));
    if let Some(root) = root {
        // A guard that is stopped cannot hear; one that is not does not mind.
        let known = BTreeSet::from([root.id]);
        let stopped = host
            .members(&known)
            .iter()
            .any(|member| member.id == root.id && member.job_state == JobState::Stopped);
        if stopped && host.send(root.id, SignalToSend::Continue) == SignalResult::Delivered {
            tell(TerminateEvent::Sent(root.id, SignalToSend::Continue));
        }
    }
    match (host.ask(guard, stop.options).map_err(Outcome::Interrupted)?, stop.means) {
        (AskOutcome::Heard, _) => {
            tell(TerminateEvent::Heard(root.map(|root| root.id.pid)));
            Ok(EndingMeans::Asked(guard.clone()))
        }
        (AskOutcome::Unasked(error), _) => {
            let guard = root.map(|root| root.id.pid);
            Err(Outcome::NotEnded(NotEnded::NotAsked { guard, error }))
        }
        (AskOutcome::Silence, StopMeans::AskThenSignal | StopMeans::Signal) => signals(),
        (AskOutcome::Silence, StopMeans::Ask) => Err(Outcome::NotEnded(NotEnded::NoAnswer)),
    }
}
