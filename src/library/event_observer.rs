//! Logs the events of a start and its guard to the subscriber of the program that uses the library.

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::engine::action::OnLost;
use crate::engine::instance::Instance;
use crate::engine::policy::Purpose;
use crate::guard::follow_up_event::OnFollowUp;
use crate::guard::lock_monitor::LockEvent;
use crate::guard::start_event::{Observer, StartEvent};
use crate::report::{follow_up_text, not_touched, reasons, trace};
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
            StartEvent::Scanned { snapshot, plan, took } => {
                trace::scanned(snapshot, plan, Purpose::Start, *took);
            }
            StartEvent::Queued => debug!("{instance}: waiting for another start to finish"),
            StartEvent::Waiting(plan) | StartEvent::Acting(plan) => {
                info!("{instance}: {}", printable(&reasons::plan_reason(plan, Purpose::Start)));
            }
            StartEvent::Reminder | StartEvent::Terminate(TerminateEvent::Reminder) => {
                info!("{instance}: still waiting for it to end");
            }
            StartEvent::Terminate(TerminateEvent::Asked(pid)) => {
                debug!(pid, "{instance}: asked the guard to end its bot");
            }
            StartEvent::Terminate(TerminateEvent::Acknowledged(pid)) => {
                debug!(pid, "{instance}: the guard acknowledged the request");
            }
            StartEvent::Terminate(TerminateEvent::Sent(id, signal)) => {
                info!(pid = id.pid, "{instance}: sent {} to pid {}", signal.name(), id.pid);
            }
            StartEvent::Terminate(TerminateEvent::Ended(pid)) => {
                info!(pid, "{instance}: the conflict has ended");
            }
            StartEvent::Clear(plan) => {
                for line in not_touched::lines(plan, None) {
                    warn!("{instance}: {line}");
                }
            }
        }
    }
}

/// Returns the warning about a guard's lock. `stops` and `goes_on` describe what happens next.
pub(crate) fn lock_warning(event: &LockEvent, stops: &str, goes_on: &str) -> String {
    let lost =
        |then: &str| format!("another guard has the lock; {then}, because of `lock.on_lost`");
    match event {
        LockEvent::Unwritten(what) => what.clone(),
        LockEvent::Retaken => {
            "the lock file was deleted, moved or replaced; acquired again".to_owned()
        }
        LockEvent::Unusable(error) => {
            format!("the lock file is gone and cannot be acquired again yet: {error}")
        }
        LockEvent::Lost(OnLost::Stop) => lost(stops),
        LockEvent::Lost(OnLost::Warn) => lost(goes_on),
    }
}

/// Returns the callback for what a guard finds after its start.
pub(super) fn on_follow_up(instance: &Instance) -> OnFollowUp {
    let instance = instance.clone();
    Box::new(move |event| {
        let sentence = follow_up_text::sentence(event)?;
        event.log(format_args!("{instance}: {sentence}"));
        Some(sentence)
    })
}

pub(super) fn warn_of_lock_event(instance: &Instance, event: &LockEvent) {
    let warning =
        lock_warning(event, "the program should stop polling", "the program keeps running");
    warn!("{instance}: {warning}");
}
