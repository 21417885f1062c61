//! What to do after a failure, as a function of how often and how it failed.

use std::time::Duration;

/// How often something is tried, and how long is waited between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retry {
    /// Tries in all, the first one too.
    pub(crate) tries: u32,
    /// The first pause; each one after it is twice as long.
    pub(crate) first: Duration,
    /// No pause is longer.
    pub(crate) longest: Duration,
}

/// What may be hoped for after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hope {
    /// The next try may succeed.
    Soon,
    /// Not before this long, as the other side says.
    After(Duration),
    /// The same again fails the same way.
    None,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another try after this pause.
    Again(Duration),
    /// No more.
    GiveUp,
}

impl Retry {
    /// What follows the failure number `failed`, counted from 1.
    ///
    /// A pause that the other side asks for is kept, and is never cut short: where it is longer
    /// than the longest pause, this gives up.
    pub(crate) fn after(self, failed: u32, hope: Hope) -> Next {
        if failed >= self.tries {
            return Next::GiveUp;
        }
        let pause = self.pause(failed);
        match hope {
            Hope::None => Next::GiveUp,
            Hope::Soon => Next::Again(pause),
            Hope::After(asked) if asked > self.longest => Next::GiveUp,
            Hope::After(asked) => Next::Again(asked.max(pause)),
        }
    }

    /// The pause after the failure number `failed`, counted from 1.
    pub(crate) fn pause(self, failed: u32) -> Duration {
        let doubled = 2_u32
            .checked_pow(failed.saturating_sub(1))
            .and_then(|times| self.first.checked_mul(times));
        doubled.map_or(self.longest, |pause| pause.min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry =
        Retry { tries: 4, first: Duration::from_secs(1), longest: Duration::from_secs(3) };

    fn seconds(n: u64) -> Next {
        Next::Again(Duration::from_secs(n))
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_then_it_gives_up() {
        let steps: Vec<Next> = (1..=5).map(|failed| RETRY.after(failed, Hope::Soon)).collect();
        assert_eq!(steps, [seconds(1), seconds(2), seconds(3), Next::GiveUp, Next::GiveUp]);
    }

    #[test]
    fn what_cannot_succeed_is_not_tried_again() {
        assert_eq!(RETRY.after(1, Hope::None), Next::GiveUp);
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_and_never_cut_short() {
        assert_eq!(RETRY.after(1, Hope::After(Duration::from_secs(2))), seconds(2));
        assert_eq!(RETRY.after(2, Hope::After(Duration::ZERO)), seconds(2));
        assert_eq!(RETRY.after(1, Hope::After(Duration::from_secs(4))), Next::GiveUp);
    }

    #[test]
    fn no_number_overflows() {
        let most = Retry { tries: u32::MAX, first: Duration::MAX, longest: Duration::MAX };
        assert_eq!(most.after(u32::MAX - 1, Hope::Soon), Next::Again(Duration::MAX));
        assert_eq!(Retry { tries: 0, ..RETRY }.after(0, Hope::Soon), Next::GiveUp);
    }
}
