//! The threads of a run: each is a start and, once it has its instance, a guard. They pause before
//! each access to a shared file, which the real code traces.

use std::any::Any;
use std::cell::RefCell;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use monopoll::internals::engine::ladder::StopMode;
use monopoll::internals::guard::lock_monitor::GuardEnd;
use monopoll::internals::guard::lock_set::OpenedLocks;
use monopoll::internals::guard::start::{StartingGuard, acquire_locks};
use monopoll::internals::guard::start_event::{Observer, StartEvent};
use monopoll::internals::guard::start_request::StartRequest;
use monopoll::internals::supervise::supervision::Supervision;
use monopoll::internals::sys::file_id::FileId;
use monopoll::internals::sys::machine::file_watch::FileWatch;

use super::conflicts::{Action, Object};
use super::guard_host::ModelGuardHost;
use super::machine::{KilledStart, Machine, Outcome, Wait};
use super::start_host::ModelHost;

thread_local! {
    /// The start that this thread runs.
    static CURRENT: RefCell<Option<(Arc<Machine>, usize)>> = const { RefCell::new(None) };
}

struct Quiet;

impl Observer for Quiet {
    fn interval(&self) -> std::time::Duration {
        std::time::Duration::MAX
    }

    fn on_event(&mut self, _: &StartEvent<'_>) {}
}

/// Runs one start on a thread of its own.
pub(super) fn spawn_start(
    machine: &Arc<Machine>,
    me: usize,
    request: &Arc<StartRequest>,
    dispatch: &Dispatch,
) -> thread::JoinHandle<()> {
    let (machine, request, dispatch) = (Arc::clone(machine), Arc::clone(request), dispatch.clone());
    thread::spawn(move || {
        CURRENT.set(Some((Arc::clone(&machine), me)));
        let outcome = tracing::dispatcher::with_default(&dispatch, || {
            catch_unwind(AssertUnwindSafe(|| {
                machine.await_first_turn(me);
                run_start(&machine, me, &request)
            }))
        });
        CURRENT.set(None);
        machine.finish(me, outcome.unwrap_or_else(|payload| outcome_of(payload.as_ref())));
    })
}

fn outcome_of(payload: &(dyn Any + Send)) -> Outcome {
    if payload.is::<KilledStart>() {
        return Outcome::Killed;
    }
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    Outcome::Panicked(text.unwrap_or_default().to_owned())
}

fn run_start(machine: &Arc<Machine>, me: usize, request: &StartRequest) -> Outcome {
    machine.pause(me, Action::new("opens the lock", Object::Nothing), Wait::Ready);
    let opened = match OpenedLocks::open(&request.locks) {
        Ok(opened) => opened,
        Err(error) => return Outcome::NotStarted(error.to_string()),
    };
    let ticket = opened.ticket.0;
    machine.state().actors[me].ticket = Some(ticket);
    let mut host = ModelHost::new(Arc::clone(machine), me);
    let acquired = match acquire_locks(request, &mut host, opened, None, &mut Quiet) {
        Ok(acquired) => acquired,
        Err(why) => {
            let why = format!("{why:?}");
            return Outcome::NotStarted(why.chars().take(200).collect());
        }
    };
    drop(host);
    let on_lost = request.config.settings.lock.on_lost;
    let mut guard = StartingGuard::new(acquired, FileWatch::new(), on_lost).unwrap();
    machine.pause(me, Action::new("starts COMMAND", Object::Processes), Wait::Ready);
    let child = {
        let held = &guard.monitor.locks;
        let copies = held.locks().iter().map(|lock| lock.as_fd().try_clone_to_owned().unwrap());
        let locks = held.ids().into_iter().zip(copies).collect();
        let mut state = machine.state();
        let pid = state.actors[me].id.pid;
        state.actors[me].is_guard = true;
        state.kernel.spawn_bot(pid, locks)
    };
    machine.pause(me, Action::new("announces COMMAND", Object::Nothing), Wait::Ready);
    guard.record_running(Some(child));
    let mut host = ModelGuardHost::new(Arc::clone(machine), me, child);
    let options = request.config.policy.stop_options(StopMode::Graceful);
    let mut ignore = |_| {};
    let mut supervision = Supervision::new(&mut host, guard.monitor, options, &mut ignore);
    let end = supervision.run();
    machine.pause(me, Action::new("leaves", Object::Nothing), Wait::Ready);
    supervision.release(end.left, GuardEnd { why: "over".to_owned(), asked_by: None, killed: 0 });
    Outcome::Ended
}

/// Pauses a start before it accesses a shared file, and notes what it learns from the access. With
/// the counter locked, it goes on: nobody else can then come this far.
fn pause_before(machine: &Machine, me: usize, access: &str, file: &str) {
    let Some(action) = Action::access(access, file) else {
        if file.ends_with(".drawing") {
            let action = Action::new("locks the counter", Object::Counter);
            machine.pause(me, action, Wait::Ready);
            machine.state().actors[me].is_drawing = true;
        }
        return;
    };
    machine.state().search.counts.accesses += 1;
    if !is_drawing(machine, me) {
        machine.pause(me, action, Wait::Ready);
    }
    let state = &mut *machine.state();
    let path = state.files.path(file);
    if file == "x.lock" {
        state.kernel.learn_lock(&path);
        let there = FileId::of_entry(&path).and_then(|id| state.kernel.lock_number(id));
        state.actors[me].learn(&(action, there));
    } else {
        let content = state.files.content(file, &state.kernel);
        state.actors[me].learn(&(action, file, content));
    }
    // What a watch of the folder reports.
    let is_change = match access {
        "rename_to" | "rename_to_new" => true,
        "remove" => path.exists(),
        _ => false,
    };
    if is_change && path.extension().is_none_or(|it| it != "new") {
        state.kernel.changes += 1;
    }
    if !matches!(access, "open" | "find" | "lock" | "unlock") {
        state.files.forget();
    }
}

/// Returns whether a start has locked the counter.
fn is_drawing(machine: &Machine, me: usize) -> bool {
    let state = &mut *machine.state();
    if state.actors[me].is_drawing {
        let counter = state.files.path("x.lock.drawing");
        state.actors[me].is_drawing = !state.files.is_mutex_free(&counter);
    }
    state.actors[me].is_drawing
}

/// Notes whether a start got the lock.
fn note_result(machine: &Machine, me: usize, message: &str) {
    let mut state = machine.state();
    let pid = state.actors[me].id.pid;
    let has_locked = message == "acquired the lock";
    if has_locked {
        state.kernel.note_locked(pid);
    }
    state.actors[me].learn(&has_locked);
}

/// Pauses the start of the current thread before each access to a shared file.
pub(super) struct PauseAtAccess;

#[derive(Default)]
struct Found {
    access: Option<String>,
    file: Option<String>,
    message: String,
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "access" => self.access = Some(value.to_owned()),
            "file" => self.file = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" && self.access.is_none() {
            self.message = format!("{value:?}");
        }
    }
}

fn is_access(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target().starts_with("monopoll::state::lock_f")
}

impl Subscriber for PauseAtAccess {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_access(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_access(metadata)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut found = Found::default();
        event.record(&mut found);
        let current = CURRENT.with_borrow(|it| it.as_ref().map(|(m, me)| (Arc::clone(m), *me)));
        let Some((machine, me)) = current.filter(|_| !thread::panicking()) else { return };
        match (found.access, found.file) {
            (Some(access), Some(file)) => pause_before(&machine, me, &access, &file),
            _ => note_result(&machine, me, &found.message),
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
