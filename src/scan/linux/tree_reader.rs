//! Reads trees of processes and pins their members.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::io::Errno;

use crate::engine::process::ProcessId;
use crate::engine::signal_sequence::{JobState, Member};
use crate::scan::linux::parents::{self, ParentMap, Stats};
use crate::scan::process_tree::{GuardMembers, PinnedProcesses, top_down};
use crate::sys::clock;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_stat::{ProcStat, age, ticks_since_boot};
use crate::sys::linux::process_handle::{PinnedPid, ProcessHandle};

/// Within this time, the kernel has not reused a pid: it assigns all others first.
const NO_PID_REUSED: Duration = Duration::from_millis(250);

pub(crate) struct TreeReader {
    pub(super) proc: Arc<ProcFs>,
    pub(super) me: u32,
    pub(super) parents: Option<ParentMap>,
    signaled: Signaled,
}

/// What a takeover signals. It may start other processes at its end, and leave before they are seen
/// as its children.
#[derive(Default)]
struct Signaled {
    /// The time of the first signal, in clock ticks since boot.
    first: Option<u64>,
    earlier: EarlierPids,
    groups: BTreeSet<u32>,
    /// The sessions whose leaders were signaled.
    sessions: BTreeSet<u32>,
}

/// The pids before the first signal.
#[derive(Default)]
struct EarlierPids {
    pids: BTreeSet<u32>,
    listed: Duration,
    /// The pid that was assigned last before they were listed, if it is known.
    last: Option<u32>,
}

impl EarlierPids {
    fn of(parents: &ParentMap) -> EarlierPids {
        EarlierPids {
            pids: parents.stats.keys().copied().collect(),
            listed: parents.listed,
            last: parents.last_pid,
        }
    }

    /// Returns whether the kernel has not reused a pid until now.
    fn are_not_reused(&self, now: Duration, last_pid: Option<u32>) -> bool {
        now.saturating_sub(self.listed) < NO_PID_REUSED && self.last <= last_pid
    }

    /// Returns the pids of the processes that began later. `None` if the kernel may have reused
    /// one: time has passed, or, where few pids are allowed, it began again with the smallest.
    fn newer(&self, proc: &ProcFs) -> io::Result<Option<Vec<u32>>> {
        let mut pids = proc.pids()?;
        pids.retain(|pid| !self.pids.contains(pid));
        let are_not_reused = self.are_not_reused(clock::monotonic(), proc.last_pid().ok());
        Ok(are_not_reused.then_some(pids))
    }
}

impl Signaled {
    fn add_member(&mut self, pid: u32, stat: &ProcStat) {
        self.groups.insert(stat.group);
        if stat.session == pid {
            self.sessions.insert(pid);
        }
    }

    fn includes(&self, stat: &ProcStat) -> bool {
        self.groups.contains(&stat.group) || self.sessions.contains(&stat.session)
    }
}

