//! The history of an instance: its last hundred events, in a small file next to the lock.
//!
//! Each line is an event, so an unreadable line does not affect others (S22). The file is replaced
//! as a whole with the counter locked, so that concurrent writers lose nothing.

use crate::error::{Error, ExitStatus};
use crate::state::history_event::HistoryEvent;
use crate::state::state_dir::{StateDir, StateFile};
use crate::text::printable;

pub const MAX_EVENTS: usize = 100;

/// The maximum length of a line in bytes; longer lines are ignored. A hundred lines stay below the
/// 64 KiB that are read.
const MAX_LINE: usize = 640;

impl StateDir {
    /// Returns the readable events, oldest first.
    pub fn history(&self) -> Vec<HistoryEvent> {
        let text = self.folder().read(&self.name(StateFile::History)).unwrap_or_default();
        text.lines()
            .filter(|line| line.len() <= MAX_LINE)
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Adds events to the history. If that fails, the old events stay.
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
            // Keep the other events if one cannot be written.
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
}

/// Inserts an event by time: its writer may have waited while others wrote later events.
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
