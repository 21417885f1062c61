//! The reasons of a plan as types; `report` puts them into words.

use std::time::Duration;

use crate::engine::counter_evidence::Doubt;
use crate::engine::ladder::WaitLimit;
use crate::engine::managed_by::ManagedBy;
use crate::engine::respawn::Restarter;
use crate::engine::shield::Shield;
use crate::error::ExitStatus;

/// The plan in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No conflicts, except ignored ones.
    Clear,
    /// Conflicts are ended before the start.
    Act,
    /// Conflicts are waited for; others are ended once those have ended.
    Wait,
    /// The start or the stop is refused.
    Refuse(RefusalKind),
}

/// The kind of a refusal, which decides the exit status; the weightiest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalKind {
    /// There were too many takeovers: two supervisors would restart forever.
    TooManyTakeovers,
    /// A newer start has the instance: this one gives way, which is not a failure.
    Superseded,
    /// A conflict may not be signaled.
    Permission,
    /// The policy refuses, or a fact is unknown.
    Policy,
}

/// The reason that a start or a stop is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// There are more conflicts than `limits.max_targets` allows, without ignored ones.
    TooManyConflicts { conflicts: usize, allowed: usize },
    /// There were more takeovers than `limits.max_takeovers` allows.
    TooManyTakeovers { allowed: usize, window: Duration },
    /// The reason of [`Plan::decisive_conflict`](crate::engine::plan::Plan::decisive_conflict).
    Conflict,
    /// A webhook is set, and `telegram.webhook` refuses that; its host gets the updates.
    Webhook { host: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalCause {
    /// The part of the policy that decides about it says refuse.
    PolicyRefuses,
    /// A rule forbids a stop to end it.
    RuleForbidsEnding,
    /// A rule that does not kill depends on an unknown fact. It must not be skipped for one that
    /// might kill.
    UndecidableRule,
    /// This `timeouts.wait` has run out, and `after_wait` refuses the start.
    WaitedTooLong(WaitLimit),
    /// A rule ignores it, but it has the lock.
    HolderIgnored,
    /// It, or a process below it, must not be touched.
    Shielded { shield: Shield, permission: Permission },
    /// The conflict may be another bot's.
    InDoubt(Doubt),
    /// This manager would start it again.
    Supervised(ManagedBy),
    /// The guard of the conflict has a newer ticket.
    NewerStart,
    /// The holder of the lock cannot be identified, and so not be ended.
    HolderUnidentified,
    /// This process, whose parent is unknown, may be in its tree.
    ParentUnknown { pid: u32 },
    /// The parents of this process, its root, were read at different moments, and form a circle.
    ParentsInCircle { pid: u32 },
    /// There is this start or guard in its tree.
    MonopollInTree { pid: u32 },
    /// This process of its tree belongs to another user.
    NotPermitted { pid: u32, owner: Option<String> },
    /// This system has no signal that asks another program to end.
    OnlyForceEnds,
    /// The conflict was ended often enough, and came back each time.
    ComesBack { restarted_by: Restarter },
}

/// The caller's permission to signal all of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    Granted,
    Missing,
}

impl RefusalKind {
    /// Returns the exit status of a command that starts nothing, such as `plan`: only a start gives
    /// way.
    pub fn exit_status_without_start(self) -> ExitStatus {
        match self {
            RefusalKind::Superseded => ExitStatus::Refused,
            RefusalKind::Permission | RefusalKind::Policy | RefusalKind::TooManyTakeovers => {
                self.exit_status()
            }
        }
    }

    /// Returns the exit status of a start.
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
            | RefusalCause::InDoubt(Doubt::UnreadableEnvironment)
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
                | Doubt::BelowGuard(_)
                | Doubt::Variable(_)
                | Doubt::Option(_)
                | Doubt::SeveralBots,
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
