//! This host as a guard sees it: its signals, COMMAND, and the tree below it.

use std::time::Duration;

use crate::engine::process::ProcessId;
use crate::engine::signal::SignalToSend;
use crate::engine::signal_sequence::Member;
use crate::error::ExitStatus;
use crate::guard::copy_scans::CopyScans;
use crate::guard::second_copy::CopyAlarm;
use crate::guard::start_request::StartRequest;
use crate::scan::guard_tree::GuardTree;
use crate::scan::machine::process_id;
use crate::scan::process_tree::GuardMembers;
use crate::supervise::child::{Child, Reaped};
use crate::supervise::guard_host::{GuardHost, GuardWake};
use crate::supervise::left_behind::LeftBehind;
use crate::sys::clock;
use crate::sys::machine::file_watch::FileWatch;
use crate::sys::machine::memory;
use crate::sys::machine::poll::Poller;
use crate::sys::machine::process_handle::ProcessHandle;
use crate::sys::machine::signals::ReceivedSignal;
use crate::sys::wake::Wake;

pub(super) struct RealGuardHost<'a> {
    poller: &'a Poller,
    request: &'a StartRequest,
    child: Child,
    tree: GuardTree,
    alarm: &'a CopyAlarm,
    copies: Option<CopyScans>,
    has_slept: bool,
}

impl<'a> RealGuardHost<'a> {
    pub(super) fn new(
        poller: &'a Poller,
        request: &'a StartRequest,
        child: Child,
        tree: GuardTree,
        alarm: &'a CopyAlarm,
        copies: Option<CopyScans>,
    ) -> RealGuardHost<'a> {
        RealGuardHost { poller, request, child, tree, alarm, copies, has_slept: false }
    }
}

impl GuardHost for RealGuardHost<'_> {
    fn now(&self) -> Duration {
        clock::monotonic()
    }

    fn next_signal(&mut self) -> Option<ReceivedSignal> {
        self.poller.next_signal()
    }

    fn forward(&mut self, signal: ReceivedSignal) {
        self.child.forward(signal);
    }

    fn child(&self) -> Option<ProcessId> {
        process_id(self.child.pid())
    }

    fn reap(&mut self) -> Reaped {
        self.child.reap()
    }

    fn members(&mut self) -> GuardMembers {
        self.tree.members()
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) {
        self.tree.pinned.send(to, signal);
    }

    fn has_second_copy(&self) -> bool {
        self.alarm.is_raised()
    }

    fn left_behind(&self, status: Option<ExitStatus>, members: &[Member]) -> LeftBehind {
        LeftBehind::new(self.request, status, members)
    }

    fn sleep(&mut self, watch: &FileWatch, ends_tree: bool, until: Option<Duration>) -> GuardWake {
        let handles: Vec<&ProcessHandle> =
            if ends_tree { self.tree.pinned.handles().collect() } else { Vec::new() };
        // Run this last, to release the pages of the code above too.
        if !std::mem::replace(&mut self.has_slept, true) {
            memory::release_unused();
        }
        let next_scan = self.copies.as_ref().and_then(CopyScans::next);
        let until = until.into_iter().chain(next_scan).min();
        let wake = Poller::poll(Some(self.poller), Some(watch), &handles, until);
        if let Some(copies) = &mut self.copies {
            copies.begin_if_due();
        }
        GuardWake { may_concern_tree: wake != Wake::FileChanged, files_changed: watch.drain() }
    }
}
