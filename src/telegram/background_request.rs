//! A request to Telegram on a thread of its own.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;
use std::{io, thread};

use crate::sys::clock;
use crate::sys::machine::poll::{Poller, WakePipe};
use crate::sys::wake::Interrupted;
use crate::telegram::api_error::ApiError;
use crate::telegram::bot_api::BotApi;
use crate::telegram::response::Webhook;

pub type WebhookAnswer = Result<Option<Webhook>, ApiError>;

/// A request on a thread of its own. The thread of one that is dropped ends by itself.
#[derive(Debug)]
pub(super) struct BackgroundRequest {
    answer: Receiver<WebhookAnswer>,
    /// Tells of the answer; `None` if there is no thread.
    pipe: Option<WakePipe>,
    until: Duration,
    timeout: Duration,
}

impl BackgroundRequest {
    pub(super) fn send(api: &BotApi, request: fn(&BotApi) -> WebhookAnswer) -> BackgroundRequest {
        let timeout = api.timeout;
        let until = clock::monotonic().saturating_add(timeout);
        let (sender, answer) = mpsc::sync_channel(1);
        let pipe = Self::spawn(api.clone(), request, sender.clone())
            .inspect_err(|error| {
                let why = format!("cannot start a thread ({error})");
                // The channel has room for it.
                let _ = sender.send(Err(ApiError::Unreachable(why)));
            })
            .ok();
        BackgroundRequest { answer, pipe, until, timeout }
    }

    fn spawn(
        api: BotApi,
        request: fn(&BotApi) -> WebhookAnswer,
        sender: SyncSender<WebhookAnswer>,
    ) -> io::Result<WakePipe> {
        let (pipe, wake_on_drop) = WakePipe::new()?;
        thread::Builder::new().name("telegram".to_owned()).spawn(move || {
            // The start may have given up meanwhile.
            let _ = sender.send(request(&api));
            drop(wake_on_drop);
        })?;
        Ok(pipe)
    }

    /// Waits for the answer; a signal that `poller` receives ends the wait.
    pub(super) fn wait(&self, poller: Option<&Poller>) -> Result<WebhookAnswer, Interrupted> {
        if let Some(pipe) = &self.pipe {
            Poller::sleep_on_pipe(poller, pipe, self.until)?;
        }
        Ok(self.answer.try_recv().unwrap_or(Err(ApiError::Late(self.timeout))))
    }

    pub(super) fn wait_uninterrupted(&self) -> WebhookAnswer {
        let left = self.until.saturating_sub(clock::monotonic());
        self.answer.recv_timeout(left).unwrap_or(Err(ApiError::Late(self.timeout)))
    }
}
