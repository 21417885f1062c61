//! A machine as the ladder needs it; tests put a scripted one in its place.

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
    /// Returns the time of a clock that stands still in suspend.
    fn now(&self) -> Duration;

    /// Returns the living ones of `known` and all their descendants, and pins those that are new.
    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member>;

    /// Returns the living ones of `known`.
    fn living(&mut self, known: &BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        self.members(known).iter().map(|member| member.id).filter(|id| known.contains(id)).collect()
    }

    /// Sends a signal to exactly this process.
    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult;

    /// Sleeps until one of these processes ends, the state directory changes, or this time.
    ///
    /// # Errors
    /// A signal that ends the start arrived.
    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted>;

    /// Asks a guard to end its tree, and waits at most two seconds for its acknowledgement.
    ///
    /// # Errors
    /// A signal that ends the start arrived.
    fn ask(&mut self, guard: &GuardView, options: StopOptions) -> Result<AskOutcome, Interrupted>;

    /// Whether a guard has removed its record: it says that all of its tree has ended.
    fn has_signed_off(&mut self, guard: &GuardView) -> bool;

    /// Whether the lock of a guard that was asked is free.
    fn has_left(&mut self, guard: &GuardView) -> bool;
}

/// The answer of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskOutcome {
    /// It acknowledged the request, and is ending its tree.
    Heard,
    /// None for two seconds.
    Silence,
    /// The request could not be written: this is no silence of the guard.
    Unasked(std::io::ErrorKind),
}
