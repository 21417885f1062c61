//! Actions and policies, with the names they have in `config.toml`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::ladder::StopMode;

/// Action for one conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Do not start; signal no process.
    Refuse,
    /// Ask the process to end, wait `timeouts.graceful`, then send SIGKILL.
    Graceful,
    /// Send SIGKILL at once.
    Force,
    /// Wait until the process ends by itself, at most `timeouts.wait`.
    Wait,
    /// Start anyway. For the holder of the lock, this means `refuse`.
    Ignore,
}

/// Action for a conflict that no rule covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// Do not start; signal no process.
    Refuse,
    /// Ask the process to end, wait `timeouts.graceful`, then send SIGKILL.
    Graceful,
    /// Send SIGKILL at once.
    Force,
    /// Wait until the process ends by itself, at most `timeouts.wait`.
    Wait,
}

/// Action when `timeouts.wait` has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AfterWait {
    /// Do not start; signal no process.
    Refuse,
    /// Ask the process to end, wait `timeouts.graceful`, then send SIGKILL.
    Graceful,
    /// Send SIGKILL at once.
    Force,
}

/// Action for a process whose only evidence is the bot token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SameToken {
    /// Do not start.
    Refuse,
    /// Apply `on_conflict`.
    Act,
    /// Start, and print a warning.
    Warn,
    /// Do not search for such processes.
    Off,
}

/// Reaction of a guard whose lock was taken by another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnLost {
    /// End the bot and exit 0.
    Stop,
    /// Print a warning and continue.
    Warn,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::Refuse => "refuse",
            Action::Graceful => "graceful",
            Action::Force => "force",
            Action::Wait => "wait",
            Action::Ignore => "ignore",
        }
    }

    /// Returns how the action ends a conflict; `None` if it does not.
    pub fn stop_mode(self) -> Option<StopMode> {
        match self {
            Action::Graceful => Some(StopMode::Graceful),
            Action::Force => Some(StopMode::Force),
            Action::Refuse | Action::Wait | Action::Ignore => None,
        }
    }

    pub fn ends_processes(self) -> bool {
        self.stop_mode().is_some()
    }
}

impl From<OnConflict> for Action {
    fn from(value: OnConflict) -> Self {
        match value {
            OnConflict::Refuse => Action::Refuse,
            OnConflict::Graceful => Action::Graceful,
            OnConflict::Force => Action::Force,
            OnConflict::Wait => Action::Wait,
        }
    }
}

impl From<AfterWait> for Action {
    fn from(value: AfterWait) -> Self {
        match value {
            AfterWait::Refuse => Action::Refuse,
            AfterWait::Graceful => Action::Graceful,
            AfterWait::Force => Action::Force,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OnConflict {
    type Err = UnknownAction;

    fn from_str(name: &str) -> Result<Self, UnknownAction> {
        match name {
            "refuse" => Ok(OnConflict::Refuse),
            "graceful" => Ok(OnConflict::Graceful),
            "force" => Ok(OnConflict::Force),
            "wait" => Ok(OnConflict::Wait),
            _ => Err(UnknownAction),
        }
    }
}

/// Error: the name is not an action of `on_conflict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("allowed are refuse, graceful, force and wait")]
pub struct UnknownAction;
