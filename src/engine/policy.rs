//! Valid rules in order; the first that holds decides, else the default action.

use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::engine::{
    action::{Action, AfterWait, OnConflict, SameToken},
    fact::Truth,
    ladder::{AfterGraceful, Patience, StopMode, StopOptions},
    pattern::{ContainerLimit, Pattern, UserLimit},
    process::{Process, RunState, User},
    signal::Signal,
};

/// What the user wants, valid and compiled: all that [`decide`](crate::engine::decide::decide)
/// needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What conflicts are ended for.
    pub purpose: Purpose,
    /// For a conflict that no rule speaks of.
    pub on_conflict: OnConflict,
    /// When waiting has run out.
    pub after_wait: AfterWait,
    /// For a process that is related by nothing but my token.
    pub same_token: SameToken,
    /// Who is a candidate; empty: the same command, in the same place.
    pub matches: Vec<MatchEntry>,
    /// In the order in which they are asked.
    pub rules: Vec<Rule>,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// What `graceful` sends.
    pub signal: Signal,
    /// What comes when `graceful` was not enough.
    pub escalation: AfterGraceful,
    /// The most conflicts that are acted on; more are a sign of patterns that are too broad.
    pub max_targets: usize,
    /// The most takeovers within [`takeover_window`](Self::takeover_window) before a policy that
    /// kills refuses.
    pub max_takeovers: usize,
    /// The time in which takeovers are counted.
    pub takeover_window: Duration,
}

/// What conflicts are ended for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Somebody starts in their place.
    #[default]
    Start,
    /// A person wants nobody to run.
    Stop,
}

impl Policy {
    /// How a conflict is ended in this manner.
    #[must_use]
    pub fn stop_options(&self, mode: StopMode) -> StopOptions {
        StopOptions {
            mode,
            signal: self.signal,
            graceful: self.timeouts.graceful,
            force: self.timeouts.force,
            escalation: self.escalation,
        }
    }

    /// The policy of a stop: everything ends in this manner, unless a rule forbids it. What limits
    /// a start's reach limits a stop's too; `same_token = "refuse"` therefore goes on refusing.
    /// Only takeovers are not counted: with a stop, a person gets through (S14).
    #[must_use]
    pub fn to_stop(&self, mode: StopMode) -> Policy {
        let (on_conflict, action) = match mode {
            StopMode::Graceful => (OnConflict::Graceful, Action::Graceful),
            StopMode::Force => (OnConflict::Force, Action::Force),
        };
        let rule = |rule: &Rule| Rule {
            action: match rule.action {
                // It stays where it is: the first rule that holds decides, and it may stand before
                // one that forbids.
                Action::Graceful | Action::Force => action,
                Action::Refuse | Action::Wait => Action::Refuse,
                // What a start may run beside is not in its way, and not what is to be stopped.
                Action::Ignore => Action::Ignore,
            },
            ..rule.clone()
        };
        Policy {
            purpose: Purpose::Stop,
            on_conflict,
            after_wait: AfterWait::Refuse,
            rules: self.rules.iter().map(rule).collect(),
            max_takeovers: usize::MAX,
            ..self.clone()
        }
    }
}

/// How long each step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a conflict to end by itself.
    pub wait: Patience,
    /// From the signal to SIGKILL.
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    pub force: Duration,
}

/// A process that meets every field is a candidate.
#[derive(Debug, Clone)]
pub struct MatchEntry {
    /// What it looks like; at least one field is given.
    pub pattern: Pattern,
    /// Whose it may be.
    pub user: UserLimit,
    /// Where it may be.
    pub container: ContainerLimit,
}

/// A rule: under these conditions, this action.
#[derive(Debug, Clone)]
pub struct Rule {
    /// For people.
    pub name: String,
    /// All must hold.
    pub when: Conditions,
    /// What is done then.
    pub action: Action,
}

/// What a rule asks of a conflict; what is not given holds for every conflict.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// What the process looks like.
    pub pattern: Pattern,
    /// Whose it is.
    pub user: Option<UserLimit>,
    /// Where it is.
    pub container: Option<ContainerLimit>,
    /// Whether it has the lock.
    pub holds_lock: Option<bool>,
    /// Whether it carries my bot token.
    pub same_token: Option<bool>,
    /// Whether it was left behind by whatever started it.
    pub orphaned: Option<bool>,
    /// What the kernel says it is doing.
    pub state: Option<RunState>,
    /// At least this old.
    pub older_than: Option<Duration>,
    /// Younger than this.
    pub younger_than: Option<Duration>,
    /// What would start it again.
    pub managed_by: Option<Regex>,
    /// Whether it is on this host.
    pub local: Option<bool>,
}

impl Conditions {
    /// Whether all of them hold for `process`, seen from `me`.
    #[must_use]
    pub fn hold(&self, process: &Process, me: &User) -> Truth {
        Truth::all(self.each().map(|condition| condition.holds(process, me)))
    }

    /// Whether they say anything about the token.
    #[must_use]
    pub fn mention_token(&self) -> bool {
        self.same_token.is_some()
    }
}
