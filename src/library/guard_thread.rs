//! What the guard's thread does while the program polls: it keeps hold of the lock, and hears who
//! asks for it.

use std::{
    mem,
    sync::{Arc, mpsc},
};

use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    engine::{action::OnLost, instance::Instance, ladder::StopMode, purpose::Purpose},
    guard::{
        history_writer::HistoryWriter,
        in_process::InProcessClaim,
        lock_keeper::{KeepOutcome, LockEvent, LockKeeper},
    },
    library::{guard::GuardReply, lost::Lost},
    state::{
        event::HistoryEventKind,
        record::{Asker, RecordStage, Request},
        state_dir::StateDir,
    },
    sys::machine::{file_watch::FileWatch, pidfd::ProcessHandle, poll::Poller},
};

/// What was acquired.
pub(crate) enum ThreadGuard {
    /// The lock itself.
    Own(Box<OwnGuard>),
    /// A place under somebody who has it.
    Under(AdoptedGuard),
}

impl ThreadGuard {
    /// What is held.
    pub(crate) fn instance(&self) -> &Instance {
        match self {
            ThreadGuard::Own(own) => &own.instance,
            ThreadGuard::Under(under) => &under.instance,
        }
    }

    /// Holds until it is called back, gives back, and says so by dropping `through`.
    pub(crate) fn reside(
        self,
        alarm: &Poller,
        tell: &watch::Sender<GuardReply>,
        through: mpsc::Sender<()>,
    ) {
        match self {
            ThreadGuard::Own(mut own) => {
                own.hold(alarm, tell);
                let watch = own.give_back();
                last_word(tell);
                drop(through);
                // To close a watch takes the kernel some milliseconds: nobody waits for that.
                drop(watch);
            }
            ThreadGuard::Under(under) => {
                under.hold(alarm, tell);
                drop(under.claim);
                last_word(tell);
                drop(through);
            }
        }
    }
}

fn last_word(tell: &watch::Sender<GuardReply>) {
    tell.send_if_modified(|word| {
        mem::replace(word, if *word == GuardReply::Held { GuardReply::GivenBack } else { *word })
            == GuardReply::Held
    });
}

/// The first reason stays.
fn lose(tell: &watch::Sender<GuardReply>, lost: Lost) {
    tell.send_if_modified(|word| {
        let first = *word == GuardReply::Held;
        if first {
            *word = GuardReply::Lost(lost);
        }
        first
    });
}

/// A guard that holds the lock itself.
pub(crate) struct OwnGuard {
    instance: Instance,
    claim: InProcessClaim,
    keeper: LockKeeper,
    /// What was asked for last.
    asked: Option<Request>,
}

impl OwnGuard {
    /// Nobody has asked for it yet.
    pub(crate) fn new(instance: Instance, claim: InProcessClaim, keeper: LockKeeper) -> OwnGuard {
        OwnGuard { instance, claim, keeper, asked: None }
    }

    fn hold(&mut self, alarm: &Poller, tell: &watch::Sender<GuardReply>) {
        let mut told = true;
        while !alarm.is_recalled() {
            if mem::take(&mut told) || self.keeper.next_try().is_some() {
                self.look(tell);
            }
            let next = self.keeper.next_try();
            Poller::doze(Some(alarm), Some(&self.keeper.watch), &[], next);
            told = self.keeper.watch.drain();
        }
    }

    fn look(&mut self, tell: &watch::Sender<GuardReply>) {
        let (whereabouts, ticket) =
            (self.keeper.record.whereabouts.clone(), self.keeper.record.ticket);
        let (chronicle, instance) =
            (HistoryWriter::new(&whereabouts, ticket), self.instance.clone());
        let mut note = |beside: &StateDir, trouble: LockEvent| {
            chronicle.loss(beside, &trouble);
            say(&instance, &trouble);
        };
        match self.keeper.keep_hold(&mut note) {
            KeepOutcome::Still => {}
            KeepOutcome::Lost => lose(tell, Lost::Taken),
        }
        if let Some(request) = self.request() {
            info!(pid = request.from_pid, "{instance}: pid {} asks for it", request.from_pid);
            lose(tell, Lost::to(&request));
            self.keeper.stage(RecordStage::Stopping, &mut note);
            self.asked = Some(request);
        }
        self.keeper.put_back(&mut note);
    }

