//! Tickets, and the earlier events of an instance: the newest start wins, unless there were too
//! many takeovers.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::process::ProcessId;

/// A number that each start draws from the instance's counter: newer = larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The largest that is believed: JSON readers count exactly up to here.
    pub const MAX: Ticket = Ticket((1 << 53) - 1);

    #[must_use]
    pub fn next(self) -> Ticket {
        Ticket(self.0.saturating_add(1).min(Self::MAX.0))
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The number of times that this start has ended an unguarded conflict.
    pub ended_unguarded: u32,
    /// Their launchers: one that is above the next conflict too may be what restarts it.
    pub launchers: BTreeSet<ProcessId>,
    /// The guards that released the instance on request: a program that runs on without its guard
    /// does not poll.
    pub released: BTreeSet<ProcessId>,
    /// The takeovers of this instance since boot, done and refused by their limit, as far as they
    /// are remembered.
    pub attempts: Vec<TakeoverAttempt>,
}

impl History {
    /// Returns whether at least `most` takeovers, counted with those that this limit refused, lie
    /// within `window`; or did when the limit refused one, and attempts have continued since with
    /// no pause as long as `window` (S14). Attempts of the start with this ticket do not count.
    pub fn is_stormy(&self, mine: Option<Ticket>, most: usize, window: Duration) -> bool {
        let mut tries: Vec<TakeoverAttempt> = Vec::new();
        for another in self.attempts.iter().filter(|it| Some(it.ticket) != mine) {
            // All conflicts that a start ended are one takeover; and a start that ended one was not
            // refused.
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
        let mut storm = None;
        for (index, it) in tries.iter().enumerate() {
            let goes_on = storm.is_some_and(|before| within(before, it.ago));
            let earlier = tries.get(..index).unwrap_or_default();
            let refused =
                it.kind == AttemptKind::RefusedByLimit && (goes_on || crowded(earlier, it.ago));
            storm = refused.then_some(it.ago);
        }
        storm.is_some_and(|last| within(last, Duration::ZERO)) || crowded(&tries, Duration::ZERO)
    }
}

/// A takeover, or a start that would have been one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeoverAttempt {
    /// Its age, on a clock that cannot be set.
    pub ago: Duration,
    /// The ticket of the start, which has one attempt for each conflict that it ended.
    pub ticket: Ticket,
    pub kind: AttemptKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    Done,
    /// It was refused: there had been too many.
    RefusedByLimit,
}
