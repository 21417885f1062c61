//! One message's way through the queue: its turn, its answer, and the delivery.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Counts;
use crate::answers::Answers;
use crate::intake::{Asks, Letter};
use crate::journal::{Entry, Journal, Notice};
use crate::lines::{Lines, Turn};
use crate::messages;
use crate::shutdown::{Failed, Shutdown, Stage};
use crate::telegram::{Reply, Telegram};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How often Telegram is told that an answer is being made: it shows that for five seconds.
const TYPING: Duration = Duration::from_secs(4);

/// What every job needs.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) telegram: Telegram,
    pub(super) answers: Answers,
    pub(super) shutdown: Shutdown,
    pub(super) lines: Lines,
    pub(super) at_once: Semaphore,
    pub(super) most_waiting: usize,
    pub(super) busy_after: Duration,
    pub(super) counts: Arc<Counts>,
}

/// Where a message waits.
#[derive(Debug)]
pub(super) enum Place {
    /// Nowhere: it is answered at once.
    AtOnce,
    /// Behind the others of its chat.
    InLine(Turn),
    /// Nowhere: so many wait already.
    Full(usize),
}

impl Shared {
    /// Whether an answer takes work, and so its turn.
    pub(super) fn takes_work(&self, letter: &Letter) -> bool {
        match letter.asks {
            Asks::Transcript(_) => self.answers.can_transcribe(),
            Asks::Fileless(_)
            | Asks::Command(_)
            | Asks::UnknownCommand
            | Asks::Words
            | Asks::SomethingElse => false,
        }
    }

    /// Puts it behind the others of its chat.
    pub(super) fn queue(&self, letter: &Letter) -> Turn {
        self.lines.queue(letter.address.chat)
    }

    /// Where a new message waits.
    pub(super) fn place(&self, letter: &Letter) -> Place {
        let open = self.counts.open();
        match (self.takes_work(letter), open >= self.most_waiting) {
            (false, _) => Place::AtOnce,
            (true, true) => Place::Full(open),
            (true, false) => Place::InLine(self.queue(letter)),
        }
    }

    /// Answers it, or leaves it in the journal.
    pub(super) async fn see_to(&self, entry: Entry, place: Place) {
        let update = entry.letter.update;
        let answered = tokio::select! {
            answered = self.answer(entry, place) => answered,
            () = self.shutdown.reaches(Stage::Dropping) => Err(Failed::ShuttingDown),
        };
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
        match answered {
            Ok(()) => {
                self.journal.close(update);
                self.counts.answered.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(update, "update {update} is answered");
            }
            Err(Failed::ShuttingDown | Failed::Service(_)) => {
                tracing::info!(
                    update,
                    "update {update} is left in the journal for whoever holds the instance next"
                );
            }
        }
    }

    /// Makes the answer when its turn has come, and delivers it.
    async fn answer(&self, entry: Entry, place: Place) -> Result<(), Failed> {
        let letter = &entry.letter;
        match place {
            Place::AtOnce => self.deliver(letter, self.answers.make(letter).await?.into()).await,
            Place::Full(waiting) => self.deliver(letter, [messages::full(waiting)].into()).await,
            Place::InLine(mut turn) => {
                let permit = self.admitted(&entry, &mut turn).await?;
                let parts = match entry.answer {
                    // What is left of an answer that was made before this start.
                    Some(parts) => parts,
                    None => self.made(letter).await?,
                };
                drop(permit);
                self.deliver(letter, parts).await
            }
        }
    }

    /// Waits for its turn and for a free place; who waits for long is told so once.
    async fn admitted(
        &self,
        entry: &Entry,
        turn: &mut Turn,
    ) -> Result<SemaphorePermit<'_>, Failed> {
        let mut admission = std::pin::pin!(async {
            turn.comes().await;
            // Nobody ever closes it: no error is an end.
            self.at_once.acquire().await.map_err(|_| Failed::ShuttingDown)
        });
        if entry.notice == Notice::Untold {
            tokio::select! {
                biased;
                () = self.shutdown.reaches(Stage::Finishing) => return Err(Failed::ShuttingDown),
                admitted = &mut admission => return admitted,
                () = tokio::time::sleep(self.busy_after) => {}
            }
            self.ask_for_patience(&entry.letter).await?;
        }
        tokio::select! {
            biased;
            () = self.shutdown.reaches(Stage::Finishing) => Err(Failed::ShuttingDown),
            admitted = admission => admitted,
        }
    }

    async fn ask_for_patience(&self, letter: &Letter) -> Result<(), Failed> {
        if let Asks::Transcript(recording) = &letter.asks {
            self.telegram
                .send(letter.address, Reply::ToTheMessage, &messages::patience(recording.kind))
                .await?;
            self.journal.noticed(letter.update);
        }
        Ok(())
    }

    /// The answer, with a sign in the chat that it is being made; written down whole before
    /// anything of it is sent.
    async fn made(&self, letter: &Letter) -> Result<VecDeque<String>, Failed> {
        let parts: VecDeque<String> = tokio::select! {
            parts = self.answers.make(letter) => parts?.into(),
            never = self.keep_typing(letter) => match never {},
        };
        self.journal.answer(letter.update, parts.clone());
        Ok(parts)
    }

    async fn keep_typing(&self, letter: &Letter) -> Infallible {
        loop {
            self.telegram.typing(letter.address).await;
            tokio::time::sleep(TYPING).await;
        }
    }

    async fn deliver(&self, letter: &Letter, mut parts: VecDeque<String>) -> Result<(), Failed> {
        let mut reply = Reply::ToTheMessage;
        while let Some(part) = parts.pop_front() {
            self.telegram.send(letter.address, reply, &part).await?;
            reply = Reply::Following;
            if !parts.is_empty() {
                self.journal.delivered(letter.update);
            }
        }
        Ok(())
    }
}
