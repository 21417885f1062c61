//! The updates that wait for the bot, and the one slot for the `getUpdates` that waits for updates.
//! The numbers in the comments are those of the published server.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::oneshot;

/// A poll with the same offset within this time waits this long, if it would have waited for less.
const SAME_OFFSET: Duration = Duration::from_secs(3);
/// A poll with the same offset within this time gets one update.
const AT_ONCE_AGAIN: Duration = Duration::from_millis(500);
/// One 409 in this time is sent at once, every other one is held for this time.
const PACE: Duration = Duration::from_secs(3);

const EVICTED: &str = "Conflict: terminated by other getUpdates request; make sure that only one \
    bot instance is running";
const WEBHOOK_SET: &str = "Conflict: terminated by setWebhook request";
const WEBHOOK_ACTIVE: &str = "Conflict: can't use getUpdates method while webhook is active; use \
    deleteWebhook to delete the webhook first";

/// A `getUpdates` as it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub offset: i64,
    pub limit: i64,
    /// In seconds.
    pub timeout: i64,
}

/// How a poll is answered.
#[derive(Debug, PartialEq)]
pub enum Reply {
    Updates(Vec<Value>),
    /// A 409 with this text, to be written at this moment.
    Conflict(&'static str, Instant),
}

/// What becomes of a poll.
#[derive(Debug)]
pub enum Poll {
    Answered(Reply),
    /// It has the slot until then.
    Waits {
        slot: u64,
        until: Instant,
        answer: oneshot::Receiver<Reply>,
    },
}

/// A poll that was refused, and whether its connection still lived then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    Living,
    Dead,
}

/// What a call changed besides its own answer.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// The updates that were forgotten.
    pub confirmed: Vec<i64>,
    pub evicted: Option<Evicted>,
}

#[derive(Debug)]
struct Waiting {
    slot: u64,
    offset: i64,
    limit: usize,
    answer: oneshot::Sender<Reply>,
}

/// The queue of one bot.
#[derive(Debug, Default)]
pub struct Queue {
    updates: VecDeque<(i64, Value)>,
    pushed: i64,
    waiting: Option<Waiting>,
    slots: u64,
    previous: Option<(i64, Instant)>,
    webhook: String,
    sent_at_once: Option<Instant>,
}

impl Queue {
    /// The number of the update that is pushed next.
    pub fn next_id(&self) -> i64 {
        self.pushed + 1
    }

    pub fn len(&self) -> usize {
        self.updates.len()
    }

    pub fn webhook(&self) -> &str {
        &self.webhook
    }

    /// An update arrives, and wakes the poll that waits, dead or alive: an answer to a dead
    /// connection is just not confirmed.
    pub fn push(&mut self, update: Value) {
        self.pushed += 1;
        self.updates.push_back((self.pushed, update));
        let found =
            self.waiting.as_ref().map(|it| self.read(it.offset, it.limit)).unwrap_or_default();
        if let Some(waiting) = self.waiting.take_if(|_| !found.is_empty()) {
            let _ = waiting.answer.send(Reply::Updates(found));
        }
    }

    /// A poll arrives.
    pub fn poll(&mut self, call: Call, now: Instant) -> (Poll, Effects) {
        if !self.webhook.is_empty() {
            let due = self.pace(now);
            return (Poll::Answered(Reply::Conflict(WEBHOOK_ACTIVE, due)), Effects::default());
        }
        let mut limit = call.limit.clamp(1, 100);
        let mut timeout = Duration::from_secs(call.timeout.clamp(0, 50).unsigned_abs());
        let again = self
            .previous
            .filter(|(offset, _)| *offset == call.offset)
            .map(|(_, at)| now.saturating_duration_since(at));
        if again.is_some_and(|again| again < SAME_OFFSET) {
            timeout = timeout.max(SAME_OFFSET);
        }
        if again.is_some_and(|again| again < AT_ONCE_AGAIN) {
            limit = 1;
        }
        self.previous = Some((call.offset, now));

        let mut effects = Effects { confirmed: self.forget(call.offset), evicted: None };
        let limit = usize::try_from(limit).unwrap_or(1);
        let found = self.read(call.offset, limit);
        if !found.is_empty() || timeout.is_zero() {
            return (Poll::Answered(Reply::Updates(found)), effects);
        }
        effects.evicted = self.evict(EVICTED, now);
        self.slots += 1;
        let (sender, answer) = oneshot::channel();
        self.waiting =
            Some(Waiting { slot: self.slots, offset: call.offset, limit, answer: sender });
        (Poll::Waits { slot: self.slots, until: now + timeout, answer }, effects)
    }

    /// The time of the poll in this slot is over. Whether it still had the slot, and so is to be
    /// answered with nothing.
    pub fn time_is_over(&mut self, slot: u64) -> bool {
        self.waiting.take_if(|waiting| waiting.slot == slot).is_some()
    }

    /// An empty URL is no webhook; it touches no poll.
    pub fn set_webhook(&mut self, url: &str, now: Instant) -> Option<Evicted> {
        url.clone_into(&mut self.webhook);
        if url.is_empty() { None } else { self.evict(WEBHOOK_SET, now) }
    }

    /// Everything is forgotten, as `drop_pending_updates` asks.
    pub fn drop_pending(&mut self) -> Vec<i64> {
        self.updates.drain(..).map(|(id, _)| id).collect()
    }

    /// Nobody looks whether the one that had the slot is still there: its 409 may go to a
    /// connection that died.
    fn evict(&mut self, why: &'static str, now: Instant) -> Option<Evicted> {
        let waiting = self.waiting.take()?;
        let due = self.pace(now);
        Some(if waiting.answer.send(Reply::Conflict(why, due)).is_ok() {
            Evicted::Living
        } else {
            Evicted::Dead
        })
    }

    /// When a 409 that is due now is written. One that is held does not move the window.
    fn pace(&mut self, now: Instant) -> Instant {
        if self.sent_at_once.is_some_and(|sent| now.saturating_duration_since(sent) < PACE) {
            return now + PACE;
        }
        self.sent_at_once = Some(now);
        now
    }

    /// A positive offset forgets what is below it, a negative one all but the last few, 0 nothing.
    fn forget(&mut self, offset: i64) -> Vec<i64> {
        let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
        let forgotten = match offset {
            0 => 0,
            1.. => self.updates.partition_point(|(id, _)| *id < offset),
            ..0 => self.updates.len().saturating_sub(keep),
        };
        self.updates.drain(..forgotten).map(|(id, _)| id).collect()
    }

    fn read(&self, offset: i64, limit: usize) -> Vec<Value> {
        let wanted = self.updates.iter().filter(|(id, _)| *id >= offset);
        wanted.take(limit).map(|(_, update)| update.clone()).collect()
    }
}
