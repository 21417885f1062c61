//! What a guard, or a command that ends one, writes into the history. It is no reason not to start,
//! nor to wait before it: at most one warning.

use std::{cell::Cell, time::Duration};

use crate::{
    engine::{action::OnLost, start_history::Ticket},
    guard::lock_keeper::LockEvent,
    state::{
        event::{EndedConflict, GiveUpCause, HistoryEvent, HistoryEventKind},
        record::HostProcess,
        state_dir::StateDir,
    },
    sys::clock,
};

/// One guard's or command's hand in the history.
pub(crate) struct HistoryWriter<'a> {
    /// Who writes.
    me: &'a HostProcess,
    /// What it drew.
    ticket: Ticket,
    /// Whether it has warned already.
    warned: Cell<bool>,
}

impl<'a> HistoryWriter<'a> {
    /// Nothing is written yet.
    pub(crate) fn new(me: &'a HostProcess, ticket: Ticket) -> HistoryWriter<'a> {
        HistoryWriter { me, ticket, warned: Cell::new(false) }
    }

    /// Something that happens now, to be written later.
    pub(crate) fn event(&self, kind: HistoryEventKind) -> HistoryEvent {
        HistoryEvent::now(self.me, self.ticket, kind)
    }

    /// A start that came through, and whom it ended for that.
    pub(crate) fn started(
        &self,
        beside: &StateDir,
        ended: Vec<EndedConflict>,
        (command, child_pid): (&str, u32),
        took: Duration,
    ) {
        let start = HistoryEventKind::Start {
            command: command.to_owned(),
            child_pid,
            took_ms: clock::millis(took),
        };
        let takeovers = ended
            .into_iter()
            .map(|ended| HistoryEventKind::Takeover { ended, to_pid: Some(self.me.process.pid) });
        let events: Vec<HistoryEvent> =
            takeovers.chain([start]).map(|kind| self.event(kind)).collect();
        self.write(beside, &events);
    }

    /// A start that did not, and whom it ended all the same.
    pub(crate) fn given_up(
        &self,
        beside: &StateDir,
        ended: Vec<EndedConflict>,
        (cause, why): (GiveUpCause, String),
    ) {
        let takeovers =
            ended.into_iter().map(|ended| HistoryEventKind::Takeover { ended, to_pid: None });
        let events: Vec<HistoryEvent> = takeovers
            .chain([HistoryEventKind::refusal(cause, why)])
            .map(|kind| self.event(kind))
            .collect();
        self.write(beside, &events);
    }

    /// A guard that found its lock deleted or replaced.
    pub(crate) fn loss(&self, beside: &StateDir, trouble: &LockEvent) {
        let why = match trouble {
            LockEvent::Retaken => "its file was deleted, moved or replaced; it was taken back",
            LockEvent::Lost(OnLost::Stop) => "another guard has it; what this one guards is ended",
            LockEvent::Lost(OnLost::Warn) => "another guard has it; what this one guards goes on",
            LockEvent::Unwritten(_) | LockEvent::Unusable(_) => return,
        };
        self.write(beside, &[self.event(HistoryEventKind::Loss { why: why.to_owned(), times: 1 })]);
    }

    /// Writes what has happened.
    pub(crate) fn write(&self, beside: &StateDir, events: &[HistoryEvent]) {
        if let Err(error) = beside.remember(events)
            && !self.warned.replace(true)
        {
            tracing::warn!("{error}");
        }
    }
}
