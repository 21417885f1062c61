//! What a guard started, as far as it can be seen: whoever is below it, and whoever has its mark in the environment.
//!
//! Nobody adopts orphans for a guard here. A member whose parent has ended is still known by [`HELD`], which the whole
//! tree inherits, unless it was taken out of its environment or that may not be read.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    family,
    handle::Handle,
    identity,
    table::{Depth, Table},
};
use crate::{
    engine::{escalation::Member, plan::Blow, snapshot::ProcessId},
    host::seam::Sent,
    wrap::HELD,
};

/// The tree of a guard.
#[derive(Debug)]
pub(crate) struct Tree {
    me: Option<ProcessId>,
    handles: BTreeMap<ProcessId, Handle>,
}

impl Tree {
    pub(crate) fn of_myself() -> Tree {
        Tree { me: identity(std::process::id()), handles: BTreeMap::new() }
    }

    /// The living members.
    pub(crate) fn members(&mut self) -> Vec<Member> {
        let (Some(me), Ok(table)) = (self.me, Table::all(Depth::Environment)) else { return Vec::new() };
        let ids = table.ids();
        self.handles.retain(|id, _| ids.get(&id.pid) == Some(id));
        let is_mine = |pid: u32| table.parent(pid) == Some(me.pid) || is_marked(&table, pid, me);
        let mut roots: BTreeSet<u32> = ids.keys().copied().filter(|pid| *pid != me.pid && is_mine(*pid)).collect();
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
    let mark = format!(":{}:{}", guard.pid, guard.start);
    let environ = table.process(pid).map(sysinfo::Process::environ).unwrap_or_default();
    let held = environ.iter().filter_map(|entry| entry.to_str()?.strip_prefix(HELD)?.strip_prefix('='));
    held.into_iter().any(|held| held.ends_with(&mark))
}
