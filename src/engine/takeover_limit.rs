//! Limits the takeovers of an instance within a time window.

use std::time::Duration;

use crate::engine::ticket::Ticket;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakeoverHistory {
    /// The takeovers of this instance since boot that are remembered, including those refused by
    /// the limit.
    pub attempts: Vec<TakeoverAttempt>,
}

impl TakeoverHistory {
    /// Returns whether the limit is reached: at least `most` takeovers, including refused ones, lie
    /// within `window`. Once reached, the limit stays in force until attempts pause
    /// for `window` (S14). Attempts of the start with the ticket `mine` do not count.
    pub fn exceeds_takeover_limit(
        &self,
        mine: Option<Ticket>,
        most: usize,
        window: Duration,
    ) -> bool {
        let mut tries: Vec<TakeoverAttempt> = Vec::new();
        for another in self.attempts.iter().filter(|it| Some(it.ticket) != mine) {
            // A start that ended several conflicts made one takeover, and a start that ended one
            // was not refused.
            match tries.iter_mut().find(|it| it.ticket == another.ticket) {
                None => tries.push(*another),
                Some(known) if another.kind == AttemptKind::Done => *known = *another,
                Some(_) => {}
            }
        }
        tries.sort_by_key(|it| std::cmp::Reverse(it.ago));
        let within = |before: Duration, then: Duration| before.saturating_sub(then) < window;
        let crowded = |earlier: &[TakeoverAttempt], then: Duration| {
            earlier.iter().filter(|it| within(it.ago, then)).count() >= most
        };
        let mut refused_at = None;
        for (index, it) in tries.iter().enumerate() {
            let goes_on = refused_at.is_some_and(|before| within(before, it.ago));
            let earlier = tries.get(..index).unwrap_or_default();
            let refused =
                it.kind == AttemptKind::RefusedByLimit && (goes_on || crowded(earlier, it.ago));
            refused_at = refused.then_some(it.ago);
        }
        refused_at.is_some_and(|last| within(last, Duration::ZERO))
            || crowded(&tries, Duration::ZERO)
    }
}

/// A takeover, or a start that would have been one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeoverAttempt {
    /// The age, on a clock that cannot be set.
    pub ago: Duration,
    /// The ticket of the start. A start has one attempt for each conflict that it ended.
    pub ticket: Ticket,
    pub kind: AttemptKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    Done,
    /// Refused because of too many takeovers.
    RefusedByLimit,
}
