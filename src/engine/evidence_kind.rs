//! The kinds of evidence that a process is my bot, as rules and JSON name them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The strongest evidence that found a process.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// It holds the lock, or is a guard that runs the same command.
    Lock,
    /// It meets a match entry.
    Match,
    /// It is the same command.
    Command,
    /// It carries the bot token.
    Token,
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EvidenceKind::Lock => "lock",
            EvidenceKind::Match => "match",
            EvidenceKind::Command => "command",
            EvidenceKind::Token => "token",
        })
    }
}
