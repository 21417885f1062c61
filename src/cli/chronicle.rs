//! What a command writes into the history. It is no reason not to start, nor to wait before it: at most one warning.

use std::time::Duration;

use crate::{
    engine::{plan::Refusal, purpose::Purpose, takeover::Ticket},
    error::ExitStatus,
    guard::settle::Stop,
    host::{
        beside::{Asker, Beside, Whereabouts},
        history::{Cause, Ended, Event, Kind, millis},
    },
    wrap::supervise::End,
};

/// One command's hand in the history.
pub(super) struct Chronicle<'a> {
    /// Where it lies.
    pub(super) beside: &'a Beside,
    /// Who writes.
    pub(super) me: &'a Whereabouts,
    /// What it drew.
    pub(super) ticket: Ticket,
}

impl Chronicle<'_> {
    /// Something that happens now, to be written later.
    pub(super) fn event(&self, kind: Kind) -> Event {
        Event::now(self.me, self.ticket, kind)
    }

    /// A start that came through, and whom it ended for that.
    pub(super) fn started(&self, ended: Vec<Ended>, command: &str, child_pid: u32, took: Duration) {
        let start = Kind::Start { command: command.to_owned(), child_pid, took_ms: millis(took) };
        let takeovers = ended.into_iter().map(|ended| Kind::Takeover { ended, to_pid: Some(self.me.process.pid) });
        let events: Vec<Event> = takeovers.chain([start]).map(|kind| self.event(kind)).collect();
        self.write(&events);
    }

    /// A start that did not, and whom it ended all the same.
    pub(super) fn given_up(&self, ended: Vec<Ended>, (cause, why): (Cause, String)) {
        let takeovers = ended.into_iter().map(|ended| Kind::Takeover { ended, to_pid: None });
        let events: Vec<Event> = takeovers.chain([Kind::refusal(cause, why)]).map(|kind| self.event(kind)).collect();
        self.write(&events);
    }

    pub(super) fn write(&self, events: &[Event]) {
        if let Err(error) = self.beside.remember(events) {
            tracing::warn!("{error}");
        }
    }
}

/// Why a start was given up, as the history has it.
pub(super) fn reason(stop: &Stop) -> (Cause, String) {
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
        Stop::Asked => (Cause::Superseded, "a newer start took over before this one had started".to_owned()),
        Stop::Replaced => (Cause::Failed, "the lock was deleted or replaced during the start".to_owned()),
        Stop::Interrupted(signal) => (Cause::Interrupted, format!("ended by signal {signal} before the start")),
        Stop::Failed(error) => (Cause::Failed, error.what.clone()),
    }
}

/// Why a guard left, as the history has it.
pub(super) fn departure(end: &End) -> Kind {
    let how = match end.status {
        ExitStatus::Signalled(signal) => format!("COMMAND was ended by signal {signal}"),
        status => format!("COMMAND exited with {}", status.code()),
    };
    let (why, asked_by) = match end.superseded_by {
        Some(Asker { pid, purpose: Purpose::Start }) => (format!("a newer start took over; {how}"), Some(pid)),
        Some(Asker { pid, purpose: Purpose::Stop }) => (format!("`monopoll stop` ended it; {how}"), Some(pid)),
        None if end.lost => (format!("the lock was lost to another guard; {how}"), None),
        None => (how, None),
    };
    let why = if end.left == 0 { why } else { format!("{why}; {} processes of its tree could not be ended", end.left) };
    Kind::Stop { why, asked_by }
}
