//! The updates waiting for the bot, and the slot for the `getUpdates` that waits for updates. The
//! numbers in the comments are those of the published server.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::oneshot;

/// A poll that repeats its offset within this time waits at least this long.
const SAME_OFFSET: Duration = Duration::from_secs(3);
/// A poll that repeats its offset within this time gets a single update.
const AT_ONCE_AGAIN: Duration = Duration::from_millis(500);
/// In this interval, one 409 is sent at once, and every other one is delayed by the interval.
const PACE: Duration = Duration::from_secs(3);

const EVICTED: &str = "Conflict: terminated by other getUpdates request; make sure that only one \
    bot instance is running";
const WEBHOOK_SET: &str = "Conflict: terminated by setWebhook request";
const WEBHOOK_ACTIVE: &str = "Conflict: can't use getUpdates method while webhook is active; use \
    deleteWebhook to delete the webhook first";

/// The parameters of a `getUpdates`.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub offset: i64,
    pub limit: i64,
    /// In seconds.
    pub timeout: i64,
}

/// The answer to a poll.
#[derive(Debug, PartialEq)]
pub enum Reply {
    Updates(Vec<Value>),
    /// A 409 with this text, to be written at this time.
    Conflict(&'static str, Instant),
}

/// The state of a poll.
#[derive(Debug)]
pub enum Poll {
    Answered(Reply),
    /// The poll has the slot until this time.
    Waits {
        slot: u64,
        until: Instant,
        answer: oneshot::Receiver<Reply>,
    },
}

/// A refused poll, and whether its connection was still alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    Living,
    Dead,
}

/// The effects of a call other than its answer.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// The updates that were removed.
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
    /// Returns the number of the next update.
    pub fn next_id(&self) -> i64 {
        self.pushed + 1
    }

    pub fn len(&self) -> usize {
        self.updates.len()
    }

    pub fn webhook(&self) -> &str {
        &self.webhook
    }

    /// Adds an update and wakes the waiting poll. If its connection is dead, the answer simply
    /// stays unconfirmed.
    pub fn push(&mut self, update: Value) {
        self.pushed += 1;
        self.updates.push_back((self.pushed, update));
        let found =
            self.waiting.as_ref().map(|it| self.read(it.offset, it.limit)).unwrap_or_default();
        if let Some(waiting) = self.waiting.take_if(|_| !found.is_empty()) {
            let _ = waiting.answer.send(Reply::Updates(found));
        }
    }

    /// Adds a poll.
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

    /// Ends the poll in this slot. Returns whether it still had the slot, and so must be answered
    /// with no updates.
    pub fn time_is_over(&mut self, slot: u64) -> bool {
        self.waiting.take_if(|waiting| waiting.slot == slot).is_some()
    }

    /// Sets the webhook. An empty URL removes it and does not affect polls.
    pub fn set_webhook(&mut self, url: &str, now: Instant) -> Option<Evicted> {
        url.clone_into(&mut self.webhook);
        if url.is_empty() { None } else { self.evict(WEBHOOK_SET, now) }
    }

    /// Removes all updates, for `drop_pending_updates`.
    pub fn drop_pending(&mut self) -> Vec<i64> {
        self.updates.drain(..).map(|(id, _)| id).collect()
    }

    /// Evicts the poll with the slot without checking whether its connection is alive, so its 409
    /// may go to a dead one.
    fn evict(&mut self, why: &'static str, now: Instant) -> Option<Evicted> {
        let waiting = self.waiting.take()?;
        let due = self.pace(now);
        Some(if waiting.answer.send(Reply::Conflict(why, due)).is_ok() {
            Evicted::Living
        } else {
            Evicted::Dead
        })
    }

    /// Returns the time at which a 409 that is due now is written. A delayed one does not move the
    /// interval.
    fn pace(&mut self, now: Instant) -> Instant {
        if self.sent_at_once.is_some_and(|sent| now.saturating_duration_since(sent) < PACE) {
            return now + PACE;
        }
        self.sent_at_once = Some(now);
        now
    }

    /// Removes updates: those below a positive offset, all but the last few for a negative one,
    /// none for 0.
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
