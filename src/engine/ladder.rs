//! Waiting for a conflict, and ending it: planned here, printed by `report`, executed by
//! `terminate`.

use std::time::Duration;

use crate::engine::signal::{Signal, SignalToSend};

/// All that is done about one conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ladder {
    /// Nothing: it is refused or ignored, or another conflict is refused.
    Nothing,
    /// Wait for it to end by itself.
    Wait {
        limit: WaitLimit,
        /// The end after that; none if the conflict is refused then, or cannot be ended.
        then: Option<Stop>,
    },
    Stop(Stop),
}

/// One way to end a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    pub means: StopMeans,
    pub options: StopOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMeans {
    /// Its guard is asked. It is in another PID namespace, and cannot be signaled.
    Ask,
    /// Its guard is asked, and signaled if it does not answer.
    AskThenSignal,
    Signal,
}

/// The signals that end a tree, and the time for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopOptions {
    pub mode: StopMode,
    pub signal: Signal,
    /// From that signal to SIGKILL.
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    pub force: Duration,
    pub escalation: AfterGraceful,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// The signal, then SIGKILL.
    Graceful,
    /// SIGKILL at once.
    Force,
}

/// The action if `graceful` was not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterGraceful {
    Kill,
    /// The start is refused, the conflict lives on.
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitLimit {
    Forever,
    /// At most this long; zero is one try.
    For(Duration),
}

/// One step of a ladder, as it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Ask its guard to end it.
    Ask {
        /// Time for the guard to end its tree.
        timeout: Duration,
    },
    Signal {
        signal: SignalToSend,
        /// Time for the tree to end.
        timeout: Duration,
    },
    /// Wait for it to end by itself.
    Wait { limit: WaitLimit },
}

impl Ladder {
    /// Returns its steps, each taken only if the one before did not help.
    pub fn steps(&self) -> Vec<Step> {
        let (wait, stop) = match *self {
            Ladder::Nothing => (None, None),
            Ladder::Wait { limit, then } => (Some(Step::Wait { limit }), then),
            Ladder::Stop(stop) => (None, Some(stop)),
        };
        wait.into_iter().chain(stop.iter().flat_map(Stop::steps)).collect()
    }

    /// Returns the time for waiting and the time for ending; `None` if there is no limit.
    pub fn time_limits(&self) -> Option<(Duration, Duration)> {
        let (wait, stop) = match *self {
            Ladder::Nothing => (Duration::ZERO, None),
            Ladder::Wait { limit: WaitLimit::Forever, then: _ } => return None,
            Ladder::Wait { limit: WaitLimit::For(wait), then } => (wait, then),
            Ladder::Stop(stop) => (Duration::ZERO, Some(stop)),
        };
        Some((wait, stop.as_ref().map_or(Duration::ZERO, Stop::timeout)))
    }
}

impl Stop {
    fn steps(&self) -> impl Iterator<Item = Step> {
        let ask = Step::Ask { timeout: self.options.first_timeout() };
        let (ask, signals) = match self.means {
            StopMeans::Ask => (Some(ask), None),
            StopMeans::AskThenSignal => (Some(ask), Some(self.options.signals())),
            StopMeans::Signal => (None, Some(self.options.signals())),
        };
        let signal = |(signal, timeout)| Step::Signal { signal, timeout };
        ask.into_iter().chain(signals.into_iter().flatten().map(signal))
    }

    fn timeout(&self) -> Duration {
        match self.means {
            StopMeans::Ask => self.options.first_timeout(),
            // The signals come instead of an answer, within the same time.
            StopMeans::AskThenSignal | StopMeans::Signal => self
                .options
                .signals()
                .fold(Duration::ZERO, |sum, (_, timeout)| sum.saturating_add(timeout)),
        }
    }
}

impl StopOptions {
    /// The signals in their order, each with the time for the tree to end.
    fn signals(&self) -> impl Iterator<Item = (SignalToSend, Duration)> + use<> {
        let ask = (SignalToSend::Signal(self.signal), self.graceful);
        let kill = (SignalToSend::Kill, self.force);
        let (first, second) = match (self.mode, self.escalation) {
            (StopMode::Force, AfterGraceful::Kill | AfterGraceful::Refuse) => (kill, None),
            (StopMode::Graceful, AfterGraceful::Kill) => (ask, Some(kill)),
            (StopMode::Graceful, AfterGraceful::Refuse) => (ask, None),
        };
        std::iter::once(first).chain(second)
    }

    fn first_timeout(&self) -> Duration {
        match self.mode {
            StopMode::Graceful => self.graceful,
            StopMode::Force => self.force,
        }
    }

    /// Returns the more impatient of both: a later request may only shorten an earlier one.
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

impl WaitLimit {
    /// Returns whether it is over after this time.
    pub fn is_over(self, waited: Duration) -> bool {
        match self {
            WaitLimit::Forever => false,
            WaitLimit::For(most) => waited >= most,
        }
    }
}
