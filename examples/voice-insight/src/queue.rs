//! Where messages wait for their answers: recordings of one chat in their order, so many at once in
//! all; the rest right away.
//!
//! Every message that is taken has one task. It ends with the answer delivered, or with the message
//! left in the journal because the bot ends.

mod job;

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::answers::Answers;
use crate::intake::Letter;
use crate::journal::{Entry, Journal, Notice, Taken};
use crate::lines::Lines;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::telegram::Telegram;
use job::{Place, Shared};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

/// Takes messages and sees to it that each is answered once.
#[derive(Debug)]
pub(crate) struct Queue {
    at: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
}

/// What the queue is doing, for `/status`.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    open: AtomicUsize,
    answered: AtomicU64,
}

impl Counts {
    /// Messages that were taken and are not answered.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Messages that were answered since the start.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(
        settings: &Settings,
        journal: Journal,
        telegram: Telegram,
        answers: Answers,
        shutdown: Shutdown,
        counts: Arc<Counts>,
    ) -> Queue {
        let shared = Shared {
            journal,
            telegram,
            answers,
            shutdown,
            lines: Lines::default(),
            at_once: Semaphore::new(settings.at_once),
            most_waiting: settings.most_waiting,
            busy_after: settings.busy_after,
            counts,
        };
        Queue { at: Arc::new(shared), tasks: Mutex::default() }
    }

    /// Goes on with what the journal has left, oldest first.
    pub(crate) fn resume(&self) {
        let left = self.at.journal.unanswered();
        if !left.is_empty() {
            let messages = left.len();
            tracing::info!(
                messages,
                "taken before this start and not answered, so answered now: {messages}"
            );
        }
        for entry in left {
            let in_line = entry.answer.is_some() || self.at.takes_work(&entry.letter);
            let place =
                if in_line { Place::InLine(self.at.queue(&entry.letter)) } else { Place::AtOnce };
            self.begin(entry, place);
        }
    }

    /// Takes a message, unless it was taken before.
    pub(crate) fn take(&self, letter: Letter) {
        match self.at.journal.take(&letter) {
            Taken::New => {
                let place = self.at.place(&letter);
                self.begin(Entry { letter, notice: Notice::Untold, answer: None }, place);
            }
            Taken::Again => tracing::info!(
                update = letter.update,
                "update {} came once more; it is answered once",
                letter.update
            ),
        }
    }

    fn begin(&self, entry: Entry, place: Place) {
        self.at.counts.open.fetch_add(1, Ordering::Relaxed);
        let at = self.at.clone();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = tasks.try_join_next() {
            mourn(ended);
        }
        tasks.spawn(async move { at.see_to(entry, place).await });
    }

    /// Resolves when everything that was begun has ended. What was only taken stays in the journal.
    pub(crate) async fn finish(&self) {
        // Not taken out: whoever stops waiting here must not end them by that.
        let next = || {
            poll_fn(|context| {
                self.tasks.lock().unwrap_or_else(PoisonError::into_inner).poll_join_next(context)
            })
        };
        while let Some(ended) = next().await {
            mourn(ended);
        }
    }
}

/// A task that fails takes no other with it; its message stays in the journal.
fn mourn(ended: Result<(), JoinError>) {
    if let Err(Ok(error)) = ended.map_err(JoinError::try_into_panic) {
        let said = error.downcast_ref::<&str>().copied().unwrap_or("it does not say why");
        tracing::error!("answering a message failed, which is a fault of this program: {said}");
    }
}
