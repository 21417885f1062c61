//! What a scan of the machine finds. The record of a guard is confirmed by the real code.

use std::path::Path;

use monopoll::internals::engine::fact::Fact::Known;
use monopoll::internals::engine::instance::NameSource;
use monopoll::internals::engine::process::{GuardedInstance, OtherGuard, Process};
use monopoll::internals::engine::snapshot::{GuardView, LockState, LockView, Snapshot};
use monopoll::internals::scan::lock_views::{FoundRecord, LockProbe, found_records};
use monopoll::internals::scan::recorded_guard::{RecordedProcesses, process_here, recorded_guard};
use monopoll::internals::scan::scan_request::StartState;
use monopoll::internals::state::record::{HostProcess, Record};
use monopoll::internals::state::state_dir::StateDir;
use monopoll::internals::sys::file_id::FileId;
use monopoll::internals::sys::machine::process_handle::ProcessHandle;

use super::conflicts::{Action, Object};
use super::kernel::{Kernel, Kind, Proc};
use super::machine::{Actor, State, Wait};
use super::start_host::ModelHost;
use crate::fixture::{child_of, guard, guard_process, same_command, snapshot};

/// The kernel of one start.
pub(super) struct View<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) me: &'a HostProcess,
}

impl RecordedProcesses for View<'_> {
    fn host_process(&self) -> &HostProcess {
        self.me
    }

    fn start_time(&self, pid: u32) -> Option<u64> {
        self.kernel.procs.get(&pid).filter(|proc| proc.is_alive).map(|proc| proc.id.start)
    }

    fn has_lock(&self, pid: u32, file: FileId) -> bool {
        self.kernel.holders(file).is_some_and(|holders| holders.contains(&pid))
    }

    fn inner_pid(&self, _: u32) -> Option<(u32, u64)> {
        None
    }
}

