//! Long polling as teloxide's listeners do it, with three differences: every answer is seen, a
//! conflict is not ridden out for ever, and nothing is confirmed at the end before the handlers
//! have finished.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
    vec,
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use teloxide::{
    RequestError,
    errors::AsResponseParameters,
    payloads::{GetUpdates, GetUpdatesSetters},
    requests::{Request, Requester},
    stop::{StopFlag, StopToken, mk_stop_token},
    types::{AllowedUpdate, Seconds, Update},
    update_listeners::{AsUpdateStream, UpdateListener},
};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::{
    error::{Error, ExitStatus},
    sys::clock,
    teloxide::{
        ListenerBuilder,
        conflict::{ConflictAdvice, ConflictSeries, Rival},
        health::Health,
    },
    text::sanitize,
};

/// How much longer than its own timeout a poll may take before its connection counts as dead.
const SLACK: Duration = Duration::from_secs(20);

/// How long the last word to the server may take.
const LAST_WORD: Duration = Duration::from_secs(10);

/// The longest pause after what is no conflict, such as a network that is down.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Polls until it is stopped, or a conflict has lasted too long.
pub(crate) struct Listener<R> {
    bot: R,
    instance: String,
    timeout: Duration,
    allowed: Vec<AllowedUpdate>,
    buffer: vec::IntoIter<Update>,
    pause: Duration,
    failures: u32,
    conflict: ConflictSeries,
    health: Health,
    asking: Option<ListenerBuilder>,
    shared: Arc<ListenerState>,
    token: StopToken,
    flag: StopFlag,
}

/// What whoever runs the listener wants to know of it afterwards.
#[derive(Debug, Default)]
pub(crate) struct ListenerState(Mutex<PollTimes>);

#[derive(Debug, Default)]
struct PollTimes {
    /// The offset above everything that a handler was given; 0: nothing was.
    handed: i32,
    /// The highest offset that the server is known to have heard.
    confirmed: i32,
    stood_down: Option<Error>,
}

impl ListenerState {
    fn marks(&self) -> MutexGuard<'_, PollTimes> {
        // Each mark is whole whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unconfirmed(&self) -> Option<i32> {
        let marks = self.marks();
        Some(marks.handed).filter(|handed| *handed > marks.confirmed)
    }

    /// Why polling was given up, if it was.
    pub(crate) fn stood_down(&self) -> Option<Error> {
        self.marks().stood_down.take()
    }

    /// Tells the server what has been handled, where it does not know that yet: whoever polls next
    /// is not given it again.
    pub(crate) async fn confirm<R: Requester<Err = RequestError>>(&self, bot: &R, instance: &str) {
        let Some(handed) = self.unconfirmed() else { return };
        match timeout(LAST_WORD, bot.get_updates().offset(handed).limit(1).timeout(0).send()).await
        {
            Ok(Ok(_)) => debug!(offset = handed, "{instance}: confirmed everything below {handed}"),
            Ok(Err(error)) => warn!(
                "{instance}: the last updates could not be confirmed and may come again: {}",
                said(&error)
            ),
            Err(_) => warn!(
                "{instance}: the last updates could not be confirmed in time and may come again"
            ),
        }
    }
}

impl<R: Requester<Err = RequestError>> Listener<R> {
    /// Nothing is asked yet.
    pub(crate) fn new(
        bot: R,
        instance: &str,
        timeout: Duration,
        window: Duration,
        health: Health,
    ) -> Listener<R> {
        let (token, flag) = mk_stop_token();
        Listener {
            bot,
            instance: instance.to_owned(),
            timeout,
            allowed: Vec::new(),
            buffer: Vec::new().into_iter(),
            pause: Duration::ZERO,
            failures: 0,
            conflict: ConflictSeries::new(window),
            health,
            asking: None,
            shared: Arc::default(),
            token,
            flag,
        }
    }

    /// Updates come in this way; `None`: through the bot.
    pub(crate) fn asking(self, asking: Option<ListenerBuilder>) -> Listener<R> {
        Listener { asking, ..self }
    }

    /// What is known of it afterwards.
    pub(crate) fn shared(&self) -> Arc<ListenerState> {
        Arc::clone(&self.shared)
    }

    /// What stops it.
    pub(crate) fn stop(&self) -> StopToken {
        self.token.clone()
    }

    /// The next update; `None` when it was stopped or has stood down. Updates that are left in the
    /// buffer then were never confirmed: they come again to whoever polls next.
    async fn next(&mut self) -> Option<Update> {
        loop {
            if self.flag.is_stopped() || self.shared.marks().stood_down.is_some() {
                return None;
            }
            if let Some(update) = self.buffer.next() {
                self.shared.marks().handed = update.id.as_offset();
                return Some(update);
            }
            let stopped = self.flag.clone();
            tokio::select! {
                biased;
                () = stopped => return None,
                () = self.poll() => {}
            }
        }
    }

