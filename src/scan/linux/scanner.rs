//! Takes snapshots: the locks, the guards and the processes at one moment.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::engine::policy::Purpose;
use crate::engine::process::ProcessId;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::engine::signal_sequence::Member;
use crate::engine::snapshot::{GuardView, LockState, LockView, Snapshot};
use crate::scan::linux::find_by_marker::MarkerSearch;
use crate::scan::linux::find_processes::{RunningScan, StarterSearch, describe_holder};
use crate::scan::linux::lock_holders::{self, LockTable};
use crate::scan::linux::own_folders::OwnFolders;
use crate::scan::linux::process_links::executable;
use crate::scan::linux::tree_reader::TreeReader;
use crate::scan::lock_views::{FoundRecord, LockProbe, found_records, holders, lock_views};
use crate::scan::process_tree::PinnedProcesses;
use crate::scan::recorded_guard::{RecordedProcesses, process_here};
use crate::scan::scan_request::{ScanRequest, ScanScope, StartState};
use crate::state::lock_file::LockFile;
use crate::state::record::{HostProcess, Record};
use crate::state::state_dir::StateDir;
use crate::sys::file_id::FileId;
use crate::sys::linux::file_watch::FileWatch;
use crate::sys::linux::proc_fs::{ProcFs, read_text};
use crate::sys::linux::process_handle::ProcessHandle;
use crate::sys::linux::reader_pool::ReadTask;

pub(crate) struct Scanner {
    pub(crate) request: Arc<ScanRequest>,
    pub(crate) host_process: HostProcess,
    pub(super) tree: TreeReader,
    pub(crate) pinned: PinnedProcesses,
    own_folders: Option<Arc<OwnFolders>>,
}

