//! The signal ladder as a step function: who gets what now, and when to look again.
//!
//! The root gets the signal; a member that outlives its parent gets it too, once. Each has its own
//! patience from its first signal, then SIGKILL. Nothing here sends anything: see `host::execute`
//! and `wrap::supervise`.

use std::{collections::BTreeMap, time::Duration};

use crate::engine::{
    plan::SignalToSend,
    policy::{AfterGraceful, Policy},
    signal::Signal,
    snapshot::ProcessId,
};

/// How a tree is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopOptions {
    /// Whether anybody is asked first.
    pub mode: StopMode,
    /// What is sent first.
    pub signal: Signal,
    /// From that signal to SIGKILL.
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    pub force: Duration,
    /// What comes when the signal was not enough.
    pub escalation: AfterGraceful,
}

/// Whether anybody is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// The signal, then SIGKILL.
    Graceful,
    /// SIGKILL at once.
    Force,
}

impl StopOptions {
    /// As the policy says.
    #[must_use]
    pub fn of(policy: &Policy, mode: StopMode) -> StopOptions {
        StopOptions {
            mode,
            signal: policy.signal,
            graceful: policy.timeouts.graceful,
            force: policy.timeouts.force,
            escalation: policy.escalation,
        }
    }

    /// The more impatient of both; a later request may only shorten an earlier one.
    #[must_use]
    pub fn hastened_by(self, other: StopOptions) -> StopOptions {
        let mode = match (self.mode, other.mode) {
            (StopMode::Graceful, StopMode::Graceful) => StopMode::Graceful,
            (StopMode::Force, _) | (_, StopMode::Force) => StopMode::Force,
        };
        let escalation = match (self.escalation, other.escalation) {
            (AfterGraceful::Refuse, AfterGraceful::Refuse) => AfterGraceful::Refuse,
            (AfterGraceful::Kill, _) | (_, AfterGraceful::Kill) => AfterGraceful::Kill,
        };
        StopOptions {
            mode,
            escalation,
            graceful: self.graceful.min(other.graceful),
            force: self.force.min(other.force),
            ..self
        }
    }
}

/// A living member of the tree, as it was just seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub id: ProcessId,
    /// Its parent's pid now.
    pub parent: u32,
    /// Whether a signal reaches it.
    pub motion: JobState,
}

/// Whether a process can hear a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It runs or sleeps.
    Moving,
    /// It is stopped, and hears nothing but SIGKILL and SIGCONT.
    Stopped,
    /// It cannot be pinned, for want of a descriptor, and so nothing is sent to it. Its turn comes
    /// when others have ended.
    Unpinned,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStep {
    /// Who gets what, in this order.
    pub blows: Vec<(ProcessId, SignalToSend)>,
    /// And then.
    pub next: AfterStep,
}

/// What comes after the blows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterStep {
    /// Nobody is left.
    Ended,
    /// Step again when one of them ends, at this time at the latest.
    Look {
        /// On the clock of `step`'s `now`.
        at: Duration,
    },
    /// It did not work.
    GaveUp(GiveUpReason),
}

/// Who was not ended, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpReason {
    /// It outlived the signal, and the policy does not escalate.
    OutlivedSignal(ProcessId),
    /// It outlived SIGKILL: it hangs in the kernel.
    OutlivedKill(ProcessId),
    /// Nobody else is left, and it still cannot be pinned.
    Unpinned(ProcessId),
}

impl GiveUpReason {
    /// Who it is.
    #[must_use]
    pub fn id(self) -> ProcessId {
        match self {
            GiveUpReason::OutlivedSignal(id)
            | GiveUpReason::OutlivedKill(id)
            | GiveUpReason::Unpinned(id) => id,
        }
    }
}

/// The ladder of one tree and how far each member is on it.
#[derive(Debug, Clone)]
pub struct Ladder {
    manner: StopOptions,
    signalled: BTreeMap<ProcessId, Duration>,
    killed: BTreeMap<ProcessId, Duration>,
    /// Since when there is nobody left whose end would make room for another one.
    stuck: Option<Duration>,
}

/// How long to wait for a descriptor before it is tried again.
pub const PIN_AGAIN: Duration = Duration::from_millis(50);

impl Ladder {
    /// At its foot.
    #[must_use]
    pub fn new(manner: StopOptions) -> Self {
        Ladder { manner, signalled: BTreeMap::new(), killed: BTreeMap::new(), stuck: None }
    }

    /// Somebody else sent the signal to `member` already: it is not sent twice, and its patience
    /// counts from then.
    pub fn already_signalled(&mut self, member: ProcessId, at: Duration) {
        self.signalled.entry(member).or_insert(at);
    }

    /// A later request: it may only shorten this one.
    pub fn hasten(&mut self, manner: StopOptions) {
        self.manner = self.manner.hastened_by(manner);
    }

