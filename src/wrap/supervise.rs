//! The resident guard: it forwards signals, reaps, hears requests, and ends what is left of the tree.
//!
//! On Linux it sleeps in one poll and is woken by the kernel alone, and it is the subreaper of everything that it started,
//! so its tree is whatever is below it, however often it forked. Elsewhere its tree is what can be seen of that.

use std::{collections::HashMap, time::Duration};

use tracing::debug;

use super::child::{self, Child};
use crate::{
    engine::{
        action::OnLost,
        escalation::{Escalation, GaveUp, Manner, Mode, Next},
        signal::Signal,
        snapshot::ProcessId,
        takeover::Ticket,
    },
    error::{Error, ExitStatus},
    guard::holding::{Grip, Holding},
    host::{
        beside::{Asker, Beside, Record, Stage},
        clock,
        machine::{
            handle::Handle,
            tree::Tree,
            wait::{Alarm, Arrived},
            watch::Watch,
        },
    },
};

/// How long somebody else may have what was taken from a guard before it is lost: a start has it for moments.
const CONTESTED: Duration = Duration::from_secs(3);

/// How often to try for what somebody else has for a moment, and for what cannot be had for longer.
const NEXT_TRY: Duration = Duration::from_millis(10);
const NEXT_TRY_LATER: Duration = Duration::from_secs(1);

/// Something that happened to a guard, for whoever wants to see it.
#[derive(Debug)]
pub enum Incident {
    /// What is left of the tree is being ended.
    Leftovers(usize),
    /// A member outlived even SIGKILL.
    Stuck(ProcessId),
    /// A file beside the lock had vanished and could not be written again.
    Unwritten(String),
    /// A lock file was deleted, moved or replaced, and is held again.
    Retaken,
    /// The same, and it cannot be held again for now.
    Unusable(Error),
    /// The same, and somebody else has it.
    Lost(OnLost),
}

/// A child and the guard over it.
pub struct Guarding<'a> {
    /// Where signals arrive.
    pub(crate) alarm: &'a Alarm,
    /// The files beside the lock are watched.
    pub(crate) watch: Watch,
    /// What is held, and what lies beside it.
    pub(crate) holding: Holding,
    /// What is done where it is lost.
    pub(crate) on_lost: OnLost,
    /// What the guard says about itself.
    pub(crate) record: Record,
    /// How the tree is ended when nobody asked for another manner.
    pub(crate) manner: Manner,
    /// COMMAND.
    pub(crate) child: Child,
    /// Who wants to know, with what lies beside the lock now.
    pub(crate) tell: &'a mut dyn FnMut(&Beside, Incident),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// COMMAND's own.
    pub status: ExitStatus,
    /// Who asked for it: a newer start that took over, or `monopoll stop`.
    pub superseded_by: Option<Asker>,
    /// The lock was lost to somebody else, and so the tree was ended.
    pub lost: bool,
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
    /// Who asked: the guard's exit status is not the child's.
    superseded_by: Option<Asker>,
    /// How the locks were found last.
    hold: Hold,
    /// They are somebody else's, and so the tree is being ended.
    lost: bool,
    /// When COMMAND was sent the signal that `graceful` sends, by whoever.
    signalled: HashMap<Signal, Duration>,
    /// When to look again.
    wake: Option<Duration>,
}

/// How the locks were found last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Firm,
    /// Somebody else has one.
    Contested {
        since: Duration,
    },
    /// Their place cannot be used.
    Unusable,
    /// Somebody else has one for good, and `on_lost` was applied.
    Lost,
}

impl Hold {
    fn next_try(self) -> Option<Duration> {
        match self {
            Hold::Firm => None,
            Hold::Contested { .. } => Some(NEXT_TRY),
            Hold::Unusable | Hold::Lost => Some(NEXT_TRY_LATER),
        }
    }
}

