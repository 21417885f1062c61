//! The resident guard: it forwards signals, reaps, hears requests, and ends what is left of the tree.
//!
//! On Linux it sleeps in one poll and is woken by the kernel alone, and it is the subreaper of everything that it started,
//! so its tree is whatever is below it, however often it forked. Elsewhere its tree is what can be seen of that.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tracing::debug;

use super::child::{self, Child};
use crate::{
    engine::{
        escalation::{Escalation, GaveUp, Manner, Mode, Next},
        signal::Signal,
        snapshot::ProcessId,
        takeover::Ticket,
    },
    error::ExitStatus,
    host::{
        beside::{Beside, Record, Stage},
        clock,
        machine::{
            handle::Handle,
            tree::Tree,
            wait::{Alarm, Arrived},
            watch::Watch,
        },
    },
};

/// Something that happened to a guard, for whoever wants to see it.
#[derive(Debug)]
pub enum Incident {
    /// What is left of the tree is being ended.
    Leftovers(usize),
    /// A member outlived even SIGKILL.
    Stuck(ProcessId),
    /// A file beside the lock had vanished and could not be written again.
    Unwritten(String),
}

/// A child and the guard over it.
pub struct Guarding<'a> {
    /// Where signals arrive.
    pub(crate) alarm: &'a Alarm,
    /// The files beside the lock are watched.
    pub(crate) watch: Watch,
    /// What lies beside the lock.
    pub(crate) beside: Arc<Beside>,
    /// What the guard says about itself.
    pub(crate) record: Record,
    /// How the tree is ended when nobody asked for another manner.
    pub(crate) manner: Manner,
    /// COMMAND.
    pub(crate) child: Child,
    /// Who wants to know.
    pub(crate) tell: &'a mut dyn FnMut(Incident),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// COMMAND's own.
    pub status: ExitStatus,
    /// The pid of the newer start that took over.
    pub superseded_by: Option<u32>,
    /// Who is left, if anybody could not be ended: the lock is theirs as well.
    pub left: usize,
}

/// How far the guard is.
struct State {
    /// COMMAND's end, once it has come.
    child: Option<ExitStatus>,
    /// Nobody is left below this process, and so nobody of the tree.
    childless: bool,
    /// The ladder, once the tree is being ended.
    ladder: Option<Escalation>,
    /// The newer start that asked: the guard's exit status is not the child's.
    superseded_by: Option<u32>,
    /// When COMMAND was sent the signal that `graceful` sends, by whoever.
    signalled: HashMap<Signal, Duration>,
    /// When to look again.
    wake: Option<Duration>,
}

