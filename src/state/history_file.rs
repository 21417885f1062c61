//! The history of an instance: its last hundred events, in a small file next to the lock.
//!
//! One event a line: a line that cannot be read takes no other with it (S22). The file is replaced
//! whole, with the counter locked, so that two writers lose nothing.

use std::time::Duration;

use crate::engine::takeover_history::{AttemptKind, TakeoverAttempt};
use crate::error::{Error, ExitStatus};
use crate::state::history_event::{GiveUpCause, HistoryEvent, HistoryEventKind};
use crate::state::record::HostProcess;
use crate::state::state_dir::{StateDir, StateFile};
use crate::sys::clock;
use crate::text::printable;

pub const MAX_EVENTS: usize = 100;

/// The longest line in bytes; a longer one is not ours. A hundred stay below the 64 KiB that are
/// read of a small file.
const MAX_LINE: usize = 640;

impl StateDir {
    /// Returns the last events, the oldest first, without those that cannot be read.
    pub fn history(&self) -> Vec<HistoryEvent> {
        let text = self.folder().read(&self.name(StateFile::History)).unwrap_or_default();
        text.lines()
            .filter(|line| line.len() <= MAX_LINE)
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Adds events to the history. After an error the old ones stay.
    pub fn add_to_history(&self, events: &[HistoryEvent]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let _locked = self.lock_counter()?;
        let mut all = self.history();
        for event in events {
            insert(&mut all, event.clone().shortened());
        }
        let mut text = String::new();
        for event in all.into_iter().rev().take(MAX_EVENTS).rev() {
            // The other events are kept if one cannot be written.
            let Ok(line) = serde_json::to_string(&event) else { continue };
            text.push_str(&line);
            text.push('\n');
        }
        let written = self.folder().write(&self.name(StateFile::History), &text);
        written.map_err(|error| {
            let path = self.path(StateFile::History);
            let path = printable(&path.to_string_lossy()).into_owned();
            let message = format!("cannot write the history: {error}: {path}");
            Error::new(ExitStatus::LockFile, message).with_source(error)
        })
    }

    pub(crate) fn takeover_attempts(&self, me: &HostProcess) -> Vec<TakeoverAttempt> {
        takeover_attempts(&self.history(), &me.boot, clock::since_boot())
    }
}

/// Inserts an event by its time: its writer may have waited for others that came later.
fn insert(all: &mut Vec<HistoryEvent>, mut event: HistoryEvent) {
    if let Some(last) = all.last().filter(|last| last.boot == event.boot)
        && event.kind.merge_repeat(&last.kind)
    {
        all.pop();
    }
    let is_later = |before: &&HistoryEvent| {
        before.boot == event.boot && before.since_boot_ms > event.since_boot_ms
    };
    let later = all.iter().rev().take_while(is_later).count();
    all.insert(all.len() - later, event);
}

/// Returns the takeovers of `boot`, done and refused by their limit, without restarts by a
/// supervisor and without `monopoll stop`. Conflicts that one start ended share its ticket.
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
        // Without a boot id, an event in the future is from another boot.
        let ago = since_boot.checked_sub(Duration::from_millis(event.since_boot_ms))?;
        Some(TakeoverAttempt { ago, ticket: event.ticket, kind })
    };
    events.iter().filter(|event| event.boot == boot).filter_map(attempt).collect()
}
