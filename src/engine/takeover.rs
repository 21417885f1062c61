//! Newest wins: tickets, and what happened to this instance before.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::snapshot::ProcessId;

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
    pub rounds: u32,
    /// Who was above them: whoever is above the next one too may be what starts it again.
    pub launchers: BTreeSet<ProcessId>,
}
