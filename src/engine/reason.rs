//! Typed reasons for a plan. `report` puts them into words.

use std::time::Duration;

use crate::engine::counter_evidence::Doubt;
use crate::engine::ladder::WaitLimit;
use crate::engine::managed_by::ManagedBy;
use crate::engine::respawn::Restarter;
use crate::engine::shield::Shield;
use crate::error::ExitStatus;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No conflicts, except ignored ones.
    Clear,
    /// Conflicts will be ended before the start.
    Act,
    /// Conflicts will be waited for; after that, any others will be ended.
    Wait,
    Refuse(RefusalKind),
}

/// The kind of a refusal, which determines the exit status. Most severe last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalKind {
    /// Too many takeovers: two supervisors would keep replacing each other's bot.
    TooManyTakeovers,
    /// A newer start has the instance. Giving way to it is not a failure.
    Superseded,
    /// The caller may not signal a conflict.
    Permission,
    /// The policy refuses, or a fact is unknown.
    Policy,
}

/// The reason a start or a stop is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// More conflicts, apart from ignored ones, than `limits.max_targets` allows.
    TooManyConflicts { conflicts: usize, allowed: usize },
    /// More takeovers than `limits.max_takeovers` allows.
    TooManyTakeovers { allowed: usize, window: Duration },
    /// The reason of [`Plan::decisive_conflict`](crate::engine::plan::Plan::decisive_conflict).
    Conflict,
    /// A webhook is set, and `telegram.webhook` refuses that. `host` receives the updates.
    Webhook { host: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalCause {
    /// The deciding part of the policy says refuse.
    PolicyRefuses,
    /// A rule forbids a stop to end the conflict.
    RuleForbidsEnding,
    /// A rule that does not kill depends on an unknown fact. Skipping it might reach a rule that
    /// kills.
    UndecidableRule,
    /// `timeouts.wait` has elapsed, and `after_wait` refuses the start.
    WaitedTooLong(WaitLimit),
    /// A rule ignores the conflict, but the conflict holds the lock.
    HolderIgnored,
    /// The conflict, or a process in its tree, is shielded.
    Shielded { shield: Shield, permission: Permission },
    /// The conflict may be another bot.
    InDoubt(Doubt),
    /// This manager would restart the conflict.
    Supervised(ManagedBy),
    /// The guard of the conflict has a newer ticket.
    NewerStart,
    /// The holder of the lock cannot be identified, and so cannot be ended.
    HolderUnidentified,
    /// The parent of this process is unknown, so it may belong to the tree.
    ParentUnknown { pid: u32 },
    /// The parents were read at different times and form a cycle through this root.
    ParentsInCircle { pid: u32 },
    /// The tree contains this start or guard.
    MonopollInTree { pid: u32 },
    /// This process in the tree belongs to another user.
    NotPermitted { pid: u32, owner: Option<String> },
    /// This system cannot ask another program to end, only kill it.
    OnlyForceEnds,
    /// The conflict was ended several times and came back each time.
    ComesBack { restarted_by: Restarter },
}

/// The caller's permission to signal all processes of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    Granted,
    Missing,
}

impl RefusalKind {
    /// Returns the exit status of a command that starts nothing, such as `plan`. Only a start can
    /// give way.
    pub fn exit_status_without_start(self) -> ExitStatus {
        match self {
            RefusalKind::Superseded => ExitStatus::Refused,
            RefusalKind::Permission | RefusalKind::Policy | RefusalKind::TooManyTakeovers => {
                self.exit_status()
            }
        }
    }

    pub fn exit_status(self) -> ExitStatus {
        match self {
            RefusalKind::Superseded => ExitStatus::Done,
            RefusalKind::Permission => ExitStatus::Permission,
            RefusalKind::Policy | RefusalKind::TooManyTakeovers => ExitStatus::Refused,
        }
    }
}

impl RefusalCause {
    pub fn kind(&self) -> RefusalKind {
        match self {
            RefusalCause::NewerStart => RefusalKind::Superseded,
            RefusalCause::NotPermitted { .. }
            | RefusalCause::OnlyForceEnds
            | RefusalCause::InDoubt(Doubt::UnreadableEnvironment | Doubt::UnreadableDotenv)
            | RefusalCause::Shielded { permission: Permission::Missing, .. } => {
                RefusalKind::Permission
            }
            RefusalCause::PolicyRefuses
            | RefusalCause::RuleForbidsEnding
            | RefusalCause::UndecidableRule
            | RefusalCause::WaitedTooLong(_)
            | RefusalCause::HolderIgnored
            | RefusalCause::Shielded { permission: Permission::Granted, .. }
            | RefusalCause::InDoubt(
                Doubt::AlsoAnotherToken(_)
                | Doubt::NoTokenOfMine(_)
                | Doubt::Dotenv(_)
                | Doubt::OwnDotenv(_)
                | Doubt::ChangedSettings(_)
                | Doubt::CopiedConfiguration { .. }
                | Doubt::MovedFolder(_)
                | Doubt::ChangedEnvFile { .. }
                | Doubt::BelowGuard(_)
                | Doubt::BesideAnotherProgram { .. }
                | Doubt::AnotherBotBelow { .. }
                | Doubt::ServerOfOthers { .. }
                | Doubt::Variable(_)
                | Doubt::Command(_)
                | Doubt::SeveralBots
                | Doubt::BlocksReads,
            )
            | RefusalCause::Supervised(_)
            | RefusalCause::HolderUnidentified
            | RefusalCause::ParentUnknown { .. }
            | RefusalCause::ParentsInCircle { .. }
            | RefusalCause::MonopollInTree { .. }
            | RefusalCause::ComesBack { .. } => RefusalKind::Policy,
        }
    }
}
