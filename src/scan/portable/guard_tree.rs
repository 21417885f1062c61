//! What a guard started, as far as it can be seen: whoever is below it, and whoever has its mark in
//! the environment.
//!
//! Nobody adopts orphans for a guard here. A member whose parent has ended is still known by
//! [`HELD`], which the whole tree inherits, unless it was taken out of its environment or that may
//! not be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use crate::{
    engine::{
        process::ProcessId,
        signal::{SignalResult, SignalToSend},
        stop_progress::Member,
    },
    scan::{
        env_marker::{EnvMarker, HELD},
        portable::{family, identity, still_there},
    },
    sys::portable::{
        pidfd::ProcessHandle,
        process_table::{ProcessTable, TableFields},
    },
};

/// The tree of a guard.
#[derive(Debug)]
pub(crate) struct GuardTree {
    me: ProcessId,
    /// Children that this process had before it started anything: a shell that had started them
    /// made way for it (`exec`).
    strangers: BTreeSet<ProcessId>,
    handles: BTreeMap<ProcessId, ProcessHandle>,
}

impl GuardTree {
    /// Of what this process starts from now on.
    ///
    /// # Errors
    /// The processes cannot be read, and so nobody could tell later who was there before.
    pub(crate) fn of_myself() -> io::Result<GuardTree> {
        let me = std::process::id();
        let children = |table: ProcessTable| {
            table.ids().into_values().filter(|id| table.parent(id.pid) == Some(me)).collect()
        };
        let strangers = children(ProcessTable::all(TableFields::Lineage)?);
        let unseen = || io::Error::other("this process cannot be seen");
        Ok(GuardTree { me: identity(me).ok_or_else(unseen)?, strangers, handles: BTreeMap::new() })
    }

    /// The living members. `None`: nothing can be looked at, and nobody was seen before.
    pub(crate) fn members(&mut self) -> Option<Vec<Member>> {
        let me = self.me;
        let Ok(table) = ProcessTable::all(TableFields::Environment) else {
            return Some(still_there(self.handles.keys())).filter(|members| !members.is_empty());
        };
        let ids = table.ids();
        self.handles.retain(|id, _| ids.get(&id.pid) == Some(id));
        let is_mine = |id: &ProcessId| {
            table.parent(id.pid) == Some(me.pid) && !self.strangers.contains(id)
                || is_marked(&table, id.pid, me)
        };
        let mut roots: BTreeSet<u32> =
            ids.values().filter(|id| **id != me && is_mine(id)).map(|id| id.pid).collect();
        roots.extend(self.handles.keys().map(|id| id.pid));
        if roots.is_empty() {
            return Some(Vec::new());
        }
        Some(family(&table, roots, me.pid, &mut self.handles))
    }

    /// The identity of one of its processes.
    #[expect(clippy::unused_self, reason = "on Linux the tree has the process table open")]
    pub(crate) fn id_of(&self, pid: u32) -> Option<ProcessId> {
        identity(pid)
    }

    /// Those that were seen by the last look.
    pub(crate) fn handles(&self) -> impl Iterator<Item = &ProcessHandle> {
        self.handles.values()
    }

    pub(crate) fn send(&self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        self.handles.get(&to).map_or(SignalResult::Gone, |handle| handle.send(signal))
    }
}

/// Whether its environment says that this guard holds the instance for it.
pub(crate) fn is_marked(table: &ProcessTable, pid: u32, guard: ProcessId) -> bool {
    let environ = table.process(pid).map(sysinfo::Process::environ).unwrap_or_default();
    let mut held =
        environ.iter().filter_map(|entry| entry.to_str()?.strip_prefix(HELD)?.strip_prefix('='));
    held.any(|held| EnvMarker::parse(held.as_ref()).is_some_and(|mark| mark.guard == guard))
}
