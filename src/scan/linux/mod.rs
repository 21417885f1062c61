//! Linux: `/proc`, pidfds, flock, inotify, signalfd.
#![expect(clippy::disallowed_methods, reason = "this is the machine itself")]

mod ancestors;
mod container_detection;
mod describe;
mod detect_capabilities;
mod find_by_marker;
pub(crate) mod guard_tree;
mod lock_holders;
pub(crate) mod parents;
mod pid_feed;
mod prefilter;
mod scan;
pub(crate) mod take_snapshot;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

pub use container_detection::{enclosure, maker};
pub use detect_capabilities::{checkup, holders_of, is_elsewhere};
pub(crate) use find_by_marker::guard_above;
use lock_holders::{LockListing, LockTable};
use parents::ParentMap;

pub(crate) use crate::sys::wake::SleepEnd;
use crate::{
    engine::{
        policy::Purpose,
        process::{ProcessId, User},
    },
    error::{Error, ExitStatus},
    scan::request::ScanRequest,
    state::{lock_file::LockFile, record::HostProcess, state_dir::StateDir},
    sys::{
        linux::{
            file_watch::FileWatch,
            pidfd::ProcessHandle,
            poll::{Poller, Wake},
            proc_fs::ProcFs,
        },
        wake::Interrupted,
    },
    terminate::ask::GuardRequests,
};

/// This machine, seen from this process.
#[derive(Debug)]
pub struct Machine {
    pub(crate) proc: Arc<ProcFs>,
    pub(crate) query: Arc<ScanRequest>,
    pub(crate) whereabouts: HostProcess,
    /// Everybody who may be signalled: pinned before its facts were read.
    pub(crate) handles: BTreeMap<ProcessId, ProcessHandle>,
    /// Who was whose parent when this was last read.
    pub(crate) lineage: Option<ParentMap>,
    /// None in a dry run, which gives up as any program does.
    alarm: Option<Poller>,
    /// The folder beside the lock.
    pub(crate) watch: FileWatch,
    /// The lock files. A watch of its own: whoever waits for a lock is not to be woken by what
    /// others write beside it.
    lock_watch: Option<FileWatch>,
    /// Who is asked to leave.
    pub(crate) asking: GuardRequests,
}

