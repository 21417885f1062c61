//! Which steps may be taken without looking at other orders: those on which no other start, guard
//! or process has any influence, and which influence none of them.

use super::machine::{State, Wait};

/// What a start or guard does next, as far as others are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Action {
    pub(super) what: &'static str,
    pub(super) on: Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Object {
    Nothing,
    Mutex,
    /// Processes, or everything that a scan reads.
    Processes,
    Lock,
    Record,
    /// A request or its answer.
    Request,
    Counter,
}

/// The files of a lock that starts and guards access, apart from mutexes and the history.
const OBJECTS: [(&str, Object); 8] = [
    ("x.lock", Object::Lock),
    ("x.lock.record", Object::Record),
    ("x.lock.record.new", Object::Record),
    ("x.lock.request", Object::Request),
    ("x.lock.request.new", Object::Request),
    ("x.lock.answer", Object::Request),
    ("x.lock.answer.new", Object::Request),
    ("x.lock.counter", Object::Counter),
];

const ACCESSES: [&str; 10] = [
    "open_or_create",
    "open",
    "create",
    "overwrite",
    "rename_to",
    "rename_to_new",
    "remove",
    "lock",
    "unlock",
    "find",
];

impl Action {
    pub(super) const fn new(what: &'static str, on: Object) -> Action {
        Action { what, on }
    }

    /// Returns the access to a file; `None` if nothing depends on its order, or if it is a mutex,
    /// which has steps of its own.
    pub(super) fn access(access: &str, file: &str) -> Option<Action> {
        let (_, on) = OBJECTS.into_iter().find(|(name, _)| *name == file)?;
        let what = ACCESSES.into_iter().find(|what| *what == access)?;
        Some(Action { what, on })
    }

    fn only_reads(self) -> bool {
        matches!(self.what, "open" | "find")
    }
}

/// The part of the protocol that a start is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It sleeps, and only a step of another one can wake it.
    Asleep,
    /// It waits for the start mutex, which another start holds.
    Queued,
    /// It may do everything.
    Any,
    Guard,
    Over,
}

impl State {
    /// Returns whether the next step of a start may depend on the order.
    pub(super) fn has_conflict(&mut self, actor: usize) -> bool {
        let it = &self.actors[actor];
        let action = it.action;
        if !matches!(it.wait, Wait::Ready) || it.outcome.is_some() {
            return true;
        }
        let may_end =
            self.kernel.living().any(|proc| proc.pending > 0) || self.search.budget.faults > 0;
        let concerns_ends = matches!(action.on, Object::Processes | Object::Lock);
        may_end && concerns_ends
            || (0..self.actors.len())
                .filter(|other| *other != actor)
                .any(|other| self.conflicts(action, other))
    }

    fn conflicts(&mut self, action: Action, other: usize) -> bool {
        match (self.phase(other), action.on) {
            (_, Object::Nothing) | (Phase::Over | Phase::Asleep, _) => false,
            (Phase::Any, _) => true,
            (Phase::Guard, on) => on != Object::Mutex,
            (Phase::Queued, Object::Lock) => action.what == "open_or_create",
            (Phase::Queued, Object::Record) => !action.only_reads(),
            (Phase::Queued, on) => matches!(on, Object::Mutex | Object::Counter),
        }
    }

    fn phase(&mut self, actor: usize) -> Phase {
        let it = &self.actors[actor];
        if it.outcome.is_some() {
            return Phase::Over;
        }
        if !self.can_run(actor) && !self.is_stopped(actor) {
            return Phase::Asleep;
        }
        if self.actors[actor].is_guard {
            return Phase::Guard;
        }
        let mutex = self.files.path("x.lock.turnstile");
        let is_held = mutex.exists() && !self.files.is_mutex_free(&mutex);
        if is_held && self.mutex_holder != Some(actor) { Phase::Queued } else { Phase::Any }
    }
}
