//! The resident guard: it forwards signals, reaps, hears requests, and ends what is left of the
//! tree.
//!
//! On Linux it sleeps in one poll and is woken by the kernel alone, and it is the subreaper of
//! everything that it started, so its tree is whatever is below it, however often it forked.
//! Elsewhere its tree is what can be seen of that.

use std::{collections::HashMap, time::Duration};

use tracing::debug;

use crate::{
    engine::{
        ladder::{StopMode, StopOptions},
        signal::Signal,
        stop_progress::{AfterStep, GiveUpReason, PIN_AGAIN, StopProgress},
    },
    error::ExitStatus,
    guard::lock_keeper::{KeepOutcome, LockEvent, LockKeeper},
    scan::{guard_tree::GuardTree, machine::process_id},
    state::{protocol::Asker, record::RecordStage},
    supervise::child::{self, Child},
    sys::{
        clock,
        machine::{memory, pidfd::ProcessHandle, poll::Poller, signals::ReceivedSignal},
        wake::Wake,
    },
};

/// Something that happened to a guard while COMMAND ran.
#[derive(Debug)]
pub(crate) enum GuardEvent {
    /// So many processes that COMMAND left behind are being ended.
    Leftovers(usize),
    /// A member of the tree cannot be ended.
    Stuck(GiveUpReason),
    /// Something happened to the locks.
    Lock(LockEvent),
}

/// A child and the guard over it.
pub(super) struct ChildGuard<'a> {
    /// Where signals arrive.
    pub(super) poller: &'a Poller,
    /// Keeps the locks.
    pub(super) keeper: LockKeeper,
    /// How the tree is ended where no request says otherwise.
    pub(super) stop_options: StopOptions,
    /// COMMAND.
    pub(super) child: Child,
    /// Receives what happens.
    pub(super) on_event: &'a mut dyn FnMut(GuardEvent),
}

/// The end of COMMAND and its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChildEnd {
    /// COMMAND's own status.
    pub(super) status: ExitStatus,
    /// The start or the stop that asked for it.
    pub(super) superseded_by: Option<Asker>,
    /// Another guard has the lock, and so the tree was ended.
    pub(super) lost: bool,
    /// The number of processes that could not be ended; they keep the lock.
    pub(super) left: usize,
}

/// How far the guard is.
struct GuardStage {
    /// COMMAND's end, once it has come.
    child: Option<ExitStatus>,
    /// Nobody is left below this process, and so nobody of the tree.
    childless: bool,
    /// The ladder, once the tree is being ended.
    ladder: Option<StopProgress>,
    /// Who asked: the guard's exit status is not the child's.
    superseded_by: Option<Asker>,
    /// The locks are somebody else's, and so the tree is being ended.
    lost: bool,
    /// When COMMAND was sent the signal that `graceful` sends, by whoever.
    signalled: HashMap<Signal, Duration>,
    /// When to look again.
    wake: Option<Duration>,
    /// The tree is worth a look: what is only written beside the lock changes nothing in it.
    stirred: bool,
}

