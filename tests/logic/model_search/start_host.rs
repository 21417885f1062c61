//! The machine as a start sees it. Requests, answers, records and locks are real files.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use monopoll::internals::engine::ladder::StopOptions;
use monopoll::internals::engine::process::ProcessId;
use monopoll::internals::engine::signal::{SignalResult, SignalToSend};
use monopoll::internals::engine::signal_sequence::Member;
use monopoll::internals::engine::snapshot::{GuardView, Snapshot};
use monopoll::internals::scan::lock_views::{DisplacedOwner, LockProbe};
use monopoll::internals::scan::recorded_guard;
use monopoll::internals::scan::scan_request::{ScanScope, StartState};
use monopoll::internals::state::lock_file::{HeldLock, LockFile};
use monopoll::internals::state::record::{HostProcess, Record};
use monopoll::internals::state::state_dir::StateDir;
use monopoll::internals::sys::file_id::FileId;
use monopoll::internals::sys::file_mutex::{FileMutex, WaitDecision, WaitEnd};
use monopoll::internals::sys::machine::poll::Poller;
use monopoll::internals::sys::machine::process_handle::ProcessHandle;
use monopoll::internals::sys::wake::{Interrupted, SleepEnd};
use monopoll::internals::terminate::guard_requests::GuardRequests;
use monopoll::internals::terminate::process_control::{AskOutcome, ProcessControl, StartHost};

use super::conflicts::{Action, Object};
use super::machine::{Machine, Wait};
use super::scan::View;

const SIGTERM: u8 = 15;

pub(super) struct ModelHost {
    pub(super) machine: Arc<Machine>,
    pub(super) me: usize,
    pub(super) process: HostProcess,
    requests: GuardRequests,
    first_lock: Option<FileId>,
    /// The changes of the lock folder that this start has noticed.
    seen: Cell<u64>,
    /// The releases of the lock that this start has noticed; `None` before it watches the lock.
    releases: Cell<Option<u64>>,
}

impl ModelHost {
    pub(super) fn new(machine: Arc<Machine>, me: usize) -> ModelHost {
        let process = machine.state().actors[me].id;
        let process = HostProcess { boot: "this-boot".to_owned(), pid_namespace: 1, process };
        ModelHost {
            machine,
            me,
            process,
            requests: GuardRequests::default(),
            first_lock: None,
            seen: Cell::default(),
            releases: Cell::default(),
        }
    }

    pub(super) fn learn(&self, fact: &impl std::hash::Hash) {
        self.machine.state().actors[self.me].learn(fact);
    }

    fn interruption(&self) -> Result<(), Interrupted> {
        let mut state = self.machine.state();
        let pending = &mut state.kernel.procs.get_mut(&self.process.process.pid).unwrap().pending;
        if std::mem::take(pending) > 0 { Err(Interrupted(SIGTERM)) } else { Ok(()) }
    }

    fn sleep_on_files(
        &self,
        action: Action,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<(), Interrupted> {
        let (seen, ends_of) = (self.seen.get(), ends_of.clone());
        let until = (until < Duration::MAX).then_some(until);
        self.machine.pause(self.me, action, Wait::Files { seen, ends_of, until });
        self.interruption()?;
        self.seen.set(self.machine.state().kernel.changes);
        Ok(())
    }
}

impl ProcessControl for ModelHost {
    fn now(&self) -> Duration {
        self.machine.state().kernel.now
    }

    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member> {
        self.machine.pause(self.me, Action::new("lists members", Object::Processes), Wait::Ready);
        let members = self.machine.state().kernel.members(known);
        for member in &members {
            self.learn(&(member.id, member.parent));
        }
        members
    }

    fn living(&mut self, known: &BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        let mut living = known.clone();
        self.retain_living(&mut living);
        living
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        self.machine.pause(self.me, Action::new("signals", Object::Processes), Wait::Ready);
        let result = self.machine.state().send(self.me, to, signal);
        self.learn(&(result == SignalResult::Gone));
        result
    }

    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted> {
        self.sleep_on_files(Action::new("sleeps", Object::Record), ends_of, until)
    }

    fn ask(&mut self, guard: &GuardView, options: StopOptions) -> Result<AskOutcome, Interrupted> {
        if let Some(id) = guard.process {
            self.machine.state().check_order(self.me, id);
        }
        let has_ended =
            || guard.process.is_some_and(|id| !self.machine.state().kernel.is_alive(id));
        let process = guard.process.into_iter().collect();
        let sleep = |until| {
            self.sleep_on_files(Action::new("awaits the answer", Object::Request), &process, until)
        };
        let now = || self.machine.state().kernel.now;
        self.requests.ask(self.process.process, guard, options, now, has_ended, sleep)
    }

    fn has_signed_off(&mut self, lock: Option<&Path>) -> bool {
        self.requests.has_signed_off(lock)
    }

