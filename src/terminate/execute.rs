//! Ends all conflicts of a plan in parallel, each through its guard or by signals.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::ladder::{Stop, StopMeans};
use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::ProcessId;
use crate::engine::reason::RefusalKind;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::engine::signal_sequence::{AfterStep, GiveUpReason, JobState, Member, SignalSequence};
use crate::engine::snapshot::GuardView;
use crate::sys::ticker::Ticker;
use crate::sys::wake::Interrupted;
use crate::terminate::process_control::{AskOutcome, ProcessControl};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecuteError {
    NotEnded(NotEnded),
    Interrupted(Interrupted),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEnded {
    Denied {
        pid: u32,
    },
    /// The tree outlived its ladder.
    GaveUp(GiveUpReason),
    OutOfTime,
    /// What was ended may have started this process at its end. No other evidence is against it.
    StartedAtEnd {
        pid: u32,
    },
    /// A guard that cannot be signaled did not answer.
    NoAnswer {
        /// The guard's pid; `None` in another PID namespace.
        guard: Option<u32>,
    },
    /// The request to a guard could not be written, and the guard could not be signaled either.
    NotAsked {
        /// The guard's pid, if visible.
        guard: Option<u32>,
        error: io::ErrorKind,
    },
}

impl NotEnded {
    /// Returns the pid of the process that was not ended, if it is a specific one.
    pub fn pid(self) -> Option<u32> {
        match self {
            NotEnded::Denied { pid } | NotEnded::StartedAtEnd { pid } => Some(pid),
            NotEnded::GaveUp(reason) => Some(reason.id().pid),
            NotEnded::NoAnswer { guard } | NotEnded::NotAsked { guard, .. } => guard,
            NotEnded::OutOfTime => None,
        }
    }

    pub fn kind(self) -> RefusalKind {
        match self {
            NotEnded::Denied { .. } => RefusalKind::Permission,
            NotEnded::GaveUp(_)
            | NotEnded::OutOfTime
            | NotEnded::StartedAtEnd { .. }
            | NotEnded::NoAnswer { .. }
            | NotEnded::NotAsked { .. } => RefusalKind::Policy,
        }
    }
}

impl From<NotEnded> for ExecuteError {
    fn from(reason: NotEnded) -> Self {
        ExecuteError::NotEnded(reason)
    }
}

impl From<Interrupted> for ExecuteError {
    fn from(interrupted: Interrupted) -> Self {
        ExecuteError::Interrupted(interrupted)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminateEvent {
    /// A request was sent to the guard with this pid, if visible.
    Asked(Option<u32>),
    Acknowledged(Option<u32>),
    Sent(ProcessId, SignalToSend),
    Ended(Option<u32>),
    Reminder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminateLimits {
    /// The deadline of the whole start.
    pub until: Duration,
    pub reminder_interval: Duration,
}

pub fn execute(
    machine: &mut dyn ProcessControl,
    plan: &Plan,
    limits: TerminateLimits,
    on_event: &mut dyn FnMut(TerminateEvent),
) -> Result<(), ExecuteError> {
    let mut reminder = Ticker::begin(limits.reminder_interval, machine.now());
    let mut targets = Vec::new();
    for (conflict, stop) in plan.stops() {
        targets.push(Target::begin(machine, conflict, stop, on_event)?);
    }
    loop {
        let mut wake = limits.until;
        let mut awaited = BTreeSet::new();
        let mut has_event = false;
        let mut on_step = |event| {
            has_event = true;
            on_event(event);
        };
        let mut remaining = Vec::new();
        for mut target in targets {
            if let Some(at) = target.step(machine, &mut on_step)? {
                wake = wake.min(at);
                awaited.extend(target.known.iter().copied());
                remaining.push(target);
            } else {
                on_step(TerminateEvent::Ended(target.pid));
            }
        }
        targets = remaining;
        if targets.is_empty() {
            return Ok(());
        }
        if machine.now() >= limits.until {
            return Err(NotEnded::OutOfTime.into());
        }
        if has_event {
            // Any event already shows progress.
            reminder = reminder.restart(machine.now());
        } else if reminder.is_due(machine.now()) {
            on_event(TerminateEvent::Reminder);
        }
        machine.sleep(&awaited, wake.min(reminder.next()))?;
    }
}

/// The time between the end of a guard's last process and the removal of its record.
const SIGN_OFF_TIME: Duration = Duration::from_millis(2);

/// The sign that a requested guard has left.
enum SignOff {
    /// Its record next to one of this instance's locks (`None`: the first), and that lock.
    Lock(Option<PathBuf>),
    /// Only the end of its processes: its record may be next to another instance's lock.
    Processes,
}

impl SignOff {
    fn of(guard: &GuardView) -> SignOff {
        match (&guard.other_lock, guard.process) {
            (Some(_), Some(_)) => SignOff::Processes,
            // An invisible guard is only known from a record next to one of this instance's locks.
            (None, _) | (Some(_), None) => SignOff::Lock(guard.other_lock.clone()),
        }
    }

    fn has_signed_off(&self, machine: &mut dyn ProcessControl) -> bool {
        match self {
            SignOff::Lock(lock) => machine.has_signed_off(lock.as_deref()),
            SignOff::Processes => false,
        }
    }

    fn has_left(&self, machine: &mut dyn ProcessControl) -> bool {
        match self {
            SignOff::Lock(lock) => machine.has_left(lock.as_deref()),
            SignOff::Processes => false,
        }
    }
}

struct Target {
    root: Option<ProcessId>,
    /// The pid of the conflict, which may be known without its process.
    pid: Option<u32>,
    /// The members last seen alive.
    known: BTreeSet<ProcessId>,
    means: Means,
    /// The time of the next search for new members of a guard's tree.
    search_at: Option<Duration>,
    /// The time by which a guard should have ended its tree. It may be stopped.
    overdue_at: Duration,
}

enum Means {
    /// The guard ends its own tree.
    Guard(SignOff),
    Signals(SignalSequence),
}

impl Target {
    fn begin(
        machine: &mut dyn ProcessControl,
        conflict: &Conflict,
        stop: Stop,
        on_event: &mut dyn FnMut(TerminateEvent),
    ) -> Result<Target, ExecuteError> {
        let root = conflict.root.as_ref().map(|root| root.id);
        let means = match (stop.means, &conflict.guard) {
            (StopMeans::Ask | StopMeans::AskThenSignal, Some(guard)) => {
                ask(machine, guard, conflict, stop, on_event)?
            }
            (StopMeans::Signal, _) | (StopMeans::Ask | StopMeans::AskThenSignal, None) => {
                Means::Signals(SignalSequence::new(stop.options))
            }
        };
        let known = conflict.processes().map(|process| process.id).collect();
        // With half of the time left, a guard that is continued can still ask its tree to end.
        let overdue_at = machine.now().saturating_add(stop.timeout() / 2);
        Ok(Target { root, pid: conflict.pid(), known, means, search_at: None, overdue_at })
    }

    /// Takes one step. Returns the time of the next step; `None` once the tree has ended.
    fn step(
        &mut self,
        machine: &mut dyn ProcessControl,
        on_event: &mut dyn FnMut(TerminateEvent),
    ) -> Result<Option<Duration>, NotEnded> {
        let has_signed_off = match &self.means {
            Means::Signals(_) => false,
            // A guard leaves processes alone that it did not start; they may still be in the tree.
            Means::Guard(sign_off) => sign_off.has_signed_off(machine),
        };
        match &self.means {
            Means::Guard(sign_off) if has_signed_off && sign_off.has_left(machine) => {
                return Ok(None);
            }
            // The guard knows its tree best. Its record, its lock or its own end tells when the
            // tree has ended.
            Means::Guard(_) if !has_signed_off => {
                let living = machine.living(&self.known);
                // An ended process may have left children behind, which a killed guard can no
                // longer end. Unless the guard signs off in time, search for them.
                if living != self.known {
                    self.search_at.get_or_insert(machine.now().saturating_add(SIGN_OFF_TIME));
                }
                let at = self.search_at.unwrap_or(Duration::MAX).min(self.overdue_at);
                if machine.now() < at && self.root.is_some_and(|root| living.contains(&root)) {
                    self.known = living;
                    return Ok(Some(at));
                }
            }
            Means::Guard(_) | Means::Signals(_) => {}
        }
        self.search_at = None;
        if machine.now() >= self.overdue_at {
            self.overdue_at = Duration::MAX;
        }
        let members = machine.members(&self.known);
        self.known = members.iter().map(|member| member.id).collect();
        let progress = match &mut self.means {
            Means::Signals(progress) => progress,
            Means::Guard(sign_off) => {
                if let Some(root) = self.root {
                    continue_guard(machine, root, &members, on_event);
                }
                let has_tree =
                    !has_signed_off && members.iter().any(|member| Some(member.id) != self.root);
                let has_ended = !has_tree
                    && (members.is_empty() && self.root.is_some()
                        || !has_signed_off && sign_off.has_left(machine));
                return Ok((!has_ended).then_some(self.overdue_at));
            }
        };
        let next = progress.step(machine.now(), &members);
        for &(id, signal) in &next.signals {
            match machine.send(id, signal) {
                SignalResult::Delivered => on_event(TerminateEvent::Sent(id, signal)),
                SignalResult::Gone => {}
                SignalResult::Denied => return Err(NotEnded::Denied { pid: id.pid }),
            }
        }
        match next.then {
            AfterStep::Ended => Ok(None),
            AfterStep::Check { at } => Ok(Some(at)),
            AfterStep::GaveUp(reason) => Err(NotEnded::GaveUp(reason)),
        }
    }
}

/// Continues a guard if it is stopped: it could neither answer nor leave.
fn continue_guard(
    machine: &mut dyn ProcessControl,
    guard: ProcessId,
    members: &[Member],
    on_event: &mut dyn FnMut(TerminateEvent),
) {
    let is_stopped =
        members.iter().any(|member| member.id == guard && member.job_state == JobState::Stopped);
    if is_stopped && machine.send(guard, SignalToSend::Continue) == SignalResult::Delivered {
        on_event(TerminateEvent::Sent(guard, SignalToSend::Continue));
    }
}

fn ask(
    machine: &mut dyn ProcessControl,
    guard: &GuardView,
    conflict: &Conflict,
    stop: Stop,
    on_event: &mut dyn FnMut(TerminateEvent),
) -> Result<Means, ExecuteError> {
    let pid = conflict.pid();
    on_event(TerminateEvent::Asked(pid));
    if let Some(root) = conflict.root.as_ref().map(|root| root.id) {
        // A stopped guard cannot read requests.
        let members = machine.members(&BTreeSet::from([root]));
        continue_guard(machine, root, &members, on_event);
    }
    match (machine.ask(guard, stop.options)?, stop.means) {
        (AskOutcome::Acknowledged, _) => {
            on_event(TerminateEvent::Acknowledged(pid));
            Ok(Means::Guard(SignOff::of(guard)))
        }
        (AskOutcome::NotAsked(error), _) => Err(NotEnded::NotAsked { guard: pid, error }.into()),
        (AskOutcome::NoAnswer, StopMeans::AskThenSignal | StopMeans::Signal) => {
            Ok(Means::Signals(SignalSequence::new(stop.options)))
        }
        (AskOutcome::NoAnswer, StopMeans::Ask) => Err(NotEnded::NoAnswer { guard: pid }.into()),
    }
}