impl Scanner {
    pub(crate) fn new(request: ScanRequest) -> io::Result<Scanner> {
        let tree = TreeReader::open()?;
        tree.proc.require_own_namespace(tree.me)?;
        let start = tree.proc.stat(tree.me, &mut Vec::new())?.start;
        let boot = read_text("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let pid_namespace = lock_holders::pid_namespace(&tree.proc, tree.me)?;
        let process = ProcessId { pid: tree.me, start };
        Ok(Scanner {
            request: Arc::new(request),
            host_process: HostProcess { boot, pid_namespace, process },
            tree,
            pinned: PinnedProcesses::default(),
            own_folders: None,
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
        let records = found_records(state_dir, locks, |record| {
            let of = &record.holder;
            of.boot == self.host_process.boot && *of != self.host_process
        });
        let (proc, me) = (Arc::clone(&self.tree.proc), self.tree.me);
        // Let the kernel generate its list while the processes are scanned.
        let list = self.start_listing(locks, &records)?;
        let marker = self.marker_search(locks, &records);
        let is_first = start.rounds.ended_unguarded == 0;
        let starters = match self.request.policy.purpose {
            Purpose::Start if is_first => StarterSearch::On,
            Purpose::Start | Purpose::Stop => StarterSearch::Off,
        };
        let folders = self.own_folders(scope);
        let scan = RunningScan::start(&proc, &self.request, scope, marker, starters, folders, me)?;
        let list = list.map(|list| list.finish(&proc.readers)).transpose()?;
        let views = self.lock_views(locks, &records, list, watch);
        let mut guards: Vec<GuardView> =
            records.iter().filter_map(|found| self.guard(found, &views)).collect();
        let mut found = scan.finish(&proc)?;
        if guards.is_empty() {
            guards = std::mem::take(&mut found.guards).into_values().collect();
        }
        let mut pids: BTreeSet<u32> = views.iter().flat_map(holders).copied().collect();
        pids.extend(guards.iter().filter_map(|guard| guard.process).map(|process| process.pid));
        pids.append(&mut found.left_with_lock);
        let result = found.describe(&proc, &self.request, &pids, me)?;
        self.tree.parents = result.parents;
        result.handles.into_iter().for_each(|handle| self.pinned.insert(handle));
        let me = self.host_process.process;
        // A holder may keep its record next to another lock, which its tree's marker names.
        let is_holder = |guard: &GuardView| guard.process.is_some_and(|id| pids.contains(&id.pid));
        let (mut holders, others): (Vec<_>, Vec<_>) =
            result.other_guards.into_iter().partition(is_holder);
        let first = locks.first().map(LockProbe::path);
        for holder in &mut holders {
            holder.other_lock.take_if(|lock| Some(&*lock) == first.as_ref());
        }
        let known: Vec<_> = guards.iter().map(|guard| guard.process).collect();
        guards.extend(holders.into_iter().filter(|holder| !known.contains(&holder.process)));
        Ok(start.snapshot(&self.request, me, views, guards, others, result.processes))
    }

    /// A refusal that follows from this snapshot would also follow from a full one.
    pub(crate) fn snapshot_of_guard(
        &self,
        lock: &Path,
        record: &Record,
        start: &StartState,
    ) -> Option<(Snapshot, ProcessHandle)> {
        let process = process_here(self, record)?;
        let file = FileId::of_entry(lock)?;
        if !self.has_lock(process.pid, file) {
            return None;
        }
        let (described, handle) =
            describe_holder(&self.tree.proc, &self.request, process.pid, self.tree.me)?;
        // A process that is ending loses its facts, so do not draw conclusions from it.
        let is_whole = described.args.known().is_some_and(|args| !args.is_empty())
            && described.tokens.other.known().is_some()
            && described.user.known().is_some()
            && described.container.known().is_some()
            && described.exe.known().is_some();
        if !is_whole || handle.has_ended() {
            return None;
        }
        let view = LockView { path: lock.to_owned(), state: LockState::Held(vec![process.pid]) };
        let views = vec![view];
        let found = FoundRecord { record: record.clone(), other_lock: None };
        let guard = self.guard(&found, &views).filter(|_| handle.id == process)?;
        let guards = vec![guard];
        let (me, others) = (self.host_process.process, Vec::new());
        let snapshot = start.snapshot(&self.request, me, views, guards, others, vec![described]);
        Some((snapshot, handle))
    }

    fn lock_views(
        &self,
        locks: &[LockProbe<'_>],
        records: &[FoundRecord],
        mut list: Option<LockTable>,
        watch: &FileWatch,
    ) -> Vec<LockView> {
        // Pids of another PID namespace never identify a holder.
        let own_namespace = self.host_process.pid_namespace;
        let is_elsewhere =
            records.iter().any(|found| found.record.holder.pid_namespace != own_namespace);
        lock_views(locks, watch, is_elsewhere, |locks| {
            let list = list.take();
            let state = |lock| self.lock_state(lock, records, list.as_ref());
            locks.iter().map(|lock| LockView { path: lock.path(), state: state(*lock) }).collect()
        })
    }

    fn own_folders(&mut self, scope: ScanScope) -> Arc<OwnFolders> {
        match scope {
            ScanScope::All => {
                let find = || Arc::new(OwnFolders::new(&self.request));
                Arc::clone(self.own_folders.get_or_insert_with(find))
            }
            ScanScope::Conflicts => Arc::default(),
        }
    }

    /// Starts reading the list of locks, if a lock may be held by a process without a record.
    fn start_listing(
        &self,
        locks: &[LockProbe<'_>],
        records: &[FoundRecord],
    ) -> io::Result<Option<ReadTask<LockTable>>> {
        let is_needed = locks.iter().any(|lock| match lock {
            LockProbe::Open(lock) => self.recorded_holders(lock, records).is_empty(),
            LockProbe::Missing(_) | LockProbe::Taken(_) | LockProbe::Mine(_) => false,
        });
        is_needed.then(|| ReadTask::start(&self.tree.proc.readers, LockTable::read)).transpose()
    }

    fn recorded_holders(&self, lock: &LockFile, records: &[FoundRecord]) -> BTreeSet<u32> {
        let recorded = records.iter().map(|found| found.record.holder.process.pid).collect();
        lock_holders::holders_among(&self.tree.proc, lock.id, &recorded)
    }

    fn lock_state(
        &self,
        lock: LockProbe<'_>,
        records: &[FoundRecord],
        list: Option<&LockTable>,
    ) -> LockState {
        let (lock, is_taken) = match lock {
            LockProbe::Missing(_) => return LockState::Free,
            LockProbe::Mine(_) => return LockState::Mine,
            LockProbe::Open(lock) => (lock, false),
            LockProbe::Taken(lock) => (lock, true),
        };
        // Check the recorded guard first, then the kernel's list, then every process that has the
        // file open.
        let mut holders = self.recorded_holders(lock, records);
        if holders.is_empty() {
            let read;
            let list = if let Some(list) = list {
                list
            } else {
                read = LockTable::read();
                &read
            };
            if !is_taken && self.is_free_by(list, lock) {
                return LockState::Free;
            }
            let listed = list.lockers_of(&lock.file, lock.id);
            let proc = &self.tree.proc;
            holders = lock_holders::holders(proc, lock.id, &listed);
            holders.retain(|pid| {
                let exe = executable(proc, *pid);
                !(self.request.is_monopoll(proc, *pid, exe.as_deref(), self.tree.me)
                    && lock_holders::only_shares(proc, *pid, lock.id))
            });
        }
        if holders.is_empty() && !is_taken && self.is_free(lock) {
            return LockState::Free;
        }
        LockState::Held(holders.into_iter().collect())
    }

    pub(crate) fn is_free(&self, lock: &LockFile) -> bool {
        self.is_free_by(&LockTable::read(), lock)
    }

    fn is_free_by(&self, list: &LockTable, lock: &LockFile) -> bool {
        if !list.is_read {
            return lock.probe_is_free();
        }
        list.shows_free(&lock.file, lock.id)
            && (lock_holders::all_are_listed(&self.tree.proc, self.tree.me) || lock.probe_is_free())
    }

    pub(crate) fn any_holds(&self, processes: &BTreeSet<ProcessId>, locks: &[LockFile]) -> bool {
        let pids = processes.iter().map(|id| id.pid).collect();
        let holders =
            |lock: &LockFile| lock_holders::holders_among(&self.tree.proc, lock.id, &pids);
        locks.iter().any(|lock| !holders(lock).is_empty())
    }

    /// Returns the search for guards whose lock and record were deleted, and for what killed guards
    /// left behind. COMMAND and its descendants still carry their marker.
    fn marker_search(
        &self,
        locks: &[LockProbe<'_>],
        records: &[FoundRecord],
    ) -> Option<MarkerSearch> {
        let tool_name = self.request.tool_name.clone()?;
        let was_killed = |found: &FoundRecord| {
            let process = process_here(self, &found.record);
            process.is_some_and(|id| self.tree.proc.stat_of(id).is_none())
        };
        let is_needed = locks.iter().any(LockProbe::is_new) || records.iter().any(was_killed);
        let locks = locks.iter().map(LockProbe::path).collect();
        is_needed.then_some(MarkerSearch { locks, tool_name, me: self.tree.me })
    }

    pub(crate) fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member> {
        self.tree.members(known, &mut self.pinned)
    }

    pub(crate) fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        if signal != SignalToSend::Continue {
            self.tree.note_signal();
        }
        self.pinned.send(to, signal)
    }

    pub(crate) fn started_at_end(&mut self) -> io::Result<Option<ProcessId>> {
        self.tree.started_at_end(&mut self.pinned)
    }

    /// Ends the reader threads before COMMAND starts. The kernel treats the end of each thread as
    /// the death of a parent, and would send COMMAND its parent-death signal.
    pub(crate) fn end_threads(&self) {
        self.tree.proc.readers.end_threads();
    }
}

/// Returns the identity of the process that currently has this pid. A child keeps its pid until it
/// is reaped.
pub(crate) fn process_id(pid: u32) -> Option<ProcessId> {
    let start = ProcFs::open().ok()?.stat(pid, &mut Vec::new()).ok()?.start;
    Some(ProcessId { pid, start })
}
