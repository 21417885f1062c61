//! This host as it is: a scanner that finds and pins processes, a poller, and file watches.

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
use crate::scan::machine::Scanner;
use crate::scan::scan_request::{ScanRequest, ScanScope, StartState};
use crate::state::lock_file::{HeldLock, LockFile};
use crate::state::record::{HostProcess, Record};
use crate::state::state_dir::StateDir;
use crate::sys::clock;
use crate::sys::machine::file_watch::FileWatch;
use crate::sys::machine::poll::Poller;
use crate::sys::machine::process_handle::ProcessHandle;
use crate::sys::wake::{Interrupted, SleepEnd, Wake};
use crate::terminate::guard_requests::GuardRequests;
use crate::terminate::process_control::{AskOutcome, ProcessControl, StartHost};

pub struct RealHost<'p> {
    scanner: Scanner,
    /// `None` in a dry run, in which signals keep their default action.
    pub(crate) poller: Option<&'p Poller>,
    state_watch: FileWatch,
    /// Watches only the lock files. Other changes must not wake a start that waits for a lock.
    lock_watch: Option<FileWatch>,
    pub(crate) requests: GuardRequests,
}

impl<'p> RealHost<'p> {
    pub fn new(request: ScanRequest) -> io::Result<RealHost<'p>> {
        Ok(RealHost {
            scanner: Scanner::new(request)?,
            poller: None,
            state_watch: FileWatch::new(),
            lock_watch: None,
            requests: GuardRequests::default(),
        })
    }

    pub fn request(&self) -> &ScanRequest {
        &self.scanner.request
    }

    /// Ends the reader threads. The next scan starts new ones.
    pub(crate) fn end_threads(&self) {
        self.scanner.end_threads();
    }

    fn sleep_on<'a>(
        &self,
        watch: Option<&FileWatch>,
        ends_of: impl IntoIterator<Item = &'a ProcessId>,
        until: Duration,
    ) -> Result<Wake, Interrupted> {
        let handles = self.scanner.pinned.among(ends_of);
        loop {
            let wake = Poller::poll(self.poller, watch, &handles, Some(until));
            if wake != Wake::Signal {
                return Ok(wake);
            }
            if let Some(signal) = self.poller.and_then(Poller::interruption) {
                return Err(signal);
            }
        }
    }

    fn sleep_on_state<'a>(
        &self,
        ends_of: impl IntoIterator<Item = &'a ProcessId>,
        until: Duration,
    ) -> Result<(), Interrupted> {
        self.sleep_on(Some(&self.state_watch), ends_of, until)?;
        self.state_watch.drain();
        Ok(())
    }

    pub(crate) fn into_watch_and_cleanup(self) -> (FileWatch, DeferredCleanup) {
        self.scanner.end_threads();
        let RealHost { scanner, state_watch, lock_watch, .. } = self;
        (state_watch, DeferredCleanup { lock_watch, _scanner: scanner })
    }
}

/// State that only the start needed. Freeing it takes time, so it is done after COMMAND has
/// started.
pub(crate) struct DeferredCleanup {
    lock_watch: Option<FileWatch>,
    _scanner: Scanner,
}

impl DeferredCleanup {
    /// Frees everything except the watch, which is kept because closing it takes several
    /// milliseconds.
    pub(crate) fn into_lock_watch(self) -> Option<FileWatch> {
        self.lock_watch
    }
}

impl ProcessControl for RealHost<'_> {
    fn now(&self) -> Duration {
        clock::monotonic()
    }

    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member> {
        self.scanner.members(known)
    }

    fn living(&mut self, known: &BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        let mut living = known.clone();
        self.retain_living(&mut living);
        living
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        self.scanner.send(to, signal)
    }

    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted> {
        self.sleep_on_state(ends_of, until)
    }

    fn ask(&mut self, guard: &GuardView, options: StopOptions) -> Result<AskOutcome, Interrupted> {
        if let Some(lock) = guard.other_lock.as_deref() {
            self.state_watch.watch_changes(lock.parent().as_slice());
            if guard.process.is_none() {
                self.state_watch.watch_closes(lock);
            }
        }
        let has_ended = || guard.process.is_some_and(|id| self.scanner.pinned.has_ended(id));
        let sleep = |until| self.sleep_on_state(&guard.process, until);
        let me = self.host_process().process;
        self.requests.ask(me, guard, options, clock::monotonic, has_ended, sleep)
    }

    fn has_signed_off(&mut self, lock: Option<&Path>) -> bool {
        self.requests.has_signed_off(lock)
    }

    fn has_left(&mut self, lock: Option<&Path>) -> bool {
        self.requests.has_left(lock)
    }
}

impl StartHost for RealHost<'_> {
    fn host_process(&self) -> &HostProcess {
        &self.scanner.host_process
    }

    fn poller(&self) -> Option<&Poller> {
        self.poller
    }

    fn snapshot(
        &mut self,
        locks: &[LockProbe<'_>],
        state_dir: Option<&StateDir>,
        start: &StartState,
        scope: ScanScope,
    ) -> io::Result<Snapshot> {
        self.scanner.pinned.forget_ended();
        self.scanner.snapshot(locks, state_dir, start, scope, &self.state_watch)
    }

    fn snapshot_of_guard(
        &self,
        lock: &Path,
        record: &Record,
        start: &StartState,
    ) -> Option<(Snapshot, Option<ProcessHandle>)> {
        let (snapshot, handle) = self.scanner.snapshot_of_guard(lock, record, start)?;
        Some((snapshot, Some(handle)))
    }

    fn started_at_end(&mut self) -> io::Result<Option<ProcessId>> {
        self.scanner.started_at_end()
    }

    fn displaced_by(&self, record: &Record, held: &[HeldLock]) -> DisplacedOwner {
        self.scanner.displaced_by(record, held)
    }

    fn watch_state_dir(
        &mut self,
        state_dir: Arc<StateDir>,
        folders: &[&Path],
        first_lock: Option<LockFile>,
    ) {
        self.state_watch.watch_changes(folders);
        if let Some(lock) = &first_lock {
            self.state_watch.watch_closes(lock.path());
        }
        self.requests.set_files(state_dir, first_lock);
    }

    fn watch_locks(&mut self, locks: &[LockFile], holders: &BTreeSet<ProcessId>) -> bool {
        let is_new = self.lock_watch.is_none();
        let watch = self.lock_watch.get_or_insert_with(FileWatch::new);
        for lock in locks {
            watch.watch_closes(lock.path());
        }
        !is_new || self.scanner.any_holds(holders, locks)
    }

    fn notices_closes(&self) -> bool {
        FileWatch::NOTICES_CLOSES
    }

    fn is_free(&self, lock: &LockFile) -> bool {
        self.scanner.is_free(lock)
    }

    fn watch_process(&mut self, process: ProcessHandle) {
        self.scanner.pinned.insert(process);
    }

    fn retain_living(&self, processes: &mut BTreeSet<ProcessId>) {
        processes.retain(|id| !self.scanner.pinned.has_ended(*id));
    }

    fn sleep_on_locks(
        &self,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<SleepEnd, Interrupted> {
        let wake = self.sleep_on(self.lock_watch.as_ref(), ends_of, until)?;
        if wake != Wake::FileChanged {
            return Ok(SleepEnd::Otherwise);
        }
        if let Some(watch) = &self.lock_watch {
            watch.drain();
        }
        Ok(SleepEnd::LockClosed)
    }
}
