//! Where messages wait for their answers: recordings of one chat in their order, so many at once in all; the rest right away.
//!
//! Every message that is taken has one task. It ends with the answer delivered, or with the message left in the journal
//! because the bot ends.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::{JoinError, JoinSet},
};

use crate::{
    answers::Answers,
    ending::{Ending, Failed, Stage},
    intake::{Asks, Letter},
    journal::{Entry, Journal, Notice, Taken},
    lines::{Lines, Turn},
    settings::Settings,
    telegram::{Reply, Telegram},
    wording,
};

/// How often Telegram is told that an answer is being made: it shows that for five seconds.
const TYPING: Duration = Duration::from_secs(4);

/// Takes messages and sees to it that each is answered once.
#[derive(Debug)]
pub(crate) struct Desk {
    at: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Shared {
    journal: Journal,
    telegram: Telegram,
    answers: Answers,
    ending: Ending,
    lines: Lines,
    at_once: Semaphore,
    most_waiting: usize,
    busy_after: Duration,
    counts: Arc<Counts>,
}

/// What the desk is doing, for `/status`.
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

/// Where a message waits.
#[derive(Debug)]
enum Place {
    /// Nowhere: it is answered at once.
    AtOnce,
    /// Behind the others of its chat.
    InLine(Turn),
    /// Nowhere: so many wait already.
    Full(usize),
}

impl Desk {
    /// An empty desk.
    pub(crate) fn new(
        settings: &Settings,
        journal: Journal,
        telegram: Telegram,
        answers: Answers,
        ending: Ending,
        counts: Arc<Counts>,
    ) -> Desk {
        let shared = Shared {
            journal,
            telegram,
            answers,
            ending,
            lines: Lines::default(),
            at_once: Semaphore::new(settings.at_once),
            most_waiting: settings.most_waiting,
            busy_after: settings.busy_after,
            counts,
        };
        Desk { at: Arc::new(shared), tasks: Mutex::default() }
    }

    /// Goes on with what the journal has left, oldest first.
    pub(crate) fn resume(&self) {
        let left = self.at.journal.unanswered();
        if !left.is_empty() {
            let messages = left.len();
            tracing::info!(messages, "taken before this start and not answered, so answered now: {messages}");
        }
        for entry in left {
            let in_line = entry.answer.is_some() || self.at.takes_work(&entry.letter);
            let place = if in_line { Place::InLine(self.at.queue(&entry.letter)) } else { Place::AtOnce };
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
            Taken::Again => tracing::info!(update = letter.update, "update {} came once more; it is answered once", letter.update),
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
        let next = || poll_fn(|context| self.tasks.lock().unwrap_or_else(PoisonError::into_inner).poll_join_next(context));
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

impl Shared {
    /// Whether an answer takes work, and so its turn.
    fn takes_work(&self, letter: &Letter) -> bool {
        match letter.asks {
            Asks::Transcript(_) => self.answers.can_transcribe(),
            Asks::Fileless(_) | Asks::Command(_) | Asks::UnknownCommand | Asks::Words | Asks::SomethingElse => false,
        }
    }

    fn queue(&self, letter: &Letter) -> Turn {
        self.lines.queue(letter.address.chat)
    }

    fn place(&self, letter: &Letter) -> Place {
        let open = self.counts.open();
        match (self.takes_work(letter), open >= self.most_waiting) {
            (false, _) => Place::AtOnce,
            (true, true) => Place::Full(open),
            (true, false) => Place::InLine(self.queue(letter)),
        }
    }

    async fn see_to(&self, entry: Entry, place: Place) {
        let update = entry.letter.update;
        let answered = tokio::select! {
            answered = self.answer(entry, place) => answered,
            () = self.ending.reaches(Stage::Dropping) => Err(Failed::Ending),
        };
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
        match answered {
            Ok(()) => {
                self.journal.close(update);
                self.counts.answered.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(update, "update {update} is answered");
            }
            Err(Failed::Ending | Failed::Fault(_)) => {
                tracing::info!(update, "update {update} is left in the journal for whoever holds the instance next");
            }
        }
    }

    /// Makes the answer when its turn has come, and delivers it.
    async fn answer(&self, entry: Entry, place: Place) -> Result<(), Failed> {
        let letter = &entry.letter;
        match place {
            Place::AtOnce => self.deliver(letter, self.answers.make(letter).await?.into()).await,
            Place::Full(waiting) => self.deliver(letter, [wording::full(waiting)].into()).await,
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
    async fn admitted(&self, entry: &Entry, turn: &mut Turn) -> Result<SemaphorePermit<'_>, Failed> {
        let mut admission = std::pin::pin!(async {
            turn.comes().await;
            // Nobody ever closes it: no error is an end.
            self.at_once.acquire().await.map_err(|_| Failed::Ending)
        });
        if entry.notice == Notice::Untold {
            tokio::select! {
                biased;
                () = self.ending.reaches(Stage::Finishing) => return Err(Failed::Ending),
                admitted = &mut admission => return admitted,
                () = tokio::time::sleep(self.busy_after) => {}
            }
            self.ask_for_patience(&entry.letter).await?;
        }
        tokio::select! {
            biased;
            () = self.ending.reaches(Stage::Finishing) => Err(Failed::Ending),
            admitted = admission => admitted,
        }
    }

    async fn ask_for_patience(&self, letter: &Letter) -> Result<(), Failed> {
        if let Asks::Transcript(recording) = &letter.asks {
            self.telegram.send(letter.address, Reply::ToTheMessage, &wording::patience(recording.kind)).await?;
            self.journal.noticed(letter.update);
        }
        Ok(())
    }

    /// The answer, with a sign in the chat that it is being made; written down whole before anything of it is sent.
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