impl Guarding<'_> {
    /// Guards until the whole `tree` has ended: COMMAND and whatever it starts.
    #[must_use]
    pub(crate) fn run(&mut self, mut tree: Tree) -> End {
        let mut state = State {
            child: None,
            childless: false,
            ladder: None,
            superseded_by: None,
            hold: Hold::Firm,
            lost: false,
            signalled: HashMap::new(),
            wake: None,
        };
        let mut told = true;
        loop {
            while let Some(arrived) = self.alarm.next() {
                self.forward(arrived, &mut state);
            }
            self.reap(&mut state);
            if std::mem::take(&mut told) || state.hold != Hold::Firm {
                self.keep_hold(&tree, &mut state);
                self.hear(&tree, &mut state);
            }
            if let Some(end) = self.end_the_tree(&mut tree, &mut state) {
                return end;
            }
            let handles: Vec<&Handle> = if state.ladder.is_some() { tree.handles().collect() } else { Vec::new() };
            let next_try = state.hold.next_try().map(|pause| clock::patience().saturating_add(pause));
            Alarm::doze(Some(self.alarm), Some(&self.watch), &handles, state.wake.into_iter().chain(next_try).min());
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

    /// Sees to it that what lies in the place of the locks is held; where somebody else has it, `on_lost` says what comes.
    fn keep_hold(&mut self, tree: &Tree, state: &mut State) {
        match self.holding.check() {
            Grip::Intact if state.hold == Hold::Firm => {}
            Grip::Intact | Grip::Retaken => {
                state.hold = Hold::Firm;
                self.watch.changes_in(&self.holding.folders());
                self.record.locks = self.holding.ids();
                self.write_record();
                (self.tell)(self.holding.beside(), Incident::Retaken);
            }
            Grip::Failed(error) => {
                if std::mem::replace(&mut state.hold, Hold::Unusable) != Hold::Unusable {
                    (self.tell)(self.holding.beside(), Incident::Unusable(error));
                }
            }
            Grip::Contested => self.contest(tree, state),
        }
    }

    fn contest(&mut self, tree: &Tree, state: &mut State) {
        let now = clock::patience();
        let since = match state.hold {
            Hold::Lost => return,
            Hold::Contested { since } => since,
            Hold::Firm | Hold::Unusable => now,
        };
        // A start that would begin beside this guard sees it, and gives the lock back; one that has written its record did not.
        let another = self.holding.beside().record().is_some_and(|record| record.whereabouts != self.record.whereabouts);
        state.hold = Hold::Contested { since };
        if !another && now.saturating_sub(since) < CONTESTED {
            return;
        }
        state.hold = Hold::Lost;
        (self.tell)(self.holding.beside(), Incident::Lost(self.on_lost));
        match self.on_lost {
            OnLost::Warn => {}
            OnLost::Stop => {
                state.lost = true;
                self.begin_ending(tree, state, Manner { mode: Mode::Graceful, ..self.manner });
            }
        }
    }

    /// Hears what is asked, and puts back what has vanished.
    fn hear(&mut self, tree: &Tree, state: &mut State) {
        let ticket = self.record.ticket;
        let beside = self.holding.beside();
        if let Some(request) = beside.request_to(ticket)
            && !beside.is_acknowledged(&request.id)
            && beside.acknowledge(&request).is_ok()
        {
            debug!(pid = request.from_pid, "pid {} asked for the instance", request.from_pid);
            state.superseded_by = Some(request.asker());
            self.begin_ending(tree, state, request.manner());
        }
        self.put_back(ticket, state);
    }

    /// The record and the counter, where they have vanished.
    fn put_back(&mut self, ticket: Ticket, state: &State) {
        let beside = self.holding.beside();
        let (record, counter) = (beside.record(), beside.counter());
        match record {
            // Of two that write theirs at the same moment one is told: who has the newer lies there then.
            None if !beside.has_record() => {
                if let Err(error) = beside.claim_record(&self.record) {
                    self.unwritten(format!("the record cannot be written: {error}"));
                }
            }
            None => self.write_own_record(state),
            // Where somebody else has the lock, its record is true.
            Some(record) if record.ticket < ticket && state.hold == Hold::Firm => self.write_record(),
            Some(_) if counter.is_some() => return,
            Some(_) => {}
        }
        if let Err(error) = self.holding.beside().restore_counter(ticket) {
            self.unwritten(error.to_string());
        }
    }

    /// Says how far it is, unless somebody else has the lock: then that one's record is true.
    fn write_own_record(&mut self, state: &State) {
        match state.hold {
            Hold::Firm | Hold::Unusable => self.write_record(),
            Hold::Contested { .. } | Hold::Lost => {}
        }
    }

    fn write_record(&mut self) {
        if let Err(error) = self.holding.beside().write_record(&self.record) {
            self.unwritten(format!("the record cannot be written: {error}"));
        }
    }

    fn unwritten(&mut self, why: String) {
        // What was taken away meanwhile is told of by itself, and then written again.
        if self.holding.is_in_place() {
            (self.tell)(self.holding.beside(), Incident::Unwritten(why));
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
        self.write_own_record(state);
    }

    /// One step of ending the tree, if it is to be ended.
    fn end_the_tree(&mut self, tree: &mut Tree, state: &mut State) -> Option<End> {
        if state.ladder.is_none() && state.child.is_none() {
            return None;
        }
        let alive = if state.childless { Vec::new() } else { tree.members() };
        if state.ladder.is_none() && !alive.is_empty() {
            (self.tell)(self.holding.beside(), Incident::Leftovers(alive.len()));
            let manner = Manner { mode: Mode::Graceful, ..self.manner };
            self.begin_ending(tree, state, manner);
        }
        let end =
            |left| End { status: state.child.unwrap_or(ExitStatus::Fault), superseded_by: state.superseded_by, lost: state.lost, left };
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
                (self.tell)(self.holding.beside(), Incident::Stuck(id));
                Some(end(alive.len()))
            }
            // Without COMMAND there is nobody to guard, and a supervisor waits for its status.
            Next::GaveUp(GaveUp::OutlivedSignal(_)) if state.child.is_some() && state.superseded_by.is_none() => Some(end(alive.len())),
            // Whoever asked does not escalate, and has given up: the tree lives on, and so does its guard. How what COMMAND leaves
            // behind is ended, and how patiently the next one to ask is, are matters of their own.
            Next::GaveUp(GaveUp::OutlivedSignal(_)) => {
                state.superseded_by = None;
                state.ladder = None;
                // Where COMMAND has ended, what is left of it is ended next.
                state.wake = state.child.map(|_| clock::patience());
                self.record.stage(Stage::Running);
                self.write_own_record(state);
                None
            }
        }
    }
}
