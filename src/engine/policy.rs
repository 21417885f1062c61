//! The policy: everything that the user wants, valid and compiled.

use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::engine::action::{Action, AfterWait, OnConflict, SameToken};
use crate::engine::fact::Truth;
use crate::engine::ladder::{AfterGraceful, Patience, StopMode, StopOptions};
use crate::engine::pattern::{ContainerLimit, Pattern, UserLimit};
use crate::engine::process::{Process, RunState, User};
use crate::engine::signal::Signal;

/// All that [`decide`](crate::engine::decide::decide) needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The purpose of ending conflicts.
    pub purpose: Purpose,
    /// The action on a conflict that no rule decides about.
    pub on_conflict: OnConflict,
    /// The action when waiting has run out.
    pub after_wait: AfterWait,
    /// The action on a process that is related by nothing but my token.
    pub same_token: SameToken,
    /// The entries that find candidates; if there are none, the same command in the same place is
    /// one.
    pub matches: Vec<MatchEntry>,
    /// The rules: the first that holds decides.
    pub rules: Vec<Rule>,
    /// The time for each step.
    pub timeouts: Timeouts,
    /// The signal that `graceful` sends.
    pub signal: Signal,
    /// The action if `graceful` was not enough.
    pub escalation: AfterGraceful,
    /// The most conflicts that are acted on; more are a sign of patterns that are too broad.
    pub max_targets: usize,
    /// The most takeovers within [`takeover_window`](Self::takeover_window) before a policy that
    /// kills refuses.
    pub max_takeovers: usize,
    /// The time in which takeovers are counted.
    pub takeover_window: Duration,
}

/// The purpose of ending conflicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A start takes their place.
    #[default]
    Start,
    /// A person wants none of them to run.
    Stop,
}

impl Policy {
    /// Returns the signals that end a conflict, and the time for each.
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
                // A process that a start ignores is not to be stopped either.
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

/// The time for each step.
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
    /// The pattern; at least one field is given.
    pub pattern: Pattern,
    /// The users that it is limited to.
    pub user: UserLimit,
    /// The containers that it is limited to.
    pub container: ContainerLimit,
}

/// A rule: under these conditions, this action.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The conditions, all of which must hold.
    pub when: Conditions,
    /// The action then.
    pub action: Action,
}

/// The conditions of a rule; one that is not given holds for every conflict.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// The pattern.
    pub pattern: Pattern,
    /// Its user is one of these.
    pub user: Option<UserLimit>,
    /// Its container is one of these.
    pub container: Option<ContainerLimit>,
    /// It has the lock, or has not.
    pub holds_lock: Option<bool>,
    /// It carries my bot token, or does not.
    pub same_token: Option<bool>,
    /// Its parent did not start it and nothing manages it, or not so.
    pub orphaned: Option<bool>,
    /// Its state in the kernel.
    pub state: Option<RunState>,
    /// At least this old.
    pub older_than: Option<Duration>,
    /// Younger than this.
    pub younger_than: Option<Duration>,
    /// A service manager of this name would restart it.
    pub managed_by: Option<Regex>,
    /// It is on this host, or is not.
    pub local: Option<bool>,
}

impl Conditions {
    /// Returns whether all of them hold for `process`, if `me` is the caller.
    pub fn hold(&self, process: &Process, me: &User) -> Truth {
        Truth::all(self.each().map(|condition| condition.holds(process, me)))
    }

    /// Returns whether one of them is about the token.
    pub fn mention_token(&self) -> bool {
        self.same_token.is_some()
    }
}