impl TreeReader {
    pub(crate) fn open() -> io::Result<TreeReader> {
        Ok(TreeReader {
            proc: Arc::new(ProcFs::open()?),
            me: std::process::id(),
            parents: None,
            signaled: Signaled::default(),
        })
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
    /// One reading can miss members of a tree that keeps forking and exiting: a process may end
    /// before it is read, or have a pid in a part of the list that was already read. The list is
    /// sorted by pid, and a child's pid is larger than its parent's until pids wrap around. So
    /// nothing was missed if pids did not wrap around, every listed process could be read, and none
    /// of them is a child of this guard. Even a zombie child counts, because it may have forked.
    pub(crate) fn guard_members(
        &mut self,
        other_children: &BTreeSet<ProcessId>,
        pinned: &mut PinnedProcesses,
    ) -> io::Result<GuardMembers> {
        // Without other children, only waitid(2) shows that no child is left.
        let can_prove = !other_children.is_empty();
        let last_pid = || if can_prove { self.proc.last_pid().ok() } else { None };
        let before = last_pid();
        let parents = ParentMap::read(&self.proc)?;
        let is_root =
            |id: ProcessId, stat: ProcStat| stat.parent == self.me && !other_children.contains(&id);
        let has_roots = parents.stats.iter().any(|(pid, stat)| is_root(id(*pid, stat), *stat));
        let members = self.pin_members(&parents.stats, is_root, pinned)?;
        // If `/proc` shows only processes, the last pid is unknown, so assume that pids did not
        // wrap around.
        let is_proof = can_prove && !has_roots && parents.is_complete && before <= last_pid();
        Ok(GuardMembers { members, is_proof })
    }

    /// Returns the living processes of `known` and all their descendants.
    pub(crate) fn members(
        &mut self,
        known: &BTreeSet<ProcessId>,
        pinned: &mut PinnedProcesses,
    ) -> Vec<Member> {
        let lives = |id: ProcessId| {
            pinned.is_unpinned(id) || pinned.get(id).is_some_and(|it| !it.has_ended())
        };
        let known: BTreeSet<ProcessId> = known.iter().copied().filter(|id| lives(*id)).collect();
        if known.is_empty() {
            return Vec::new();
        }
        let is_root = |id: ProcessId, _: ProcStat| known.contains(&id);
        let found = self.current_parents().and_then(|parents| {
            let members = self.pin_members(&parents.stats, is_root, pinned)?;
            if self.signaled.first.is_none() {
                self.signaled.earlier = EarlierPids::of(&parents);
            }
            for pid in members.iter().map(|member| member.id.pid) {
                parents
                    .stats
                    .get(&pid)
                    .into_iter()
                    .for_each(|it| self.signaled.add_member(pid, it));
            }
            self.parents = Some(parents);
            Ok(members)
        });
        found.unwrap_or_else(|_| pinned.assume_alive(&known))
    }

    /// Returns the parents of all processes. Of a recent table, only what began since is read: a
    /// process gets another parent only as a descendant of the same ancestors, or leaves the tree,
    /// and members are read once more when they are pinned.
    fn current_parents(&mut self) -> io::Result<ParentMap> {
        let Some(mut parents) = self.parents.take() else { return ParentMap::read(&self.proc) };
        if parents.is_fresh() {
            return Ok(parents);
        }
        let Some(newer) = EarlierPids::of(&parents).newer(&self.proc)? else {
            return ParentMap::read(&self.proc);
        };
        let newer = parents::read_with_parents(&self.proc, &newer)?;
        parents.stats.extend(newer);
        Ok(parents)
    }

    pub(super) fn note_signal(&mut self) {
        self.signaled.first.get_or_insert_with(ticks_since_boot);
    }

    /// Returns a living orphan that began after the first signal, in a process group or session of
    /// what was signaled, and pins it.
    pub(super) fn started_at_end(
        &self,
        pinned: &mut PinnedProcesses,
    ) -> io::Result<Option<ProcessId>> {
        let Some(ticks) = self.signaled.first else { return Ok(None) };
        let stats = match self.signaled.earlier.newer(&self.proc)? {
            Some(pids) => parents::read_with_parents(&self.proc, &pids)?,
            None => ParentMap::read(&self.proc)?.stats,
        };
        let may_be_started = |(pid, stat): &(&u32, &ProcStat)| {
            let is_orphan = !stats.get(&stat.parent).is_some_and(|it| self.signaled.includes(it));
            stat.start >= ticks
                && self.signaled.includes(stat)
                && is_orphan
                && ![**pid, stat.parent].contains(&self.me)
                && !stat.has_ended()
        };
        for (pid, stat) in stats.iter().filter(may_be_started) {
            let id = id(*pid, stat);
            if let Some((Some(handle), _)) = self.pin(id, pinned)? {
                pinned.insert(handle);
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Pins the roots and their descendants, from the top down. Members for which there are no
    /// descriptors left stay unpinned.
    ///
    /// `stats` were read at different times, and pids may have been reused in between, so they only
    /// tell where to look. A process is a member if its parent was read after it was pinned, and if
    /// neither it nor that parent, a member pinned earlier, had ended after that. Both then kept
    /// their pids the whole time, so the parent's pid cannot mean another process.
    fn pin_members(
        &self,
        stats: &Stats,
        is_root: impl Fn(ProcessId, ProcStat) -> bool,
        pinned: &mut PinnedProcesses,
    ) -> io::Result<Vec<Member>> {
        pinned.forget_ended();
        let is_hinted = |(pid, stat): &(&u32, &ProcStat)| is_root(id(**pid, stat), **stat);
        let roots = stats.iter().filter(is_hinted).map(|(pid, _)| *pid).collect();
        let parents = stats.iter().map(|(pid, stat)| (*pid, stat.parent));
        let mut members: BTreeMap<u32, Member> = BTreeMap::new();
        for pid in top_down(roots, parents, self.me) {
            let Some(hint) = stats.get(&pid) else { continue };
            let id = id(pid, hint);
            // Check the age now: the process is seen alive once more after this.
            let is_unique = age(id.start) > TWO_TICKS;
            let Some((new, stat)) = self.pin(id, pinned)? else { continue };
            let is_alive = |id| pinned.get(id).is_some_and(|handle| !handle.has_ended());
            let has_parent = || members.get(&stat.parent).is_some_and(|it| is_alive(it.id));
            if !is_root(id, stat) && !has_parent() {
                continue;
            }
            if let Some(handle) = new {
                pinned.insert(handle);
            }
            let job_state = match pinned.get(id) {
                Some(handle) if handle.has_ended() => continue,
                Some(_) if matches!(stat.state, b'T' | b't') => JobState::Stopped,
                Some(_) => JobState::Running,
                None => JobState::Unpinned,
            };
            if job_state == JobState::Unpinned && is_unique {
                pinned.remember_unpinned(id);
            }
            members.insert(pid, Member { id, parent: stat.parent, job_state });
        }
        // Clear the read errors: members that could not be pinned are already included.
        let _ = self.proc.require_complete();
        Ok(members.into_values().collect())
    }

    /// Pins a process that is not pinned yet, then reads its stat line; `None` if it has ended.
    /// Without a free descriptor, it only reads.
    fn pin(
        &self,
        id: ProcessId,
        pinned: &PinnedProcesses,
    ) -> io::Result<Option<(Option<ProcessHandle>, ProcStat)>> {
        let mut buffer = Vec::new();
        let mut pin = match pinned.get(id) {
            Some(_) => None,
            None => match PinnedPid::new(id.pid) {
                Ok(pin) => Some(pin.into_handle(id)),
                Err(Errno::SRCH) => return Ok(None),
                Err(_) => None,
            },
        };
        let mut stat = self.proc.stat(id.pid, &mut buffer);
        if pin.is_some() && stat.as_ref().is_err_and(|error| !is_gone(error)) {
            // The pin took the last descriptor. Release it, and read without a pin.
            pin = None;
            stat = self.proc.stat(id.pid, &mut buffer);
        }
        match stat {
            Ok(stat) => Ok((stat.start == id.start).then_some((pin, stat))),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The time after which no other process can have the same pid and start time: start times are in
/// ticks of 10 ms.
const TWO_TICKS: Duration = Duration::from_millis(20);

fn id(pid: u32, stat: &ProcStat) -> ProcessId {
    ProcessId { pid, start: stat.start }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::SRCH))
}

fn children(stats: &Stats, me: u32) -> BTreeSet<ProcessId> {
    stats.iter().filter(|(_, stat)| stat.parent == me).map(|(pid, stat)| id(*pid, stat)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "real processes are pinned")]

    use std::process::{Child, Command};

    use super::*;

    fn sleeping() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_pid_that_may_have_been_reused_since_it_was_listed_hides_no_process() {
        let reader = TreeReader::open().unwrap();
        let mut parents = ParentMap::read(&reader.proc).unwrap();
        let me = reader.me;
        let sees_me = |parents: &ParentMap| {
            EarlierPids::of(parents).newer(&reader.proc).unwrap().is_none_or(|it| it.contains(&me))
        };
        // The kernel has begun again with the smallest pid since.
        parents.last_pid = Some(u32::MAX);
        assert!(sees_me(&parents));
        let (earlier, listed) = (EarlierPids::of(&parents), parents.listed);
        let (soon, late) = (Duration::from_millis(100), Duration::from_millis(300));
        for (passed, last, expected) in [
            (soon, Some(u32::MAX), true),
            (late, Some(u32::MAX), false),
            (soon, Some(300), false),
            (soon, None, false),
        ] {
            let is_not_reused = earlier.are_not_reused(listed.saturating_add(passed), last);
            assert_eq!(is_not_reused, expected, "{passed:?} {last:?}");
        }
    }

    #[test]
    fn a_process_whose_parent_was_another_process_with_that_pid_is_no_member() {
        let (mut root, mut bystander) = (sleeping(), sleeping());
        let mut reader = TreeReader::open().unwrap();
        let mut parents = ParentMap::read(&reader.proc).unwrap();
        let id_of = |child: &Child| id(child.id(), &parents.stats[&child.id()]);
        let (root_id, bystander_id) = (id_of(&root), id_of(&bystander));
        // The bystander was read when its parent had the pid that the root has now.
        parents.stats.get_mut(&bystander.id()).unwrap().parent = root.id();
        let mut pinned = PinnedProcesses::default();
        pinned.insert(PinnedPid::new(root.id()).unwrap().into_handle(root_id));
        let is_root = |id: ProcessId, _: ProcStat| id == root_id;
        let members = reader.pin_members(&parents.stats, is_root, &mut pinned).unwrap();
        assert_eq!(members.iter().map(|it| it.id).collect::<Vec<_>>(), [root_id]);
        assert!(pinned.get(bystander_id).is_none());
        // A known process that is not pinned has ended: its pid and start time may be another's.
        let known = BTreeSet::from([bystander_id]);
        assert_eq!(reader.members(&known, &mut pinned), []);
        for child in [&mut root, &mut bystander] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
