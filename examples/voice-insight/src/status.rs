//! What `/status` and `/health` say: the guard, the polling and the work.

#![expect(clippy::disallowed_types, reason = "says since when")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::queue::Counts;
use humantime::{format_duration, format_rfc3339_seconds};

use monopoll::internals::guard::lock_set::LockSet;
use monopoll::internals::state::history_event::HistoryEventKind;
use monopoll::internals::sys::clock;
use monopoll::teloxide::Health;

/// A bot whose last good poll is older than this is deaf: a poll takes ten seconds at most, and a
/// bad moment is forgiven.
const DEAF: Duration = Duration::from_mins(1);

/// What is known of this process.
#[derive(Debug)]
pub(crate) struct Status {
    /// What it holds.
    pub(crate) instance: String,
    /// The locks that it holds it by.
    pub(crate) locks: Vec<PathBuf>,
    /// Since when, to be shown.
    pub(crate) since: SystemTime,
    /// The same on the clock that nobody can set.
    pub(crate) begun: Duration,
    /// How its polling goes.
    pub(crate) health: Health,
    /// What it is doing.
    pub(crate) counts: Arc<Counts>,
    /// Which of its services are set up.
    pub(crate) services: &'static str,
}

impl Status {
    /// `/status`
    pub(crate) fn status(&self) -> String {
        let (open, answered) = (self.counts.open(), self.counts.answered());
        // The question itself is open while it is answered.
        let others = open.saturating_sub(1);
        format!(
            "{}\nMessages: {others} waiting or at work, {answered} answered since then.\n{}",
            self.guard(),
            self.services
        )
    }

    /// `/health`
    pub(crate) fn health(&self) -> String {
        let verdict = match (self.health.age(), self.health.conflicts()) {
            (None, _) => "Unhealthy: no poll has succeeded yet.".to_owned(),
            (Some(age), _) if age > DEAF => {
                format!("Unhealthy: no poll has succeeded for {}.", said(age))
            }
            (Some(_), 0) => "Healthy.".to_owned(),
            (Some(_), conflicts) => {
                format!(
                    "Healthy now, but another process polled with this bot's token: \
                     {conflicts} polls were answered with 409."
                )
            }
        };
        format!("{verdict}\n{}", self.guard())
    }

    fn guard(&self) -> String {
        let poll = self
            .health
            .age()
            .map_or_else(|| "none yet".to_owned(), |age| format!("{} ago", said(age)));
        let age = clock::since_boot().saturating_sub(self.begun);
        format!(
            "Instance {}, running since {} ({}).\nTakeovers: {}.\nLast poll: {poll}.",
            self.instance,
            format_rfc3339_seconds(self.since),
            said(age),
            self.takeovers()
        )
    }

    /// From the history beside the lock, which keeps the last hundred events.
    fn takeovers(&self) -> String {
        let Ok(Some(place)) = LockSet::open_existing(&self.locks) else {
            return "not known".to_owned();
        };
        let history = place.state_dir().history();
        let takeovers: Vec<u64> = history
            .iter()
            .filter(|event| matches!(event.kind, HistoryEventKind::Takeover { .. }))
            .map(|event| event.at)
            .collect();
        match takeovers.last().and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(*at))) {
            None => "none".to_owned(),
            Some(last) => {
                format!("{}, the last one at {}", takeovers.len(), format_rfc3339_seconds(last))
            }
        }
    }
}

/// A duration in whole seconds.
fn said(duration: Duration) -> String {
    format_duration(Duration::from_secs(duration.as_secs())).to_string()
}
