//! Reads trees of processes and pins their members.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::io::Errno;

use crate::engine::process::ProcessId;
use crate::engine::signal_sequence::{JobState, Member};
use crate::scan::linux::parents::{ParentMap, Stats};
use crate::scan::process_tree::{GuardMembers, PinnedProcesses, with_descendants};
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::process_handle::{PinnedPid, ProcessHandle};

pub(crate) struct TreeReader {
    pub(super) proc: Arc<ProcFs>,
    pub(super) me: u32,
    pub(super) parents: Option<ParentMap>,
}

impl TreeReader {
    pub(crate) fn open() -> io::Result<TreeReader> {
        Ok(TreeReader { proc: Arc::new(ProcFs::open()?), me: std::process::id(), parents: None })
    }

    pub(crate) fn children(&self) -> io::Result<BTreeSet<ProcessId>> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if waitid(Id::All, flags) == Err(nix::errno::Errno::ECHILD) {
            return Ok(BTreeSet::new());
        }
        Ok(children(&ParentMap::read(&self.proc)?.stats, self.me))
    }

    /// Returns the members of this guard's tree. As their subreaper, it is the ancestor of all of
    /// them, however often they forked.
    ///
    /// A tree that forks and exits all the time can hide from one look: each process may end before
    /// it is read, or have its pid in the part of the list that was read already. The list goes by
    /// pid, and a child has a larger pid than its parent until pids start over; so a look hides
    /// nothing if pids did not start over, every process that was listed could be read, and none of
    /// them is a child of this guard, not even one that has ended: it may have forked since.
    pub(crate) fn guard_members(
        &mut self,
        other_children: &BTreeSet<ProcessId>,
        pinned: &mut PinnedProcesses,
    ) -> io::Result<GuardMembers> {
        // Without others, only waitid(2) says that no child is left.
        let can_prove = !other_children.is_empty();
        let last_pid = || if can_prove { self.proc.last_pid().ok() } else { None };
        let before = last_pid();
        let parents = ParentMap::read(&self.proc)?;
        let roots: BTreeSet<ProcessId> =
            children(&parents.stats, self.me).difference(other_children).copied().collect();
        let members = self.pin_members(&parents.stats, &roots, pinned);
        // Where `/proc` has nothing but processes, pids count as not having started over.
        let is_proof = can_prove && roots.is_empty() && parents.is_complete && before <= last_pid();
        Ok(GuardMembers { members, is_proof })
    }

    /// Returns the living ones of `known` and all their descendants.
    pub(crate) fn members(
        &mut self,
        known: &BTreeSet<ProcessId>,
        pinned: &mut PinnedProcesses,
    ) -> Vec<Member> {
        // A process that is not pinned may be alive all the same.
        let has_ended = |id| pinned.get(id).is_some_and(ProcessHandle::has_ended);
        let known: BTreeSet<ProcessId> =
            known.iter().copied().filter(|id| !has_ended(*id)).collect();
        if known.is_empty() {
            return Vec::new();
        }
        let parents = match self.parents.take().filter(ParentMap::is_fresh) {
            Some(parents) => Ok(parents),
            None => ParentMap::read(&self.proc),
        };
        match parents {
            Ok(parents) => self.pin_members(&parents.stats, &known, pinned),
            Err(_) => pinned.assume_alive(&known),
        }
    }

    /// Pins the members that are not pinned yet. Those for which there are no descriptors left are
    /// members all the same.
    fn pin_members(
        &self,
        stats: &Stats,
        roots: &BTreeSet<ProcessId>,
        pinned: &mut PinnedProcesses,
    ) -> Vec<Member> {
        pinned.forget_ended();
        let is_there =
            |id: &&ProcessId| stats.get(&id.pid).is_some_and(|stat| stat.start == id.start);
        let roots = roots.iter().filter(is_there).map(|id| id.pid).collect();
        let parents = stats.iter().map(|(pid, stat)| (*pid, stat.parent));
        let mut buffer = Vec::new();
        let mut members = Vec::new();
        for pid in with_descendants(roots, parents, self.me) {
            let Some(stat) = stats.get(&pid) else { continue };
            let id = ProcessId { pid, start: stat.start };
            if pinned.get(id).is_none() {
                // Pinned first, then read again: the pid may have been reused.
                match PinnedPid::new(pid).map(|pin| (pin, self.proc.stat(pid, &mut buffer))) {
                    Ok((pin, Ok(now))) if now.start == stat.start => {
                        pinned.insert(pin.into_handle(id));
                    }
                    Ok((_, Ok(_))) | Err(Errno::SRCH) => continue,
                    Ok((_, Err(error)))
                        if matches!(
                            Errno::from_io_error(&error),
                            Some(Errno::NOENT | Errno::SRCH)
                        ) =>
                    {
                        continue;
                    }
                    Ok((_, Err(_))) | Err(_) => {}
                }
            }
            let job_state = match pinned.get(id) {
                Some(handle) if handle.has_ended() => continue,
                Some(_) if matches!(stat.state, b'T' | b't') => JobState::Stopped,
                Some(_) => JobState::Running,
                None => JobState::Unpinned,
            };
            members.push(Member { id, parent: stat.parent, job_state });
        }
        // Members that could not be pinned are among them: the next reading starts afresh.
        let _ = self.proc.require_complete();
        members
    }
}

fn children(stats: &Stats, me: u32) -> BTreeSet<ProcessId> {
    stats
        .iter()
        .filter(|(_, stat)| stat.parent == me)
        .map(|(pid, stat)| ProcessId { pid: *pid, start: stat.start })
        .collect()
}
