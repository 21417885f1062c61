//! The user's policy, validated and compiled.

use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::engine::action::{Action, AfterWait, OnConflict, SameToken};
use crate::engine::evidence_kind::EvidenceKind;
use crate::engine::ladder::{AfterGraceful, StopMode, StopOptions, WaitLimit};
use crate::engine::pattern::{ContainerLimit, Pattern, UserLimit};
use crate::engine::process::RunState;
use crate::engine::signal::Signal;

/// Everything that [`decide`](crate::engine::decide::decide) needs from the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    pub purpose: Purpose,
    /// The action for conflicts that no rule covers.
    pub on_conflict: OnConflict,
    pub after_wait: AfterWait,
    pub same_token: SameToken,
    /// Finds candidates in addition to processes that run the same command in the same place.
    pub matches: Vec<MatchEntry>,
    /// The first rule that holds decides.
    pub rules: Vec<Rule>,
    pub timeouts: Timeouts,
    pub signal: Signal,
    pub escalation: AfterGraceful,
    /// The maximum number of conflicts to act on. More suggest that a pattern is too broad.
    pub max_targets: usize,
    /// The number of takeovers within [`takeover_window`](Self::takeover_window) after which starts
    /// that would kill are refused.
    pub max_takeovers: usize,
    pub takeover_window: Duration,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A start replaces the conflicts.
    #[default]
    Start,
    /// A person wants the bot stopped.
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

    pub fn may_end(&self) -> bool {
        let after_wait = || Action::from(self.after_wait).ends_processes();
        let ends =
            |action: Action| action.ends_processes() || action == Action::Wait && after_wait();
        ends(self.on_conflict.into()) || self.rules.iter().any(|rule| ends(rule.action))
    }

    /// Returns the policy of a stop: it ends every conflict by `mode`, unless a rule forbids that.
    /// The limits of a start apply to a stop too, so `same_token = "refuse"` still refuses.
    /// Takeovers are not limited, because a person requested the stop (S14).
    #[must_use]
    pub fn to_stop(&self, mode: StopMode) -> Policy {
        let (on_conflict, action) = match mode {
            StopMode::Graceful => (OnConflict::Graceful, Action::Graceful),
            StopMode::Force => (OnConflict::Force, Action::Force),
        };
        let rule = |rule: &Rule| Rule {
            action: match rule.action {
                // Keep the rule in place: it may precede a rule that forbids.
                Action::Graceful | Action::Force => action,
                Action::Refuse | Action::Wait => Action::Refuse,
                // A stop spares what a start ignores.
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
    /// The longest wait for a conflict to end by itself.
    pub wait: WaitLimit,
    /// From the first signal to SIGKILL.
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    pub force: Duration,
}

/// A process is a candidate if it meets every field.
#[derive(Debug, Clone)]
pub struct MatchEntry {
    pub pattern: Pattern,
    pub user: UserLimit,
    pub container: ContainerLimit,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub name: String,
    pub when: Conditions,
    pub action: Action,
}

/// The conditions of a rule, as in [`Condition`](crate::engine::condition::Condition). A missing
/// condition always holds.
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
    /// Returns whether the conditions depend on more than the root of a conflict.
    pub fn depend_on_tree(&self) -> bool {
        self.same_token.is_some() || self.connected.is_some()
    }
}
