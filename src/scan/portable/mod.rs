//! Systems other than Linux: processes as sysinfo sees them, and a patient second look where a
//! kernel would tell.
//!
//! What is different here: a process is told from every other by its pid and the second in which it
//! started, looked at again right before each signal; who has a lock is known by the record alone;
//! ends and changes are noticed within 50 ms.
#![expect(clippy::disallowed_methods, reason = "this is the machine itself")]

mod describe;
pub(crate) mod guard_tree;
mod scan;
mod take_snapshot;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use crate::sys::portable::system;
use crate::sys::portable::{
    file_watch::FileWatch,
    pidfd::ProcessHandle,
    poll::{Poller, Wake},
    process_table::{ProcessTable, TableFields},
};
pub(crate) use crate::sys::wake::SleepEnd;
use crate::{
    engine::{
        ladder::StopOptions,
        policy::Purpose,
        process::{ProcessId, User},
        signal::{SignalResult, SignalToSend},
        snapshot::GuardView,
        stop_progress::{JobState, Member},
    },
    error::{Error, ExitStatus},
    scan::{
        capabilities::Capabilities, container::PrivateFolder, env_marker::EnvMarker,
        request::ScanRequest,
    },
    state::{
        lock_file::LockFile,
        lock_folder::{LockFolder, MissingFolder},
        record::HostProcess,
        state_dir::StateDir,
    },
    sys::{clock, wake::Interrupted},
    terminate::{
        ask::GuardRequests,
        process_control::{AskOutcome, ProcessControl},
    },
};

/// Start times are counted from 1970 here, so a pid with its start time is told from one of another
/// boot by itself.
const EVERY_BOOT: &str = "1970";

/// This machine, seen from this process.
#[derive(Debug)]
pub struct Machine {
    query: Arc<ScanRequest>,
    whereabouts: HostProcess,
    /// Everybody who may be signalled.
    handles: BTreeMap<ProcessId, ProcessHandle>,
    /// None in a dry run, which gives up as any program does.
    alarm: Option<Poller>,
    /// The folder beside the lock.
    watch: FileWatch,
    /// Who is asked to leave.
    asking: GuardRequests,
}

