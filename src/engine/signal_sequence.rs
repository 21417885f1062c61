//! Ends a process tree, as a step function: returns the signals to send now and the time of the
//! next check, and sends nothing itself. The root gets the signal first; a member that outlives its
//! parent gets it too, once. Each member has the full time from its first signal to SIGKILL.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::ladder::{AfterGraceful, StopMode, StopOptions};
use crate::engine::process::ProcessId;
use crate::engine::signal::SignalToSend;

/// A living member of the tree, as last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub id: ProcessId,
    /// The current parent's pid.
    pub parent: u32,
    pub job_state: JobState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    Running,
    /// Stopped, so it reacts only to SIGKILL and SIGCONT.
    Stopped,
    /// Not pinned because descriptors ran out. Not signaled until others have ended.
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
    /// Step again when a member ends, at this time at the latest.
    Check {
        /// On the same clock as `now`.
        at: Duration,
    },
    GaveUp(GiveUpReason),
}

/// The reason a tree was not ended, with a member that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpReason {
    /// Outlived the signal, and the policy does not escalate.
    OutlivedSignal(ProcessId),
    /// Outlived SIGKILL: stuck in the kernel.
    OutlivedKill(ProcessId),
    /// The only members left cannot be pinned.
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

/// The shortest time after a signal before its receiver counts as one that outlived it: no process
/// ends at the moment of the signal, and a request of another version may allow less.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub struct SignalSequence {
    options: StopOptions,
    signaled: BTreeMap<ProcessId, Duration>,
    killed: BTreeMap<ProcessId, Duration>,
    /// The time since which no member that is left can be pinned.
    stuck: Option<Duration>,
}

/// The delay before another attempt to pin a process, if descriptors ran out.
pub const PIN_AGAIN: Duration = Duration::from_millis(50);

impl SignalSequence {
    pub fn new(options: StopOptions) -> Self {
        SignalSequence { options, signaled: BTreeMap::new(), killed: BTreeMap::new(), stuck: None }
    }

    /// Records that another process signaled `member` at `at`: it is not signaled again, and its
    /// time counts from then.
    pub fn already_signaled(&mut self, member: ProcessId, at: Duration) {
        self.signaled.entry(member).or_insert(at);
    }

