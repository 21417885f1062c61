//! 409 responses while polling: their cause, and how long polling is retried.

use std::fmt;
use std::time::Duration;

use teloxide::{ApiError, RequestError};

/// The pauses before retries. The server sends at most one 409 in three seconds.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// The shortest time without a 409 that ends a conflict: a poll, the pause before it and the
/// server's delay can take this long.
const MIN_QUIET: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConflictCause {
    Poller,
    Webhook,
}

impl ConflictCause {
    /// Returns the cause of a 409; `None` for other errors. teloxide keeps only the text of an
    /// unknown response, which begins with `Conflict`.
    pub(super) fn of(error: &RequestError) -> Option<ConflictCause> {
        match error {
            RequestError::Api(ApiError::TerminatedByOtherGetUpdates) => Some(ConflictCause::Poller),
            RequestError::Api(ApiError::CantGetUpdates) => Some(ConflictCause::Webhook),
            RequestError::Api(ApiError::Unknown(text)) if text.starts_with("Conflict") => {
                let webhook = text.to_ascii_lowercase().contains("webhook");
                Some(if webhook { ConflictCause::Webhook } else { ConflictCause::Poller })
            }
            _ => None,
        }
    }

    pub(super) fn hint(self) -> &'static str {
        match self {
            ConflictCause::Poller => {
                "this process holds the lock on this machine: search other hosts, containers and \
                 users for a program with this bot's token; if there is none, the token has \
                 leaked: revoke it with @BotFather"
            }
            ConflictCause::Webhook => {
                "a bot with a webhook cannot poll: call deleteWebhook, or stop the program that \
                 calls setWebhook"
            }
        }
    }
}

impl fmt::Display for ConflictCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConflictCause::Poller => "another process polls with this bot's token",
            ConflictCause::Webhook => "a webhook is set for this bot",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConflictAdvice {
    /// Poll again after `pause`. This was 409 number `count` of the conflict.
    RideOut { pause: Duration, count: u32 },
    /// Stop polling: the conflict has lasted too long.
    GiveUp { lasted: Duration, count: u32 },
}

/// Tracks a conflict: 409s that are less than half a window, or 20 s if that is more, apart.
/// Successful polls in between do not end it, because two pollers that evict each other both
/// succeed now and then.
#[derive(Debug)]
pub(super) struct ConflictSeries {
    window: Duration,
    current: Option<Series>,
}

#[derive(Debug, Clone, Copy)]
struct Series {
    began: Duration,
    last: Duration,
    count: u32,
}

impl ConflictSeries {
    /// Creates a tracker without conflicts, which retries each conflict for `window`.
    pub(super) fn new(window: Duration) -> ConflictSeries {
        ConflictSeries { window, current: None }
    }

    /// Records a 409 at `now`, on the monotonic clock.
    pub(super) fn conflict_at(&mut self, now: Duration) -> ConflictAdvice {
        let series = match self.current.filter(|series| !self.is_over(*series, now)) {
            Some(series) => Series { last: now, count: series.count.saturating_add(1), ..series },
            None => Series { began: now, last: now, count: 1 },
        };
        self.current = Some(series);
        let (lasted, count) = (now.saturating_sub(series.began), series.count);
        if lasted >= self.window {
            return ConflictAdvice::GiveUp { lasted, count };
        }
        let usual = PAUSES.get(count as usize - 1).or(PAUSES.last()).copied().unwrap_or_default();
        ConflictAdvice::RideOut { pause: usual.min(self.window.saturating_sub(lasted)), count }
    }

    /// Records a successful poll. If it ends the conflict, returns the number of 409s.
    pub(super) fn success_at(&mut self, now: Duration) -> Option<u32> {
        let over = self.current.filter(|series| self.is_over(*series, now))?;
        self.current = None;
        Some(over.count)
    }

    fn is_over(&self, series: Series, now: Duration) -> bool {
        now.saturating_sub(series.last) >= (self.window / 2).max(MIN_QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn unknown(text: &str) -> RequestError {
        RequestError::Api(ApiError::Unknown(text.to_owned()))
    }

    #[test]
    fn the_text_of_a_409_tells_a_poller_from_a_webhook() {
        for (error, expected) in [
            (RequestError::Api(ApiError::TerminatedByOtherGetUpdates), Some(ConflictCause::Poller)),
            (
                unknown("Conflict: terminated by other getUpdates request"),
                Some(ConflictCause::Poller),
            ),
            (RequestError::Api(ApiError::CantGetUpdates), Some(ConflictCause::Webhook)),
            (unknown("Conflict: terminated by setWebhook request"), Some(ConflictCause::Webhook)),
            (
                unknown(
                    "Conflict: can't use getUpdates method while webhook is active; use \
                     deleteWebhook to delete the webhook first",
                ),
                Some(ConflictCause::Webhook),
            ),
            (unknown("Bad Gateway"), None),
            (RequestError::Api(ApiError::InvalidToken), None),
        ] {
            assert_eq!(ConflictCause::of(&error), expected, "{error}");
        }
    }

    #[test]
    fn a_conflict_is_ridden_out_for_the_window_and_no_longer() {
        let mut conflict = ConflictSeries::new(90 * SECOND);
        for at in [0, 20, 40, 60, 80] {
            assert!(
                matches!(conflict.conflict_at(at * SECOND), ConflictAdvice::RideOut { .. }),
                "{at}"
            );
            assert_eq!(conflict.success_at((at + 1) * SECOND), None, "a good poll proves nothing");
        }
        assert_eq!(
            conflict.conflict_at(90 * SECOND),
            ConflictAdvice::GiveUp { lasted: 90 * SECOND, count: 6 }
        );
    }

    #[test]
    fn a_conflict_is_over_after_half_a_window_without_a_409() {
        let mut conflict = ConflictSeries::new(90 * SECOND);
        conflict.conflict_at(SECOND);
        conflict.conflict_at(11 * SECOND);
        assert_eq!(conflict.success_at(50 * SECOND), None);
        assert_eq!(conflict.success_at(56 * SECOND), Some(2));
        assert_eq!(conflict.success_at(57 * SECOND), None);
        assert_eq!(
            conflict.conflict_at(95 * SECOND),
            ConflictAdvice::RideOut { pause: SECOND, count: 1 }
        );
        assert_eq!(
            conflict.conflict_at(140 * SECOND),
            ConflictAdvice::RideOut { pause: SECOND, count: 1 }
        );
    }

    #[test]
    fn pauses_grow_and_end_with_the_window() {
        let mut conflict = ConflictSeries::new(20 * SECOND);
        let pauses: Vec<u64> = [0, 3, 6, 10, 18]
            .into_iter()
            .map(|at| match conflict.conflict_at(at * SECOND) {
                ConflictAdvice::RideOut { pause, .. } => pause.as_secs(),
                ConflictAdvice::GiveUp { .. } => 99,
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 4, 2]);
    }

    #[test]
    fn a_window_of_zero_gives_up_at_once() {
        assert_eq!(
            ConflictSeries::new(Duration::ZERO).conflict_at(SECOND),
            ConflictAdvice::GiveUp { lasted: Duration::ZERO, count: 1 }
        );
    }
}
