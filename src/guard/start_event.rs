//! What happens while a start is under way, and who receives it.

use std::time::Duration;

use crate::engine::plan::Plan;
use crate::engine::snapshot::Snapshot;
use crate::terminate::execute::TerminateEvent;

/// What happens while a start is under way.
#[derive(Debug)]
pub enum StartEvent<'a> {
    /// It looked at the machine and decided.
    Looked {
        /// What was seen.
        snapshot: &'a Snapshot,
        /// What was decided.
        plan: &'a Plan,
        /// The time that the decision took.
        took: Duration,
    },
    /// It waits for another start of the instance to finish.
    Queued,
    /// It waits for the conflicts that the plan waits for; sent again where others have taken their
    /// place.
    Waiting(&'a Plan),
    /// It ends the conflicts that the plan ends.
    Acting(&'a Plan),
    /// Something was done to one of them.
    Did(TerminateEvent),
    /// It is still busy with what was said last.
    Still,
    /// The last look before the start found no conflict.
    Clear(&'a Plan),
}

/// Receives what happens while a start is under way.
pub trait Observer {
    /// How often it wants a [`StartEvent::Still`]; [`Duration::MAX`] for never.
    fn interval(&self) -> Duration;

    /// Something happened.
    fn on_event(&mut self, event: &StartEvent<'_>);
}
