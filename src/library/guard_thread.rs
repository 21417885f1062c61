//! The thread of a guard: keeps the lock and reads requests while the program polls.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use tokio::sync::watch;
use tracing::info;

use crate::engine::instance::Instance;
use crate::engine::ladder::StopMode;
use crate::engine::policy::Purpose;
use crate::guard::follow_up::FollowUpScans;
use crate::guard::lock_monitor::{GuardEnd, LockCheckOutcome, LockEvent, LockMonitor};
use crate::library::event_observer::warn_of_lock_event;
use crate::library::in_process_claim::InProcessClaim;
use crate::library::lost::Lost;
use crate::state::end_request::{Asker, Request};
use crate::state::record::RecordStage;
use crate::sys::clock;
use crate::sys::machine::file_watch::FileWatch;
use crate::sys::machine::poll::Poller;
use crate::sys::machine::process_handle::ProcessHandle;

/// The state of the instance. If the thread ends in `Held`, it has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GuardReply {
    Held,
    Lost(Lost),
    /// The guard was dropped before it was lost.
    GivenBack,
}

pub(super) enum ThreadGuard {
    /// Holds the lock itself.
    Own(Box<OwnGuard>),
    /// A `monopoll run` above this process holds the lock for the whole tree.
    Adopted(AdoptedGuard),
}

impl ThreadGuard {
    pub(super) fn instance(&self) -> &Instance {
        match self {
            ThreadGuard::Own(own) => &own.claim.instance,
            ThreadGuard::Adopted(adopted) => &adopted.claim.instance,
        }
    }

    pub(super) fn lock_path(&self) -> &Path {
        match self {
            ThreadGuard::Own(own) => own.monitor.locks.first_path(),
            ThreadGuard::Adopted(adopted) => &adopted.lock,
        }
    }

    pub(super) fn hold(
        self,
        poller: &Poller,
        reply: &watch::Sender<GuardReply>,
        done: mpsc::Sender<()>,
    ) {
        match self {
            ThreadGuard::Own(mut own) => {
                own.hold(poller, reply);
                let watch = own.release();
                reply_end(reply, GuardReply::GivenBack);
                drop(done);
                // Closing a watch takes several milliseconds, so do it after `done`.
                drop(watch);
            }
            ThreadGuard::Adopted(adopted) => {
                adopted.hold(poller, reply);
                drop(adopted.claim);
                reply_end(reply, GuardReply::GivenBack);
                drop(done);
            }
        }
    }
}

fn reply_end(reply: &watch::Sender<GuardReply>, end: GuardReply) {
    reply.send_if_modified(|current| {
        let is_held = *current == GuardReply::Held;
        if is_held {
            *current = end;
        }
        is_held
    });
}

pub(super) struct OwnGuard {
    claim: InProcessClaim,
    monitor: LockMonitor,
    request: Option<Request>,
    _scans: Option<FollowUpScans>,
}

impl OwnGuard {
    pub(super) fn new(
        claim: InProcessClaim,
        monitor: LockMonitor,
        scans: Option<FollowUpScans>,
    ) -> OwnGuard {
        OwnGuard { claim, monitor, request: None, _scans: scans }
    }

    fn hold(&mut self, poller: &Poller, reply: &watch::Sender<GuardReply>) {
        let mut has_changed = true;
        while !poller.is_cancelled() {
            if mem::take(&mut has_changed) || self.monitor.next_check(clock::monotonic()).is_some()
            {
                self.check(reply);
            }
            let next = self.monitor.next_check(clock::monotonic());
            Poller::poll(Some(poller), Some(&self.monitor.watch), &[], next);
            has_changed = self.monitor.watch.drain();
        }
    }

    fn check(&mut self, reply: &watch::Sender<GuardReply>) {
        let instance = self.claim.instance.clone();
        let mut on_event = |event: LockEvent| warn_of_lock_event(&instance, &event);
        match self.monitor.check_locks(clock::monotonic(), &mut on_event) {
            LockCheckOutcome::Held => {}
            LockCheckOutcome::Lost => reply_end(reply, GuardReply::Lost(Lost::Taken)),
        }
        if let Some(request) = self.new_request() {
            info!(
                pid = request.from_pid,
                "{instance}: pid {} asks this program to release the lock", request.from_pid
            );
            reply_end(reply, GuardReply::Lost(Lost::to(&request)));
            self.monitor.set_stage(RecordStage::Stopping, &mut on_event);
            self.request = Some(request);
        }
        self.monitor.restore_files(&mut on_event);
    }

    /// Returns a request that was not seen before. A graceful one is acknowledged at once, one with
    /// `force` only after everything is released.
    fn new_request(&self) -> Option<Request> {
        let request = self
            .monitor
            .request()
            .filter(|request| self.request.as_ref().is_none_or(|last| last.id != request.id))?;
        let is_answered = match request.stop_options().mode {
            StopMode::Graceful => self.monitor.acknowledge(&request),
            StopMode::Force => true,
        };
        is_answered.then_some(request)
    }

    /// Releases everything in reverse order: the record, the lock, the claim within this process.
    /// Returns the watch, which can be closed later.
    fn release(self) -> FileWatch {
        let OwnGuard { claim, monitor, request, .. } = self;
        if let Some(request) = monitor.request() {
            // Acknowledge before releasing anything, because a start without an answer kills. If
            // the answer cannot be written, release anyway.
            let _ = monitor.acknowledge(&request);
        }
        monitor.remove_record();
        let (why, asked_by) = departure(request.as_ref());
        let watch = monitor.release(GuardEnd { why: why.to_owned(), asked_by, killed: 0 });
        drop(claim);
        watch
    }
}

fn departure(request: Option<&Request>) -> (&'static str, Option<u32>) {
    match request.map(Request::asker) {
        Some(Asker { pid, purpose: Purpose::Start }) => {
            ("a newer start took over; the program released the lock", Some(pid))
        }
        Some(Asker { pid, purpose: Purpose::Stop }) => {
            ("`monopoll stop` ended it; the program released the lock", Some(pid))
        }
        None => ("the program released the lock", None),
    }
}

pub(super) struct AdoptedGuard {
    pub(super) claim: InProcessClaim,
    pub(super) guard: ProcessHandle,
    pub(super) lock: PathBuf,
}

impl AdoptedGuard {
    fn hold(&self, poller: &Poller, reply: &watch::Sender<GuardReply>) {
        while !poller.is_cancelled() {
            if self.guard.has_ended() {
                reply_end(reply, GuardReply::Lost(Lost::Orphaned));
                Poller::poll(Some(poller), None, &[], None);
            } else {
                Poller::poll(Some(poller), None, &[&self.guard], None);
            }
        }
    }
}
