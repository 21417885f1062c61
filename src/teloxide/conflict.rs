//! A 409 while polling: what it means, how long it is ridden out, and where to look.

use std::{fmt, time::Duration};

use teloxide::{ApiError, RequestError};

/// How long to wait before the next try. The server itself answers at most one 409 in three
/// seconds.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// So long without a 409 is no proof yet, however short the window: a poll, the pause before it and
/// the server's pace come to this.
const QUIET: Duration = Duration::from_secs(20);

/// Who is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rival {
    /// Another process that polls.
    Poller,
    /// A webhook: Telegram itself delivers the updates elsewhere.
    Webhook,
}

impl Rival {
    /// The rival that an answer tells of. Of a 409 nothing is left in the error but its text, which
    /// begins with `Conflict`.
    pub(crate) fn of(error: &RequestError) -> Option<Rival> {
        match error {
            RequestError::Api(ApiError::TerminatedByOtherGetUpdates) => Some(Rival::Poller),
            RequestError::Api(ApiError::CantGetUpdates) => Some(Rival::Webhook),
            RequestError::Api(ApiError::Unknown(text)) if text.starts_with("Conflict") => {
                let webhook = text.to_ascii_lowercase().contains("webhook");
                Some(if webhook { Rival::Webhook } else { Rival::Poller })
            }
            _ => None,
        }
    }

    /// Where to look for it.
    pub(crate) fn where_to_look(self) -> &'static str {
        match self {
            Rival::Poller => {
                "this machine's lock is held here, so look on other hosts, in other containers and under other users for a program with \
                 this bot's token; where nobody knows of one, the token has leaked: revoke it with @BotFather"
            }
            Rival::Webhook => {
                "somebody called setWebhook with this bot's token; a bot with a webhook cannot poll: call deleteWebhook, or stop the \
                 program that sets it"
            }
        }
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rival::Poller => "another process polls with this bot's token",
            Rival::Webhook => "a webhook is set for this bot",
        })
    }
}

/// What to do about a 409.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConflictAdvice {
    /// Try again.
    RideOut {
        /// After this.
        pause: Duration,
        /// The how manieth it is in a row.
        count: u32,
    },
    /// It has lasted too long.
    StandDown {
        /// So long.
        lasted: Duration,
        /// This many times.
        count: u32,
    },
}

/// The 409s that belong together: each comes less than half a window, or some seconds, after the
/// one before. Good polls between them prove nothing: of two pollers that evict each other, both
/// get updates now and then.
#[derive(Debug)]
pub(crate) struct ConflictSeries {
    window: Duration,
    now: Option<Series>,
}

#[derive(Debug, Clone, Copy)]
struct Series {
    began: Duration,
    last: Duration,
    count: u32,
}

impl ConflictSeries {
    /// None so far; one is ridden out for `window`.
    pub(crate) fn new(window: Duration) -> ConflictSeries {
        ConflictSeries { window, now: None }
    }

    /// A 409 arrived at `now`, on the clock of patience.
    pub(crate) fn arrived(&mut self, now: Duration) -> ConflictAdvice {
        let series = match self.now.filter(|series| !self.is_over(*series, now)) {
            Some(series) => Series { last: now, count: series.count.saturating_add(1), ..series },
            None => Series { began: now, last: now, count: 1 },
        };
        self.now = Some(series);
        let (lasted, count) = (now.saturating_sub(series.began), series.count);
        if lasted >= self.window {
            return ConflictAdvice::StandDown { lasted, count };
        }
        let usual = PAUSES.get(count as usize - 1).or(PAUSES.last()).copied().unwrap_or_default();
        ConflictAdvice::RideOut { pause: usual.min(self.window.saturating_sub(lasted)), count }
    }

    /// A poll came back good at `now`: how many 409s are over, if they are.
    pub(crate) fn passed(&mut self, now: Duration) -> Option<u32> {
        let over = self.now.filter(|series| self.is_over(*series, now))?;
        self.now = None;
        Some(over.count)
    }

    fn is_over(&self, series: Series, now: Duration) -> bool {
        now.saturating_sub(series.last) >= (self.window / 2).max(QUIET)
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
    fn a_409_is_told_by_its_text_and_a_webhook_is_told_apart() {
        for (error, expected) in [
            (RequestError::Api(ApiError::TerminatedByOtherGetUpdates), Some(Rival::Poller)),
            (unknown("Conflict: terminated by other getUpdates request"), Some(Rival::Poller)),
            (RequestError::Api(ApiError::CantGetUpdates), Some(Rival::Webhook)),
            (unknown("Conflict: terminated by setWebhook request"), Some(Rival::Webhook)),
            (
                unknown(
                    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
                ),
                Some(Rival::Webhook),
            ),
            (unknown("Bad Gateway"), None),
            (RequestError::Api(ApiError::InvalidToken), None),
        ] {
            assert_eq!(Rival::of(&error), expected, "{error}");
        }
    }

    #[test]
    fn it_is_ridden_out_for_the_window_and_no_longer() {
        let mut conflict = ConflictSeries::new(90 * SECOND);
        for at in [0, 20, 40, 60, 80] {
            assert!(
                matches!(conflict.arrived(at * SECOND), ConflictAdvice::RideOut { .. }),
                "{at}"
            );
            assert_eq!(conflict.passed((at + 1) * SECOND), None, "a good poll proves nothing");
        }
        assert_eq!(
            conflict.arrived(90 * SECOND),
            ConflictAdvice::StandDown { lasted: 90 * SECOND, count: 6 }
        );
    }

    #[test]
    fn it_is_over_when_none_came_for_half_a_window() {
        let mut conflict = ConflictSeries::new(90 * SECOND);
        conflict.arrived(SECOND);
        conflict.arrived(11 * SECOND);
        assert_eq!(conflict.passed(50 * SECOND), None);
        assert_eq!(conflict.passed(56 * SECOND), Some(2));
        assert_eq!(conflict.passed(57 * SECOND), None);
        assert_eq!(
            conflict.arrived(95 * SECOND),
            ConflictAdvice::RideOut { pause: SECOND, count: 1 }
        );
        assert_eq!(
            conflict.arrived(140 * SECOND),
            ConflictAdvice::RideOut { pause: SECOND, count: 1 }
        );
    }

    #[test]
    fn pauses_grow_and_end_with_the_window() {
        let mut conflict = ConflictSeries::new(20 * SECOND);
        let pauses: Vec<u64> = [0, 3, 6, 10, 18]
            .into_iter()
            .map(|at| match conflict.arrived(at * SECOND) {
                ConflictAdvice::RideOut { pause, .. } => pause.as_secs(),
                ConflictAdvice::StandDown { .. } => 99,
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 4, 2]);
    }

    #[test]
    fn no_window_at_all_stands_down_at_once() {
        assert_eq!(
            ConflictSeries::new(Duration::ZERO).arrived(SECOND),
            ConflictAdvice::StandDown { lasted: Duration::ZERO, count: 1 }
        );
    }
}
