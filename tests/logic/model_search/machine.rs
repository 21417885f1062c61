//! The machine of one run: the kernel, the starts as threads of which one runs at a time, and the
//! choices of the search.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use monopoll::internals::engine::process::ProcessId;

use super::conflicts::{Action, Object};
use super::files::Files;
use super::kernel::{Kernel, Kind};
use super::search::Search;

pub(super) const BEGIN: Action = Action::new("begins", Object::Nothing);

/// What a paused start waits for.
#[derive(Debug, Clone, Hash)]
pub(super) enum Wait {
    /// It could go on.
    Ready,
    Mutex {
        path: PathBuf,
        until: Option<Duration>,
    },
    /// A sleep that a change of the lock folder ends.
    Files {
        seen: u64,
        ends_of: BTreeSet<ProcessId>,
        until: Option<Duration>,
    },
    /// A sleep that the release of a lock ends.
    Release {
        seen: u64,
        ends_of: BTreeSet<ProcessId>,
        until: Duration,
    },
    /// The sleep of a guard, which the end of a process below it ends as well.
    Guard {
        seen: u64,
        ends: u64,
        until: Option<Duration>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was a guard, and its tree has ended.
    Ended,
    /// It did not start, with the reason.
    NotStarted(String),
    Killed,
    Panicked(String),
}

pub(super) struct Actor {
    pub(super) id: ProcessId,
    pub(super) wait: Wait,
    /// SIGKILL is on its way.
    pub(super) is_doomed: bool,
    /// True from the start of COMMAND on.
    pub(super) is_guard: bool,
    pub(super) ticket: Option<u64>,
    pub(super) outcome: Option<Outcome>,
    /// Everything that it has learned so far, which determines what it does next.
    pub(super) knowledge: u64,
    /// Its next step.
    pub(super) action: Action,
    /// True from the time it opens the ticket counter until it has left it.
    pub(super) is_drawing: bool,
}

impl Actor {
    pub(super) fn learn(&mut self, fact: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        (self.knowledge, fact).hash(&mut hasher);
        self.knowledge = hasher.finish();
    }
}

pub(super) struct State {
    pub(super) kernel: Kernel,
    pub(super) actors: Vec<Actor>,
    pub(super) search: Search,
    pub(super) files: Files,
    /// True once all starts may begin.
    pub(super) is_set_up: bool,
    /// The start that took the start mutex last.
    pub(super) mutex_holder: Option<usize>,
    /// The start that runs.
    turn: Option<usize>,
    /// The run is over: paused starts unwind.
    is_over: bool,
    unfinished: usize,
}

pub(super) struct Machine {
    state: Mutex<State>,
    turns: Vec<Condvar>,
    over: Condvar,
}

/// The payload with which the thread of a killed start unwinds.
pub(super) struct KilledStart;

impl Machine {
    pub(super) fn new(starts: usize, search: Search, folder: PathBuf) -> Machine {
        let mut kernel = Kernel::new();
        let actor = |kernel: &mut Kernel| Actor {
            id: kernel.spawn(Kind::Start, 1),
            wait: Wait::Ready,
            is_doomed: false,
            is_guard: false,
            ticket: None,
            outcome: None,
            knowledge: 0,
            action: BEGIN,
            is_drawing: false,
        };
        let actors = (0..starts).map(|_| actor(&mut kernel)).collect();
        search.prepare(&mut kernel);
        Machine {
            state: Mutex::new(State {
                kernel,
                actors,
                search,
                files: Files::new(folder),
                is_set_up: false,
                mutex_holder: None,
                turn: None,
                is_over: false,
                unfinished: starts,
            }),
            turns: (0..starts).map(|_| Condvar::new()).collect(),
            over: Condvar::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn into_search(self) -> Search {
        self.state.into_inner().unwrap().search
    }

    /// Runs the starts until nothing happens anymore, and ends their threads.
    pub(super) fn run(&self) {
        let mut state = self.state();
        self.pass_turn(&mut state, None);
        while state.unfinished > 0 {
            state = self.over.wait(state).unwrap();
        }
    }

    /// Chooses who runs next after `me`.
    fn pass_turn(&self, state: &mut State, me: Option<usize>) {
        state.turn = if state.is_over { None } else { state.choose() };
        match state.turn {
            Some(next) if Some(next) == me => {}
            Some(next) => self.turns[next].notify_one(),
            None => {
                state.is_over = true;
                self.turns.iter().for_each(Condvar::notify_one);
            }
        }
    }

    /// Pauses the start `me` before its next step, until it is chosen again.
    pub(super) fn pause(&self, me: usize, action: Action, wait: Wait) {
        let mut state = self.state();
        (state.actors[me].wait, state.actors[me].action) = (wait, action);
        self.pass_turn(&mut state, Some(me));
        self.await_turn(me, state);
    }

    /// Waits for the first turn.
    pub(super) fn await_first_turn(&self, me: usize) {
        self.await_turn(me, self.state());
    }

    fn await_turn(&self, me: usize, mut state: MutexGuard<'_, State>) {
        while state.turn != Some(me) && !state.is_over {
            state = self.turns[me].wait(state).unwrap();
        }
        if state.is_over || state.actors[me].is_doomed {
            drop(state);
            std::panic::resume_unwind(Box::new(KilledStart));
        }
        let now = state.kernel.now;
        let actor = &mut state.actors[me];
        actor.wait = Wait::Ready;
        actor.learn(&now);
    }

    /// Ends the start `me`, whose thread ends now.
    pub(super) fn finish(&self, me: usize, outcome: Outcome) {
        let mut state = self.state();
        let pid = state.actors[me].id.pid;
        state.unfinished -= 1;
        if !state.is_over {
            let is_killed = outcome == Outcome::Killed;
            state.actors[me].outcome = Some(outcome);
            state.kernel.forget_owner(pid);
            state.kernel.end(pid);
            if is_killed {
                state.kernel.abandon(pid);
                state.kernel.reuse_pid(pid);
            }
            self.pass_turn(&mut state, None);
        }
        self.over.notify_one();
    }
}