impl Machine {
    /// Gets ready to look for what `query` says.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn new(query: ScanRequest) -> std::io::Result<Machine> {
        let proc = ProcFs::open()?;
        let pid = std::process::id();
        proc.insist_on_mine(pid)?;
        let start = proc.stat(pid, &mut Vec::new())?.start;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let pid_namespace = lock_holders::namespace(&proc, pid)
            .ok_or_else(|| std::io::Error::other("the PID namespace cannot be read"))?;
        Ok(Machine {
            proc: Arc::new(proc),
            query: Arc::new(query),
            whereabouts: HostProcess { boot, pid_namespace, process: ProcessId { pid, start } },
            handles: BTreeMap::new(),
            lineage: None,
            alarm: None,
            watch: FileWatch::new(),
            lock_watch: None,
            asking: GuardRequests::nobody(),
        })
    }

    /// Who I am.
    #[must_use]
    pub fn whereabouts(&self) -> &HostProcess {
        &self.whereabouts
    }

    /// What is being looked for.
    #[must_use]
    pub fn query(&self) -> &ScanRequest {
        &self.query
    }

    /// Says to the guards that will be asked what it is for.
    pub(crate) fn ask_for(&mut self, purpose: Purpose) {
        self.asking.for_purpose(purpose);
    }

    /// From here on signals are waited for.
    pub(crate) fn attend(&mut self, alarm: Poller) {
        self.alarm = Some(alarm);
    }

    /// Whether a lock that is let go tells of it.
    pub(crate) const HEARS_OF_CLOSES: bool = true;

    /// Watches these locks too: a close is the moment at which one may go. `false`: when that began
    /// none of these processes had one any more, so that none of them will tell.
    pub(crate) fn watch_locks(
        &mut self,
        locks: &[LockFile],
        holders: &BTreeSet<ProcessId>,
    ) -> bool {
        let is_new = self.lock_watch.is_none();
        let watch = self.lock_watch.get_or_insert_with(FileWatch::new);
        for lock in locks {
            watch.closes_of(lock.path());
        }
        let holders = holders.iter().map(|id| id.pid).collect();
        !is_new
            || locks.iter().any(|lock| {
                !lock_holders::holders_among(&self.proc, lock.id(), &holders).is_empty()
            })
    }

    /// Watches the folders of the locks, and keeps the first lock in view, to see whether a guard
    /// that was asked has left.
    pub(crate) fn keep(
        &mut self,
        beside: Arc<StateDir>,
        folders: &[&Path],
        lock: Option<LockFile>,
    ) {
        self.watch.changes_in(folders);
        if let Some(lock) = &lock {
            self.watch.closes_of(lock.path());
        }
        self.asking.by(beside, lock);
    }

    /// Whether nobody has this lock now, as far as it can be seen without taking it.
    pub(crate) fn is_free(&self, lock: &LockFile) -> bool {
        self.is_free_by(&LockTable::read(), lock)
    }

    fn is_free_by(&self, list: &LockTable, lock: &LockFile) -> bool {
        match list.says_of(lock.as_file(), lock.id()) {
            LockListing::Held(_) => false,
            LockListing::No => {
                lock_holders::all_are_listed(&self.proc, self.whereabouts.process.pid)
                    || lock.probe_is_free()
            }
        }
    }

    pub(crate) fn alarm(&self) -> Option<&Poller> {
        self.alarm.as_ref()
    }

    /// Hands the signals and the watch on to whoever supervises the child.
    pub(crate) fn into_supervision(self) -> (Option<Poller>, FileWatch, StartLeftovers) {
        // Before COMMAND is started: to the kernel the end of each thread is a parent's death, and
        // COMMAND would hear of a guard that is killed once for each of them.
        self.proc.readers().dismiss();
        (
            self.alarm,
            self.watch,
            StartLeftovers {
                lock_watch: self.lock_watch,
                _proc: self.proc,
                _handles: self.handles,
            },
        )
    }

    /// Takes those away that have ended, or that this look has not seen.
    pub(crate) fn retain_living(&self, known: &mut BTreeSet<ProcessId>) {
        known.retain(|id| self.handles.get(id).is_some_and(|handle| !handle.has_ended()));
    }

    /// Its end can be waited for from here on.
    pub(crate) fn keep_in_view(&mut self, handle: ProcessHandle) {
        self.handles.insert(handle.id, handle);
    }

    /// Sleeps until one of these ends, a lock file that is watched is closed, or it is this time.
    pub(crate) fn sleep_on_locks(
        &self,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<SleepEnd, Interrupted> {
        let handles: Vec<&ProcessHandle> =
            ends_of.iter().filter_map(|id| self.handles.get(id)).collect();
        match Poller::sleep(self.alarm.as_ref(), self.lock_watch.as_ref(), &handles, Some(until)) {
            Wake::Signal(signal) => Err(Interrupted(signal)),
            Wake::Told => {
                if let Some(watch) = &self.lock_watch {
                    watch.drain();
                }
                Ok(SleepEnd::LockClosed)
            }
            Wake::Ended | Wake::Late => Ok(SleepEnd::Otherwise),
        }
    }

    pub(crate) fn sleep_on(
        &self,
        processes: &[&ProcessHandle],
        until: Duration,
    ) -> Result<Wake, Interrupted> {
        match Poller::sleep(self.alarm.as_ref(), Some(&self.watch), processes, Some(until)) {
            Wake::Signal(signal) => Err(Interrupted(signal)),
            wake => {
                self.watch.drain();
                Ok(wake)
            }
        }
    }
}

/// What only the start needed. To put it away takes a while, which need not be before COMMAND runs.
pub(crate) struct StartLeftovers {
    lock_watch: Option<FileWatch>,
    _proc: Arc<ProcFs>,
    _handles: BTreeMap<ProcessId, ProcessHandle>,
}

impl StartLeftovers {
    /// Puts it away, but for what is to be kept to the end: to close a watch takes the kernel some
    /// milliseconds.
    pub(crate) fn put_away(self) -> Option<FileWatch> {
        self.lock_watch
    }
}

/// Which process has this pid now; for a child of ours, that cannot change before it is reaped.
pub(crate) fn identity(pid: u32) -> Option<ProcessId> {
    let start = ProcFs::open().ok()?.stat(pid, &mut Vec::new()).ok()?.start;
    Some(ProcessId { pid, start })
}

/// The effective user of this process.
#[must_use]
pub fn myself() -> User {
    describe::user(rustix::process::geteuid().as_raw())
}

/// Whether this process may signal everybody.
#[must_use]
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// The name of this host, to be shown.
#[must_use]
pub fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What is said where the machine cannot be looked at.
#[must_use]
pub fn blind(error: std::io::Error) -> Error {
    Error::from_source(ExitStatus::Fault, "this machine cannot be looked at", error)
        .with_hint("mount /proc in this PID namespace")
}
