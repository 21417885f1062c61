//! Detects conflicts that come back after this start ended them, and what restarts them.

use std::collections::BTreeSet;

use crate::engine::managed_by::ManagedBy;
use crate::engine::process::{Launcher, Process, ProcessId};

/// The number of times a recurring conflict is ended before the start is refused.
const MAX_ROUNDS: u32 = 2;

/// The conflicts that this start has ended so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierRounds {
    /// The number of times this start has ended an unguarded conflict.
    pub ended_unguarded: u32,
    /// The launchers of those conflicts. If one is also above the next conflict, it may be what
    /// restarts it.
    pub launchers: BTreeSet<ProcessId>,
    /// The guards that released the instance on request. A program that still runs without its
    /// guard does not poll.
    pub released: BTreeSet<ProcessId>,
}

impl EarlierRounds {
    /// Returns what restarts an unguarded conflict, if it came back too often to be ended again.
    pub(super) fn restarter(&self, root: Option<&Process>) -> Option<Restarter> {
        if self.ended_unguarded < MAX_ROUNDS {
            return None;
        }
        let manager = root.and_then(Process::manager);
        // A launcher that is new in each round, such as a shell, is not the restarter. Look for one
        // that was already there.
        let was_there = |launcher: &&Launcher| self.launchers.contains(&launcher.id);
        let mut above = root.and_then(|root| root.launchers.known()).into_iter().flatten();
        Some(match (manager, above.find(was_there)) {
            (Some(manager), _) => Restarter::Manager(manager.clone()),
            (None, Some(launcher)) => Restarter::Launcher(launcher.clone()),
            (None, None) => Restarter::Unknown,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restarter {
    Manager(ManagedBy),
    /// An ancestor that was there each time.
    Launcher(Launcher),
    Unknown,
}
