//! The interface between the machine and a guard. Tests implement it with a script.

use std::time::Duration;

use crate::engine::process::ProcessId;
use crate::engine::signal::SignalToSend;
use crate::engine::signal_sequence::Member;
use crate::error::ExitStatus;
use crate::scan::process_tree::GuardMembers;
use crate::supervise::child::Reaped;
use crate::supervise::left_behind::LeftBehind;
use crate::sys::machine::file_watch::FileWatch;
use crate::sys::machine::signals::ReceivedSignal;

pub trait GuardHost {
    /// Returns the time on a clock that stops during suspend.
    fn now(&self) -> Duration;

    fn next_signal(&mut self) -> Option<ReceivedSignal>;

    /// Forwards a signal to COMMAND, unless COMMAND has it from the terminal.
    fn forward(&mut self, signal: ReceivedSignal);

    /// Returns COMMAND; `None` once it has been reaped.
    fn child(&self) -> Option<ProcessId>;

    fn reap(&mut self) -> Reaped;

    /// Returns the living members of the tree, and pins new ones.
    fn members(&mut self) -> GuardMembers;

    fn send(&mut self, to: ProcessId, signal: SignalToSend);

    /// Returns whether a second copy of what COMMAND has started was found.
    fn has_second_copy(&self) -> bool;

    /// Classifies what a COMMAND with this status left behind.
    fn left_behind(&self, status: Option<ExitStatus>, members: &[Member]) -> LeftBehind;

    /// Sleeps until a signal, a change of a watched file, the end of a member if it `ends_tree`, or
    /// `until`.
    fn sleep(&mut self, watch: &FileWatch, ends_tree: bool, until: Option<Duration>) -> GuardWake;
}

/// The reasons a guard woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardWake {
    /// Something else than a file may have changed.
    pub may_concern_tree: bool,
    pub files_changed: bool,
}
