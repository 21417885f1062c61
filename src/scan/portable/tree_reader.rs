//! Reads process trees.
//!
//! On these systems, no process adopts the orphans of a guard's tree. A member whose parent has
//! ended is still recognized by [`HELD`], which the whole tree inherits, unless it was removed from
//! the environment or cannot be read.

use std::collections::BTreeSet;
use std::io;

use crate::engine::process::ProcessId;
use crate::engine::signal_sequence::Member;
use crate::scan::env_marker::{EnvMarker, HELD};
use crate::scan::portable::process_id;
use crate::scan::process_tree::{GuardMembers, PinnedProcesses, with_descendants};
use crate::sys::portable::process_handle::ProcessHandle;
use crate::sys::portable::process_table::{ProcessTable, TableFields};

pub(crate) struct TreeReader {
    pub(super) me: ProcessId,
}

impl TreeReader {
    pub(crate) fn open() -> io::Result<TreeReader> {
        let me = process_id(std::process::id())
            .ok_or_else(|| io::Error::other("this process is not in the process table"))?;
        Ok(TreeReader { me })
    }

    pub(crate) fn children(&self) -> io::Result<BTreeSet<ProcessId>> {
        let table = ProcessTable::all(TableFields::Parents)?;
        let is_child = |id: &ProcessId| table.parent(id.pid) == Some(self.me.pid);
        Ok(table.ids().into_values().filter(is_child).collect())
    }

    /// Returns the members of this guard's tree: its descendants, and processes with its marker.
    pub(crate) fn guard_members(
        &mut self,
        other_children: &BTreeSet<ProcessId>,
        pinned: &mut PinnedProcesses,
    ) -> io::Result<GuardMembers> {
        let table = ProcessTable::all(TableFields::Environment)?;
        let ids = table.ids();
        pinned.retain(|id| ids.get(&id.pid) == Some(&id));
        let is_member = |id: &ProcessId| {
            table.parent(id.pid) == Some(self.me.pid) && !other_children.contains(id)
                || has_marker_of(&table, id.pid, self.me)
        };
        let mut roots: BTreeSet<u32> =
            ids.values().filter(|id| **id != self.me && is_member(id)).map(|id| id.pid).collect();
        roots.extend(pinned.handles().map(|handle| handle.id.pid));
        let members = if roots.is_empty() { Vec::new() } else { self.tree(&table, roots, pinned) };
        // There is no stronger proof on these systems.
        Ok(GuardMembers { members, is_proof: true })
    }

    pub(crate) fn members(
        &mut self,
        known: &BTreeSet<ProcessId>,
        pinned: &mut PinnedProcesses,
    ) -> Vec<Member> {
        if known.is_empty() {
            return Vec::new();
        }
        let Ok(table) = ProcessTable::all(TableFields::Parents) else {
            return pinned.assume_alive(known);
        };
        let is_alive = |id: &&ProcessId| table.id(id.pid) == Some(**id);
        let roots = known.iter().filter(is_alive).map(|id| id.pid).collect();
        self.tree(&table, roots, pinned)
    }

    fn tree(
        &self,
        table: &ProcessTable,
        roots: BTreeSet<u32>,
        pinned: &mut PinnedProcesses,
    ) -> Vec<Member> {
        let all = with_descendants(roots, table.parents(), self.me.pid);
        let members = all.into_iter().filter_map(|pid| {
            let id = table.id(pid)?;
            pinned.insert(ProcessHandle { id });
            let parent = table.parent(pid).unwrap_or_default();
            Some(Member { id, parent, job_state: table.job_state(pid) })
        });
        members.collect()
    }
}

pub(super) fn has_marker_of(table: &ProcessTable, pid: u32, guard: ProcessId) -> bool {
    let environ = table.process(pid).map(sysinfo::Process::environ).unwrap_or_default();
    let mut values =
        environ.iter().filter_map(|entry| entry.to_str()?.strip_prefix(HELD)?.strip_prefix('='));
    values.any(|value| EnvMarker::parse(value.as_ref()).is_some_and(|marker| marker.guard == guard))
}

/// Ends a child of this process with all its visible descendants.
#[cfg(windows)]
pub(crate) fn kill_tree(root: u32) {
    use crate::engine::signal::SignalToSend;

    let Ok(table) = ProcessTable::all(TableFields::Parents) else { return };
    let me = std::process::id();
    for pid in with_descendants(BTreeSet::from([root]), table.parents(), me) {
        if let Some(id) = table.id(pid) {
            // The process may have ended in the meantime.
            let _ = ProcessHandle { id }.send(SignalToSend::Kill);
        }
    }
}
