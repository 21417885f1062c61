//! The interface between the machine and a start. Tests implement it with a script.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::ladder::StopOptions;
use crate::engine::process::ProcessId;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::engine::signal_sequence::Member;
use crate::engine::snapshot::{GuardView, Snapshot};
use crate::scan::lock_views::{DisplacedOwner, LockProbe};
use crate::scan::scan_request::{ScanScope, StartState};
use crate::state::lock_file::{HeldLock, LockFile};
use crate::state::record::{HostProcess, Record};
use crate::state::state_dir::StateDir;
use crate::sys::file_mutex::{FileMutex, WaitDecision, WaitEnd};
use crate::sys::machine::poll::Poller;
use crate::sys::machine::process_handle::ProcessHandle;
use crate::sys::wake::{Interrupted, SleepEnd};

pub trait ProcessControl {
    /// Returns the time on a clock that stops during suspend.
    fn now(&self) -> Duration;

    /// Returns the living processes of `known` with all their descendants, and pins new ones.
    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member>;

    fn living(&mut self, known: &BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        self.members(known).iter().map(|member| member.id).filter(|id| known.contains(id)).collect()
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult;

    /// Sleeps until a process in `ends_of` ends, the state directory changes, or `until`.
    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted>;

    /// Asks a guard to end its tree, and waits up to two seconds for it to acknowledge.
    fn ask(&mut self, guard: &GuardView, options: StopOptions) -> Result<AskOutcome, Interrupted>;

    /// Returns whether a guard has removed its record next to a lock of this instance (`None`: the
    /// first), which means that its whole tree has ended.
    fn has_signed_off(&mut self, lock: Option<&Path>) -> bool;

    /// Returns whether a lock of this instance (`None`: the first) is free.
    fn has_left(&mut self, lock: Option<&Path>) -> bool;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskOutcome {
    Acknowledged,
    NoAnswer,
    NotAsked(io::ErrorKind),
}

pub trait StartHost: ProcessControl {
    fn host_process(&self) -> &HostProcess;

    /// `None` in a dry run.
    fn poller(&self) -> Option<&Poller>;

    /// Waits for a mutex of all starts, as `FileMutex::wait_until` does.
    fn wait_for_mutex(
        &self,
        mutex: FileMutex,
        until: Option<Duration>,
        decide: &mut dyn FnMut(Duration) -> WaitDecision,
    ) -> io::Result<WaitEnd> {
        mutex.wait_until(until, self.poller(), decide)
    }

    /// Takes a snapshot, and forgets processes that have ended since the previous one.
    fn snapshot(
        &mut self,
        locks: &[LockProbe<'_>],
        state_dir: Option<&StateDir>,
        start: &StartState,
        scope: ScanScope,
    ) -> io::Result<Snapshot>;

    /// Takes a snapshot of only the guard that holds this lock according to its record; `None` if
    /// the kernel does not confirm the record. A scripted guard has no handle.
    fn snapshot_of_guard(
        &self,
        lock: &Path,
        record: &Record,
        start: &StartState,
    ) -> Option<(Snapshot, Option<ProcessHandle>)>;

    /// Returns a process that what was signaled may have started at its end, so that it was never
    /// seen below it; `None` if nothing was signaled.
    fn started_at_end(&mut self) -> io::Result<Option<ProcessId>>;

    /// Returns the owner of a record whose lock file was deleted or replaced while this process
    /// holds the new one.
    fn displaced_by(&self, record: &Record, held: &[HeldLock]) -> DisplacedOwner;

    /// Watches the folders of the locks and the first lock, to notice when the requested guard
    /// leaves.
    fn watch_state_dir(
        &mut self,
        state_dir: Arc<StateDir>,
        folders: &[&Path],
        first_lock: Option<LockFile>,
    );

    /// Watches for closes of these locks, which may release them. Returns `false` if none of
    /// `holders` had a lock open when the watch began, so none of them will end a sleep.
    fn watch_locks(&mut self, locks: &[LockFile], holders: &BTreeSet<ProcessId>) -> bool;

    fn notices_closes(&self) -> bool;

    /// Returns whether a lock is known to be free, without taking it.
    fn is_free(&self, lock: &LockFile) -> bool;

    fn watch_process(&mut self, process: ProcessHandle);

    /// Removes processes that have ended or were in no snapshot.
    fn retain_living(&self, processes: &mut BTreeSet<ProcessId>);

    /// Sleeps until a process in `ends_of` ends, a watched lock is closed, or `until`.
    fn sleep_on_locks(
        &self,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<SleepEnd, Interrupted>;
}
