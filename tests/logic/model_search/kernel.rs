//! The kernel of the scripted machine: processes, signals, the clock, and the holders of the lock.
//! The lock files themselves are real.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use monopoll::internals::engine::process::ProcessId;
use monopoll::internals::engine::signal::{SignalResult, SignalToSend};
use monopoll::internals::engine::signal_sequence::{JobState, Member};
use monopoll::internals::sys::file_id::FileId;

/// The time from the end of an unguarded bot until its parent starts it again.
pub(super) const RESTART: Duration = Duration::from_millis(100);

/// The parent of the unguarded bot.
pub(super) const PARENT: u32 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A start or, later, a guard.
    Start,
    /// COMMAND of this guard, which inherits the lock and gets a signal when the guard is killed.
    Bot { guard: u32 },
    /// A child of COMMAND that closed the lock's descriptor. It polls as well.
    Helper { guard: u32 },
    /// A bot that no guard started.
    Unguarded,
    /// Another program, which got the pid of a killed guard.
    Innocent,
}

pub(super) struct Proc {
    pub(super) id: ProcessId,
    pub(super) parent: u32,
    pub(super) kind: Kind,
    pub(super) is_alive: bool,
    pub(super) is_reaped: bool,
    pub(super) is_stopped: bool,
    /// The number of SIGTERM that it has not handled yet.
    pub(super) pending: u32,
    /// The inherited descriptors of the lock.
    descriptors: Vec<(FileId, OwnedFd)>,
}

/// A lock file that a start has opened.
struct Lock {
    id: FileId,
    /// To find out whether it is locked.
    probe: File,
    /// The start or guard that locked it last.
    owner: Option<u32>,
    was_free: bool,
}

#[derive(Default)]
pub(super) struct Kernel {
    pub(super) now: Duration,
    pub(super) procs: BTreeMap<u32, Proc>,
    locks: Vec<Lock>,
    /// Counts the changes that a watch of the lock folder reports.
    pub(super) changes: u64,
    /// Counts the releases of a lock.
    pub(super) releases: u64,
    /// Counts the ends of processes below each guard.
    pub(super) ends: BTreeMap<u32, u64>,
    /// The time at which the unguarded bot starts again.
    pub(super) restart_at: Option<Duration>,
    pub(super) restarts: u32,
    next_pid: u32,
}

impl Kernel {
    pub(super) fn new() -> Kernel {
        Kernel { now: Duration::from_secs(1), next_pid: 100, ..Kernel::default() }
    }

    pub(super) fn spawn(&mut self, kind: Kind, parent: u32) -> ProcessId {
        self.next_pid += 1;
        let pid = self.next_pid;
        self.insert(pid, u64::from(pid) * 100, kind, parent)
    }

    fn insert(&mut self, pid: u32, start: u64, kind: Kind, parent: u32) -> ProcessId {
        let id = ProcessId { pid, start };
        let proc = Proc {
            id,
            parent,
            kind,
            is_alive: true,
            is_reaped: false,
            is_stopped: false,
            pending: 0,
            descriptors: Vec::new(),
        };
        self.procs.insert(pid, proc);
        id
    }

    /// Starts COMMAND with these locks, and its child without them.
    pub(super) fn spawn_bot(&mut self, guard: u32, locks: Vec<(FileId, OwnedFd)>) -> ProcessId {
        let bot = self.spawn(Kind::Bot { guard }, guard);
        self.procs.get_mut(&bot.pid).unwrap().descriptors = locks;
        self.spawn(Kind::Helper { guard }, bot.pid);
        bot
    }

    pub(super) fn living(&self) -> impl Iterator<Item = &Proc> {
        self.procs.values().filter(|proc| proc.is_alive)
    }

    pub(super) fn is_alive(&self, id: ProcessId) -> bool {
        self.procs.get(&id.pid).is_some_and(|proc| proc.is_alive && proc.id == id)
    }

    /// Returns the living processes of `roots` with their descendants.
    pub(super) fn members(&self, roots: &BTreeSet<ProcessId>) -> Vec<Member> {
        let mut found: BTreeSet<u32> =
            roots.iter().filter(|id| self.is_alive(**id)).map(|id| id.pid).collect();
        loop {
            let below = self.living().filter(|proc| found.contains(&proc.parent));
            let all: BTreeSet<u32> = below.map(|proc| proc.id.pid).chain(found.clone()).collect();
            if all.len() == found.len() {
                break;
            }
            found = all;
        }
        let member = |pid: &u32| {
            let proc = &self.procs[pid];
            let stopped = if proc.is_stopped { JobState::Stopped } else { JobState::Running };
            Member { id: proc.id, parent: proc.parent, job_state: stopped }
        };
        found.iter().map(member).collect()
    }

    /// Delivers a signal. SIGKILL to a start is left to the search, which unwinds its thread.
    pub(super) fn signal(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        let Some(proc) = self.procs.get_mut(&to.pid).filter(|it| it.is_alive && it.id == to) else {
            return SignalResult::Gone;
        };
        match signal {
            SignalToSend::Signal(_) => proc.pending += 1,
            SignalToSend::Continue => proc.is_stopped = false,
            SignalToSend::Kill if proc.kind == Kind::Start => {}
            SignalToSend::Kill => self.end(to.pid),
        }
        SignalResult::Delivered
    }

