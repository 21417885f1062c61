//! The state that a listener leaves behind: which updates were handed out and confirmed, and the
//! error that ended polling.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use teloxide::RequestError;
use teloxide::payloads::GetUpdatesSetters;
use teloxide::requests::{Request, Requester};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::error::Error;
use crate::text::sanitize;

const LAST_CONFIRMATION: Duration = Duration::from_secs(10);

/// The state of a listener, readable after it has ended.
#[derive(Debug, Default)]
pub(crate) struct PollState(Mutex<Values>);

#[derive(Debug, Default)]
struct Values {
    /// The offset after all updates handed to handlers; 0 if there were none.
    handed_out: i32,
    /// The highest offset that was confirmed to the server.
    confirmed: i32,
    error: Option<Error>,
}

impl PollState {
    fn values(&self) -> MutexGuard<'_, Values> {
        // A panic cannot leave a value inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn handed_out(&self) -> i32 {
        self.values().handed_out
    }

    pub(super) fn hand_out(&self, offset: i32) {
        self.values().handed_out = offset;
    }

    pub(super) fn note_confirmed(&self, offset: i32) {
        let mut values = self.values();
        values.confirmed = values.confirmed.max(offset);
    }

    pub(super) fn fail(&self, error: Error) {
        self.values().error = Some(error);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.values().error.is_some()
    }

    pub(super) fn take_error(&self) -> Option<Error> {
        self.values().error.take()
    }

    /// Confirms the handled updates, so that the next poller does not receive them again.
    pub(super) async fn confirm<R>(&self, bot: &R, instance: &str)
    where
        R: Requester<Err = RequestError>,
    {
        let Values { handed_out: offset, confirmed, .. } = *self.values();
        if offset <= confirmed {
            return;
        }
        let request = bot.get_updates().offset(offset).limit(1).timeout(0).send();
        match timeout(LAST_CONFIRMATION, request).await {
            Ok(Ok(_)) => debug!(offset, "{instance}: confirmed everything below {offset}"),
            Ok(Err(error)) => warn!(
                "{instance}: could not confirm the last updates; they may come again: {}",
                describe(&error)
            ),
            Err(_) => {
                warn!(
                    "{instance}: could not confirm the last updates in time; they may come again"
                );
            }
        }
    }
}

/// Returns the text of an error without secrets. For a response that cannot be parsed, returns only
/// the position, because the rest may contain users' messages.
pub(crate) fn describe(error: &RequestError) -> String {
    if let RequestError::InvalidJson { source, .. } = error {
        return format!(
            "cannot parse the answer, from line {}, column {} on",
            source.line(),
            source.column()
        );
    }
    sanitize(&error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_answer_that_cannot_be_parsed_is_described_by_its_position_alone() {
        let raw = r#"{"ok":true,"result":[{"text":"a confession"},"#;
        let source = Arc::new(serde_json::from_str::<serde_json::Value>(raw).unwrap_err());
        let text = describe(&RequestError::InvalidJson { source, raw: raw.into() });
        assert_eq!(text, "cannot parse the answer, from line 1, column 45 on");
    }
}
