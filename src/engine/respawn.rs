//! Detects that a conflict comes back after this start has ended it, and what restarts it.

use std::collections::BTreeSet;

use crate::engine::managed_by::ManagedBy;
use crate::engine::process::{Launcher, Process, ProcessId};

/// The number of times that a conflict which comes back is ended before the start is refused.
const MAX_ROUNDS: u32 = 2;

/// The earlier rounds of this start: the conflicts that it has ended so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierRounds {
    /// The number of times that this start has ended an unguarded conflict.
    pub ended_unguarded: u32,
    /// The launchers of those conflicts: a launcher that is above the next conflict too may be what
    /// restarts it.
    pub launchers: BTreeSet<ProcessId>,
    /// The guards that released the instance on request: a program that runs on without its guard
    /// does not poll.
    pub released: BTreeSet<ProcessId>,
}

impl EarlierRounds {
    /// Returns what restarts an unguarded conflict with this root, if it came back too often to be
    /// ended once more.
    pub(super) fn restarter(&self, root: Option<&Process>) -> Option<Restarter> {
        if self.ended_unguarded < MAX_ROUNDS {
            return None;
        }
        let manager = root.and_then(Process::manager);
        // A shell that is new in each round is not the restarter: find a launcher of an earlier
        // round.
        let was_there = |launcher: &&Launcher| self.launchers.contains(&launcher.id);
        let mut above = root.and_then(|root| root.launchers.known()).into_iter().flatten();
        Some(match (manager, above.find(was_there)) {
            (Some(manager), _) => Restarter::Manager(manager.clone()),
            (None, Some(launcher)) => Restarter::Launcher(launcher.clone()),
            (None, None) => Restarter::Unknown,
        })
    }
}

/// The program that restarts a process that was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restarter {
    Manager(ManagedBy),
    /// A process above it that was there each time.
    Launcher(Launcher),
    Unknown,
}