    /// A request that is new. One that is graceful is answered at once; to one with force nothing
    /// is promised, and so the answer waits until everything has been given back.
    fn request(&self) -> Option<Request> {
        let request = self
            .keeper
            .request()
            .filter(|request| self.asked.as_ref().is_none_or(|asked| asked.id != request.id))?;
        let heard = match request.manner().mode {
            StopMode::Graceful => self.keeper.holding.beside().acknowledge(&request).is_ok(),
            StopMode::Force => true,
        };
        heard.then_some(request)
    }

    /// In reverse order: the record, the lock, the place in this process. What is left can be
    /// dropped later.
    fn give_back(self) -> FileWatch {
        let OwnGuard { claim, keeper, asked, .. } = self;
        let LockKeeper { watch, holding, record, .. } = keeper;
        let beside = Arc::clone(holding.beside());
        if let Some(request) = beside.request_to(record.ticket)
            && !beside.is_acknowledged(&request.id)
        {
            // Before anything is given back: who is not answered in time kills, and then it would
            // be too late.
            let _ = beside.acknowledge(&request);
        }
        beside.remove_record(record.ticket);
        let chronicle = HistoryWriter::new(&record.whereabouts, record.ticket);
        let (why, asked_by) = departure(asked.as_ref());
        let left = chronicle.event(HistoryEventKind::Stop { why: why.to_owned(), asked_by });
        drop(holding);
        chronicle.write(&beside, &[left]);
        drop(claim);
        watch
    }
}

/// Why it left, as the history has it.
fn departure(asked: Option<&Request>) -> (&'static str, Option<u32>) {
    match asked.map(Request::asker) {
        Some(Asker { pid, purpose: Purpose::Start }) => {
            ("a newer start took over; the program gave it back", Some(pid))
        }
        Some(Asker { pid, purpose: Purpose::Stop }) => {
            ("`monopoll stop` ended it; the program gave it back", Some(pid))
        }
        None => ("the program gave it back", None),
    }
}

fn say(instance: &Instance, trouble: &LockEvent) {
    match trouble {
        LockEvent::Unwritten(what) => warn!("{instance}: {what}"),
        LockEvent::Retaken => {
            warn!("{instance}: the lock file was deleted, moved or replaced; it is held again");
        }
        LockEvent::Unusable(error) => {
            warn!("{instance}: the lock file is gone and cannot be held again for now: {error}");
        }
        LockEvent::Lost(OnLost::Stop) => {
            warn!(
                "{instance}: the lock is lost to another guard; the program is to stand down, as `lock.on_lost` says"
            );
        }
        LockEvent::Lost(OnLost::Warn) => warn!(
            "{instance}: the lock is lost to another guard; the program goes on, as `lock.on_lost` says"
        ),
    }
}

/// A guard that was adopted: somebody above holds the lock, for all that it started.
pub(crate) struct AdoptedGuard {
    pub(crate) instance: Instance,
    pub(crate) claim: InProcessClaim,
    pub(crate) guard: ProcessHandle,
}

impl AdoptedGuard {
    fn hold(&self, alarm: &Poller, tell: &watch::Sender<GuardReply>) {
        while !alarm.is_recalled() {
            if self.guard.has_ended() {
                lose(tell, Lost::Orphaned);
                Poller::doze(Some(alarm), None, &[], None);
            } else {
                Poller::doze(Some(alarm), None, &[&self.guard], None);
            }
        }
    }
}