    /// What is to be done at `now`, while these members live.
    pub fn step(&mut self, now: Duration, alive: &[Member]) -> NextStep {
        let mut blows = Vec::new();
        for member in alive {
            if member.motion == JobState::Unpinned || self.killed.contains_key(&member.id) {
                continue;
            }
            if self.is_due(now, member.id) {
                self.killed.insert(member.id, now);
                blows.push((member.id, SignalToSend::Kill));
                continue;
            }
            let is_parent = |other: &Member| {
                other.id.pid == member.parent
                    && other.id != member.id
                    && other.motion != JobState::Unpinned
            };
            let has_parent = alive.iter().any(is_parent);
            if !has_parent && !self.signalled.contains_key(&member.id) {
                self.signalled.insert(member.id, now);
                blows.push((member.id, SignalToSend::Signal(self.manner.signal)));
            }
            if member.motion == JobState::Stopped {
                blows.push((member.id, SignalToSend::Continue));
            }
        }
        NextStep { blows, next: self.next(now, alive) }
    }

    fn is_due(&self, now: Duration, id: ProcessId) -> bool {
        let waited_enough = || {
            self.manner.escalation == AfterGraceful::Kill
                && self
                    .signalled
                    .get(&id)
                    .is_some_and(|at| now >= at.saturating_add(self.manner.graceful))
        };
        self.manner.mode == StopMode::Force || waited_enough()
    }

