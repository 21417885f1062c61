//! What conflicts are ended for: to start in their place, or to have none of them.

use serde::{Deserialize, Serialize};

use crate::engine::{
    action::{Action, AfterWait, OnConflict},
    ladder::StopMode,
    policy::{Policy, Rule},
};

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
