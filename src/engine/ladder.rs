//! The ways to wait for a conflict and to end it: planned here, printed by `report`, carried out by
//! `terminate`.

use std::time::Duration;

use crate::engine::signal::{Signal, SignalToSend};

/// All steps against one conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ladder {
    /// No steps: the conflict is refused or ignored, or another conflict refuses the start.
    Nothing,
    Wait {
        limit: WaitLimit,
        /// The stop afterward; `None` if it is refused then or cannot be ended.
        then: Option<Stop>,
    },
    Stop(Stop),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    pub means: StopMeans,
    pub options: StopOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMeans {
    /// Ask the guard, which was not seen and cannot be signaled: it is in another PID namespace, or
    /// ended while the machine was scanned.
    Ask,
    /// Ask the guard, and signal it if it does not answer.
    AskThenSignal,
    Signal,
}

/// The signals that end a tree, and the time for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopOptions {
    pub mode: StopMode,
    pub signal: Signal,
    /// From the first signal to SIGKILL.
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    pub force: Duration,
    pub escalation: AfterGraceful,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Send the signal, then SIGKILL.
    Graceful,
    /// Send SIGKILL at once.
    Force,
}

/// The next step if the conflict outlives `graceful`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterGraceful {
    Kill,
    /// Refuse the start and leave the conflict running.
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitLimit {
    Forever,
    /// Zero checks once.
    For(Duration),
}

/// One step, as printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Ask the guard to end the conflict.
    Ask {
        /// Time for the guard to end its tree.
        timeout: Duration,
    },
    Signal {
        signal: SignalToSend,
        /// Time for the tree to end.
        timeout: Duration,
    },
    /// Wait for the conflict to end by itself.
    Wait { limit: WaitLimit },
}

impl Ladder {
    /// Returns the steps. Each is taken only if the one before did not help.
    pub fn steps(&self) -> Vec<Step> {
        let (wait, stop) = match *self {
            Ladder::Nothing => (None, None),
            Ladder::Wait { limit, then } => (Some(Step::Wait { limit }), then),
            Ladder::Stop(stop) => (None, Some(stop)),
        };
        wait.into_iter().chain(stop.iter().flat_map(Stop::steps)).collect()
    }

    /// Returns the limits for waiting and for ending; `None` if there is no limit.
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

    pub fn timeout(&self) -> Duration {
        match self.means {
            StopMeans::Ask => self.options.first_timeout(),
            // Signals replace the answer of the guard, within the same time.
            StopMeans::AskThenSignal | StopMeans::Signal => self
                .options
                .signals()
                .fold(Duration::ZERO, |sum, (_, timeout)| sum.saturating_add(timeout)),
        }
    }
}

impl StopOptions {
    /// Returns the signals in order, with the time that each gives the tree to end.
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

    /// Combines two requests: the later one can only shorten the time.
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
    pub fn is_over(self, waited: Duration) -> bool {
        match self {
            WaitLimit::Forever => false,
            WaitLimit::For(most) => waited >= most,
        }
    }
}
