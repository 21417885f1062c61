//! The events of a start and its guard, for the subscriber of the program that has the library in
//! it.

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::engine::action::OnLost;
use crate::engine::instance::Instance;
use crate::guard::lock_keeper::LockEvent;
use crate::guard::start_event::{Observer, StartEvent};
use crate::report::{reasons, trace};
use crate::terminate::execute::TerminateEvent;
use crate::text::printable;

const INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct EventObserver<'a> {
    pub(super) instance: &'a Instance,
}

impl Observer for EventObserver<'_> {
    fn interval(&self) -> Duration {
        INTERVAL
    }

    fn on_event(&mut self, event: &StartEvent<'_>) {
        let instance = self.instance;
        match event {
            StartEvent::Looked { snapshot, plan, took } => trace::looked(snapshot, plan, *took),
            StartEvent::Queued => debug!("{instance}: waiting for another start to be through"),
            StartEvent::Waiting(plan) | StartEvent::Acting(plan) => {
                info!("{instance}: {}", printable(&reasons::plan_reason(plan)));
            }
            StartEvent::Still | StartEvent::Did(TerminateEvent::Still) => {
                info!("{instance}: still at it");
            }
            StartEvent::Did(TerminateEvent::Asked(pid)) => {
                debug!(pid, "{instance}: asked the guard");
            }
            StartEvent::Did(TerminateEvent::Acknowledged(pid)) => {
                debug!(pid, "{instance}: the guard heard");
            }
            StartEvent::Did(TerminateEvent::Sent(id, signal)) => {
                info!(pid = id.pid, "{instance}: sent {} to pid {}", signal.name(), id.pid);
            }
            StartEvent::Did(TerminateEvent::Ended(pid)) => {
                info!(pid, "{instance}: what was in the way has ended");
            }
            StartEvent::Clear(plan) => {
                for suspect in plan.unexpected_suspects() {
                    let (pid, reason) = (suspect.id.pid, reasons::SUSPECT);
                    warn!(pid, "{instance}: pid {pid} has {reason}; it is left alone");
                }
            }
        }
    }
}

/// The warning about a guard's lock; `stops` and `goes_on` say what the program then does.
pub(crate) fn lock_warning(event: &LockEvent, stops: &str, goes_on: &str) -> String {
    let lost =
        |then: &str| format!("the lock is lost to another guard; {then}, as `lock.on_lost` says");
    match event {
        LockEvent::Unwritten(what) => what.clone(),
        LockEvent::Retaken => {
            "the lock file was deleted, moved or replaced; it is held again".to_owned()
        }
        LockEvent::Unusable(error) => {
            format!("the lock file is gone and cannot be held again for now: {error}")
        }
        LockEvent::Lost(OnLost::Stop) => lost(stops),
        LockEvent::Lost(OnLost::Warn) => lost(goes_on),
    }
}

pub(super) fn warn_of_lock_event(instance: &Instance, event: &LockEvent) {
    let warning = lock_warning(event, "the program is to stand down", "the program goes on");
    warn!("{instance}: {warning}");
}
