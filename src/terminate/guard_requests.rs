//! Asks guards to end their trees and detects when they have left.

use std::cell::Cell;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::ladder::StopOptions;
use crate::engine::policy::Purpose;
use crate::engine::process::ProcessId;
use crate::engine::snapshot::GuardView;
use crate::state::end_request::{Asker, Request};
use crate::state::lock_file::LockFile;
use crate::state::state_dir::StateDir;
use crate::sys::clock;
use crate::sys::file_mutex::RELEASE_PAUSES;
use crate::sys::machine::poll::Poller;
use crate::sys::wake::Interrupted;
use crate::terminate::process_control::AskOutcome;

/// The time limit for a guard to acknowledge a request (S10).
const ACKNOWLEDGE_TIME: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct GuardRequests {
    state_dir: Option<Arc<StateDir>>,
    /// Shows whether a guard outside of the process table has left.
    first_lock: Option<LockFile>,
    count: Cell<u32>,
    pub purpose: Purpose,
}

impl GuardRequests {
    pub fn set_files(&mut self, state_dir: Arc<StateDir>, first_lock: Option<LockFile>) {
        self.state_dir = Some(state_dir);
        self.first_lock = first_lock;
    }

    /// Sends a request, and waits up to two seconds for the guard to acknowledge it or end. `sleep`
    /// may return early.
    pub fn ask(
        &self,
        me: ProcessId,
        guard: &GuardView,
        options: StopOptions,
        now: impl Fn() -> Duration,
        has_ended: impl Fn() -> bool,
        sleep: impl Fn(Duration) -> Result<(), Interrupted>,
    ) -> Result<AskOutcome, Interrupted> {
        let other = match guard.other_lock.as_deref().map(StateDir::of_lock) {
            Some(None) => return Ok(AskOutcome::NoAnswer),
            Some(Some(state_dir)) => Some(state_dir),
            None => None,
        };
        let (Some(state_dir), Some(ticket)) =
            (other.as_ref().or(self.state_dir.as_deref()), guard.ticket)
        else {
            return Ok(AskOutcome::NoAnswer);
        };
        self.count.set(self.count.get() + 1);
        let id = format!("{}-{}-{}", me.pid, me.start, self.count.get());
        let until = now() + ACKNOWLEDGE_TIME;
        let asker = Asker { pid: me.pid, purpose: self.purpose };
        let request = Request::new(id, ticket, asker, options);
        if let Err(error) = state_dir.write_request(&request) {
            return Ok(AskOutcome::NotAsked(error.kind()));
        }
        let answer = loop {
            // A guard that has ended will not answer.
            if state_dir.is_acknowledged(&request.id) || has_ended() {
                break Ok(AskOutcome::Acknowledged);
            }
            if !state_dir.folder().is_in_place() {
                break Ok(AskOutcome::NotAsked(ErrorKind::NotFound));
            }
            if now() >= until {
                break Ok(AskOutcome::NoAnswer);
            }
            if let Err(interrupted) = sleep(until) {
                break Err(interrupted);
            }
        };
        state_dir.remove_request();
        answer
    }

    /// Returns whether the record next to a lock (`None`: the first) is gone.
    pub fn has_signed_off(&self, lock: Option<&Path>) -> bool {
        match lock {
            Some(lock) => StateDir::of_lock(lock).is_some_and(|state_dir| !state_dir.has_record()),
            None => self.state_dir.as_ref().is_some_and(|state_dir| !state_dir.has_record()),
        }
    }

    /// Returns whether a lock of this instance (`None`: the first) is free. Probing disturbs no
    /// start, because this one holds the start mutex. Retries briefly, because a close is reported
    /// just before the lock is released.
    pub(crate) fn has_left(&self, lock: Option<&Path>) -> bool {
        let other = lock.map(LockFile::open_at);
        let lock = match &other {
            Some(Some(lock)) => lock,
            Some(None) => return false,
            None => match &self.first_lock {
                Some(lock) => lock,
                None => return false,
            },
        };
        lock.probe_is_free()
            || RELEASE_PAUSES.iter().any(|pause| {
                Poller::poll(None, None, &[], Some(clock::monotonic().saturating_add(*pause)));
                lock.probe_is_free()
            })
    }
}
