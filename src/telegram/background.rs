//! A question to Telegram on a thread of its own, beside whatever the start does meanwhile.

use std::{
    io,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::Duration,
};

use crate::{
    sys::{
        clock,
        machine::poll::{Poller, WakePipe},
        wake::Interrupted,
    },
    telegram::{api::Api, api_error::ApiError, response::Webhook},
};

/// What was found out.
pub type Seen = Result<Option<Webhook>, ApiError>;

/// Something that is being asked on a thread of its own. One that nobody waits for any more is left
/// behind, and ends by itself.
#[derive(Debug)]
pub(super) struct BackgroundRequest {
    answer: Receiver<Seen>,
    /// `None` where no thread could be started.
    pipe: Option<WakePipe>,
    until: Duration,
    timeout: Duration,
}

impl BackgroundRequest {
    pub(super) fn set_out(api: &Api, ask: fn(&Api) -> Seen) -> BackgroundRequest {
        let timeout = api.timeout;
        let until = clock::patience().saturating_add(timeout);
        let (send, answer) = mpsc::sync_channel(1);
        let pipe = match Self::thread(api.clone(), ask, send.clone()) {
            Ok(pipe) => Some(pipe),
            Err(error) => {
                // There is room for it.
                let _ = send.send(Err(ApiError::Unreachable(format!(
                    "there is no thread to ask with ({error})"
                ))));
                None
            }
        };
        BackgroundRequest { answer, pipe, until, timeout }
    }

    fn thread(api: Api, ask: fn(&Api) -> Seen, send: SyncSender<Seen>) -> io::Result<WakePipe> {
        let (pipe, wake_on_drop) = WakePipe::new()?;
        thread::Builder::new().name("telegram".to_owned()).spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(ask(&api));
            drop(wake_on_drop);
        })?;
        Ok(pipe)
    }

    /// Waits for the answer as a start waits: a signal ends it.
    pub(super) fn wait(&self, poller: Option<&Poller>) -> Result<Seen, Interrupted> {
        if let Some(pipe) = &self.pipe {
            Poller::sleep_on_pipe(poller, pipe, self.until)?;
        }
        Ok(self.answer.try_recv().unwrap_or(Err(ApiError::Late(self.timeout))))
    }

    /// Waits for the answer as any program waits.
    pub(super) fn answer(&self) -> Seen {
        let left = self.until.saturating_sub(clock::patience());
        self.answer.recv_timeout(left).unwrap_or(Err(ApiError::Late(self.timeout)))
    }
}
