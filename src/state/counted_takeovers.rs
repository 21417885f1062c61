//! The takeovers in the history that count toward the limit.

use std::time::Duration;

use crate::engine::takeover_limit::{AttemptKind, TakeoverAttempt};
use crate::state::history_event::{GiveUpCause, HistoryEvent, HistoryEventKind};
use crate::state::record::HostProcess;
use crate::state::state_dir::StateDir;
use crate::sys::clock;

impl StateDir {
    pub(crate) fn takeover_attempts(&self, me: &HostProcess) -> Vec<TakeoverAttempt> {
        takeover_attempts(&self.history(), &me.boot, clock::since_boot())
    }
}

/// Returns the takeovers of this `boot`, successful or refused by the limit, without restarts by a
/// supervisor and `monopoll stop`. Conflicts ended by the same start share its ticket.
pub fn takeover_attempts(
    events: &[HistoryEvent],
    boot: &str,
    since_boot: Duration,
) -> Vec<TakeoverAttempt> {
    let attempt = |event: &HistoryEvent| {
        let kind = match &event.kind {
            HistoryEventKind::Takeover { .. } => AttemptKind::Done,
            HistoryEventKind::Refusal { cause: GiveUpCause::Limit, .. } => {
                AttemptKind::RefusedByLimit
            }
            HistoryEventKind::Refusal {
                cause:
                    GiveUpCause::Policy
                    | GiveUpCause::Permission
                    | GiveUpCause::Superseded
                    | GiveUpCause::Interrupted
                    | GiveUpCause::Failed,
                ..
            }
            | HistoryEventKind::Start { .. }
            | HistoryEventKind::Loss { .. }
            | HistoryEventKind::Alert { .. }
            | HistoryEventKind::Stop { .. }
            | HistoryEventKind::Clearing { .. } => return None,
        };
        // Without a boot id, an event in the future belongs to another boot.
        let ago = since_boot.checked_sub(Duration::from_millis(event.since_boot_ms))?;
        Some(TakeoverAttempt { ago, ticket: event.ticket, kind })
    };
    events.iter().filter(|event| event.boot == boot).filter_map(attempt).collect()
}
