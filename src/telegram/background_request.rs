//! Requests to Telegram that do not block the start.

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

/// A request to Telegram on its own thread. After a drop, the thread ends by itself.
#[derive(Debug)]
pub(super) struct BackgroundRequest {
    answer: Receiver<WebhookAnswer>,
    /// Wakes a poller when the answer arrives; `None` if the thread could not be started.
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
                // The channel has room for the error.
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
            // The receiver may be gone if the start gave up.
            let _ = sender.send(request(&api));
            drop(wake_on_drop);
        })?;
        Ok(pipe)
    }

    /// Waits for the answer. A signal that `poller` receives ends the wait.
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
