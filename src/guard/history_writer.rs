//! What a guard, or a command that ends one, writes into the history. It is no reason not to start,
//! nor to wait before it: at most one warning.

use std::{cell::Cell, time::Duration};

use crate::{
    engine::{action::OnLost, history::Ticket, plan::Refusal},
    guard::{lock_keeper::Trouble, start::Stop},
    state::{
        event::{Cause, Ended, Event, Kind},
        record::Whereabouts,
        state_dir::Beside,
    },
    sys::clock,
};

/// One guard's or command's hand in the history.
pub(crate) struct Chronicle<'a> {
    /// Who writes.
    me: &'a Whereabouts,
    /// What it drew.
    ticket: Ticket,
    /// Whether it has warned already.
    warned: Cell<bool>,
}

impl<'a> Chronicle<'a> {
    /// Nothing is written yet.
    pub(crate) fn new(me: &'a Whereabouts, ticket: Ticket) -> Chronicle<'a> {
        Chronicle { me, ticket, warned: Cell::new(false) }
    }

    /// Something that happens now, to be written later.
    pub(crate) fn event(&self, kind: Kind) -> Event {
        Event::now(self.me, self.ticket, kind)
    }

    /// A start that came through, and whom it ended for that.
    pub(crate) fn started(
        &self,
        beside: &Beside,
        ended: Vec<Ended>,
        (command, child_pid): (&str, u32),
        took: Duration,
    ) {
        let start =
            Kind::Start { command: command.to_owned(), child_pid, took_ms: clock::millis(took) };
        let takeovers = ended
            .into_iter()
            .map(|ended| Kind::Takeover { ended, to_pid: Some(self.me.process.pid) });
        let events: Vec<Event> = takeovers.chain([start]).map(|kind| self.event(kind)).collect();
        self.write(beside, &events);
    }

    /// A start that did not, and whom it ended all the same.
    pub(crate) fn given_up(
        &self,
        beside: &Beside,
        ended: Vec<Ended>,
        (cause, why): (Cause, String),
    ) {
        let takeovers = ended.into_iter().map(|ended| Kind::Takeover { ended, to_pid: None });
        let events: Vec<Event> =
            takeovers.chain([Kind::refusal(cause, why)]).map(|kind| self.event(kind)).collect();
        self.write(beside, &events);
    }

    /// A guard that found its lock deleted or replaced.
    pub(crate) fn loss(&self, beside: &Beside, trouble: &Trouble) {
        let why = match trouble {
            Trouble::Retaken => "its file was deleted, moved or replaced; it was taken back",
            Trouble::Lost(OnLost::Stop) => "another guard has it; what this one guards is ended",
            Trouble::Lost(OnLost::Warn) => "another guard has it; what this one guards goes on",
            Trouble::Unwritten(_) | Trouble::Unusable(_) => return,
        };
        self.write(beside, &[self.event(Kind::Loss { why: why.to_owned(), times: 1 })]);
    }

    /// Writes what has happened.
    pub(crate) fn write(&self, beside: &Beside, events: &[Event]) {
        if let Err(error) = beside.remember(events)
            && !self.warned.replace(true)
        {
            tracing::warn!("{error}");
        }
    }
}

/// Why a start was given up, as the history has it.
pub(crate) fn reason(stop: &Stop) -> (Cause, String) {
    match stop {
        Stop::Refused { refusal, why, .. } => {
            let cause = match refusal {
                Refusal::Policy => Cause::Policy,
                Refusal::Storm => Cause::Limit,
                Refusal::Permission => Cause::Permission,
                Refusal::Superseded => Cause::Superseded,
            };
            (cause, why.clone())
        }
        Stop::Asked => {
            (Cause::Superseded, "a newer start took over before this one had started".to_owned())
        }
        Stop::Interrupted(signal) => {
            (Cause::Interrupted, format!("ended by signal {signal} before the start"))
        }
        Stop::Replaced => {
            (Cause::Failed, "the lock was deleted or replaced during the start".to_owned())
        }
        Stop::Failed(error) => (Cause::Failed, error.what.clone()),
    }
}
