//! Supervises COMMAND until its tree has ended: forwards signals, reaps processes, answers
//! requests, and ends the rest of the tree. On Linux, the guard is a subreaper and sees its whole
//! tree; elsewhere, only the visible part.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::{debug, warn};

use crate::engine::ladder::StopOptions;
use crate::engine::signal::{Signal, SignalToSend};
use crate::engine::signal_sequence::{AfterStep, GiveUpReason, SignalSequence};
use crate::error::ExitStatus;
use crate::guard::lock_monitor::{GuardEnd, LockCheckOutcome, LockEvent, LockMonitor};
use crate::scan::process_tree::GuardMembers;
use crate::state::end_request::Asker;
use crate::state::record::RecordStage;
use crate::supervise::child::possible_options;
use crate::supervise::guard_host::GuardHost;
use crate::supervise::left_behind::LeftBehind;
use crate::sys::machine::file_watch::FileWatch;
use crate::sys::machine::signals::ReceivedSignal;

/// The pause after a scan of the tree that found nothing: from twice this to about a second.
const FIRST_LOOK_AGAIN: Duration = Duration::from_millis(1);
const MAX_DOUBLINGS: u32 = 10;

pub enum GuardEvent {
    /// COMMAND left this many processes behind, which are being ended.
    LeftBehind(usize),
    Stuck(GiveUpReason),
    Lock(LockEvent),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupervisionEnd {
    pub status: ExitStatus,
    pub cause: EndCause,
    /// The number of processes that could not be ended and keep the lock.
    pub left: usize,
    /// The number of processes killed with SIGKILL.
    pub killed: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// COMMAND ended by itself, and left these processes behind.
    CommandEnded(Option<LeftBehind>),
    /// This start or stop asked the guard to end.
    Asked(Asker),
    /// Another guard has the lock, so the tree was ended.
    LockLost,
    /// A program of the tree ran already outside of it, so the tree was ended.
    SecondCopy,
}

/// The main loop of a guard, which handles its signals, its files and its tree.
pub struct Supervision<'a> {
    host: &'a mut dyn GuardHost,
    monitor: LockMonitor,
    /// The options for ending the tree, unless a request has its own.
    stop_options: StopOptions,
    on_event: &'a mut dyn FnMut(GuardEvent),
    status: Option<ExitStatus>,
    /// True if no child is left, so that the tree is empty.
    is_childless: bool,
    /// Set while the tree is being ended.
    progress: Option<SignalSequence>,
    asked_by: Option<Asker>,
    /// Set if this guard ends its tree by itself.
    own_cause: Option<EndCause>,
    left_behind: Option<LeftBehind>,
    killed: u32,
    /// The first time that each stop signal was forwarded.
    forwarded: BTreeMap<Signal, Duration>,
    check_at: Option<Duration>,
    /// The number of consecutive scans that found no member without proving that there is none.
    empty_looks: u32,
    /// False if only the state directory has changed, which does not affect the tree.
    may_have_changed: bool,
}

