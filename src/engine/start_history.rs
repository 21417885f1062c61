//! Newest wins: tickets, and what happened to this instance before.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::engine::process::ProcessId;

/// A number that each start draws from the instance's counter: newer = larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The largest that is believed: JSON readers count exactly up to here.
    pub const MAX: Ticket = Ticket((1 << 53) - 1);

    /// The next newer one.
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

/// What happened to this instance before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// How often this start has ended an unguarded conflict already.
    pub ended_unguarded: u32,
    /// Who was above them: whoever is above the next one too may be what starts it again.
    pub launchers: BTreeSet<ProcessId>,
    /// The guards that gave the instance back when they were asked to: a program that goes on
    /// without its guard polls nobody.
    pub released: BTreeSet<ProcessId>,
    /// The takeovers of this instance since boot, done and refused by their limit, as far as they
    /// are remembered.
    pub attempts: Vec<TakeoverAttempt>,
}

impl History {
    /// Whether `most` takeovers or more, counted with those that this limit refused, lie within
    /// `window` – or did when the limit refused one, and no whole window has passed since without
    /// another (S14). What the start with this ticket did is its own.
    #[must_use]
    pub fn is_stormy(&self, mine: Option<Ticket>, most: usize, window: Duration) -> bool {
        let mut tries: Vec<TakeoverAttempt> = Vec::new();
        for another in self.attempts.iter().filter(|it| Some(it.ticket) != mine) {
            // However many a start ended, it is one takeover; and where it ended somebody, it was
            // not refused.
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
    /// How long ago, on a clock that nobody can set.
    pub ago: Duration,
    /// The start's; it has one try for each conflict that it ended.
    pub ticket: Ticket,
    /// What became of it.
    pub kind: AttemptKind,
}

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    /// Somebody was ended.
    Done,
    /// Nobody was: there had been too many.
    RefusedByLimit,
}
