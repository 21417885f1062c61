//! How a request to somebody's service can fail: in a word for the log, and whether to try again.

use crate::retry::Hope;
use std::fmt;
use std::time::Duration;

/// A request that failed. It holds nothing of what was sent or answered, so that it can be logged
/// and said back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceError {
    /// No connection came about.
    Unreachable,
    /// It took longer than it may.
    TimedOut,
    /// The connection ended within the answer.
    CutOff,
    /// Too many requests; perhaps with the time after which to come back.
    Busy(Option<Duration>),
    /// The service has a fault of its own: this status.
    Broken(u16),
    /// The service does not want this request: this status.
    Refused(u16),
    /// The answer is not what such a service answers.
    Unreadable,
    /// The answer is longer than any sensible one.
    TooLong,
}

impl ServiceError {
    /// The error of a status that is no success.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>) -> ServiceError {
        match status {
            429 => ServiceError::Busy(retry_after),
            503 if retry_after.is_some() => ServiceError::Busy(retry_after),
            // A proxy's "too slow" and "too early": the request itself is not to blame.
            408 | 425 | 500..=599 => ServiceError::Broken(status),
            _ => ServiceError::Refused(status),
        }
    }

    /// The error of a request that got no answer, or not all of it.
    pub(crate) fn of_connection(error: &reqwest::Error) -> ServiceError {
        match (error.is_timeout(), error.is_connect()) {
            (true, _) => ServiceError::TimedOut,
            (false, true) => ServiceError::Unreachable,
            (false, false) => ServiceError::CutOff,
        }
    }

    /// What another try may come to.
    pub(crate) fn hope(self) -> Hope {
        match self {
            ServiceError::Unreachable
            | ServiceError::TimedOut
            | ServiceError::CutOff
            | ServiceError::Broken(_)
            | ServiceError::Unreadable
            | ServiceError::Busy(None) => Hope::Soon,
            ServiceError::Busy(Some(pause)) => Hope::After(pause),
            ServiceError::Refused(_) | ServiceError::TooLong => Hope::None,
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceError::Unreachable => f.write_str("it cannot be reached"),
            ServiceError::TimedOut => f.write_str("it took too long"),
            ServiceError::CutOff => f.write_str("the connection broke off"),
            ServiceError::Busy(_) => f.write_str("it takes no more requests for now"),
            ServiceError::Broken(status) => {
                write!(f, "it has a fault of its own (status {status})")
            }
            ServiceError::Refused(status @ (401 | 403)) => {
                write!(f, "it does not let me in (status {status})")
            }
            ServiceError::Refused(status) => write!(f, "it refused the request (status {status})"),
            ServiceError::Unreadable => f.write_str("its answer cannot be understood"),
            ServiceError::TooLong => f.write_str("its answer is too long"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_another_try_is_worth_it() {
        let pause = Some(Duration::from_secs(7));
        for (status, retry_after, hope) in [
            (429, None, Hope::Soon),
            (429, pause, Hope::After(Duration::from_secs(7))),
            (503, pause, Hope::After(Duration::from_secs(7))),
            (503, None, Hope::Soon),
            (500, pause, Hope::Soon),
            (408, None, Hope::Soon),
            (400, None, Hope::None),
            (401, pause, Hope::None),
            (413, None, Hope::None),
            (302, None, Hope::None),
            (100, None, Hope::None),
        ] {
            assert_eq!(ServiceError::of_status(status, retry_after).hope(), hope, "{status}");
        }
    }
}
