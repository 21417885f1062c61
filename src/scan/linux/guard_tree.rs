//! Everything below this process: what a guard started, and whatever that started.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use nix::{
    errno::Errno,
    sys::wait::{Id, WaitPidFlag, waitid},
};

use crate::{
    engine::{
        process::ProcessId,
        signal::{SignalResult, SignalToSend},
        stop_progress::Member,
    },
    scan::linux::parents::{ParentMap, Stats},
    sys::linux::{pidfd::ProcessHandle, proc_fs::ProcFs},
    terminate::linux::{family, unseen},
};

/// The tree of a guard. As their subreaper it is the ancestor of all of them, however often they
/// forked.
#[derive(Debug)]
pub(crate) struct GuardTree {
    proc: Arc<ProcFs>,
    me: u32,
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
        let (proc, me) = (Arc::new(ProcFs::open()?), std::process::id());
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let childless = waitid(Id::All, flags) == Err(Errno::ECHILD);
        let strangers = if childless {
            BTreeSet::new()
        } else {
            children(ParentMap::read(&proc, me)?.stats(), me)
        };
        Ok(GuardTree { proc, me, strangers, handles: BTreeMap::new() })
    }

    /// The living members. `None`: nothing can be looked at (no descriptor is left), and of those
    /// that were seen nobody lives.
    pub(crate) fn members(&mut self) -> Option<Vec<Member>> {
        self.handles.retain(|_, handle| !handle.has_ended());
        let Ok(lineage) = ParentMap::read(&self.proc, self.me) else {
            let seen: BTreeSet<ProcessId> = self.handles.keys().copied().collect();
            return Some(unseen(&seen, &self.handles)).filter(|members| !members.is_empty());
        };
        let children =
            children(lineage.stats(), self.me).difference(&self.strangers).copied().collect();
        Some(family(&self.proc, lineage.stats(), &children, self.me, &mut self.handles))
    }

    /// The identity of one of its processes.
    pub(crate) fn id_of(&self, pid: u32) -> Option<ProcessId> {
        let start = self.proc.stat(pid, &mut Vec::new()).ok()?.start;
        Some(ProcessId { pid, start })
    }

    /// Those that were seen by the last look.
    pub(crate) fn handles(&self) -> impl Iterator<Item = &ProcessHandle> {
        self.handles.values()
    }

    pub(crate) fn send(&self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        self.handles.get(&to).map_or(SignalResult::Gone, |handle| handle.send(signal))
    }
}

fn children(stats: &Stats, me: u32) -> BTreeSet<ProcessId> {
    stats
        .iter()
        .filter(|(_, stat)| stat.parent == me)
        .map(|(pid, stat)| ProcessId { pid: *pid, start: stat.start })
        .collect()
}
