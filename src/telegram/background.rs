//! A question to Telegram on a thread of its own, beside whatever the start does meanwhile.

use std::{
    io,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::Duration,
};

use crate::{
    sys::wake::Interrupted,
    sys::{
        clock,
        machine::{
            poll::{Poller, Wake},
            wake_pipe::WakePipe,
        },
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
    /// None where there is no thread to ring it.
    bell: Option<WakePipe>,
    until: Duration,
    timeout: Duration,
}

impl BackgroundRequest {
    pub(super) fn set_out(api: &Api, ask: fn(&Api) -> Seen) -> BackgroundRequest {
        let timeout = api.timeout;
        let until = clock::patience().saturating_add(timeout);
        let (send, answer) = mpsc::sync_channel(1);
        let bell = match Self::thread(api.clone(), ask, send.clone()) {
            Ok(bell) => Some(bell),
            Err(error) => {
                // There is room for it.
                let _ = send.send(Err(ApiError::Unreachable(format!(
                    "there is no thread to ask with ({error})"
                ))));
                None
            }
        };
        BackgroundRequest { answer, bell, until, timeout }
    }

    fn thread(api: Api, ask: fn(&Api) -> Seen, send: SyncSender<Seen>) -> io::Result<WakePipe> {
        let (bell, ringer) = WakePipe::hang()?;
        thread::Builder::new().name("telegram".to_owned()).spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(ask(&api));
            drop(ringer);
        })?;
        Ok(bell)
    }

    /// Waits for the answer as a start waits: a signal ends it.
    pub(super) fn wait(&self, poller: Option<&Poller>) -> Result<Seen, Interrupted> {
        if let Some(bell) = &self.bell {
            match Poller::listen(poller, bell, self.until) {
                Wake::Signal(signal) => return Err(Interrupted(signal)),
                Wake::Told | Wake::Ended | Wake::Late => {}
            }
        }
        Ok(self.answer.try_recv().unwrap_or(Err(ApiError::Late(self.timeout))))
    }

    /// Waits for the answer as any program waits.
    pub(super) fn answer(&self) -> Seen {
        let left = self.until.saturating_sub(clock::patience());
        self.answer.recv_timeout(left).unwrap_or(Err(ApiError::Late(self.timeout)))
    }
}