impl<'a> Supervision<'a> {
    /// `stop_options` apply unless a request has its own.
    pub fn new(
        host: &'a mut dyn GuardHost,
        monitor: LockMonitor,
        stop_options: StopOptions,
        on_event: &'a mut dyn FnMut(GuardEvent),
    ) -> Supervision<'a> {
        Supervision {
            host,
            monitor,
            stop_options,
            on_event,
            status: None,
            is_childless: false,
            progress: None,
            asked_by: None,
            own_cause: None,
            left_behind: None,
            killed: 0,
            forwarded: BTreeMap::new(),
            check_at: None,
            empty_looks: 0,
            may_have_changed: true,
        }
    }

    /// Supervises COMMAND until its tree has ended, or cannot be ended.
    pub fn run(&mut self) -> SupervisionEnd {
        // Ignore the changes of its own files.
        self.monitor.watch.drain();
        let mut check_files = true;
        loop {
            while let Some(signal) = self.host.next_signal() {
                self.may_have_changed = true;
                self.forward(signal);
            }
            self.reap();
            self.check_second_copy();
            if check_files || self.monitor.next_check(self.host.now()).is_some() {
                self.check_locks();
                self.answer_request();
            }
            if let Some(end) = self.end_tree() {
                return end;
            }
            let next_check = self.monitor.next_check(self.host.now());
            let until = self.check_at.into_iter().chain(next_check).min();
            let wake = self.host.sleep(&self.monitor.watch, self.progress.is_some(), until);
            self.may_have_changed =
                wake.may_concern_tree || self.check_at.is_some_and(|at| self.host.now() >= at);
            check_files = wake.files_changed;
        }
    }

    /// Removes the record if nothing of the tree is left, and releases the locks. Returns the
    /// watch, as [`LockMonitor::release`] does.
    pub fn release(self, left: usize, end: GuardEnd) -> FileWatch {
        if left == 0 {
            self.monitor.remove_record();
        }
        self.monitor.release(end)
    }

    fn forward(&mut self, signal: ReceivedSignal) {
        if signal.is_child_end() || self.status.is_some() {
            return;
        }
        if let Some(signal) = signal.stop_signal() {
            debug!(signal = signal.name(), "forwarding {signal} to COMMAND");
            let now = self.host.now();
            self.forwarded.entry(signal).or_insert(now);
        }
        self.host.forward(signal);
    }

    fn reap(&mut self) {
        let reaped = self.host.reap();
        self.may_have_changed |= reaped.child.is_some();
        self.status = self.status.or(reaped.child);
        self.is_childless = reaped.is_childless;
    }

    fn check_second_copy(&mut self) {
        if self.own_cause.is_none() && self.host.has_second_copy() {
            self.own_cause = Some(EndCause::SecondCopy);
            self.begin_ending(self.stop_options);
        }
    }

    fn check_locks(&mut self) {
        let on_event = &mut |event| (self.on_event)(GuardEvent::Lock(event));
        match self.monitor.check_locks(self.host.now(), on_event) {
            LockCheckOutcome::Held => {}
            LockCheckOutcome::Lost => {
                self.own_cause = Some(EndCause::LockLost);
                self.begin_ending(self.stop_options);
            }
        }
    }

    fn answer_request(&mut self) {
        if let Some(request) = self.monitor.request()
            && self.monitor.acknowledge(&request)
        {
            debug!(pid = request.from_pid, "pid {} asked this guard to end", request.from_pid);
            self.asked_by = Some(request.asker());
            self.begin_ending(request.stop_options());
        }
        self.monitor.restore_files(&mut |event| (self.on_event)(GuardEvent::Lock(event)));
    }

    fn set_stage(&mut self, stage: RecordStage) {
        self.monitor.set_stage(stage, &mut |event| (self.on_event)(GuardEvent::Lock(event)));
    }

    fn begin_ending(&mut self, options: StopOptions) {
        self.may_have_changed = true;
        if let Some(progress) = &mut self.progress {
            progress.hasten(possible_options(options));
            return;
        }
        let mut progress = SignalSequence::new(possible_options(options));
        if let (Some(at), Some(child)) = (self.forwarded.get(&options.signal), self.host.child()) {
            progress.already_signaled(child, *at);
        }
        self.progress = Some(progress);
        self.set_stage(RecordStage::Stopping);
    }

    /// Takes a step of ending the tree, if COMMAND has ended or a request has arrived.
    fn end_tree(&mut self) -> Option<SupervisionEnd> {
        if self.progress.is_none() && self.status.is_none() || !self.may_have_changed {
            return None;
        }
        let members = if self.is_childless {
            Vec::new()
        } else {
            let GuardMembers { members, is_proof } = self.host.members();
            if members.is_empty() && !is_proof {
                self.look_again();
                return None;
            }
            members
        };
        self.empty_looks = 0;
        if self.progress.is_none() && !members.is_empty() {
            (self.on_event)(GuardEvent::LeftBehind(members.len()));
            // After a forwarded signal, some processes are just slower than COMMAND.
            if self.forwarded.is_empty() {
                self.left_behind = Some(self.host.left_behind(self.status, &members));
            }
            self.begin_ending(self.stop_options);
        }
        let Some(progress) = &mut self.progress else { return Some(self.end(0)) };
        let next = progress.step(self.host.now(), &members);
        for (id, signal) in next.signals {
            self.host.send(id, signal);
            self.killed += u32::from(signal == SignalToSend::Kill);
        }
        match next.then {
            // COMMAND is not reaped yet; its SIGCHLD will come.
            AfterStep::Ended if self.status.is_none() => self.check_at = None,
            AfterStep::Ended => return Some(self.end(0)),
            AfterStep::Check { at } => self.check_at = Some(at),
            AfterStep::GaveUp(
                reason @ (GiveUpReason::OutlivedKill(_) | GiveUpReason::Unpinned(_)),
            ) => {
                (self.on_event)(GuardEvent::Stuck(reason));
                return Some(self.end(members.len()));
            }
            // Without COMMAND there is nothing to guard, and a supervisor waits for its status.
            AfterStep::GaveUp(GiveUpReason::OutlivedSignal(_))
                if self.status.is_some() && self.asked_by.is_none() =>
            {
                return Some(self.end(members.len()));
            }
            // The requester does not escalate and has given up, so the tree and its guard keep
            // running. Processes that COMMAND leaves behind and the next request have their own
            // options.
            AfterStep::GaveUp(GiveUpReason::OutlivedSignal(_)) => {
                self.asked_by = None;
                self.progress = None;
                self.check_at = self.status.map(|_| self.host.now());
                self.set_stage(RecordStage::Running);
            }
        }
        None
    }

    /// Waits longer each time. A hidden process may be one that only root can see.
    fn look_again(&mut self) {
        self.empty_looks += 1;
        if self.empty_looks == MAX_DOUBLINGS {
            warn!("COMMAND has ended, but processes that it started are left and cannot be read");
        }
        let doublings = self.empty_looks.min(MAX_DOUBLINGS);
        self.check_at = Some(self.host.now() + FIRST_LOOK_AGAIN * 2_u32.pow(doublings));
    }

    fn end(&self, left: usize) -> SupervisionEnd {
        SupervisionEnd {
            status: self.status.unwrap_or(ExitStatus::Fault),
            cause: match self.asked_by {
                Some(asker) => EndCause::Asked(asker),
                None => self.own_cause.unwrap_or(EndCause::CommandEnded(self.left_behind)),
            },
            left,
            killed: self.killed,
        }
    }
}
