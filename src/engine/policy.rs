//! The policy: the wishes of the user, valid and compiled.

use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::engine::action::{Action, AfterWait, OnConflict, SameToken};
use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::ladder::{AfterGraceful, StopMode, StopOptions, WaitLimit};
use crate::engine::pattern::{ContainerLimit, Pattern, UserLimit};
use crate::engine::process::RunState;
use crate::engine::signal::Signal;

/// All that [`decide`](crate::engine::decide::decide) needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    pub purpose: Purpose,
    /// The action on a conflict that no rule decides about.
    pub on_conflict: OnConflict,
    pub after_wait: AfterWait,
    pub same_token: SameToken,
    /// The entries that find candidates, besides the same command in the same place.
    pub matches: Vec<MatchEntry>,
    /// The rules: the first that holds decides.
    pub rules: Vec<Rule>,
    pub timeouts: Timeouts,
    pub signal: Signal,
    pub escalation: AfterGraceful,
    /// The most conflicts that are acted on; more are a sign of patterns that are too broad.
    pub max_targets: usize,
    /// The most takeovers within [`takeover_window`](Self::takeover_window) before a policy that
    /// kills refuses.
    pub max_takeovers: usize,
    pub takeover_window: Duration,
}

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
    pub fn stop_options(&self, mode: StopMode) -> StopOptions {
        StopOptions {
            mode,
            signal: self.signal,
            graceful: self.timeouts.graceful,
            force: self.timeouts.force,
            escalation: self.escalation,
        }
    }

    /// Returns whether it may end a conflict.
    pub fn may_end(&self) -> bool {
        let after_wait = || Action::from(self.after_wait).ends_processes();
        let ends =
            |action: Action| action.ends_processes() || action == Action::Wait && after_wait();
        ends(self.on_conflict.into()) || self.rules.iter().any(|rule| ends(rule.action))
    }

    /// Returns the policy of a stop: every conflict is ended by `mode`, unless a rule forbids it.
    /// The limits of a start hold for a stop too, so `same_token = "refuse"` still refuses; only
    /// takeovers are not counted, since a person asks for it (S14).
    #[must_use]
    pub fn to_stop(&self, mode: StopMode) -> Policy {
        let (on_conflict, action) = match mode {
            StopMode::Graceful => (OnConflict::Graceful, Action::Graceful),
            StopMode::Force => (OnConflict::Force, Action::Force),
        };
        let rule = |rule: &Rule| Rule {
            action: match rule.action {
                // The rule stays in its place, as it may stand before a rule that forbids.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a conflict to end by itself.
    pub wait: WaitLimit,
    /// From the signal to SIGKILL.
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    pub force: Duration,
}

/// A process that meets every field is a candidate.
#[derive(Debug, Clone)]
pub struct MatchEntry {
    pub pattern: Pattern,
    pub user: UserLimit,
    pub container: ContainerLimit,
}

/// A rule: under these conditions, this action.
#[derive(Debug, Clone)]
pub struct Rule {
    pub name: String,
    pub when: Conditions,
    pub action: Action,
}

/// The conditions of a rule, as [`Condition`](crate::engine::condition::Condition) says; one that
/// is not given holds for every conflict.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    pub pattern: Pattern,
    pub user: Option<UserLimit>,
    pub container: Option<ContainerLimit>,
    pub holds_lock: Option<bool>,
    pub found_by: Option<EvidenceKind>,
    pub same_token: Option<bool>,
    pub connected: Option<bool>,
    pub orphaned: Option<bool>,
    pub state: Option<RunState>,
    pub older_than: Option<Duration>,
    pub younger_than: Option<Duration>,
    pub managed_by: Option<Regex>,
    pub local: Option<bool>,
}

impl Conditions {
    /// Returns whether they depend on more of a conflict than its root.
    pub fn depend_on_tree(&self) -> bool {
        self.same_token.is_some() || self.connected.is_some()
    }
}
