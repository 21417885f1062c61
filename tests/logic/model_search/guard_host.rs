//! The machine as a guard sees it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use monopoll::internals::engine::process::ProcessId;
use monopoll::internals::engine::signal::SignalToSend;
use monopoll::internals::engine::signal_sequence::Member;
use monopoll::internals::error::ExitStatus;
use monopoll::internals::scan::process_tree::GuardMembers;
use monopoll::internals::supervise::child::Reaped;
use monopoll::internals::supervise::guard_host::{GuardHost, GuardWake};
use monopoll::internals::supervise::left_behind::{LeftBehind, LeftKind};
use monopoll::internals::sys::machine::file_watch::FileWatch;
use monopoll::internals::sys::machine::signals::ReceivedSignal;

use super::choices::TERM;
use super::conflicts::{Action, Object};
use super::machine::{Machine, Wait};

pub(super) struct ModelGuardHost {
    machine: Arc<Machine>,
    me: usize,
    guard: ProcessId,
    child: ProcessId,
    /// The changes of the lock folder that this guard has noticed.
    seen: u64,
    /// The ends of processes that this guard has noticed.
    ends: u64,
}

impl ModelGuardHost {
    pub(super) fn new(machine: Arc<Machine>, me: usize, child: ProcessId) -> ModelGuardHost {
        let state = machine.state();
        let (guard, seen) = (state.actors[me].id, state.kernel.changes);
        drop(state);
        ModelGuardHost { machine, me, guard, child, seen, ends: 0 }
    }
}

impl GuardHost for ModelGuardHost {
    fn now(&self) -> Duration {
        self.machine.state().kernel.now
    }

    fn next_signal(&mut self) -> Option<ReceivedSignal> {
        let mut state = self.machine.state();
        let proc = state.kernel.procs.get_mut(&self.guard.pid).unwrap();
        let has_signal = proc.pending > 0;
        proc.pending -= u32::from(has_signal);
        state.actors[self.me].learn(&has_signal);
        has_signal.then_some(ReceivedSignal { number: 15, by_terminal: false })
    }

    fn forward(&mut self, _: ReceivedSignal) {
        self.machine.state().send(self.me, self.child, TERM);
    }

    fn child(&self) -> Option<ProcessId> {
        Some(self.child)
    }

    fn reap(&mut self) -> Reaped {
        let mut state = self.machine.state();
        let child = state.kernel.procs.get_mut(&self.child.pid).unwrap();
        let is_over = !child.is_alive && !child.is_reaped;
        child.is_reaped |= is_over;
        let is_childless = state.kernel.living().all(|proc| proc.parent != self.guard.pid);
        state.actors[self.me].learn(&(is_over, is_childless));
        Reaped { child: is_over.then_some(ExitStatus::Signaled(15)), is_childless }
    }

    fn has_second_copy(&self) -> bool {
        false
    }

    fn members(&mut self) -> GuardMembers {
        self.machine.pause(self.me, Action::new("lists its tree", Object::Processes), Wait::Ready);
        let mut state = self.machine.state();
        let mut members = state.kernel.members(&BTreeSet::from([self.guard]));
        members.retain(|member| member.id != self.guard);
        let seen: Vec<_> = members.iter().map(|member| (member.id, member.parent)).collect();
        state.actors[self.me].learn(&seen);
        GuardMembers { members, is_proof: true }
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) {
        self.machine.pause(
            self.me,
            Action::new("signals its tree", Object::Processes),
            Wait::Ready,
        );
        self.machine.state().send(self.me, to, signal);
    }

    fn left_behind(&self, _: Option<ExitStatus>, members: &[Member]) -> LeftBehind {
        LeftBehind::of_kind(LeftKind::Others, members.len())
    }

    fn sleep(&mut self, _: &FileWatch, _: bool, until: Option<Duration>) -> GuardWake {
        let (seen, ends) = (self.seen, self.ends);
        self.machine.pause(
            self.me,
            Action::new("guards", Object::Processes),
            Wait::Guard { seen, ends, until },
        );
        let mut state = self.machine.state();
        self.seen = state.kernel.changes;
        self.ends = state.ends_below(self.guard.pid);
        let files_changed = self.seen != seen;
        let has_signal = state.kernel.procs[&self.guard.pid].pending > 0;
        let is_over = until.is_some_and(|until| state.kernel.now >= until);
        let may_concern_tree = has_signal || self.ends != ends || is_over;
        state.actors[self.me].learn(&(files_changed, may_concern_tree));
        GuardWake { may_concern_tree, files_changed }
    }
}
