//! What a guard started, as far as it can be seen: whoever is below it, and whoever has its mark in the environment.
//!
//! Nobody adopts orphans for a guard here. A member whose parent has ended is still known by [`HELD`], which the whole
//! tree inherits, unless it was taken out of its environment or that may not be read.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    family,
    handle::Handle,
    identity, still_there,
    table::{Depth, Table},
};
use crate::{
    engine::{escalation::Member, plan::Blow, snapshot::ProcessId},
    host::{
        mark::{HELD, Mark},
        seam::Sent,
    },
};

/// The tree of a guard.
#[derive(Debug)]
pub(crate) struct Tree {
    me: Option<ProcessId>,
    /// Children that this process had before it started anything: a shell that had started them made way for it (`exec`).
    strangers: BTreeSet<ProcessId>,
    handles: BTreeMap<ProcessId, Handle>,
}

impl Tree {
    /// Of what this process starts from now on.
    pub(crate) fn of_myself() -> Tree {
        let me = std::process::id();
        let children = |table: Table| table.ids().into_values().filter(|id| table.parent(id.pid) == Some(me)).collect();
        let strangers = Table::all(Depth::Lineage).map(children).unwrap_or_default();
        Tree { me: identity(me), strangers, handles: BTreeMap::new() }
    }

    /// The living members.
    pub(crate) fn members(&mut self) -> Vec<Member> {
        let Some(me) = self.me else { return Vec::new() };
        let Ok(table) = Table::all(Depth::Environment) else { return still_there(self.handles.keys()) };
        let ids = table.ids();
        self.handles.retain(|id, _| ids.get(&id.pid) == Some(id));
        let is_mine =
            |id: &ProcessId| table.parent(id.pid) == Some(me.pid) && !self.strangers.contains(id) || is_marked(&table, id.pid, me);
        let mut roots: BTreeSet<u32> = ids.values().filter(|id| **id != me && is_mine(id)).map(|id| id.pid).collect();
        roots.extend(self.handles.keys().map(|id| id.pid));
        if roots.is_empty() {
            return Vec::new();
        }
        family(&table, roots, me.pid, &mut self.handles)
    }

    /// The identity of one of its processes.
    #[expect(clippy::unused_self, reason = "on Linux the tree has the process table open")]
    pub(crate) fn id_of(&self, pid: u32) -> Option<ProcessId> {
        identity(pid)
    }

    /// Those that were seen by the last look.
    pub(crate) fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.handles.values()
    }

    pub(crate) fn send(&self, to: ProcessId, blow: Blow) -> Sent {
        self.handles.get(&to).map_or(Sent::Gone, |handle| handle.send(blow))
    }
}

/// Whether its environment says that this guard holds the instance for it.
pub(super) fn is_marked(table: &Table, pid: u32, guard: ProcessId) -> bool {
    let environ = table.process(pid).map(sysinfo::Process::environ).unwrap_or_default();
    let mut held = environ.iter().filter_map(|entry| entry.to_str()?.strip_prefix(HELD)?.strip_prefix('='));
    held.any(|held| Mark::parse(held.as_ref()).is_some_and(|mark| mark.guard == guard))
}
