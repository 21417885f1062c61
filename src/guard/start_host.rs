//! The machine as a start needs it: seeing processes and locks, acting on them, and sleeping until
//! something happens to them. Unit tests put a scripted one in its place.

use std::{collections::BTreeSet, io, path::Path, sync::Arc, time::Duration};

use crate::{
    engine::{process::ProcessId, snapshot::Snapshot},
    error::Error,
    guard::lock_set::LockSet,
    scan::{
        lock_views::{DisplacedOwner, LockProbe},
        request::{ScanScope, StartState},
    },
    state::{
        lock_file::{HeldLock, LockFile},
        record::{HostProcess, Record},
        state_dir::StateDir,
    },
    sys::{
        machine::{pidfd::ProcessHandle, poll::Poller},
        wake::{Interrupted, SleepEnd},
    },
    terminate::{machine::Machine, process_control::ProcessControl},
};

/// A machine that a start looks at and acts on.
pub trait StartHost: ProcessControl {
    /// The process that starts.
    fn host_process(&self) -> &HostProcess;

    /// The poller that signals arrive at; `None` in a dry run.
    fn poller(&self) -> Option<&Poller>;

    /// Reads the process table and the locks; processes that ended since the last time are
    /// forgotten.
    ///
    /// # Errors
    /// The process table cannot be read.
    fn snapshot(
        &mut self,
        locks: &[LockProbe<'_>],
        state_dir: &StateDir,
        state: &StartState,
        scope: ScanScope,
    ) -> io::Result<Snapshot>;

    /// Reads one guard that is running by its own record, and nothing else; `None` where the kernel
    /// does not confirm the record.
    fn snapshot_of_guard(
        &self,
        lock: &Path,
        record: &Record,
        state: &StartState,
    ) -> Option<(Snapshot, ProcessHandle)>;

    /// Tells whose lock a new lock file replaced.
    fn displaced_by(&self, record: &Record, held: &[HeldLock]) -> DisplacedOwner;

    /// Watches the folders of the locks, and keeps the first lock in view, to see when a guard that
    /// was asked has left.
    ///
    /// # Errors
    /// The first lock is not safe to use.
    fn watch_lock_set(&mut self, locks: &LockSet) -> Result<(), Error>;

    /// Watches for closes of these locks. `false`: when the watch began, none of `holders` had one
    /// any more, so that none of them will wake it.
    fn watch_locks(&mut self, locks: &[LockFile], holders: &BTreeSet<ProcessId>) -> bool;

    /// Whether a close of a lock wakes a sleep.
    fn notices_closes(&self) -> bool;

    /// Whether a lock is free now, as far as that can be seen without taking it.
    fn is_free(&self, lock: &LockFile) -> bool;

    /// Keeps a process in view: its end wakes a sleep from here on.
    fn watch_process(&mut self, process: ProcessHandle);

    /// Removes the processes that have ended, or that no snapshot has shown.
    fn retain_living(&self, processes: &mut BTreeSet<ProcessId>);

    /// Sleeps until one of `ends_of` ends, a watched lock is closed, or until `until`.
    ///
    /// # Errors
    /// A signal interrupted the start.
    fn sleep_on_locks(
        &self,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<SleepEnd, Interrupted>;
}

impl StartHost for Machine {
    fn host_process(&self) -> &HostProcess {
        Machine::host_process(self)
    }

    fn poller(&self) -> Option<&Poller> {
        Machine::poller(self)
    }

    fn snapshot(
        &mut self,
        locks: &[LockProbe<'_>],
        state_dir: &StateDir,
        state: &StartState,
        scope: ScanScope,
    ) -> io::Result<Snapshot> {
        Machine::snapshot(self, locks, Some(state_dir), state, scope)
    }

    fn snapshot_of_guard(
        &self,
        lock: &Path,
        record: &Record,
        state: &StartState,
    ) -> Option<(Snapshot, ProcessHandle)> {
        Machine::snapshot_of_guard(self, lock, record, state)
    }

    fn displaced_by(&self, record: &Record, held: &[HeldLock]) -> DisplacedOwner {
        Machine::displaced_by(self, record, held)
    }

    fn watch_lock_set(&mut self, locks: &LockSet) -> Result<(), Error> {
        let first = locks.open_first_lock()?;
        self.watch_state_dir(Arc::clone(locks.state_dir()), &locks.folders(), first);
        Ok(())
    }

    fn watch_locks(&mut self, locks: &[LockFile], holders: &BTreeSet<ProcessId>) -> bool {
        Machine::watch_locks(self, locks, holders)
    }

    fn notices_closes(&self) -> bool {
        Machine::NOTICES_CLOSES
    }

    fn is_free(&self, lock: &LockFile) -> bool {
        Machine::is_free(self, lock)
    }

    fn watch_process(&mut self, process: ProcessHandle) {
        Machine::watch_process(self, process);
    }

    fn retain_living(&self, processes: &mut BTreeSet<ProcessId>) {
        Machine::retain_living(self, processes);
    }

    fn sleep_on_locks(
        &self,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<SleepEnd, Interrupted> {
        Machine::sleep_on_locks(self, ends_of, until)
    }
}
