//! The seam between deciding and doing: what the ladder needs of a machine. Tests put a scripted
//! one in its place.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    engine::{
        ladder::StopOptions,
        process::ProcessId,
        signal::{SignalResult, SignalToSend},
        snapshot::GuardView,
        stop_progress::Member,
    },
    sys::wake::Interrupted,
};

/// A machine with processes on it.
pub trait ProcessControl {
    /// The clock of patience: it stands still in suspend.
    fn now(&self) -> Duration;

    /// Those of `known` that live, and everything below them. A process that is new here is pinned
    /// by that.
    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member>;

    /// Those of `known` that live, and nobody else.
    fn living(&mut self, known: &BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        self.members(known).iter().map(|member| member.id).filter(|id| known.contains(id)).collect()
    }

    /// Sends a signal to exactly this process.
    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult;

    /// Sleeps until one of these ends, a file beside the lock changes, or it is this time.
    ///
    /// # Errors
    /// A signal told this start to give up.
    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted>;

    /// Asks a guard to end its tree, and waits at most two seconds for its word that it heard.
    ///
    /// # Errors
    /// A signal told this start to give up.
    fn ask(&mut self, guard: &GuardView, manner: StopOptions) -> Result<AskOutcome, Interrupted>;

    /// Whether a guard took its record away: by its own word it has ended all of its tree.
    fn has_signed_off(&mut self, guard: &GuardView) -> bool;

    /// Whether a guard that was asked has left: its lock is free.
    fn has_left(&mut self, guard: &GuardView) -> bool;
}

/// What a guard said when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskOutcome {
    /// It heard, and is ending its tree.
    Heard,
    /// Nothing, for two seconds.
    Silence,
    /// It was not asked: the question could not be put where it would be heard. That is no silence
    /// of its.
    Unasked(std::io::ErrorKind),
}