impl ModelHost {
    pub(super) fn scan(
        &self,
        locks: &[LockProbe<'_>],
        state_dir: Option<&StateDir>,
        start: &StartState,
    ) -> Snapshot {
        self.machine.pause(self.me, Action::new("scans", Object::Processes), Wait::Ready);
        let records = found_records(state_dir, locks, |record| record.holder != self.process);
        let views = self.views(locks);
        let mut state = self.machine.state();
        let kernel = &state.kernel;
        let view = View { kernel, me: &self.process };
        let mut guards: Vec<GuardView> =
            records.iter().filter_map(|found| recorded_guard(&view, found, &views)).collect();
        let marked = self.guards_where(&state, |actor| has_bot(kernel, actor));
        if guards.is_empty() && searches_for_markers(&view, locks, &records) {
            // It also finds what a start that holds a lock announces, whose file may be deleted.
            let announces =
                |actor: &Actor| has_bot(kernel, actor) || kernel.owns_a_lock(actor.id.pid);
            guards = self.guards_where(&state, announces);
        }
        let is_holder = |guard: &GuardView| {
            let pid = guard.process.map(|id| id.pid);
            views.iter().any(|view| match (&view.state, pid) {
                (LockState::Held(holders), Some(pid)) => holders.contains(&pid),
                _ => false,
            })
        };
        let (holders, others): (Vec<_>, Vec<_>) = marked.into_iter().partition(is_holder);
        let known: Vec<_> = guards.iter().map(|guard| guard.process).collect();
        guards.extend(holders.into_iter().filter(|holder| !known.contains(&holder.process)));
        let files: Vec<FileId> = locks
            .iter()
            .filter_map(|probe| match probe {
                LockProbe::Open(lock) | LockProbe::Taken(lock) | LockProbe::Mine(lock) => {
                    lock.known_id()
                }
                LockProbe::Missing(_) => None,
            })
            .collect();
        let is_mine = |proc: &Proc| proc.id == self.process.process;
        let concerns = |proc: &Proc| {
            let holds = files.iter().any(|id| {
                kernel.holders(*id).is_some_and(|holders| holders.contains(&proc.id.pid))
            });
            let is_bot = !matches!(proc.kind, Kind::Start | Kind::Innocent);
            let is_guard = guards.iter().any(|guard| guard.process == Some(proc.id));
            holds || is_bot || is_guard
        };
        let processes: Vec<Process> = kernel
            .living()
            .filter(|proc| !is_mine(proc) && concerns(proc))
            .map(|proc| ModelHost::describe(kernel, proc, &files))
            .collect();
        let mut found = snapshot(processes);
        (found.locks, found.guards, found.other_guards) = (views, guards, others);
        found.me.pid = self.process.process.pid;
        found.me.start = self.process.process.start;
        found.me.ticket = start.ticket;
        found.waited = start.waited;
        found.rounds = start.rounds.clone();
        let actor = &mut state.actors[self.me];
        actor.ticket = start.ticket.map(|ticket| ticket.0);
        for process in &found.processes {
            let guard = matches!(&process.guard, Known(Some(_)));
            actor.learn(&(process.id, process.parent.known(), process.holds_lock.known(), guard));
        }
        for guard in found.guards.iter().chain(&found.other_guards) {
            actor.learn(&(guard.process, guard.ticket, &guard.other_lock));
        }
        for lock in &found.locks {
            match &lock.state {
                LockState::Held(pids) => actor.learn(pids),
                other => actor.learn(&format!("{other:?}")),
            }
        }
        found
    }

    pub(super) fn scan_guard(
        &self,
        lock: &Path,
        record: &Record,
        start: &StartState,
    ) -> Option<(Snapshot, Option<ProcessHandle>)> {
        let state = self.machine.state();
        let kernel = &state.kernel;
        let kernel_view = View { kernel, me: &self.process };
        let process = process_here(&kernel_view, record)?;
        let file = FileId::of_entry(lock)?;
        if !kernel_view.has_lock(process.pid, file) || !kernel.is_alive(process) {
            return None;
        }
        let view = LockView { path: lock.to_owned(), state: LockState::Held(vec![process.pid]) };
        let views = vec![view];
        let found = FoundRecord { record: record.clone(), other_lock: None };
        let guard = recorded_guard(&kernel_view, &found, &views)?;
        let described = ModelHost::describe(kernel, &kernel.procs[&process.pid], &[file]);
        let mut found = snapshot(vec![described]);
        (found.locks, found.guards) = (views, vec![guard]);
        found.me.pid = self.process.process.pid;
        found.me.start = self.process.process.start;
        found.me.ticket = start.ticket;
        found.waited = start.waited;
        found.rounds = start.rounds.clone();
        drop(state);
        self.learn(&process);
        Some((found, None))
    }

    fn views(&self, locks: &[LockProbe<'_>]) -> Vec<LockView> {
        let state = self.machine.state();
        let view = |probe: &LockProbe<'_>| {
            let (path, state) = match probe {
                LockProbe::Missing(path) => (path.to_path_buf(), LockState::Free),
                LockProbe::Mine(lock) => (lock.path().to_owned(), LockState::Mine),
                LockProbe::Open(lock) | LockProbe::Taken(lock) => {
                    let holders = lock.known_id().and_then(|id| state.kernel.holders(id));
                    let held = holders.map_or(LockState::Free, LockState::Held);
                    (lock.path().to_owned(), held)
                }
            };
            LockView { path, state }
        };
        locks.iter().map(view).collect()
    }

    /// Returns the living starts and guards that a scan finds by a marker.
    fn guards_where(&self, state: &State, is_marked: impl Fn(&Actor) -> bool) -> Vec<GuardView> {
        let guards = state.actors.iter().filter(|actor| {
            let is_me = actor.id == self.process.process;
            !is_me && state.kernel.is_alive(actor.id) && is_marked(actor)
        });
        let view = |actor: &Actor| GuardView {
            process: Some(actor.id),
            ..guard(Some(actor.id.pid), actor.ticket)
        };
        guards.map(view).collect()
    }

    fn describe(kernel: &Kernel, proc: &Proc, locks: &[FileId]) -> Process {
        let holds = locks
            .iter()
            .any(|id| kernel.holders(*id).is_some_and(|holders| holders.contains(&proc.id.pid)));
        let guard = match proc.kind {
            Kind::Bot { guard } | Kind::Helper { guard } => kernel.procs.get(&guard),
            Kind::Start | Kind::Unguarded | Kind::Innocent => None,
        };
        let guard = guard.filter(|guard| guard.is_alive && guard.kind == Kind::Start);
        let guard = guard.map(|guard| OtherGuard {
            instance: "x".to_owned(),
            name_source: NameSource::Given,
            process: guard.id,
            guards: GuardedInstance::Mine,
        });
        let described = match proc.kind {
            Kind::Start => guard_process(proc.id.pid),
            Kind::Bot { .. } | Kind::Unguarded => same_command(proc.id.pid),
            Kind::Helper { .. } | Kind::Innocent => crate::fixture::process(proc.id.pid),
        };
        let described =
            Process { id: proc.id, holds_lock: Known(holds), guard: Known(guard), ..described };
        child_of(proc.parent, described)
    }
}

/// Returns whether COMMAND of this guard carries its marker.
fn has_bot(kernel: &Kernel, actor: &Actor) -> bool {
    let guard = actor.id.pid;
    kernel.living().any(|it| it.kind == Kind::Bot { guard })
}

/// Returns whether a scan searches all environments for the marker: a lock file is new, or the
/// guard of a record has ended.
fn searches_for_markers(view: &View<'_>, locks: &[LockProbe<'_>], records: &[FoundRecord]) -> bool {
    let has_ended = |found: &FoundRecord| {
        process_here(view, &found.record).is_some_and(|id| !view.kernel.is_alive(id))
    };
    locks.iter().any(LockProbe::is_new) || records.iter().any(has_ended)
}
