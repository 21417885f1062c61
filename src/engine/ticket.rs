//! The number of a start: the newest start wins.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number drawn from the instance's counter by each start. Newer starts have larger numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The largest valid ticket: JSON readers represent integers exactly only up to here.
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
