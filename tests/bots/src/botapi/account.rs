//! Statistics: which processes polled when, and what became of each update.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::peer::Process;
use super::queue::{Effects, Evicted};
use serde::Serialize;

#[derive(Debug)]
struct Poller {
    process: Process,
    polls: u32,
    /// Polls without an answer so far.
    open: u32,
    first: Instant,
    last: Instant,
}

/// The statistics so far.
#[derive(Debug)]
pub struct Account {
    began: Instant,
    injected: BTreeSet<i64>,
    confirmed: BTreeSet<i64>,
    /// The number of answers to each update.
    answered: BTreeMap<i64, u32>,
    pollers: Vec<Poller>,
    conflicts: Conflicts,
}

/// The number of 409s.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Conflicts {
    /// 409s that were decided, for live and dead connections.
    pub decided: u32,
    /// 409s for connections that were alive when they were decided.
    pub to_the_living: u32,
    /// 409s written to connections that were alive when they were due.
    pub written: u32,
}

/// The polling of one process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Polling {
    pub pid: u32,
    pub polls: u32,
    /// The arrival of its first poll and the end of its last one, in milliseconds since the
    /// server's start.
    pub first_ms: f64,
    pub last_ms: f64,
}

/// A hand-over from one poller to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HandOver {
    pub from: u32,
    pub to: u32,
    /// From the end of the old poller's last poll to the arrival of the new one's first; negative
    /// if they overlapped.
    pub gap_ms: f64,
}

/// The statistics to print.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub injected: usize,
    pub processed: usize,
    /// Updates answered more than once.
    pub processed_twice: Vec<i64>,
    /// Updates confirmed but never answered.
    pub lost: Vec<i64>,
    /// Updates neither confirmed nor answered.
    pub waiting: usize,
    /// Updates not confirmed.
    pub unconfirmed: usize,
    pub conflicts: Conflicts,
    /// The maximum number of processes polling at the same time.
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

    /// Returns the processes that polled, in order.
    pub fn pids(&self) -> Vec<u32> {
        self.pollers.iter().map(|poller| poller.process.pid).collect()
    }

    pub fn injected(&mut self, id: i64) {
        self.injected.insert(id);
    }

    /// Records a message from the bot. The text `update N` answers update N.
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

    /// Records updates that were dropped by a call.
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

/// Returns the maximum number of concurrent pollers, which is reached when one of them starts.
fn most_at_once(pollers: &[Polling]) -> usize {
    let at = |moment: f64| {
        pollers.iter().filter(|it| it.first_ms <= moment && moment <= it.last_ms).count()
    };
    pollers.iter().map(|it| at(it.first_ms)).max().unwrap_or(0)
}
