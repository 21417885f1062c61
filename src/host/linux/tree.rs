//! Everything below this process: what a guard started, and whatever that started.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nix::{
    errno::Errno,
    sys::wait::{Id, WaitPidFlag, waitid},
};

use super::{
    act::{family, unseen},
    handle::Handle,
    lineage::{Lineage, Stats},
    proc::Proc,
};
use crate::{
    engine::{escalation::Member, plan::Blow, snapshot::ProcessId},
    host::seam::Sent,
};

/// The tree of a guard. As their subreaper it is the ancestor of all of them, however often they forked.
#[derive(Debug)]
pub(crate) struct Tree {
    proc: Option<Arc<Proc>>,
    me: u32,
    /// Children that this process had before it started anything: a shell that had started them made way for it (`exec`).
    strangers: BTreeSet<ProcessId>,
    handles: BTreeMap<ProcessId, Handle>,
}

impl Tree {
    /// Of what this process starts from now on.
    pub(crate) fn of_myself() -> Tree {
        let (proc, me) = (Proc::open().ok().map(Arc::new), std::process::id());
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let childless = waitid(Id::All, flags) == Err(Errno::ECHILD);
        let lineage = proc.as_ref().filter(|_| !childless).and_then(|proc| Lineage::read(proc, me).ok());
        let strangers = lineage.map(|lineage| children(lineage.stats(), me)).unwrap_or_default();
        Tree { proc, me, strangers, handles: BTreeMap::new() }
    }

    /// The living members, each pinned.
    pub(crate) fn members(&mut self) -> Vec<Member> {
        let Some(proc) = &self.proc else { return Vec::new() };
        self.handles.retain(|_, handle| !handle.has_ended());
        // Where nothing can be looked at (no descriptor is left), those that were seen are still there.
        let Ok(lineage) = Lineage::read(proc, self.me) else { return unseen(self.handles.keys()) };
        let children = children(lineage.stats(), self.me).difference(&self.strangers).copied().collect();
        family(proc, lineage.stats(), &children, self.me, &mut self.handles)
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

fn children(stats: &Stats, me: u32) -> BTreeSet<ProcessId> {
    stats.iter().filter(|(_, stat)| stat.parent == me).map(|(pid, stat)| ProcessId { pid: *pid, start: stat.start }).collect()
}