    fn next(&mut self, now: Duration, alive: &[Member]) -> AfterStep {
        if let [first, ..] = alive
            && alive.iter().all(|member| member.motion == JobState::Unpinned)
        {
            let give_up = self.stuck.get_or_insert(now).saturating_add(self.manner.force);
            return if now >= give_up {
                AfterStep::GaveUp(GiveUpReason::Unpinned(first.id))
            } else {
                AfterStep::Look { at: now.saturating_add(PIN_AGAIN) }
            };
        }
        self.stuck = None;
        let mut at = Duration::MAX;
        for member in alive {
            let killed = self.killed.get(&member.id).map(|at| at.saturating_add(self.manner.force));
            let signalled =
                self.signalled.get(&member.id).map(|at| at.saturating_add(self.manner.graceful));
            match (killed, signalled) {
                (Some(end), _) if now >= end => {
                    return AfterStep::GaveUp(GiveUpReason::OutlivedKill(member.id));
                }
                // It would have been killed above if the policy escalated.
                (None, Some(end)) if now >= end => {
                    return AfterStep::GaveUp(GiveUpReason::OutlivedSignal(member.id));
                }
                (Some(end), _) | (None, Some(end)) => at = at.min(end),
                (None, None) => {}
            }
        }
        if alive.is_empty() { AfterStep::Ended } else { AfterStep::Look { at } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: ProcessId = ProcessId { pid: 10, start: 1 };
    const CHILD: ProcessId = ProcessId { pid: 11, start: 2 };
    const SECOND: Duration = Duration::from_secs(1);

    fn manner(mode: StopMode, escalation: AfterGraceful) -> StopOptions {
        StopOptions {
            mode,
            signal: Signal::SigTerm,
            graceful: 30 * SECOND,
            force: 5 * SECOND,
            escalation,
        }
    }

    fn member(id: ProcessId, parent: u32) -> Member {
        Member { id, parent, motion: JobState::Moving }
    }

    #[test]
    fn the_root_is_signalled_once_and_its_child_only_when_it_is_left_alone() {
        let mut ladder = Ladder::new(manner(StopMode::Graceful, AfterGraceful::Kill));
        let both = [member(ROOT, 1), member(CHILD, ROOT.pid)];
        let term = SignalToSend::Signal(Signal::SigTerm);
        assert_eq!(
            ladder.step(SECOND, &both),
            NextStep { blows: vec![(ROOT, term)], next: AfterStep::Look { at: 31 * SECOND } }
        );
        assert_eq!(
            ladder.step(2 * SECOND, &both),
            NextStep { blows: vec![], next: AfterStep::Look { at: 31 * SECOND } }
        );
        let alone = [member(CHILD, 1)];
        assert_eq!(
            ladder.step(3 * SECOND, &alone),
            NextStep { blows: vec![(CHILD, term)], next: AfterStep::Look { at: 33 * SECOND } }
        );
        assert_eq!(
            ladder.step(33 * SECOND, &alone),
            NextStep {
                blows: vec![(CHILD, SignalToSend::Kill)],
                next: AfterStep::Look { at: 38 * SECOND }
            }
        );
        assert_eq!(
            ladder.step(34 * SECOND, &[]),
            NextStep { blows: vec![], next: AfterStep::Ended }
        );
    }

    #[test]
    fn a_stopped_member_is_continued_after_the_signal() {
        let mut ladder = Ladder::new(manner(StopMode::Graceful, AfterGraceful::Kill));
        let stopped = [Member { motion: JobState::Stopped, ..member(ROOT, 1) }];
        assert_eq!(
            ladder.step(SECOND, &stopped).blows,
            [(ROOT, SignalToSend::Signal(Signal::SigTerm)), (ROOT, SignalToSend::Continue)]
        );
    }

    #[test]
    fn force_kills_the_whole_tree_at_once_and_gives_up_when_that_does_not_help() {
        let mut ladder = Ladder::new(manner(StopMode::Force, AfterGraceful::Kill));
        let both = [member(ROOT, 1), member(CHILD, ROOT.pid)];
        assert_eq!(
            ladder.step(SECOND, &both).blows,
            [(ROOT, SignalToSend::Kill), (CHILD, SignalToSend::Kill)]
        );
        assert_eq!(
            ladder.step(6 * SECOND, &both[1..]).next,
            AfterStep::GaveUp(GiveUpReason::OutlivedKill(CHILD))
        );
    }

    #[test]
    fn without_escalation_a_stubborn_member_is_never_killed() {
        let mut ladder = Ladder::new(manner(StopMode::Graceful, AfterGraceful::Refuse));
        let alive = [member(ROOT, 1)];
        ladder.step(SECOND, &alive);
        assert_eq!(
            ladder.step(31 * SECOND, &alive),
            NextStep { blows: vec![], next: AfterStep::GaveUp(GiveUpReason::OutlivedSignal(ROOT)) }
        );
    }

    #[test]
    fn a_signal_that_somebody_else_sent_is_not_sent_again() {
        let mut ladder = Ladder::new(manner(StopMode::Graceful, AfterGraceful::Kill));
        ladder.already_signalled(ROOT, SECOND);
        let alive = [member(ROOT, 1)];
        assert_eq!(
            ladder.step(10 * SECOND, &alive),
            NextStep { blows: vec![], next: AfterStep::Look { at: 31 * SECOND } }
        );
    }

    #[test]
    fn who_cannot_be_pinned_has_its_turn_when_others_have_ended() {
        let mut ladder = Ladder::new(manner(StopMode::Graceful, AfterGraceful::Kill));
        let unpinned = Member { motion: JobState::Unpinned, ..member(CHILD, 1) };
        assert_eq!(
            ladder.step(SECOND, &[member(ROOT, 1), unpinned]).blows,
            [(ROOT, SignalToSend::Signal(Signal::SigTerm))]
        );
        let again = AfterStep::Look { at: 10 * SECOND + PIN_AGAIN };
        assert_eq!(ladder.step(10 * SECOND, &[unpinned]), NextStep { blows: vec![], next: again });
        let orders = ladder.step(11 * SECOND, &[member(CHILD, 1)]);
        assert_eq!(
            orders,
            NextStep {
                blows: vec![(CHILD, SignalToSend::Signal(Signal::SigTerm))],
                next: AfterStep::Look { at: 41 * SECOND }
            }
        );
    }

    #[test]
    fn who_is_never_pinned_is_given_up_and_never_taken_for_ended() {
        let mut ladder = Ladder::new(manner(StopMode::Force, AfterGraceful::Kill));
        let unpinned = [Member { motion: JobState::Unpinned, ..member(CHILD, 1) }];
        assert_eq!(
            ladder.step(SECOND, &unpinned),
            NextStep { blows: vec![], next: AfterStep::Look { at: SECOND + PIN_AGAIN } }
        );
        assert_eq!(
            ladder.step(6 * SECOND, &unpinned).next,
            AfterStep::GaveUp(GiveUpReason::Unpinned(CHILD))
        );
    }

    #[test]
    fn a_parent_that_cannot_be_pinned_keeps_no_signal_from_its_child() {
        let mut ladder = Ladder::new(manner(StopMode::Graceful, AfterGraceful::Kill));
        let both =
            [Member { motion: JobState::Unpinned, ..member(ROOT, 1) }, member(CHILD, ROOT.pid)];
        assert_eq!(
            ladder.step(SECOND, &both).blows,
            [(CHILD, SignalToSend::Signal(Signal::SigTerm))]
        );
    }

    #[test]
    fn a_later_request_only_shortens() {
        let mut ladder = Ladder::new(manner(StopMode::Graceful, AfterGraceful::Refuse));
        let alive = [member(ROOT, 1)];
        ladder.step(SECOND, &alive);
        ladder.hasten(StopOptions {
            graceful: 90 * SECOND,
            ..manner(StopMode::Graceful, AfterGraceful::Refuse)
        });
        assert_eq!(ladder.step(2 * SECOND, &alive).next, AfterStep::Look { at: 31 * SECOND });
        ladder.hasten(manner(StopMode::Force, AfterGraceful::Kill));
        assert_eq!(ladder.step(3 * SECOND, &alive).blows, [(ROOT, SignalToSend::Kill)]);
    }
}
