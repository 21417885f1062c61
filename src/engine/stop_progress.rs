//! Ends a tree, as a step function: returns the signals to send now and the time to look again.
//! Nothing here sends anything. The root gets the signal first; a member that outlives its parent
//! gets it too, once. Each has its own patience from its first signal, then comes SIGKILL.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::ladder::{AfterGraceful, StopMode, StopOptions};
use crate::engine::process::ProcessId;
use crate::engine::signal::SignalToSend;

/// A living member of the tree, as it was just seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub id: ProcessId,
    /// Its present parent's pid.
    pub parent: u32,
    pub job_state: JobState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    Running,
    /// It is stopped, and acts on nothing but SIGKILL and SIGCONT.
    Stopped,
    /// It cannot be pinned, for want of a descriptor, and so nothing is sent to it until others have
    /// ended.
    Unpinned,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStep {
    pub signals: Vec<(ProcessId, SignalToSend)>,
    pub then: AfterStep,
}

/// The state of a tree after the signals of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterStep {
    Ended,
    /// Step again when one of them ends, at this time at the latest.
    Look {
        /// On the clock of `step`'s `now`.
        at: Duration,
    },
    /// It was given up.
    GaveUp(GiveUpReason),
}

/// The reason that a tree was not ended, with the member that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpReason {
    /// It outlived the signal, and the policy does not escalate.
    OutlivedSignal(ProcessId),
    /// It outlived SIGKILL: it hangs in the kernel.
    OutlivedKill(ProcessId),
    /// No other member is left, and it still cannot be pinned.
    Unpinned(ProcessId),
}

impl GiveUpReason {
    pub fn id(self) -> ProcessId {
        match self {
            GiveUpReason::OutlivedSignal(id)
            | GiveUpReason::OutlivedKill(id)
            | GiveUpReason::Unpinned(id) => id,
        }
    }
}

/// The progress of ending one tree, member by member.
#[derive(Debug, Clone)]
pub struct StopProgress {
    options: StopOptions,
    signalled: BTreeMap<ProcessId, Duration>,
    killed: BTreeMap<ProcessId, Duration>,
    /// The time since which only members are left that cannot be pinned.
    stuck: Option<Duration>,
}

/// The pause before pinning is tried again for want of a descriptor.
pub const PIN_AGAIN: Duration = Duration::from_millis(50);

impl StopProgress {
    pub fn new(options: StopOptions) -> Self {
        StopProgress { options, signalled: BTreeMap::new(), killed: BTreeMap::new(), stuck: None }
    }

    /// Notes that another process signalled `member` already: it is not signalled twice, and its
    /// time counts from then.
    pub fn already_signalled(&mut self, member: ProcessId, at: Duration) {
        self.signalled.entry(member).or_insert(at);
    }

    /// Applies a later request, which may only shorten the time.
    pub fn hasten(&mut self, options: StopOptions) {
        self.options = self.options.hastened_by(options);
    }

    pub fn step(&mut self, now: Duration, alive: &[Member]) -> NextStep {
        let mut signals = Vec::new();
        for member in alive {
            if member.job_state == JobState::Unpinned || self.killed.contains_key(&member.id) {
                continue;
            }
            if self.is_due(now, member.id) {
                self.killed.insert(member.id, now);
                signals.push((member.id, SignalToSend::Kill));
                continue;
            }
            let is_parent = |other: &Member| {
                other.id.pid == member.parent
                    && other.id != member.id
                    && other.job_state != JobState::Unpinned
            };
            let has_parent = alive.iter().any(is_parent);
            if !has_parent && !self.signalled.contains_key(&member.id) {
                self.signalled.insert(member.id, now);
                signals.push((member.id, SignalToSend::Signal(self.options.signal)));
            }
            if member.job_state == JobState::Stopped {
                signals.push((member.id, SignalToSend::Continue));
            }
        }
        NextStep { signals, then: self.after(now, alive) }
    }