impl Machine {
    /// Gets ready to look for what `query` says.
    ///
    /// # Errors
    /// This process is not in the process table.
    pub fn new(query: ScanRequest) -> std::io::Result<Machine> {
        let process = identity(std::process::id())
            .ok_or_else(|| std::io::Error::other("this process cannot be seen"))?;
        Ok(Machine {
            query: Arc::new(query),
            whereabouts: HostProcess { boot: EVERY_BOOT.to_owned(), pid_namespace: 0, process },
            handles: BTreeMap::new(),
            alarm: None,
            watch: FileWatch::new(),
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
    pub(crate) const HEARS_OF_CLOSES: bool = false;

    /// Nothing tells here of a close: whoever waits for a lock waits for the end of its holder, or
    /// tries once a second.
    #[expect(clippy::unused_self, reason = "on Linux the kernel tells of it")]
    pub(crate) fn watch_locks(
        &mut self,
        _locks: &[LockFile],
        _holders: &BTreeSet<ProcessId>,
    ) -> bool {
        true
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
        self.asking.by(beside, lock);
    }

    /// Takes those away that have ended, or that this look has not seen.
    pub(crate) fn retain_living(&self, known: &mut BTreeSet<ProcessId>) {
        known.retain(|id| self.handles.get(id).is_some_and(|handle| !handle.has_ended()));
    }

    /// Its end can be waited for from here on.
    pub(crate) fn keep_in_view(&mut self, handle: ProcessHandle) {
        self.handles.insert(handle.id, handle);
    }

    /// Whether nobody has this lock now. There is no list to look into: only a try can tell.
    #[expect(clippy::unused_self, reason = "on Linux the kernel's list is looked into first")]
    pub(crate) fn is_free(&self, lock: &LockFile) -> bool {
        lock.probe_is_free()
    }

    pub(crate) fn alarm(&self) -> Option<&Poller> {
        self.alarm.as_ref()
    }

    /// Hands the signals and the watch on to whoever supervises the child.
    pub(crate) fn into_supervision(self) -> (Option<Poller>, FileWatch, StartLeftovers) {
        (self.alarm, self.watch, StartLeftovers)
    }

    /// Sleeps until one of these ends, or it is this time.
    pub(crate) fn sleep_on_locks(
        &self,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<SleepEnd, Interrupted> {
        let handles: Vec<&ProcessHandle> =
            ends_of.iter().filter_map(|id| self.handles.get(id)).collect();
        match Poller::sleep(self.alarm.as_ref(), None, &handles, Some(until)) {
            Wake::Signal(signal) => Err(Interrupted(signal)),
            Wake::Told => Ok(SleepEnd::LockClosed),
            Wake::Ended | Wake::Late => Ok(SleepEnd::Otherwise),
        }
    }

    fn sleep_on(&self, processes: &[&ProcessHandle], until: Duration) -> Result<(), Interrupted> {
        match Poller::sleep(self.alarm.as_ref(), Some(&self.watch), processes, Some(until)) {
            Wake::Signal(signal) => Err(Interrupted(signal)),
            Wake::Told | Wake::Ended | Wake::Late => {
                self.watch.drain();
                Ok(())
            }
        }
    }
}

/// What only the start needed: here nothing that it would take a while to put away.
pub(crate) struct StartLeftovers;

impl StartLeftovers {
    /// Nothing is to be kept.
    #[expect(clippy::unused_self, reason = "on Linux there is something")]
    pub(crate) fn put_away(self) -> Option<FileWatch> {
        None
    }
}

/// Which process has this pid now; for a child of ours, that cannot change before it is reaped.
pub(crate) fn identity(pid: u32) -> Option<ProcessId> {
    ProcessTable::of(&[pid], TableFields::Lineage).ok()?.id(pid)
}

/// The guard that this process's own mark names, if it is above this process, lives, and has the
/// lock by its record.
pub(crate) fn guard_above(mark: &EnvMarker) -> Option<ProcessHandle> {
    let table = ProcessTable::all(TableFields::Lineage).ok()?;
    let me = std::process::id();
    let is_above = mark.guard.pid != me && table.ancestors(me).any(|pid| pid == mark.guard.pid);
    let folder = Arc::new(LockFolder::open(mark.lock.parent()?, MissingFolder::Leave).ok()??);
    let name = mark.lock.file_name()?.to_str()?;
    let record = StateDir::new(Arc::clone(&folder), name).record()?;
    let is_its = record.ticket == mark.ticket && record.holder.process == mark.guard;
    let is_held = !LockFile::open_existing(&folder, name).ok()??.probe_is_free();
    (is_above && is_its && is_held && table.id(mark.guard.pid) == Some(mark.guard))
        .then_some(ProcessHandle { id: mark.guard })
}

/// The effective user of this process.
#[must_use]
pub fn myself() -> User {
    system::myself()
}

/// Whether this process may signal everybody.
#[must_use]
pub fn is_privileged() -> bool {
    system::is_privileged()
}

/// The name of this host, to be shown.
#[must_use]
pub fn host_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

/// What keeps everybody outside from seeing this folder, where this process is in a container:
/// nothing tells of that here.
#[must_use]
pub fn enclosure(_folder: &Path) -> Option<PrivateFolder> {
    None
}

/// What can be said of this machine: nothing that a person could change.
///
/// # Errors
/// Never.
pub fn checkup() -> std::io::Result<Option<Capabilities>> {
    Ok(None)
}

/// Whether somebody is in a PID namespace that is not mine: there is only one here.
#[must_use]
pub fn is_elsewhere(_them: &HostProcess) -> bool {
    false
}

/// Who has this lock: only a try could tell.
#[must_use]
pub fn holders_of(_lock: &LockFile) -> Option<Vec<u32>> {
    None
}

/// What is said where the machine cannot be looked at.
#[must_use]
pub fn blind(error: std::io::Error) -> Error {
    Error::from_source(ExitStatus::Fault, "this machine cannot be looked at", error)
}

impl ProcessControl for Machine {
    fn now(&self) -> Duration {
        clock::patience()
    }

    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member> {
        if known.is_empty() {
            return Vec::new();
        }
        let Ok(table) = ProcessTable::all(TableFields::Lineage) else { return still_there(known) };
        let known: BTreeSet<u32> =
            known.iter().filter(|id| table.id(id.pid) == Some(**id)).map(|id| id.pid).collect();
        family(&table, known, self.whereabouts.process.pid, &mut self.handles)
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        self.handles.get(&to).map_or(SignalResult::Gone, |handle| handle.send(signal))
    }

    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted> {
        let handles: Vec<&ProcessHandle> =
            ends_of.iter().filter_map(|id| self.handles.get(id)).collect();
        self.sleep_on(&handles, until)
    }

    fn ask(&mut self, guard: &GuardView, manner: StopOptions) -> Result<AskOutcome, Interrupted> {
        let has_ended = || {
            guard
                .process
                .is_some_and(|id| self.handles.get(&id).is_none_or(ProcessHandle::has_ended))
        };
        let handle: Vec<&ProcessHandle> =
            guard.process.iter().filter_map(|id| self.handles.get(id)).collect();
        self.asking.ask(self.whereabouts.process, guard, manner, has_ended, |until| {
            self.sleep_on(&handle, until)
        })
    }

    fn has_signed_off(&mut self, _guard: &GuardView) -> bool {
        self.asking.has_signed_off()
    }

    fn has_left(&mut self, _guard: &GuardView) -> bool {
        self.asking.has_left()
    }
}

/// Where nothing can be looked at, those that were seen are never taken for nobody.
fn still_there<'a>(seen: impl IntoIterator<Item = &'a ProcessId>) -> Vec<Member> {
    seen.into_iter().map(|id| Member { id: *id, parent: 0, job_state: JobState::Running }).collect()
}

/// These and everything below them but `me`; who is new gets a handle.
fn family(
    table: &ProcessTable,
    roots: BTreeSet<u32>,
    me: u32,
    handles: &mut BTreeMap<ProcessId, ProcessHandle>,
) -> Vec<Member> {
    let all = table.with_descendants(roots, me);
    let members = all.into_iter().filter_map(|pid| {
        let id = table.id(pid)?;
        handles.entry(id).or_insert(ProcessHandle { id });
        Some(Member {
            id,
            parent: table.parent(pid).unwrap_or_default(),
            job_state: table.job_state(pid),
        })
    });
    members.collect()
}