    /// One poll, and the pause before it.
    async fn poll(&mut self) {
        sleep(std::mem::take(&mut self.pause)).await;
        let offset = self.shared.marks().handed;
        let seconds = u32::try_from(self.timeout.as_secs()).unwrap_or(u32::MAX);
        let asked = async {
            match &self.asking {
                Some(ask) => {
                    ask(GetUpdates::new()
                        .offset(offset)
                        .timeout(seconds)
                        .allowed_updates(self.allowed.clone()))
                    .await
                }
                None => {
                    self.bot
                        .get_updates()
                        .offset(offset)
                        .timeout(seconds)
                        .allowed_updates(self.allowed.clone())
                        .send()
                        .await
                }
            }
        };
        match timeout(self.timeout.saturating_add(SLACK), asked).await {
            Ok(Ok(updates)) => self.good(offset, updates),
            Ok(Err(error)) => match Rival::of(&error) {
                Some(rival) => self.conflict(rival, offset),
                None => self.failed(&said(&error), error.retry_after().map(Seconds::duration)),
            },
            Err(_) => self.failed("there was no answer in time", None),
        }
    }

    fn good(&mut self, offset: i32, updates: Vec<Update>) {
        self.health.good();
        self.confirmed(offset);
        self.buffer = updates.into_iter();
        if std::mem::take(&mut self.failures) > 0 {
            info!("{}: polling again", self.instance);
        }
        if let Some(count) = self.conflict.passed(clock::patience()) {
            info!(
                count,
                "{}: the conflict is over, after {count} polls that were answered with 409",
                self.instance
            );
        }
    }

    fn confirmed(&self, offset: i32) {
        let mut marks = self.shared.marks();
        marks.confirmed = marks.confirmed.max(offset);
    }

    fn conflict(&mut self, rival: Rival, offset: i32) {
        self.health.conflict();
        if rival == Rival::Poller {
            // The poll was evicted while it waited: its offset had been heard.
            self.confirmed(offset);
        }
        let instance = &self.instance;
        match self.conflict.arrived(clock::patience()) {
            ConflictAdvice::RideOut { pause, count: 1 } => {
                warn!(
                    "{instance}: {rival} (409 Conflict), which is ridden out for a while; {}",
                    rival.where_to_look()
                );
                self.pause = pause;
            }
            ConflictAdvice::RideOut { pause, count } => {
                info!(count, "{instance}: {rival} (409 Conflict), for the {count}th time");
                self.pause = pause;
            }
            ConflictAdvice::StandDown { lasted, count } => {
                let lasted = humantime::format_duration(Duration::from_secs(lasted.as_secs()));
                let times = if count == 1 {
                    "once".to_owned()
                } else {
                    format!("{count} times in {lasted}")
                };
                let what = format!("{instance}: stood down: {rival} (409 Conflict, {times})");
                self.shared.marks().stood_down =
                    Some(Error::new(ExitStatus::Refused, what).with_hint(rival.where_to_look()));
            }
        }
    }

    fn failed(&mut self, why: &str, retry_after: Option<Duration>) {
        let instance = &self.instance;
        self.failures = self.failures.saturating_add(1);
        self.pause = retry_after.unwrap_or_else(|| {
            LONGEST_PAUSE.min(Duration::from_secs(1 << (self.failures - 1).min(10)))
        });
        let pause = humantime::format_duration(self.pause);
        if self.failures == 1 {
            warn!("{instance}: a poll failed, and is tried again in {pause}: {why}");
        } else {
            debug!("{instance}: a poll failed, and is tried again in {pause}: {why}");
        }
    }
}

/// An error as it may be shown. Of an answer that cannot be read only the place is told: the rest
/// of it are people's messages.
pub(crate) fn said(error: &RequestError) -> String {
    if let RequestError::InvalidJson { source, .. } = error {
        return format!(
            "the answer cannot be understood, from line {}, column {} on",
            source.line(),
            source.column()
        );
    }
    sanitize(&error.to_string())
}

impl<'a, R> AsUpdateStream<'a> for Listener<R>
where
    R: Requester<Err = RequestError> + Send + Sync + 'a,
    R::GetUpdates: Send,
{
    type StreamErr = Infallible;
    type Stream = BoxStream<'a, Result<Update, Infallible>>;

    fn as_stream(&'a mut self) -> Self::Stream {
        stream::unfold(self, async |listener| {
            listener.next().await.map(|update| (Ok(update), listener))
        })
        .boxed()
    }
}

impl<R> UpdateListener for Listener<R>
where
    R: Requester<Err = RequestError> + Send + Sync + 'static,
    R::GetUpdates: Send,
{
    type Err = Infallible;

    fn stop_token(&mut self) -> StopToken {
        self.stop()
    }

    fn hint_allowed_updates(&mut self, hint: &mut dyn Iterator<Item = AllowedUpdate>) {
        self.allowed = hint.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_that_cannot_be_read_nothing_is_shown_but_where_it_breaks() {
        let raw = r#"{"ok":true,"result":[{"text":"a confession"},"#;
        let source = Arc::new(serde_json::from_str::<serde_json::Value>(raw).unwrap_err());
        let said = said(&RequestError::InvalidJson { source, raw: raw.into() });
        assert_eq!(said, "the answer cannot be understood, from line 1, column 45 on");
    }
}
