//! The kinds of evidence, with the names they have in rules and JSON.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The strongest evidence that the process is this bot.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// The process holds the lock, or is a guard that runs the same command.
    Lock,
    /// The process meets a match entry.
    Match,
    /// The process runs the same command in the same place.
    Command,
    /// The process carries the bot token.
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
