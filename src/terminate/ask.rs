//! What a start has to do with a guard: it is asked to end its tree, heard, and seen to leave.

use std::{cell::Cell, io::ErrorKind, sync::Arc, time::Duration};

use crate::{
    engine::{ladder::StopOptions, policy::Purpose, process::ProcessId, snapshot::GuardView},
    state::{
        lock_file::LockFile,
        protocol::{Asker, Request},
        state_dir::StateDir,
    },
    sys::{clock, file_mutex::AFTER_A_CLOSE, machine::poll::Poller, wake::Interrupted},
    terminate::process_control::AskOutcome,
};

/// How long a guard may take to say that it heard (S10).
const HEARING: Duration = Duration::from_secs(2);

/// What guards are asked, and by which files.
#[derive(Debug)]
pub(crate) struct GuardRequests {
    beside: Option<Arc<StateDir>>,
    /// Only to see whether a guard that cannot be seen has left.
    first_lock: Option<LockFile>,
    questions: Cell<u32>,
    /// What guards are asked for.
    purpose: Purpose,
}

impl GuardRequests {
    /// Nobody can be asked yet.
    pub(crate) fn nobody() -> GuardRequests {
        GuardRequests {
            beside: None,
            first_lock: None,
            questions: Cell::new(0),
            purpose: Purpose::Start,
        }
    }

    pub(crate) fn for_purpose(&mut self, purpose: Purpose) {
        self.purpose = purpose;
    }

    /// By these files from here on.
    pub(crate) fn by(&mut self, beside: Arc<StateDir>, first_lock: Option<LockFile>) {
        self.beside = Some(beside);
        self.first_lock = first_lock;
    }

    /// Asks a guard, and waits at most two seconds for its word, or its end; `sleep` may wake for
    /// anything that happens before its time.
    pub(crate) fn ask(
        &self,
        me: ProcessId,
        guard: &GuardView,
        manner: StopOptions,
        has_ended: impl Fn() -> bool,
        sleep: impl Fn(Duration) -> Result<(), Interrupted>,
    ) -> Result<AskOutcome, Interrupted> {
        let (Some(beside), Some(ticket)) = (&self.beside, guard.ticket) else {
            return Ok(AskOutcome::Silence);
        };
        self.questions.set(self.questions.get() + 1);
        let id = format!("{}-{}-{}", me.pid, me.start, self.questions.get());
        let until = clock::patience() + HEARING;
        let request =
            Request::new(id, ticket, Asker { pid: me.pid, purpose: self.purpose }, manner);
        if let Err(error) = beside.write_request(&request) {
            return Ok(AskOutcome::Unasked(error.kind()));
        }
        let answer = loop {
            // A guard that has ended has done more than it was asked to.
            if beside.is_acknowledged(&request.id) || has_ended() {
                break Ok(AskOutcome::Heard);
            }
            if !beside.folder().is_in_place() {
                break Ok(AskOutcome::Unasked(ErrorKind::NotFound));
            }
            if clock::patience() >= until {
                break Ok(AskOutcome::Silence);
            }
            if let Err(interrupted) = sleep(until) {
                break Err(interrupted);
            }
        };
        beside.remove_request();
        answer
    }

    /// Whether no guard's record is there any more.
    pub(crate) fn has_signed_off(&self) -> bool {
        self.beside.as_ref().is_some_and(|beside| !beside.has_record())
    }

    /// Whether nobody has the first lock any more.
    pub(crate) fn has_left(&self) -> bool {
        let Some(lock) = &self.first_lock else { return false };
        // Behind the turnstile nobody else of us tries, so a probe disturbs no start. A close is
        // told just before the lock goes.
        lock.probe_is_free()
            || AFTER_A_CLOSE.iter().any(|pause| {
                Poller::doze(None, None, &[], Some(clock::patience().saturating_add(*pause)));
                lock.probe_is_free()
            })
    }
}
