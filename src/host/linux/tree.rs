//! Everything below this process: what a guard started, and whatever that started.

use std::collections::{BTreeMap, BTreeSet};

use super::{family, handle::Handle, proc::Proc, survey};
use crate::{
    engine::{escalation::Member, plan::Blow, snapshot::ProcessId},
    host::seam::Sent,
};

/// The tree of a guard. As their subreaper it is the ancestor of all of them, however often they forked.
#[derive(Debug)]
pub(crate) struct Tree {
    proc: Option<Proc>,
    me: u32,
    handles: BTreeMap<ProcessId, Handle>,
}

impl Tree {
    pub(crate) fn of_myself() -> Tree {
        Tree { proc: Proc::open().ok(), me: std::process::id(), handles: BTreeMap::new() }
    }

    /// The living members, each pinned.
    pub(crate) fn members(&mut self) -> Vec<Member> {
        let Some(proc) = &self.proc else { return Vec::new() };
        self.handles.retain(|_, handle| !handle.has_ended());
        let stats = survey::stats(proc, &proc.pids().unwrap_or_default());
        let children: BTreeSet<ProcessId> =
            stats.iter().filter(|(_, stat)| stat.parent == self.me).map(|(pid, stat)| ProcessId { pid: *pid, start: stat.start }).collect();
        if children.is_empty() {
            return Vec::new();
        }
        family(proc, &children, self.me, &mut self.handles)
    }

    /// The identity of one of its processes.
    pub(crate) fn id_of(&self, pid: u32) -> Option<ProcessId> {
        let start = self.proc.as_ref()?.stat(pid, &mut Vec::new()).ok()?.start;
        Some(ProcessId { pid, start })
    }

    /// Those that were seen by the last look.
    pub(crate) fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.handles.values()
    }

    pub(crate) fn send(&self, to: ProcessId, blow: Blow) -> Sent {
        self.handles.get(&to).map_or(Sent::Gone, |handle| handle.send(blow))
    }
}
