//! Why a program no longer holds what it acquired, or is to give it back.

use std::fmt;
use std::time::Duration;

use crate::engine::ladder::{AfterGraceful, StopMode, StopOptions};
use crate::engine::policy::Purpose;
use crate::error::ExitStatus;
use crate::state::end_request::Request;

/// Why a guard is to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// A newer start asks for the instance.
    Superseded {
        /// Its pid, in its own PID namespace.
        by: u32,
        /// The time that it waits for that.
        within: Duration,
    },
    /// `monopoll stop` asks for the instance.
    Stopped {
        /// Its pid, in its own PID namespace.
        by: u32,
        /// The time that it waits for that.
        within: Duration,
    },
    /// Another guard has the lock, and `lock.on_lost` says stop.
    Taken,
    /// The `monopoll run` that holds the instance for this program has ended.
    Orphaned,
    /// The guard's own thread has ended, so the lock is no longer kept: a fault of monopoll.
    Unwatched,
}

/// The time that a request with `force` waits for an answer before it kills (S10).
const SILENCE: Duration = Duration::from_secs(2);

impl Lost {
    pub(crate) fn to(request: &Request) -> Lost {
        let (by, within) = (request.from_pid, within(request.stop_options()));
        match request.purpose {
            Purpose::Start => Lost::Superseded { by, within },
            Purpose::Stop => Lost::Stopped { by, within },
        }
    }

    /// The time that the requester waits; `None` if there is none.
    #[must_use]
    pub fn within(self) -> Option<Duration> {
        match self {
            Lost::Superseded { within, .. } | Lost::Stopped { within, .. } => Some(within),
            Lost::Taken | Lost::Orphaned | Lost::Unwatched => None,
        }
    }

    /// The status that the program should exit with: 0 where a supervisor must not restart it.
    #[must_use]
    pub fn status(self) -> ExitStatus {
        match self {
            Lost::Superseded { .. } | Lost::Stopped { .. } | Lost::Taken => ExitStatus::Done,
            Lost::Orphaned => ExitStatus::Refused,
            Lost::Unwatched => ExitStatus::Fault,
        }
    }
}

fn within(options: StopOptions) -> Duration {
    match (options.mode, options.escalation) {
        (StopMode::Force, _) => SILENCE,
        (StopMode::Graceful, AfterGraceful::Kill) => options.graceful.saturating_add(options.force),
        (StopMode::Graceful, AfterGraceful::Refuse) => options.graceful,
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Superseded { by, .. } => write!(f, "a newer start (pid {by}) takes over"),
            Lost::Stopped { by, .. } => write!(f, "`monopoll stop` (pid {by}) ends it"),
            Lost::Taken => f.write_str("the lock was lost to another guard"),
            Lost::Orphaned => f.write_str("the `monopoll run` that started this program has ended"),
            Lost::Unwatched => {
                f.write_str("the thread that keeps the lock has ended, which is a bug in monopoll")
            }
        }
    }
}
