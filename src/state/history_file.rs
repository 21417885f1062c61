//! What happened to an instance: its last events, in a small file beside the lock.
//!
//! One event a line: a line that cannot be read takes no other with it (S22). The file is written
//! whole and renamed, behind the private lock that tickets are drawn behind, so that two writers
//! lose nothing. No secret gets into it, and every text is cut, so that all of it is always read.

use std::time::Duration;

use crate::{
    engine::start_history::{AttemptKind, TakeoverAttempt},
    error::Error,
    state::{
        event::{GiveUpCause, HistoryEvent, HistoryEventKind},
        record::HostProcess,
        state_dir::StateDir,
    },
    sys::clock,
};

/// How many events are kept.
pub const MOST_EVENTS: usize = 100;

/// The longest line, in bytes: a hundred of them stay below the 64 KiB that `host::folder` reads. A
/// longer one is not ours.
const LONGEST_LINE: usize = 640;

impl StateDir {
    /// The last events, the oldest first; what cannot be read did not happen.
    #[must_use]
    pub fn history(&self) -> Vec<HistoryEvent> {
        let text = self.folder().read(&self.history_name()).unwrap_or_default();
        text.lines()
            .filter(|line| line.len() <= LONGEST_LINE)
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Adds events to the history.
    ///
    /// # Errors
    /// They cannot be written; what was there still is.
    pub fn remember(&self, events: &[HistoryEvent]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let _alone = self.draw_alone()?;
        let mut all = self.history();
        for event in events {
            add(&mut all, event.clone().brief());
        }
        let mut text = String::new();
        for event in all.into_iter().rev().take(MOST_EVENTS).rev() {
            // A value of ours can always be said; one that could not would be no reason to lose the
            // others.
            let Ok(line) = serde_json::to_string(&event) else { continue };
            text.push_str(&line);
            text.push('\n');
        }
        self.folder().write(&self.history_name(), &text).map_err(|error| self.unwritten(&error))
    }
}

/// Puts an event where it belongs: whoever writes it may have waited for others that came after it.
fn add(all: &mut Vec<HistoryEvent>, mut event: HistoryEvent) {
    if let Some(last) = all.last().filter(|last| last.boot == event.boot)
        && event.kind.repeats(&last.kind)
    {
        all.pop();
    }
    let later = |before: &&HistoryEvent| {
        before.boot == event.boot && before.since_boot_ms > event.since_boot_ms
    };
    let later = all.iter().rev().take_while(later).count();
    all.insert(all.len() - later, event);
}

/// What the engine has to know of it now.
#[must_use]
pub fn of_this_boot(beside: &StateDir, me: &HostProcess) -> Vec<TakeoverAttempt> {
    tries(&beside.history(), &me.boot, clock::since_boot())
}

/// The takeovers of this boot, done and refused by their limit, for the engine. What an unguarded
/// bot's manager did is not among them, nor is `monopoll stop`: a person gets through with that.
/// Each conflict that a start ended is one of its own; they share the start's ticket.
#[must_use]
pub fn tries(events: &[HistoryEvent], boot: &str, since_boot: Duration) -> Vec<TakeoverAttempt> {
    let this_boot = events.iter().filter(|event| event.boot == boot);
    let tries = this_boot.filter_map(|event| {
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
            | HistoryEventKind::Stop { .. }
            | HistoryEventKind::Clearing { .. } => return None,
        };
        // Where boots cannot be told apart, what is still to come was in another one.
        let ago = since_boot.checked_sub(Duration::from_millis(event.since_boot_ms))?;
        Some(TakeoverAttempt { ago, ticket: event.ticket, kind })
    });
    tries.collect()
}