impl Guarding<'_> {
    /// Guards until the whole `tree` has ended: COMMAND and whatever it starts.
    #[must_use]
    pub(crate) fn run(&mut self, mut tree: Tree) -> End {
        let mut state = State { child: None, childless: false, ladder: None, superseded_by: None, signalled: HashMap::new(), wake: None };
        let mut told = true;
        loop {
            while let Some(arrived) = self.alarm.next() {
                self.forward(arrived, &mut state);
            }
            self.reap(&mut state);
            if std::mem::take(&mut told) {
                self.hear(&tree, &mut state);
            }
            if let Some(end) = self.end_the_tree(&mut tree, &mut state) {
                return end;
            }
            let handles: Vec<&Handle> = if state.ladder.is_some() { tree.handles().collect() } else { Vec::new() };
            Alarm::doze(Some(self.alarm), Some(&self.watch), &handles, state.wake);
            told = self.watch.drain();
        }
    }

    /// Each signal reaches the child once.
    fn forward(&self, arrived: Arrived, state: &mut State) {
        if arrived.tells_of_a_child() || state.child.is_some() {
            return;
        }
        if let Some(signal) = arrived.asks_to_end() {
            debug!(signal = signal.name(), "forwarding {signal} to COMMAND");
            state.signalled.entry(signal).or_insert_with(clock::patience);
        }
        self.child.forward(arrived);
    }

    /// Reaps whoever has ended, COMMAND or an orphan of its tree.
    fn reap(&mut self, state: &mut State) {
        let reaped = self.child.reap();
        state.child = state.child.or(reaped.child);
        state.childless = reaped.childless;
    }

    /// Hears what is asked, and puts back what has vanished.
    fn hear(&mut self, tree: &Tree, state: &mut State) {
        let ticket = self.record.ticket;
        if let Some(request) = self.beside.request_to(ticket)
            && !self.beside.is_acknowledged(&request.id)
            && self.beside.acknowledge(&request).is_ok()
        {
            debug!(pid = request.from_pid, "a newer start (pid {}) asked for the instance", request.from_pid);
            state.superseded_by = Some(request.from_pid);
            self.begin_ending(tree, state, request.manner());
        }
        self.put_back(ticket);
    }

    fn put_back(&mut self, ticket: Ticket) {
        if self.beside.record().is_none_or(|record| record.ticket < ticket) {
            self.write_record();
            if let Err(error) = self.beside.restore_counter(ticket) {
                (self.tell)(Incident::Unwritten(error.to_string()));
            }
        } else if self.beside.counter().is_none()
            && let Err(error) = self.beside.restore_counter(ticket)
        {
            (self.tell)(Incident::Unwritten(error.to_string()));
        }
    }

    fn write_record(&mut self) {
        if let Err(error) = self.beside.write_record(&self.record) {
            (self.tell)(Incident::Unwritten(format!("the record cannot be written: {error}")));
        }
    }

    /// A second request may only shorten the first.
    fn begin_ending(&mut self, tree: &Tree, state: &mut State, manner: Manner) {
        if let Some(ladder) = &mut state.ladder {
            ladder.hasten(child::within_reach(manner));
            return;
        }
        let mut ladder = Escalation::new(child::within_reach(manner));
        if let (Some(at), Some(child)) = (state.signalled.get(&manner.signal), tree.id_of(self.child.pid())) {
            ladder.already_signalled(child, *at);
        }
        state.ladder = Some(ladder);
        self.record.stage(Stage::Stopping);
        self.write_record();
    }

    /// One step of ending the tree, if it is to be ended.
    fn end_the_tree(&mut self, tree: &mut Tree, state: &mut State) -> Option<End> {
        if state.ladder.is_none() && state.child.is_none() {
            return None;
        }
        let alive = if state.childless { Vec::new() } else { tree.members() };
        if state.ladder.is_none() && !alive.is_empty() {
            (self.tell)(Incident::Leftovers(alive.len()));
            let manner = Manner { mode: Mode::Graceful, ..self.manner };
            self.begin_ending(tree, state, manner);
        }
        let end = |left| End { status: state.child.unwrap_or(ExitStatus::Fault), superseded_by: state.superseded_by, left };
        let Some(ladder) = &mut state.ladder else { return Some(end(0)) };
        let orders = ladder.step(clock::patience(), &alive);
        for (id, blow) in orders.blows {
            tree.send(id, blow);
        }
        match orders.next {
            // COMMAND's own end is still to be reaped: its SIGCHLD comes.
            Next::Ended if state.child.is_none() => {
                state.wake = None;
                None
            }
            Next::Ended => Some(end(0)),
            Next::Look { at } => {
                state.wake = Some(at);
                None
            }
            Next::GaveUp(GaveUp::OutlivedKill(id)) => {
                (self.tell)(Incident::Stuck(id));
                Some(end(alive.len()))
            }
            // Without COMMAND there is nobody to guard, and a supervisor waits for its status.
            Next::GaveUp(GaveUp::OutlivedSignal(_)) if state.child.is_some() => Some(End { superseded_by: None, ..end(alive.len()) }),
            // Whoever asked does not escalate, and has given up: the tree lives on, and so does its guard.
            Next::GaveUp(GaveUp::OutlivedSignal(_)) => {
                state.superseded_by = None;
                state.wake = None;
                None
            }
        }
    }
}