    fn has_left(&mut self, _: Option<&Path>) -> bool {
        self.machine.pause(self.me, Action::new("probes the lock", Object::Lock), Wait::Ready);
        let free =
            self.first_lock.is_some_and(|lock| self.machine.state().kernel.is_lock_free(lock));
        self.learn(&free);
        free
    }
}

impl StartHost for ModelHost {
    fn host_process(&self) -> &HostProcess {
        &self.process
    }

    fn poller(&self) -> Option<&Poller> {
        None
    }

    fn wait_for_mutex(
        &self,
        mut mutex: FileMutex,
        until: Option<Duration>,
        decide: &mut dyn FnMut(Duration) -> WaitDecision,
    ) -> io::Result<WaitEnd> {
        self.machine.pause(self.me, Action::new("takes a mutex", Object::Mutex), Wait::Ready);
        loop {
            mutex = match mutex.try_lock()? {
                Ok(locked) => {
                    if locked.path().extension().is_some_and(|it| it == "turnstile") {
                        self.machine.state().mutex_holder = Some(self.me);
                    }
                    return Ok(WaitEnd::Locked(locked));
                }
                Err(other) => other,
            };
            let now = self.now();
            if until.is_some_and(|until| now >= until) {
                return Ok(WaitEnd::TimedOut);
            }
            let again = match decide(now) {
                WaitDecision::WaitUntil(again) => again,
                WaitDecision::GiveUp => return Ok(WaitEnd::GaveUp),
            };
            let until = until.into_iter().chain([again]).min().filter(|it| *it < Duration::MAX);
            let path = mutex.path().to_owned();
            self.machine.pause(
                self.me,
                Action::new("awaits a mutex", Object::Mutex),
                Wait::Mutex { path, until },
            );
            if let Err(Interrupted(signal)) = self.interruption() {
                return Ok(WaitEnd::Signal(signal));
            }
        }
    }

    fn snapshot(
        &mut self,
        locks: &[LockProbe<'_>],
        state_dir: Option<&StateDir>,
        start: &StartState,
        _: ScanScope,
    ) -> io::Result<Snapshot> {
        Ok(self.scan(locks, state_dir, start))
    }

    fn snapshot_of_guard(
        &self,
        lock: &Path,
        record: &Record,
        start: &StartState,
    ) -> Option<(Snapshot, Option<ProcessHandle>)> {
        self.scan_guard(lock, record, start)
    }

    fn started_at_end(&mut self) -> io::Result<Option<ProcessId>> {
        Ok(None)
    }

    fn displaced_by(&self, record: &Record, held: &[HeldLock]) -> DisplacedOwner {
        let state = self.machine.state();
        let view = View { kernel: &state.kernel, me: &self.process };
        let owner = recorded_guard::displaced_by(&view, record, held);
        drop(state);
        self.learn(&format!("{owner:?}"));
        owner
    }

    fn watch_state_dir(&mut self, files: Arc<StateDir>, _: &[&Path], first_lock: Option<LockFile>) {
        self.seen.set(self.machine.state().kernel.changes);
        self.first_lock = first_lock.as_ref().and_then(LockFile::known_id);
        self.requests.set_files(files, first_lock);
    }

    fn watch_locks(&mut self, locks: &[LockFile], holders: &BTreeSet<ProcessId>) -> bool {
        let state = self.machine.state();
        let is_new = self.releases.get().is_none();
        if is_new {
            self.releases.set(Some(state.kernel.releases));
        }
        let ids = locks.iter().filter_map(LockFile::known_id);
        let any_holds = ids
            .filter_map(|id| state.kernel.holders(id))
            .flatten()
            .any(|pid| holders.iter().any(|holder| holder.pid == pid));
        drop(state);
        self.learn(&any_holds);
        !is_new || any_holds
    }

    fn notices_closes(&self) -> bool {
        true
    }

    fn is_free(&self, lock: &LockFile) -> bool {
        let id = lock.known_id();
        let free = id.is_some_and(|id| self.machine.state().kernel.is_lock_free(id));
        self.learn(&free);
        free
    }

    fn watch_process(&mut self, _: ProcessHandle) {}

    fn retain_living(&self, processes: &mut BTreeSet<ProcessId>) {
        let state = self.machine.state();
        processes.retain(|id| state.kernel.is_alive(*id));
        drop(state);
        self.learn(processes);
    }

    fn sleep_on_locks(
        &self,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<SleepEnd, Interrupted> {
        let seen = self.releases.get().unwrap_or_default();
        let ends_of = ends_of.clone();
        self.machine.pause(
            self.me,
            Action::new("awaits the lock", Object::Lock),
            Wait::Release { seen, ends_of, until },
        );
        self.interruption()?;
        let now = self.machine.state().kernel.releases;
        self.releases.set(Some(now));
        self.learn(&(now != seen));
        Ok(if now == seen { SleepEnd::Otherwise } else { SleepEnd::LockClosed })
    }
}
