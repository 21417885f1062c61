//! Takes snapshots: the locks, the guards and the processes at one moment.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::engine::process::ProcessId;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::engine::signal_sequence::Member;
use crate::engine::snapshot::{GuardView, LockState, LockView, Snapshot};
use crate::scan::lock_views::{
    DisplacedOwner, FoundRecord, LockProbe, found_records, guard_view, holders, lock_views,
};
use crate::scan::portable::find_processes::find_processes;
use crate::scan::portable::process_id;
use crate::scan::portable::tree_reader::{TreeReader, has_marker_of};
use crate::scan::process_tree::PinnedProcesses;
use crate::scan::scan_request::{ScanRequest, ScanScope, StartState};
use crate::state::lock_file::{HeldLock, LockFile};
use crate::state::record::{HostProcess, Record};
use crate::state::state_dir::StateDir;
use crate::sys::portable::file_watch::FileWatch;
use crate::sys::portable::process_handle::ProcessHandle;
use crate::sys::portable::process_table::{ProcessTable, TableFields};

/// Start times count from 1970, so a pid with its start time is unique across boots.
const EVERY_BOOT: &str = "1970";

pub(crate) struct Scanner {
    pub(crate) request: ScanRequest,
    pub(crate) host_process: HostProcess,
    tree: TreeReader,
    pub(crate) pinned: PinnedProcesses,
}

impl Scanner {
    pub(crate) fn new(request: ScanRequest) -> io::Result<Scanner> {
        let tree = TreeReader::open()?;
        let boot = EVERY_BOOT.to_owned();
        Ok(Scanner {
            request,
            host_process: HostProcess { boot, pid_namespace: 0, process: tree.me },
            tree,
            pinned: PinnedProcesses::default(),
        })
    }

    pub(crate) fn snapshot(
        &mut self,
        locks: &[LockProbe<'_>],
        state_dir: Option<&StateDir>,
        start: &StartState,
        scope: ScanScope,
        watch: &FileWatch,
    ) -> io::Result<Snapshot> {
        let mut records = Vec::new();
        let views = lock_views(locks, watch, false, |locks| {
            records = found_records(state_dir, locks, |record| {
                let of = &record.holder;
                of.boot == self.host_process.boot && of.process != self.host_process.process
            });
            let of_lock = |lock: &LockProbe<'_>| {
                let path = lock.path();
                records
                    .iter()
                    .filter(|found| found.other_lock.as_ref().is_none_or(|it| *it == path))
                    .find_map(|found| recorded_holder(&found.record))
            };
            locks
                .iter()
                .map(|lock| LockView { path: lock.path(), state: lock_state(*lock, of_lock(lock)) })
                .collect()
        });
        let pids: BTreeSet<u32> = views.iter().flat_map(holders).copied().collect();
        let table = ProcessTable::all(TableFields::Everything)?;
        let me = self.tree.me.pid;
        let processes = find_processes(&table, &self.request, &pids, scope, me, &mut self.pinned);
        let guards = records.iter().filter_map(|found| guard(found, &pids)).collect();
        let me = self.host_process.process;
        Ok(start.snapshot(&self.request, me, views, guards, Vec::new(), processes))
    }

    /// On these systems, this would cost as much as a full snapshot.
    #[expect(clippy::unused_self, reason = "on Linux the kernel is asked")]
    pub(crate) fn snapshot_of_guard(
        &self,
        _lock: &Path,
        _record: &Record,
        _start: &StartState,
    ) -> Option<(Snapshot, ProcessHandle)> {
        None
    }

    /// A guard whose lock file was deleted cannot be found on these systems.
    #[expect(clippy::unused_self, reason = "on Linux the kernel is asked")]
    pub(crate) fn displaced_by(&self, _record: &Record, _held: &[HeldLock]) -> DisplacedOwner {
        DisplacedOwner::Gone
    }

    /// There is no list of locks, so only an attempt to take the lock shows whether it is held.
    #[expect(clippy::unused_self, reason = "on Linux the kernel's list is read first")]
    pub(crate) fn is_free(&self, lock: &LockFile) -> bool {
        lock.probe_is_free()
    }

    /// Unknown on these systems.
    #[expect(clippy::unused_self, reason = "on Linux the kernel is asked")]
    pub(crate) fn any_holds(&self, _: &BTreeSet<ProcessId>, _: &[LockFile]) -> bool {
        true
    }

    pub(crate) fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        self.pinned.send(to, signal)
    }

    /// Process groups and sessions are not read here.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "fails on Linux")]
    pub(crate) fn started_at_end(&mut self) -> io::Result<Option<ProcessId>> {
        Ok(None)
    }

    pub(crate) fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member> {
        self.tree.members(known, &mut self.pinned)
    }

    #[expect(clippy::unused_self, reason = "on Linux there are")]
    pub(crate) fn end_threads(&self) {}
}

/// The recorded holder of an instance: the guard, or the child that it left behind.
#[derive(Debug, Clone, Copy)]
enum RecordedHolder {
    Guard(ProcessId),
    Child(ProcessId),
}

fn recorded_holder(record: &Record) -> Option<RecordedHolder> {
    let guard = record.holder.process;
    if process_id(guard.pid) == Some(guard) {
        return Some(RecordedHolder::Guard(guard));
    }
    // The record of a guard that has ended counts for a child with the guard's marker (S22).
    let is_its_child = |child: &ProcessId| {
        ProcessTable::of(&[child.pid], TableFields::Environment).is_ok_and(|table| {
            table.id(child.pid) == Some(*child) && has_marker_of(&table, child.pid, guard)
        })
    };
    record.child.filter(is_its_child).map(RecordedHolder::Child)
}

fn lock_state(lock: LockProbe<'_>, holder: Option<RecordedHolder>) -> LockState {
    let is_free = match lock {
        LockProbe::Missing(_) => return LockState::Free,
        LockProbe::Mine(_) => return LockState::Mine,
        LockProbe::Open(lock) => lock.probe_is_free(),
        LockProbe::Taken(_) => false,
    };
    match (is_free, holder) {
        // On Windows, the lock ends with the guard, but the child it left behind holds the
        // instance.
        (true, Some(RecordedHolder::Child(child))) if cfg!(windows) => {
            LockState::Held(vec![child.pid])
        }
        (true, _) => LockState::Free,
        (false, Some(RecordedHolder::Guard(holder) | RecordedHolder::Child(holder))) => {
            LockState::Held(vec![holder.pid])
        }
        (false, None) => LockState::Held(Vec::new()),
    }
}

/// Returns the guard of a record, which counts if its process is alive and has the lock.
fn guard(found: &FoundRecord, holders: &BTreeSet<u32>) -> Option<GuardView> {
    let process = found.record.holder.process;
    holders.contains(&process.pid).then(|| guard_view(found, Some(process)))
}
