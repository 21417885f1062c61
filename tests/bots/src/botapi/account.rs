//! Who polled when, and what became of each update.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::peer::Process;
use super::queue::{Effects, Evicted};
use serde::Serialize;

/// A process that polled.
#[derive(Debug)]
struct Poller {
    process: Process,
    polls: u32,
    /// Polls that are not yet answered.
    open: u32,
    first: Instant,
    last: Instant,
}

/// What was counted so far.
#[derive(Debug)]
pub struct Account {
    began: Instant,
    injected: BTreeSet<i64>,
    confirmed: BTreeSet<i64>,
    /// How often each update was answered.
    answered: BTreeMap<i64, u32>,
    pollers: Vec<Poller>,
    conflicts: Conflicts,
}

/// 409s.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Conflicts {
    /// Decided about, for connections dead or alive.
    pub decided: u32,
    /// For a connection that lived when it was decided.
    pub to_the_living: u32,
    /// Written to a connection that still lived when it was due.
    pub written: u32,
}

/// One process's polling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Polling {
    pub pid: u32,
    pub polls: u32,
    /// When its first poll arrived and its last one ended, in milliseconds since the server began.
    pub first_ms: f64,
    pub last_ms: f64,
}

/// From one poller to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HandOver {
    pub from: u32,
    pub to: u32,
    /// From the end of the old one's last poll to the arrival of the new one's first; negative
    /// where they overlapped.
    pub gap_ms: f64,
}

/// The account, to be printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub injected: usize,
    pub processed: usize,
    /// Answered more than once.
    pub processed_twice: Vec<i64>,
    /// Confirmed, but never answered.
    pub lost: Vec<i64>,
    /// Neither confirmed nor answered.
    pub waiting: usize,
    /// Not confirmed.
    pub unconfirmed: usize,
    pub conflicts: Conflicts,
    /// How many processes polled at the same moment, at most.
    pub most_at_once: usize,
    pub pollers: Vec<Polling>,
    pub hand_overs: Vec<HandOver>,
}

impl Account {
    pub fn new(began: Instant) -> Account {
        Account {
            began,
            injected: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            answered: BTreeMap::new(),
            pollers: Vec::new(),
            conflicts: Conflicts::default(),
        }
    }

    pub fn began(&self) -> Instant {
        self.began
    }

    /// Who polled, in order.
    pub fn pids(&self) -> Vec<u32> {
        self.pollers.iter().map(|poller| poller.process.pid).collect()
    }

    pub fn injected(&mut self, id: i64) {
        self.injected.insert(id);
    }

    /// The bot has sent a message; one whose text is `update N` answers that update.
    pub fn sent(&mut self, text: &str) {
        if let Some(id) = text.strip_prefix("update ").and_then(|id| id.parse().ok()) {
            *self.answered.entry(id).or_default() += 1;
        }
    }

    pub fn took_effect(&mut self, effects: Effects) {
        self.confirmed.extend(effects.confirmed);
        if let Some(evicted) = effects.evicted {
            self.conflict(evicted);
        }
    }

    /// Dropped, at the wish of a call.
    pub fn forgotten(&mut self, updates: Vec<i64>) {
        self.confirmed.extend(updates);
    }

    pub fn conflict(&mut self, with: Evicted) {
        self.conflicts.decided += 1;
        self.conflicts.to_the_living += u32::from(with == Evicted::Living);
    }

    pub fn conflict_is_written(&mut self) {
        self.conflicts.written += 1;
    }

    pub fn poll_began(&mut self, process: Process, now: Instant) {
        let at = self.pollers.iter().position(|poller| poller.process == process);
        let at = at.unwrap_or_else(|| {
            self.pollers.push(Poller { process, polls: 0, open: 0, first: now, last: now });
            self.pollers.len() - 1
        });
        self.pollers[at].polls += 1;
        self.pollers[at].open += 1;
    }

    pub fn poll_ended(&mut self, process: Process, now: Instant) {
        if let Some(poller) = self.pollers.iter_mut().find(|poller| poller.process == process) {
            poller.open = poller.open.saturating_sub(1);
            poller.last = now;
        }
    }

    pub fn report(&self, now: Instant) -> Report {
        let answered = |id: &i64| self.answered.contains_key(id);
        let millis = |at: Instant| at.saturating_duration_since(self.began).as_secs_f64() * 1000.0;
        let pollers: Vec<Polling> = self
            .pollers
            .iter()
            .map(|poller| Polling {
                pid: poller.process.pid,
                polls: poller.polls,
                first_ms: millis(poller.first),
                last_ms: millis(if poller.open > 0 { now } else { poller.last }),
            })
            .collect();
        let hand_overs = pollers
            .windows(2)
            .map(|pair| HandOver {
                from: pair[0].pid,
                to: pair[1].pid,
                gap_ms: pair[1].first_ms - pair[0].last_ms,
            })
            .collect();
        Report {
            injected: self.injected.len(),
            processed: self.injected.iter().filter(|id| answered(id)).count(),
            processed_twice: self
                .answered
                .iter()
                .filter(|(_, times)| **times > 1)
                .map(|(id, _)| *id)
                .collect(),
            lost: self.confirmed.iter().filter(|id| !answered(id)).copied().collect(),
            waiting: self
                .injected
                .iter()
                .filter(|id| !answered(id) && !self.confirmed.contains(id))
                .count(),
            unconfirmed: self.injected.difference(&self.confirmed).count(),
            conflicts: self.conflicts,
            most_at_once: most_at_once(&pollers),
            pollers,
            hand_overs,
        }
    }
}

/// The most that polled at once do so when one of them begins.
fn most_at_once(pollers: &[Polling]) -> usize {
    let at = |moment: f64| {
        pollers.iter().filter(|it| it.first_ms <= moment && moment <= it.last_ms).count()
    };
    pollers.iter().map(|it| at(it.first_ms)).max().unwrap_or(0)
}