    fn is_due(&self, now: Duration, id: ProcessId) -> bool {
        let waited_enough = || {
            self.options.escalation == AfterGraceful::Kill
                && self
                    .signalled
                    .get(&id)
                    .is_some_and(|at| now >= at.saturating_add(self.options.graceful))
        };
        self.options.mode == StopMode::Force || waited_enough()
    }

    fn after(&mut self, now: Duration, alive: &[Member]) -> AfterStep {
        if let [first, ..] = alive
            && alive.iter().all(|member| member.job_state == JobState::Unpinned)
        {
            let give_up = self.stuck.get_or_insert(now).saturating_add(self.options.force);
            return if now >= give_up {
                AfterStep::GaveUp(GiveUpReason::Unpinned(first.id))
            } else {
                AfterStep::Look { at: now.saturating_add(PIN_AGAIN) }
            };
        }
        self.stuck = None;
        let mut at = Duration::MAX;
        for member in alive {
            let killed =
                self.killed.get(&member.id).map(|at| at.saturating_add(self.options.force));
            let signalled =
                self.signalled.get(&member.id).map(|at| at.saturating_add(self.options.graceful));
            match (killed, signalled) {
                (Some(end), _) if now >= end => {
                    return AfterStep::GaveUp(GiveUpReason::OutlivedKill(member.id));
                }
                // It would have been killed by now if the options said so.
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

    use crate::engine::signal::Signal;

    const ROOT: ProcessId = ProcessId { pid: 10, start: 1 };
    const CHILD: ProcessId = ProcessId { pid: 11, start: 2 };
    const SECOND: Duration = Duration::from_secs(1);

    fn options(mode: StopMode, escalation: AfterGraceful) -> StopOptions {
        StopOptions {
            mode,
            signal: Signal::SigTerm,
            graceful: 30 * SECOND,
            force: 5 * SECOND,
            escalation,
        }
    }

    fn member(id: ProcessId, parent: u32) -> Member {
        Member { id, parent, job_state: JobState::Running }
    }

    #[test]
    fn the_root_is_signalled_once_and_its_child_only_when_it_is_left_alone() {
        let mut progress = StopProgress::new(options(StopMode::Graceful, AfterGraceful::Kill));
        let both = [member(ROOT, 1), member(CHILD, ROOT.pid)];
        let term = SignalToSend::Signal(Signal::SigTerm);
        assert_eq!(
            progress.step(SECOND, &both),
            NextStep { signals: vec![(ROOT, term)], then: AfterStep::Look { at: 31 * SECOND } }
        );
        assert_eq!(
            progress.step(2 * SECOND, &both),
            NextStep { signals: vec![], then: AfterStep::Look { at: 31 * SECOND } }
        );
        let alone = [member(CHILD, 1)];
        assert_eq!(
            progress.step(3 * SECOND, &alone),
            NextStep { signals: vec![(CHILD, term)], then: AfterStep::Look { at: 33 * SECOND } }
        );
        assert_eq!(
            progress.step(33 * SECOND, &alone),
            NextStep {
                signals: vec![(CHILD, SignalToSend::Kill)],
                then: AfterStep::Look { at: 38 * SECOND }
            }
        );
        assert_eq!(
            progress.step(34 * SECOND, &[]),
            NextStep { signals: vec![], then: AfterStep::Ended }
        );
    }

    #[test]
    fn a_stopped_member_is_continued_after_the_signal() {
        let mut progress = StopProgress::new(options(StopMode::Graceful, AfterGraceful::Kill));
        let stopped = [Member { job_state: JobState::Stopped, ..member(ROOT, 1) }];
        assert_eq!(
            progress.step(SECOND, &stopped).signals,
            [(ROOT, SignalToSend::Signal(Signal::SigTerm)), (ROOT, SignalToSend::Continue)]
        );
    }

    #[test]
    fn force_kills_the_whole_tree_at_once_and_gives_up_when_that_does_not_help() {
        let mut progress = StopProgress::new(options(StopMode::Force, AfterGraceful::Kill));
        let both = [member(ROOT, 1), member(CHILD, ROOT.pid)];
        assert_eq!(
            progress.step(SECOND, &both).signals,
            [(ROOT, SignalToSend::Kill), (CHILD, SignalToSend::Kill)]
        );
        assert_eq!(
            progress.step(6 * SECOND, &both[1..]).then,
            AfterStep::GaveUp(GiveUpReason::OutlivedKill(CHILD))
        );
    }

    #[test]
    fn without_escalation_a_stubborn_member_is_never_killed() {
        let mut progress = StopProgress::new(options(StopMode::Graceful, AfterGraceful::Refuse));
        let alive = [member(ROOT, 1)];
        progress.step(SECOND, &alive);
        assert_eq!(
            progress.step(31 * SECOND, &alive),
            NextStep {
                signals: vec![],
                then: AfterStep::GaveUp(GiveUpReason::OutlivedSignal(ROOT))
            }
        );
    }

    #[test]
    fn a_signal_that_somebody_else_sent_is_not_sent_again() {
        let mut progress = StopProgress::new(options(StopMode::Graceful, AfterGraceful::Kill));
        progress.already_signalled(ROOT, SECOND);
        let alive = [member(ROOT, 1)];
        assert_eq!(
            progress.step(10 * SECOND, &alive),
            NextStep { signals: vec![], then: AfterStep::Look { at: 31 * SECOND } }
        );
    }

    #[test]
    fn who_cannot_be_pinned_has_its_turn_when_others_have_ended() {
        let mut progress = StopProgress::new(options(StopMode::Graceful, AfterGraceful::Kill));
        let unpinned = Member { job_state: JobState::Unpinned, ..member(CHILD, 1) };
        assert_eq!(
            progress.step(SECOND, &[member(ROOT, 1), unpinned]).signals,
            [(ROOT, SignalToSend::Signal(Signal::SigTerm))]
        );
        let again = AfterStep::Look { at: 10 * SECOND + PIN_AGAIN };
        assert_eq!(
            progress.step(10 * SECOND, &[unpinned]),
            NextStep { signals: vec![], then: again }
        );
        let next = progress.step(11 * SECOND, &[member(CHILD, 1)]);
        assert_eq!(
            next,
            NextStep {
                signals: vec![(CHILD, SignalToSend::Signal(Signal::SigTerm))],
                then: AfterStep::Look { at: 41 * SECOND }
            }
        );
    }

    #[test]
    fn who_is_never_pinned_is_given_up_and_never_taken_for_ended() {
        let mut progress = StopProgress::new(options(StopMode::Force, AfterGraceful::Kill));
        let unpinned = [Member { job_state: JobState::Unpinned, ..member(CHILD, 1) }];
        assert_eq!(
            progress.step(SECOND, &unpinned),
            NextStep { signals: vec![], then: AfterStep::Look { at: SECOND + PIN_AGAIN } }
        );
        assert_eq!(
            progress.step(6 * SECOND, &unpinned).then,
            AfterStep::GaveUp(GiveUpReason::Unpinned(CHILD))
        );
    }

    #[test]
    fn a_parent_that_cannot_be_pinned_keeps_no_signal_from_its_child() {
        let mut progress = StopProgress::new(options(StopMode::Graceful, AfterGraceful::Kill));
        let both =
            [Member { job_state: JobState::Unpinned, ..member(ROOT, 1) }, member(CHILD, ROOT.pid)];
        assert_eq!(
            progress.step(SECOND, &both).signals,
            [(CHILD, SignalToSend::Signal(Signal::SigTerm))]
        );
    }

    #[test]
    fn a_later_request_only_shortens() {
        let mut progress = StopProgress::new(options(StopMode::Graceful, AfterGraceful::Refuse));
        let alive = [member(ROOT, 1)];
        progress.step(SECOND, &alive);
        progress.hasten(StopOptions {
            graceful: 90 * SECOND,
            ..options(StopMode::Graceful, AfterGraceful::Refuse)
        });
        assert_eq!(progress.step(2 * SECOND, &alive).then, AfterStep::Look { at: 31 * SECOND });
        progress.hasten(options(StopMode::Force, AfterGraceful::Kill));
        assert_eq!(progress.step(3 * SECOND, &alive).signals, [(ROOT, SignalToSend::Kill)]);
    }
}