impl ChildGuard<'_> {
    /// Guards until the whole `tree` has ended: COMMAND and whatever it starts.
    #[must_use]
    pub(crate) fn run(&mut self, mut tree: GuardTree) -> ChildEnd {
        let mut state = GuardStage {
            child: None,
            childless: false,
            ladder: None,
            superseded_by: None,
            lost: false,
            signalled: HashMap::new(),
            wake: None,
            stirred: true,
        };
        // What it wrote itself is no news.
        self.keeper.watch.drain();
        let (mut told, mut is_new) = (true, true);
        loop {
            while let Some(arrived) = self.poller.next_signal() {
                state.stirred = true;
                self.forward(arrived, &mut state);
            }
            self.reap(&mut state);
            if std::mem::take(&mut told) || self.keeper.next_check().is_some() {
                self.keep_hold(&mut state);
                self.hear(&mut state);
            }
            if let Some(end) = self.end_the_tree(&mut tree, &mut state) {
                return end;
            }
            let handles: Vec<&ProcessHandle> =
                if state.ladder.is_some() { tree.handles().collect() } else { Vec::new() };
            let next_try = self.keeper.next_check();
            let until = state.wake.into_iter().chain(next_try).min();
            if std::mem::take(&mut is_new) {
                memory::release_unused();
            }
            let woken = Poller::poll(Some(self.poller), Some(&self.keeper.watch), &handles, until);
            state.stirred = woken != Wake::FileChanged
                || state.wake.is_some_and(|wake| clock::patience() >= wake);
            told = self.keeper.watch.drain();
        }
    }

    /// Each signal reaches the child once.
    fn forward(&self, arrived: ReceivedSignal, state: &mut GuardStage) {
        if arrived.is_child_end() || state.child.is_some() {
            return;
        }
        if let Some(signal) = arrived.stop_signal() {
            debug!(signal = signal.name(), "forwarding {signal} to COMMAND");
            state.signalled.entry(signal).or_insert_with(clock::patience);
        }
        self.child.forward(arrived);
    }

    /// Reaps whoever has ended, COMMAND or an orphan of its tree.
    fn reap(&mut self, state: &mut GuardStage) {
        let reaped = self.child.reap();
        state.stirred |= reaped.child.is_some();
        state.child = state.child.or(reaped.child);
        state.childless = reaped.childless;
    }

    /// Where the lock is somebody else's, the tree is ended.
    fn keep_hold(&mut self, state: &mut GuardStage) {
        match self
            .keeper
            .check_locks(clock::patience(), &mut |event| (self.on_event)(GuardEvent::Lock(event)))
        {
            KeepOutcome::Held => {}
            KeepOutcome::Lost => {
                state.lost = true;
                self.begin_ending(
                    state,
                    StopOptions { mode: StopMode::Graceful, ..self.stop_options },
                );
            }
        }
    }

    /// Hears what is asked, and puts back what has vanished.
    fn hear(&mut self, state: &mut GuardStage) {
        if let Some(request) = self.keeper.request()
            && self.keeper.acknowledge(&request)
        {
            debug!(pid = request.from_pid, "pid {} asked for the instance", request.from_pid);
            state.superseded_by = Some(request.asker());
            self.begin_ending(state, request.stop_options());
        }
        self.keeper.restore_files(&mut |event| (self.on_event)(GuardEvent::Lock(event)));
    }

    /// A second request may only shorten the first.
    fn begin_ending(&mut self, state: &mut GuardStage, manner: StopOptions) {
        state.stirred = true;
        if let Some(ladder) = &mut state.ladder {
            ladder.hasten(child::within_reach(manner));
            return;
        }
        let mut ladder = StopProgress::new(child::within_reach(manner));
        if let (Some(at), Some(child)) =
            (state.signalled.get(&manner.signal), process_id(self.child.pid()))
        {
            ladder.already_signalled(child, *at);
        }
        state.ladder = Some(ladder);
        let on_event = &mut |event| (self.on_event)(GuardEvent::Lock(event));
        self.keeper.set_stage(RecordStage::Stopping, on_event);
    }

    /// One step of ending the tree, if it is to be ended.
    fn end_the_tree(&mut self, tree: &mut GuardTree, state: &mut GuardStage) -> Option<ChildEnd> {
        if state.ladder.is_none() && state.child.is_none() || !state.stirred {
            return None;
        }
        let alive = if state.childless { Some(Vec::new()) } else { tree.members() };
        let Some(alive) = alive else {
            // Nothing can be looked at, which is no proof that nobody is there.
            state.wake = Some(clock::patience() + PIN_AGAIN);
            return None;
        };
        if state.ladder.is_none() && !alive.is_empty() {
            (self.on_event)(GuardEvent::Leftovers(alive.len()));
            let manner = StopOptions { mode: StopMode::Graceful, ..self.stop_options };
            self.begin_ending(state, manner);
        }
        let end = |left| ChildEnd {
            status: state.child.unwrap_or(ExitStatus::Fault),
            superseded_by: state.superseded_by,
            lost: state.lost,
            left,
        };
        let Some(ladder) = &mut state.ladder else { return Some(end(0)) };
        let orders = ladder.step(clock::patience(), &alive);
        for (id, signal) in orders.signals {
            tree.send(id, signal);
        }
        match orders.then {
            // COMMAND's own end is still to be reaped: its SIGCHLD comes.
            AfterStep::Ended if state.child.is_none() => {
                state.wake = None;
                None
            }
            AfterStep::Ended => Some(end(0)),
            AfterStep::Look { at } => {
                state.wake = Some(at);
                None
            }
            AfterStep::GaveUp(
                gave_up @ (GiveUpReason::OutlivedKill(_) | GiveUpReason::Unpinned(_)),
            ) => {
                (self.on_event)(GuardEvent::Stuck(gave_up));
                Some(end(alive.len()))
            }
            // Without COMMAND there is nobody to guard, and a supervisor waits for its status.
            AfterStep::GaveUp(GiveUpReason::OutlivedSignal(_))
                if state.child.is_some() && state.superseded_by.is_none() =>
            {
                Some(end(alive.len()))
            }
            // Whoever asked does not escalate, and has given up: the tree lives on, and so does its
            // guard. How what COMMAND leaves behind is ended, and how patiently the next one to ask
            // is, are matters of their own.
            AfterStep::GaveUp(GiveUpReason::OutlivedSignal(_)) => {
                state.superseded_by = None;
                state.ladder = None;
                // Where COMMAND has ended, what is left of it is ended next.
                state.wake = state.child.map(|_| clock::patience());
                let on_event = &mut |event| (self.on_event)(GuardEvent::Lock(event));
                self.keeper.set_stage(RecordStage::Running, on_event);
                None
            }
        }
    }
}
