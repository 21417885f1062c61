//! What a guard finds when it scans again after its start, and the places where it is reported.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info};

use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::Process;
use crate::guard::history_writer::HistoryWriter;
use crate::guard::second_copy::SecondCopy;
use crate::state::state_dir::StateDir;
use crate::terminate::execute::TerminateEvent;

pub enum FollowUpEvent<'a> {
    /// A conflict that this start had ended came back, and is ended again.
    Ending(&'a Plan),
    Terminate(TerminateEvent),
    /// A conflict came back, and is left running for the reason in this refused plan.
    ComesBack(&'a Plan),
    /// A process that only carried the token is now connected to the Bot API.
    Connected(&'a Process),
    /// A program that COMMAND has started may run twice.
    SecondCopy(&'a SecondCopy),
    /// A conflict that began after the start, and is left running.
    LaterCopy(&'a Conflict),
}

impl FollowUpEvent<'_> {
    /// Logs `text` about this event, as an error if a person must act.
    pub(crate) fn log(&self, text: impl fmt::Display) {
        match self {
            FollowUpEvent::ComesBack(_)
            | FollowUpEvent::Connected(_)
            | FollowUpEvent::SecondCopy(_)
            | FollowUpEvent::LaterCopy(_) => error!("{text}"),
            FollowUpEvent::Ending(_) | FollowUpEvent::Terminate(_) => info!("{text}"),
        }
    }
}

/// Logs an event, and returns it as a sentence for the history.
pub(crate) type OnFollowUp = Box<dyn FnMut(&FollowUpEvent<'_>) -> Option<String> + Send>;

/// The places where a scanning thread reports: the callback, which all of them share, and the
/// history.
pub(super) struct Reporter {
    pub(super) on_event: Arc<Mutex<OnFollowUp>>,
    pub(super) state_dir: Arc<StateDir>,
    pub(super) history: HistoryWriter,
}

impl Reporter {
    pub(super) fn tell(&self, event: &FollowUpEvent<'_>) -> Option<String> {
        let mut on_event = self.on_event.lock().unwrap_or_else(PoisonError::into_inner);
        (*on_event)(event)
    }

    pub(super) fn alert(&self, event: &FollowUpEvent<'_>) {
        if let Some(why) = self.tell(event) {
            self.history.alert(&self.state_dir, why);
        }
    }
}
