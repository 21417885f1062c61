//! Writes the history of an instance: starts, takeovers, refusals, losses and ends. If it cannot be
//! written, this causes a warning, but never fails a start.

use std::cell::Cell;
use std::time::Duration;

use crate::engine::plan::{Conflict, ConflictCommand, Plan};
use crate::engine::process::ProcessId;
use crate::engine::signal::SignalToSend;
use crate::engine::ticket::Ticket;
use crate::state::history_event::{self, EndedConflict, GiveUp, HistoryEvent, HistoryEventKind};
use crate::state::record::HostProcess;
use crate::state::state_dir::StateDir;
use crate::sys::clock;
use crate::terminate::execute::TerminateEvent;

pub(crate) struct HistoryWriter {
    process: HostProcess,
    ticket: Ticket,
    has_warned: Cell<bool>,
}

impl HistoryWriter {
    pub(crate) fn new(process: HostProcess, ticket: Ticket) -> HistoryWriter {
        HistoryWriter { process, ticket, has_warned: Cell::new(false) }
    }

    pub(crate) fn event(&self, kind: HistoryEventKind) -> HistoryEvent {
        HistoryEvent::now(&self.process, self.ticket, kind)
    }

    pub(super) fn started(
        &self,
        state_dir: &StateDir,
        ended: Vec<EndedConflict>,
        start: HistoryEventKind,
    ) {
        let to_pid = Some(self.process.process.pid);
        let takeover = |ended| HistoryEventKind::Takeover { ended, to_pid };
        self.write_all(state_dir, ended.into_iter().map(takeover).chain([start]));
    }

    pub(super) fn given_up(
        &self,
        state_dir: &StateDir,
        ended: Vec<EndedConflict>,
        GiveUp { cause, why }: GiveUp,
    ) {
        let takeover = |ended| HistoryEventKind::Takeover { ended, to_pid: None };
        let refusal = HistoryEventKind::refusal(cause, why);
        self.write_all(state_dir, ended.into_iter().map(takeover).chain([refusal]));
    }

    pub(super) fn cleared(&self, state_dir: &StateDir, ended: Vec<EndedConflict>) {
        let clearing = |ended| HistoryEventKind::Clearing { ended };
        self.write_all(state_dir, ended.into_iter().map(clearing));
    }

    pub(super) fn lost(&self, state_dir: &StateDir, why: &str) {
        self.write_all(state_dir, [HistoryEventKind::Loss { why: why.to_owned(), times: 1 }]);
    }

    /// Writes the conflicts that a running guard ended when they came back.
    pub(super) fn ended_again(&self, state_dir: &StateDir, ended: Vec<EndedConflict>) {
        let to_pid = Some(self.process.process.pid);
        let takeover = |ended| HistoryEventKind::Takeover { ended, to_pid };
        self.write_all(state_dir, ended.into_iter().map(takeover));
    }

    pub(super) fn alert(&self, state_dir: &StateDir, why: String) {
        self.write_all(state_dir, [HistoryEventKind::Alert { why, times: 1 }]);
    }

    fn write_all(&self, state_dir: &StateDir, kinds: impl IntoIterator<Item = HistoryEventKind>) {
        let events: Vec<HistoryEvent> = kinds.into_iter().map(|kind| self.event(kind)).collect();
        self.write(state_dir, &events);
    }

    /// Writes these events. If that fails, warns once.
    pub(super) fn write(&self, state_dir: &StateDir, events: &[HistoryEvent]) {
        if let Err(error) = state_dir.add_to_history(events)
            && !self.has_warned.replace(true)
        {
            tracing::warn!("{error}");
        }
    }
}

pub(super) struct EndedLog {
    began: Duration,
    killed: Vec<ProcessId>,
    ended: Vec<EndedRoot>,
}

struct EndedRoot {
    /// The pid of the root; `None` in another PID namespace.
    pid: Option<u32>,
    at: Duration,
}

impl EndedLog {
    pub(super) fn begin(now: Duration) -> EndedLog {
        EndedLog { began: now, killed: Vec::new(), ended: Vec::new() }
    }

    pub(super) fn note(&mut self, event: TerminateEvent) {
        match event {
            TerminateEvent::Sent(id, SignalToSend::Kill) => self.killed.push(id),
            TerminateEvent::Ended(pid) => {
                self.ended.push(EndedRoot { pid, at: clock::monotonic() });
            }
            TerminateEvent::Asked(_)
            | TerminateEvent::Acknowledged(_)
            | TerminateEvent::Reminder
            | TerminateEvent::Sent(_, SignalToSend::Signal(_) | SignalToSend::Continue) => {}
        }
    }

    pub(super) fn conflicts(&self, plan: &Plan) -> Vec<EndedConflict> {
        plan.conflicts_to_end().filter_map(|conflict| self.conflict(conflict)).collect()
    }

    fn conflict(&self, conflict: &Conflict) -> Option<EndedConflict> {
        let pid = conflict.pid();
        let ended = self.ended.iter().find(|ended| ended.pid == pid)?;
        let killed =
            conflict.processes().filter(|process| self.killed.contains(&process.id)).count();
        Some(EndedConflict {
            from_pid: pid,
            command: match conflict.command() {
                ConflictCommand::Recorded(command) => command.to_owned(),
                ConflictCommand::Arguments(args) => history_event::short_command(args),
                ConflictCommand::Unknown => String::new(),
            },
            action: conflict.action,
            rule: conflict.decided_by.rule().map(str::to_owned),
            took_ms: clock::millis(ended.at.saturating_sub(self.began)),
            killed: u32::try_from(killed).unwrap_or(u32::MAX),
        })
    }
}
