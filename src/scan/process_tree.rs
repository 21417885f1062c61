//! Process trees and pinned processes.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::process::ProcessId;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::engine::signal_sequence::{JobState, Member};
use crate::sys::machine::process_handle::ProcessHandle;

/// Returns `roots` with all their descendants, except `me` and processes reached only through it.
pub(super) fn with_descendants(
    roots: BTreeSet<u32>,
    parents: impl Iterator<Item = (u32, u32)>,
    me: u32,
) -> BTreeSet<u32> {
    top_down(roots, parents, me).into_iter().collect()
}

/// Returns the same processes as [`with_descendants`], the roots first and each other one after its
/// parent.
pub(super) fn top_down(
    roots: BTreeSet<u32>,
    parents: impl Iterator<Item = (u32, u32)>,
    me: u32,
) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, parent) in parents {
        children.entry(parent).or_default().push(pid);
    }
    let mut all: Vec<u32> = roots.iter().copied().collect();
    let mut seen = roots;
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        let below = children.get(pid).into_iter().flatten().copied();
        all.extend(below.filter(|child| *child != me && seen.insert(*child)));
        next += 1;
    }
    all
}

/// The members of a guard's tree at one moment.
pub struct GuardMembers {
    pub members: Vec<Member>,
    /// True if no member can have been missed.
    pub is_proof: bool,
}

/// The processes that may be signaled. Each is pinned before its facts are read.
#[derive(Default)]
pub(crate) struct PinnedProcesses {
    handles: BTreeMap<ProcessId, ProcessHandle>,
    /// Members for which no descriptor was left. Each was seen later than the tick of the clock in
    /// which it started: no other process can get its pid and start time anymore.
    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    unpinned: BTreeSet<ProcessId>,
}

impl PinnedProcesses {
    pub(crate) fn insert(&mut self, handle: ProcessHandle) {
        self.handles.insert(handle.id, handle);
    }

    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    pub(super) fn remember_unpinned(&mut self, id: ProcessId) {
        self.unpinned.insert(id);
    }

    #[cfg(all(target_os = "linux", not(monopoll_portable)))]
    pub(super) fn is_unpinned(&self, id: ProcessId) -> bool {
        self.unpinned.contains(&id)
    }

    pub(crate) fn get(&self, id: ProcessId) -> Option<&ProcessHandle> {
        self.handles.get(&id)
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = &ProcessHandle> {
        self.handles.values()
    }

    pub(crate) fn among<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a ProcessId>,
    ) -> Vec<&ProcessHandle> {
        ids.into_iter().filter_map(|id| self.handles.get(id)).collect()
    }

    #[cfg(any(not(target_os = "linux"), monopoll_portable))]
    pub(crate) fn retain(&mut self, is_kept: impl Fn(ProcessId) -> bool) {
        self.handles.retain(|id, _| is_kept(*id));
    }

    /// Returns whether a process has ended or was never pinned.
    pub(crate) fn has_ended(&self, id: ProcessId) -> bool {
        self.get(id).is_none_or(ProcessHandle::has_ended)
    }

    pub(crate) fn forget_ended(&mut self) {
        self.handles.retain(|_, handle| !handle.has_ended());
    }

    pub(crate) fn send(&self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        self.get(to).map_or(SignalResult::Gone, |handle| handle.send(signal))
    }

    /// Returns `processes` as living members, for use if the process table cannot be read.
    pub(crate) fn assume_alive<'a>(
        &self,
        processes: impl IntoIterator<Item = &'a ProcessId>,
    ) -> Vec<Member> {
        let member = |id: &ProcessId| {
            let is_pinned = self.handles.contains_key(id);
            let job_state = if is_pinned { JobState::Running } else { JobState::Unpinned };
            Member { id: *id, parent: 0, job_state }
        };
        processes.into_iter().map(member).collect()
    }
}
