//! The events of a start, and their receiver.

use std::time::Duration;

use crate::engine::plan::Plan;
use crate::engine::snapshot::Snapshot;
use crate::terminate::execute::TerminateEvent;

pub enum StartEvent<'a> {
    Scanned {
        snapshot: &'a Snapshot,
        plan: &'a Plan,
        /// The duration of the scan and the decision.
        took: Duration,
    },
    /// The start waits for another start of the instance to finish.
    Queued,
    /// Sent again if other conflicts have replaced the first ones.
    Waiting(&'a Plan),
    Acting(&'a Plan),
    Terminate(TerminateEvent),
    /// The last step is still in progress.
    Reminder,
    /// The last scan before the start found no conflict.
    Clear(&'a Plan),
}

pub trait Observer {
    /// The interval of [`StartEvent::Reminder`]; [`Duration::MAX`] for never.
    fn interval(&self) -> Duration;

    fn on_event(&mut self, event: &StartEvent<'_>);
}
