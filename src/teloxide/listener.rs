//! Long polling like teloxide's own listener, with three differences: every response is inspected,
//! a conflict is not retried forever, and nothing is confirmed on shutdown before the handlers have
//! finished.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use teloxide::RequestError;
use teloxide::errors::AsResponseParameters;
use teloxide::payloads::{GetUpdates, GetUpdatesSetters};
use teloxide::requests::{Request, Requester};
use teloxide::stop::{StopFlag, StopToken, mk_stop_token};
use teloxide::types::{AllowedUpdate, Seconds, Update};
use teloxide::update_listeners::{AsUpdateStream, UpdateListener};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::error::{Error, ExitStatus};
use crate::sys::clock;
use crate::teloxide::conflict_window::{ConflictAdvice, ConflictCause, ConflictSeries};
use crate::teloxide::health::Health;
use crate::teloxide::poll_state::{PollState, describe};

/// The time after the poll timeout at which the connection counts as dead.
const SLACK: Duration = Duration::from_secs(20);

const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The program's replacement for `getUpdates`.
pub(super) type GetUpdatesFn =
    Box<dyn Fn(GetUpdates) -> BoxFuture<'static, Result<Vec<Update>, RequestError>> + Send + Sync>;

pub(super) struct Listener<R> {
    bot: R,
    instance: String,
    timeout: Duration,
    allowed_updates: Vec<AllowedUpdate>,
    /// Updates received but not yet passed to handlers.
    buffer: vec::IntoIter<Update>,
    pause: Duration,
    failures: u32,
    conflict: ConflictSeries,
    health: Health,
    get_updates: Option<GetUpdatesFn>,
    pub(super) state: Arc<PollState>,
    pub(super) stop_token: StopToken,
    stop_flag: StopFlag,
}

impl<R: Requester<Err = RequestError>> Listener<R> {
    /// Creates a listener. Without `get_updates`, it polls through `bot`.
    pub(super) fn new(
        bot: R,
        instance: &str,
        timeout: Duration,
        conflict_window: Duration,
        health: Health,
        get_updates: Option<GetUpdatesFn>,
    ) -> Listener<R> {
        let (stop_token, stop_flag) = mk_stop_token();
        Listener {
            bot,
            instance: instance.to_owned(),
            timeout,
            allowed_updates: Vec::new(),
            buffer: Vec::new().into_iter(),
            pause: Duration::ZERO,
            failures: 0,
            conflict: ConflictSeries::new(conflict_window),
            health,
            get_updates,
            state: Arc::default(),
            stop_token,
            stop_flag,
        }
    }

    /// Returns the next update; `None` once polling was stopped or has failed. Updates still in the
    /// buffer stay unconfirmed, so the next poller gets them.
    async fn next(&mut self) -> Option<Update> {
        loop {
            if self.stop_flag.is_stopped() || self.state.has_failed() {
                return None;
            }
            if let Some(update) = self.buffer.next() {
                self.state.hand_out(update.id.as_offset());
                return Some(update);
            }
            let stopped = self.stop_flag.clone();
            tokio::select! {
                biased;
                () = stopped => return None,
                () = self.poll() => {}
            }
        }
    }

    async fn poll(&mut self) {
        sleep(std::mem::take(&mut self.pause)).await;
        let offset = self.state.handed_out();
        let seconds = u32::try_from(self.timeout.as_secs()).unwrap_or(u32::MAX);
        let allowed = self.allowed_updates.clone();
        let request = async {
            if let Some(get_updates) = &self.get_updates {
                let request = GetUpdates::new().offset(offset).timeout(seconds);
                get_updates(request.allowed_updates(allowed)).await
            } else {
                let request = self.bot.get_updates().offset(offset).timeout(seconds);
                request.allowed_updates(allowed).send().await
            }
        };
        match timeout(self.timeout.saturating_add(SLACK), request).await {
            Ok(Ok(updates)) => self.note_success(offset, updates),
            Ok(Err(error)) => {
                if let Some(cause) = ConflictCause::of(&error) {
                    self.note_conflict(cause, offset);
                } else {
                    let retry_after = error.retry_after().map(Seconds::duration);
                    self.note_failure(&describe(&error), retry_after);
                }
            }
            Err(_) => self.note_failure("no answer in time", None),
        }
    }

    fn note_success(&mut self, offset: i32, updates: Vec<Update>) {
        self.health.note_success();
        self.state.note_confirmed(offset);
        self.buffer = updates.into_iter();
        if std::mem::take(&mut self.failures) > 0 {
            info!("{}: polling again", self.instance);
        }
        if let Some(count) = self.conflict.success_at(clock::monotonic()) {
            info!(
                count,
                "{}: the conflict is over, after {count} polls that were answered with 409",
                self.instance
            );
        }
    }

    fn note_conflict(&mut self, cause: ConflictCause, offset: i32) {
        self.health.note_conflict();
        if cause == ConflictCause::Poller {
            // The server evicted the poll while it waited, so it had received the offset.
            self.state.note_confirmed(offset);
        }
        let instance = &self.instance;
        match self.conflict.conflict_at(clock::monotonic()) {
            ConflictAdvice::RideOut { pause, count: 1 } => {
                warn!(
                    "{instance}: {cause} (409 Conflict); polling is retried for a while; {}",
                    cause.hint()
                );
                self.pause = pause;
            }
            ConflictAdvice::RideOut { pause, count } => {
                info!(count, "{instance}: {cause} (409 Conflict), for the {count}th time");
                self.pause = pause;
            }
            ConflictAdvice::GiveUp { lasted, count } => {
                let lasted = humantime::format_duration(Duration::from_secs(lasted.as_secs()));
                let times = if count == 1 {
                    "once".to_owned()
                } else {
                    format!("{count} times in {lasted}")
                };
                let message =
                    format!("{instance}: stopped polling: {cause} (409 Conflict, {times})");
                let error = Error::new(ExitStatus::Refused, message).with_hint(cause.hint());
                self.state.fail(error);
            }
        }
    }

    fn note_failure(&mut self, why: &str, retry_after: Option<Duration>) {
        let instance = &self.instance;
        self.failures = self.failures.saturating_add(1);
        self.pause = retry_after.unwrap_or_else(|| {
            MAX_PAUSE.min(Duration::from_secs(1 << (self.failures - 1).min(10)))
        });
        let pause = humantime::format_duration(self.pause);
        if self.failures == 1 {
            warn!("{instance}: a poll failed; retrying in {pause}: {why}");
        } else {
            debug!("{instance}: a poll failed; retrying in {pause}: {why}");
        }
    }
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
        self.stop_token.clone()
    }

    fn hint_allowed_updates(&mut self, hint: &mut dyn Iterator<Item = AllowedUpdate>) {
        self.allowed_updates = hint.collect();
    }
}