    /// Ends a process: closes its descriptors, signals the child of a guard, moves orphans.
    pub(super) fn end(&mut self, pid: u32) {
        let Some(proc) = self.procs.get_mut(&pid).filter(|proc| proc.is_alive) else { return };
        proc.is_alive = false;
        proc.descriptors.clear();
        let kind = proc.kind;
        if kind == Kind::Unguarded {
            self.restart_at = Some(self.now + RESTART);
        }
        let (guard, heir) = match kind {
            Kind::Bot { guard } | Kind::Helper { guard } => {
                *self.ends.entry(guard).or_default() += 1;
                (None, if self.is_guard_alive(guard) { guard } else { 1 })
            }
            Kind::Start => (Some(pid), 1),
            Kind::Unguarded | Kind::Innocent => (None, 1),
        };
        let orphans = self.procs.values_mut().filter(|it| it.is_alive && it.parent == pid);
        for orphan in orphans {
            orphan.parent = heir;
            // The death signal reaches COMMAND alone.
            orphan.pending +=
                u32::from(guard.is_some_and(|guard| orphan.kind == Kind::Bot { guard }));
        }
        if let Kind::Bot { guard } = kind
            && !self.is_guard_alive(guard)
        {
            self.abandon(guard);
        }
        for lock in self.locks.iter_mut().filter(|lock| lock.owner == Some(pid)) {
            lock.owner = None;
        }
    }

    fn is_guard_alive(&self, guard: u32) -> bool {
        self.procs.get(&guard).is_some_and(|it| it.is_alive && it.kind == Kind::Start)
    }

    /// Ends what is left of a killed guard's tree once COMMAND has ended. No guard could know it.
    pub(super) fn abandon(&mut self, guard: u32) {
        let has_bot = self.living().any(|it| it.kind == Kind::Bot { guard });
        let helper = self.living().find(|it| it.kind == Kind::Helper { guard });
        if let Some(pid) = helper.filter(|_| !has_bot).map(|helper| helper.id.pid) {
            self.end(pid);
        }
    }

    /// Gives the pid of a killed guard to another program.
    pub(super) fn reuse_pid(&mut self, pid: u32) {
        let start = self.procs[&pid].id.start + 1;
        self.insert(pid, start, Kind::Innocent, 1);
    }

    pub(super) fn restart(&mut self) {
        self.restart_at = None;
        self.restarts += 1;
        self.spawn(Kind::Unguarded, PARENT);
    }

    /// Registers the lock file at this path.
    pub(super) fn learn_lock(&mut self, path: &Path) {
        let Ok(probe) = File::open(path) else { return };
        let id = FileId::of(&probe).unwrap();
        if self.locks.iter().all(|lock| lock.id != id) {
            self.locks.push(Lock { id, probe, owner: None, was_free: true });
        }
    }

    /// Returns the number of a lock file, which is the same in each run.
    pub(super) fn lock_number(&self, id: FileId) -> Option<usize> {
        self.locks.iter().position(|lock| lock.id == id)
    }

    /// Notes that `pid` has just taken the lock that was free before.
    pub(super) fn note_locked(&mut self, pid: u32) {
        for lock in &mut self.locks {
            if lock.was_free && !is_free(&lock.probe) {
                (lock.owner, lock.was_free) = (Some(pid), false);
            }
        }
    }

    /// Notes that `pid` has no lock anymore.
    pub(super) fn forget_owner(&mut self, pid: u32) {
        for lock in self.locks.iter_mut().filter(|lock| lock.owner == Some(pid)) {
            lock.owner = None;
        }
    }

    /// Counts the locks that were released since the last call.
    pub(super) fn note_releases(&mut self) {
        for lock in &mut self.locks {
            if lock.was_free {
                continue;
            }
            let free = is_free(&lock.probe);
            if free {
                lock.owner = None;
                self.releases += 1;
                // A close of the first lock wakes whoever watches the lock folder.
                self.changes += 1;
            }
            lock.was_free = free;
        }
    }

    pub(super) fn is_lock_free(&self, id: FileId) -> bool {
        self.locks.iter().find(|lock| lock.id == id).is_none_or(|lock| is_free(&lock.probe))
    }

    /// Returns the processes that have this lock; `None` if it is free.
    pub(super) fn holders(&self, id: FileId) -> Option<Vec<u32>> {
        let lock = self.locks.iter().find(|lock| lock.id == id)?;
        if is_free(&lock.probe) {
            return None;
        }
        let inherited = self
            .living()
            .filter(|proc| proc.descriptors.iter().any(|(file, _)| *file == id))
            .map(|proc| proc.id.pid);
        Some(lock.owner.into_iter().chain(inherited).collect())
    }

    /// Returns whether a start or guard holds a lock, even of a deleted file.
    pub(super) fn owns_a_lock(&self, pid: u32) -> bool {
        self.locks.iter().any(|lock| lock.owner == Some(pid) && !is_free(&lock.probe))
    }

    /// Returns what differs between lock files: the owner, whether it was free, and whether it
    /// names itself, as a file does that a guard has held.
    pub(super) fn lock_states(&self) -> impl Iterator<Item = (Option<u32>, bool, bool)> {
        self.locks.iter().map(|lock| (lock.owner, lock.was_free, names_itself(lock)))
    }
}

fn names_itself(lock: &Lock) -> bool {
    let mut content = [0; 256];
    let length = lock.probe.read_at(&mut content, 0).unwrap();
    String::from_utf8_lossy(&content[..length]).contains(&format!("file {} on", lock.id.ino))
}

pub(super) fn is_free(probe: &File) -> bool {
    let free = probe.try_lock_shared().is_ok();
    if free {
        probe.unlock().unwrap();
    }
    free
}