    /// Applies a later request, which can only shorten the time.
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
            if !has_parent && !self.signaled.contains_key(&member.id) {
                self.signaled.insert(member.id, now);
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
                    .signaled
                    .get(&id)
                    .is_some_and(|at| now >= at.saturating_add(self.options.graceful))
        };
        self.options.mode == StopMode::Force || waited_enough()
    }

    /// From SIGKILL to giving up.
    fn time_to_die(&self) -> Duration {
        self.options.force.max(SHORTEST_WAIT)
    }

    fn after(&mut self, now: Duration, alive: &[Member]) -> AfterStep {
        if let [first, ..] = alive
            && alive.iter().all(|member| member.job_state == JobState::Unpinned)
        {
            let give_up = self.stuck.get_or_insert(now).saturating_add(self.time_to_die());
            return if now >= give_up {
                AfterStep::GaveUp(GiveUpReason::Unpinned(first.id))
            } else {
                AfterStep::Check { at: now.saturating_add(PIN_AGAIN) }
            };
        }
        self.stuck = None;
        let mut at = Duration::MAX;
        for member in alive {
            // Give up only on members that must not be killed: if `graceful` is zero, the next step
            // kills.
            let is_left_alone = self.options.escalation == AfterGraceful::Refuse
                || member.job_state == JobState::Unpinned;
            let graceful = if is_left_alone {
                self.options.graceful.max(SHORTEST_WAIT)
            } else {
                self.options.graceful
            };
            let killed =
                self.killed.get(&member.id).map(|at| at.saturating_add(self.time_to_die()));
            let signaled = self.signaled.get(&member.id).map(|at| at.saturating_add(graceful));
            match (killed, signaled) {
                (Some(end), _) if now >= end => {
                    return AfterStep::GaveUp(GiveUpReason::OutlivedKill(member.id));
                }
                (None, Some(end)) if now >= end && is_left_alone => {
                    return AfterStep::GaveUp(GiveUpReason::OutlivedSignal(member.id));
                }
                (Some(end), _) | (None, Some(end)) => at = at.min(end),
                (None, None) => {}
            }
        }
        if alive.is_empty() { AfterStep::Ended } else { AfterStep::Check { at } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::engine::signal::Signal;

    const ROOT: ProcessId = ProcessId { pid: 10, start: 1 };
    const CHILD: ProcessId = ProcessId { pid: 11, start: 2 };
    const SECOND: Duration = Duration::from_secs(1);
    const TERM: SignalToSend = SignalToSend::Signal(Signal::SigTerm);
    const KILL: SignalToSend = SignalToSend::Kill;

    fn options(mode: StopMode, escalation: AfterGraceful) -> StopOptions {
        StopOptions {
            mode,
            signal: Signal::SigTerm,
            graceful: 30 * SECOND,
            force: 5 * SECOND,
            escalation,
        }
    }

    fn graceful() -> SignalSequence {
        SignalSequence::new(options(StopMode::Graceful, AfterGraceful::Kill))
    }

    fn forced() -> SignalSequence {
        SignalSequence::new(options(StopMode::Force, AfterGraceful::Kill))
    }

    fn member(id: ProcessId, parent: u32) -> Member {
        Member { id, parent, job_state: JobState::Running }
    }

    fn unpinned(id: ProcessId, parent: u32) -> Member {
        Member { job_state: JobState::Unpinned, ..member(id, parent) }
    }

    fn step(
        progress: &mut SignalSequence,
        second: u32,
        alive: &[Member],
    ) -> (Vec<(ProcessId, SignalToSend)>, AfterStep) {
        let NextStep { signals, then } = progress.step(second * SECOND, alive);
        (signals, then)
    }

    fn check_at(second: u32) -> AfterStep {
        AfterStep::Check { at: second * SECOND }
    }

    #[test]
    fn the_root_is_signaled_once_and_its_child_only_when_it_is_left_alone() {
        let mut progress = graceful();
        let both = [member(ROOT, 1), member(CHILD, ROOT.pid)];
        assert_eq!(step(&mut progress, 1, &both), (vec![(ROOT, TERM)], check_at(31)));
        assert_eq!(step(&mut progress, 2, &both), (vec![], check_at(31)));
        let alone = [member(CHILD, 1)];
        assert_eq!(step(&mut progress, 3, &alone), (vec![(CHILD, TERM)], check_at(33)));
        assert_eq!(step(&mut progress, 33, &alone), (vec![(CHILD, KILL)], check_at(38)));
        assert_eq!(step(&mut progress, 34, &[]), (vec![], AfterStep::Ended));
    }

    #[test]
    fn a_stopped_member_is_continued_after_the_signal() {
        let stopped = [Member { job_state: JobState::Stopped, ..member(ROOT, 1) }];
        let (signals, _) = step(&mut graceful(), 1, &stopped);
        assert_eq!(signals, [(ROOT, TERM), (ROOT, SignalToSend::Continue)]);
    }

    #[test]
    fn force_kills_the_whole_tree_at_once_and_gives_up_when_that_does_not_help() {
        let mut progress = forced();
        let both = [member(ROOT, 1), member(CHILD, ROOT.pid)];
        assert_eq!(step(&mut progress, 1, &both).0, [(ROOT, KILL), (CHILD, KILL)]);
        let gave_up = AfterStep::GaveUp(GiveUpReason::OutlivedKill(CHILD));
        assert_eq!(step(&mut progress, 6, &both[1..]).1, gave_up);
    }

    #[test]
    fn without_time_for_the_signal_the_next_step_kills() {
        let at_once = options(StopMode::Graceful, AfterGraceful::Kill);
        let mut progress = SignalSequence::new(StopOptions { graceful: Duration::ZERO, ..at_once });
        let alive = [member(ROOT, 1)];
        assert_eq!(step(&mut progress, 1, &alive), (vec![(ROOT, TERM)], check_at(1)));
        assert_eq!(step(&mut progress, 1, &alive), (vec![(ROOT, KILL)], check_at(6)));
    }

    #[test]
    fn the_step_that_sends_a_signal_never_gives_up() {
        for mode in [StopMode::Graceful, StopMode::Force] {
            for escalation in [AfterGraceful::Kill, AfterGraceful::Refuse] {
                let no_time = StopOptions {
                    graceful: Duration::ZERO,
                    force: Duration::ZERO,
                    ..options(mode, escalation)
                };
                for alive in [[member(ROOT, 1)], [unpinned(ROOT, 1)]] {
                    let mut progress = SignalSequence::new(no_time);
                    // The signal, then SIGKILL.
                    for _ in 0..2 {
                        let next = step(&mut progress, 1, &alive);
                        assert!(matches!(next.1, AfterStep::Check { .. }), "{next:?}");
                    }
                    assert_eq!(step(&mut progress, 1, &[]).1, AfterStep::Ended);
                    let mut progress = SignalSequence::new(no_time);
                    step(&mut progress, 1, &alive);
                    step(&mut progress, 1, &alive);
                    let last = step(&mut progress, 2, &alive).1;
                    assert!(matches!(last, AfterStep::GaveUp(_)), "{last:?}");
                }
            }
        }
    }

    #[test]
    fn without_escalation_a_stubborn_member_is_never_killed() {
        let mut progress = SignalSequence::new(options(StopMode::Graceful, AfterGraceful::Refuse));
        let alive = [member(ROOT, 1)];
        step(&mut progress, 1, &alive);
        let gave_up = AfterStep::GaveUp(GiveUpReason::OutlivedSignal(ROOT));
        assert_eq!(step(&mut progress, 31, &alive), (vec![], gave_up));
    }

    #[test]
    fn a_signal_of_another_process_is_not_sent_again() {
        let mut progress = graceful();
        progress.already_signaled(ROOT, SECOND);
        assert_eq!(step(&mut progress, 10, &[member(ROOT, 1)]), (vec![], check_at(31)));
    }

    #[test]
    fn an_unpinned_member_is_signaled_when_others_have_ended() {
        let mut progress = graceful();
        let both = [member(ROOT, 1), unpinned(CHILD, 1)];
        assert_eq!(step(&mut progress, 1, &both).0, [(ROOT, TERM)]);
        let again = AfterStep::Check { at: 10 * SECOND + PIN_AGAIN };
        assert_eq!(step(&mut progress, 10, &both[1..]), (vec![], again));
        assert_eq!(
            step(&mut progress, 11, &[member(CHILD, 1)]),
            (vec![(CHILD, TERM)], check_at(41))
        );
    }

    #[test]
    fn a_member_that_is_never_pinned_is_given_up_and_does_not_count_as_ended() {
        let mut progress = forced();
        let alive = [unpinned(CHILD, 1)];
        let again = AfterStep::Check { at: SECOND + PIN_AGAIN };
        assert_eq!(step(&mut progress, 1, &alive), (vec![], again));
        let gave_up = AfterStep::GaveUp(GiveUpReason::Unpinned(CHILD));
        assert_eq!(step(&mut progress, 6, &alive).1, gave_up);
    }

    #[test]
    fn an_unpinned_parent_keeps_no_signal_from_its_child() {
        let both = [unpinned(ROOT, 1), member(CHILD, ROOT.pid)];
        assert_eq!(step(&mut graceful(), 1, &both).0, [(CHILD, TERM)]);
    }

    #[test]
    fn a_later_request_only_shortens() {
        let refuse = options(StopMode::Graceful, AfterGraceful::Refuse);
        let mut progress = SignalSequence::new(refuse);
        let alive = [member(ROOT, 1)];
        step(&mut progress, 1, &alive);
        progress.hasten(StopOptions { graceful: 90 * SECOND, ..refuse });
        assert_eq!(step(&mut progress, 2, &alive).1, check_at(31));
        progress.hasten(options(StopMode::Force, AfterGraceful::Kill));
        assert_eq!(step(&mut progress, 3, &alive).0, [(ROOT, KILL)]);
    }
}
