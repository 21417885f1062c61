//! The reasons a guard should be dropped.

use std::fmt;
use std::time::Duration;

use crate::engine::ladder::{AfterGraceful, StopMode, StopOptions};
use crate::engine::policy::Purpose;
use crate::error::ExitStatus;
use crate::state::end_request::Request;

/// The reason a guard should be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// A newer start asks for the instance.
    Superseded {
        /// The pid of the newer start, in its own PID namespace.
        by: u32,
        /// The time that the newer start waits.
        within: Duration,
    },
    /// `monopoll stop` asks for the instance.
    Stopped {
        /// The pid of `monopoll stop`, in its own PID namespace.
        by: u32,
        /// The time that `monopoll stop` waits.
        within: Duration,
    },
    /// Another guard has the lock, and `lock.on_lost` says stop.
    Taken,
    /// The `monopoll run` that holds the instance for this program has ended.
    Orphaned,
    /// The guard's thread has failed, so nothing keeps the lock anymore: a bug in monopoll.
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

    /// Returns the time that the requester waits; `None` if there is no requester.
    #[must_use]
    pub fn within(self) -> Option<Duration> {
        match self {
            Lost::Superseded { within, .. } | Lost::Stopped { within, .. } => Some(within),
            Lost::Taken | Lost::Orphaned | Lost::Unwatched => None,
        }
    }

    /// Returns the status to exit with: 0 if a supervisor must not restart the program.
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
