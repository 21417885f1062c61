//! The resident guard: it forwards signals, reaps, hears requests, and ends what is left of the tree.
//!
//! It sleeps in one poll and is woken by the kernel alone. It is the subreaper of everything that it started, so its tree
//! is whatever is below it, however often it forked.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nix::{
    errno::Errno,
    sys::{
        signal::Signal,
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};

use crate::{
    engine::{
        escalation::{Escalation, GaveUp, Manner, Mode, Next},
        signal,
        snapshot::ProcessId,
        takeover::Ticket,
    },
    error::ExitStatus,
    host::{
        beside::{Beside, Record, Stage},
        clock,
        linux::{
            handle::Handle,
            tree::Tree,
            wait::{Alarm, Arrived},
        },
        watch::Watch,
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
    pub(crate) child: u32,
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
    signalled: BTreeMap<Signal, Duration>,
    /// When to look again.
    wake: Option<Duration>,
}

impl Guarding<'_> {
    /// Guards until the whole `tree` has ended: COMMAND and whatever it starts.
    #[must_use]
    pub(crate) fn run(&mut self, mut tree: Tree) -> End {
        let mut state = State { child: None, childless: false, ladder: None, superseded_by: None, signalled: BTreeMap::new(), wake: None };
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

    /// Each signal reaches the child once: the terminal gave its own to the whole group already.
    fn forward(&self, arrived: Arrived, state: &mut State) {
        if arrived.signal == Signal::SIGCHLD || state.child.is_some() {
            return;
        }
        let child = pid(self.child);
        let in_my_group = nix::unistd::getpgid(Some(child)).is_ok_and(|group| group == nix::unistd::getpgrp());
        if !(arrived.by_terminal && in_my_group && !is_for_me_alone(arrived.signal)) {
            // It may just have ended; then its end is the next thing that is heard.
            let _ = nix::sys::signal::kill(child, arrived.signal);
        }
        state.signalled.entry(arrived.signal).or_insert_with(clock::patience);
        if arrived.signal == Signal::SIGTSTP {
            // Ctrl-Z stops both, and the shell that waits for the guard sees it stopped.
            let _ = nix::sys::signal::raise(Signal::SIGSTOP);
        }
    }

    /// Reaps whoever has ended, COMMAND or an orphan of its tree.
    fn reap(&self, state: &mut State) {
        loop {
            // Looked at first and reaped after: COMMAND's pid must not be used again while a signal may be on its way.
            let status = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
            state.childless = status == Err(Errno::ECHILD);
            let Ok(status) = status else { return };
            let Some(ended) = status.pid() else { return };
            if ended == pid(self.child) {
                state.child = Some(match status {
                    WaitStatus::Exited(_, code) => ExitStatus::Child(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
                    WaitStatus::Signaled(_, signal, _) => ExitStatus::Signalled(u8::try_from(signal as i32).unwrap_or(u8::MAX)),
                    _ => ExitStatus::Fault,
                });
            }
            if waitpid(ended, Some(WaitPidFlag::WNOHANG)).is_err() {
                return;
            }
        }
    }

    /// Hears what is asked, and puts back what has vanished.
    fn hear(&mut self, tree: &Tree, state: &mut State) {
        let ticket = self.record.ticket;
        if let Some(request) = self.beside.request_to(ticket)
            && !self.beside.is_acknowledged(&request.id)
            && self.beside.acknowledge(&request).is_ok()
        {
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
            ladder.hasten(manner);
            return;
        }
        let mut ladder = Escalation::new(manner);
        if let (Some(at), Some(child)) = (state.signalled.get(&number(manner.signal)), tree.id_of(self.child)) {
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

/// A terminal that is closed tells only the leader of its session.
fn is_for_me_alone(signal: Signal) -> bool {
    signal == Signal::SIGHUP && nix::unistd::getsid(None).is_ok_and(|leader| leader == nix::unistd::getpid())
}

fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

/// As the kernel's signals are called here.
pub(crate) fn number(signal: signal::Signal) -> Signal {
    match signal {
        signal::Signal::SigHup => Signal::SIGHUP,
        signal::Signal::SigInt => Signal::SIGINT,
        signal::Signal::SigQuit => Signal::SIGQUIT,
        signal::Signal::SigTerm => Signal::SIGTERM,
        signal::Signal::SigUsr1 => Signal::SIGUSR1,
        signal::Signal::SigUsr2 => Signal::SIGUSR2,
    }
}
