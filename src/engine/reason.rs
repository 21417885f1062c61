//! The reasons of a plan as types; `report` puts them into words.

use std::time::Duration;

use crate::engine::managed_by::ManagedBy;
use crate::engine::process::Launcher;
use crate::engine::shield::Shield;

/// The reason of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There is no conflict but ignored ones.
    NoConflicts,
    /// Conflicts are ended before the start.
    Ends {
        /// Their number.
        conflicts: usize,
    },
    /// Conflicts are waited for; others are ended once those have ended.
    WaitsFor {
        /// The number that is waited for.
        conflicts: usize,
        /// The number that is ended after that.
        then_ends: usize,
    },
    /// There is no start, or no stop.
    Refused(RefusalReason),
}

/// The plan in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No conflict is in the way.
    Clear,
    /// Conflicts are ended first.
    Act,
    /// Conflicts are waited for first.
    Wait,
    /// There is no start.
    Refuse(Refusal),
}

/// The kind of a refusal, which decides the exit status; the weightiest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// There were too many takeovers: two that restart each other would go on for ever.
    Storm,
    /// A newer start has the instance: this one gives way, and that is no failure.
    Superseded,
    /// A conflict may not be signalled.
    Permission,
    /// The policy says so, or something is not known well enough.
    Policy,
}

/// The reason that there is no start, or no stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalReason {
    /// There are more conflicts than `limits.max_targets` allows.
    TooManyConflicts {
        /// Their number, without ignored ones.
        conflicts: usize,
        /// The number that is allowed.
        allowed: usize,
    },
    /// There were more takeovers than `limits.max_takeovers` allows.
    Storm {
        /// The number that is allowed.
        allowed: usize,
        /// The time in which they are counted.
        window: Duration,
    },
    /// One conflict must not be settled.
    Conflict(ConflictRefusal),
    /// A webhook is set, and `telegram.webhook` refuses that.
    Webhook {
        /// The host that the updates go to.
        host: String,
    },
}

/// The reason that one conflict must not be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRefusal {
    /// The conflict.
    pub conflict: ConflictName,
    /// The reason.
    pub cause: RefusalCause,
}

/// The name of a conflict in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictName {
    /// A guard in this PID namespace.
    Guard {
        /// Its pid.
        pid: u32,
    },
    /// A process that is no guard.
    Process {
        /// Its pid.
        pid: u32,
        /// Its name, if it is known.
        name: Option<String>,
    },
    /// A guard in another PID namespace.
    GuardElsewhere {
        /// The host that it runs on.
        host: String,
    },
    /// A holder of the lock that cannot be identified.
    UnknownHolder,
}

/// The reason that a conflict must not be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalCause {
    /// A rule refuses the start.
    RuleRefuses {
        rule: String,
        /// The conflict's claim.
        claim: Claim,
    },
    /// A rule forbids a stop to end it.
    RuleForbidsEnding {
        rule: String,
        /// The conflict's claim.
        claim: Claim,
    },
    /// `on_conflict` refuses the start.
    OnConflictRefuses(Claim),
    /// `same_token` refuses the start.
    SameTokenRefuses(Claim),
    /// A rule that does not kill depends on an unknown fact. It must not be skipped for one that
    /// might kill.
    UndecidableRule { rule: String },
    /// `timeouts.wait` has run out, and `after_wait` refuses the start.
    WaitedTooLong,
    /// A rule ignores it, but it has the lock.
    HolderIgnored,
    /// It, or a process below it, must not be touched.
    Shielded {
        /// The shield.
        shield: Shield,
        /// The caller's permission to signal all of it.
        permission: Permission,
    },
    /// Its guard has a newer ticket.
    NewerStart,
    /// The holder of the lock cannot be identified, and so not be ended.
    HolderUnidentified,
    /// A process whose parent is unknown may be in its tree.
    ParentUnknown {
        /// That process.
        pid: u32,
    },
    /// Its parents were read at different moments, and form a circle.
    ParentsInCircle {
        /// Its root.
        pid: u32,
    },
    /// There is a start or a guard in its tree.
    MonopollInTree {
        /// Its pid.
        pid: u32,
    },
    /// A process of its tree belongs to another user.
    NotPermitted {
        /// That process.
        pid: u32,
        /// The user's name, if it is known.
        owner: Option<String>,
    },
    /// This system has no signal that asks another program to end.
    OnlyForceEnds,
    /// It was ended often enough, and came back each time.
    ComesBack {
        /// The program that restarts it.
        restarted_by: Restarter,
    },
}

/// The strongest evidence of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// It has the lock.
    Instance,
    /// It has the same bot token, and nothing else.
    Token,
    /// It is found by an entry of `match`, or is the same command.
    Running,
}

/// The caller's permission to signal all of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// It may.
    Granted,
    /// It may not.
    Missing,
}

/// The program that restarts a process that was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restarter {
    /// A service manager.
    Manager(ManagedBy),
    /// A process above it that was there each time.
    Launcher(Launcher),
    /// It is not known.
    Unknown,
}

impl Reason {
    /// The plan in a word.
    pub fn verdict(&self) -> Verdict {
        match self {
            Reason::NoConflicts => Verdict::Clear,
            Reason::Ends { .. } => Verdict::Act,
            Reason::WaitsFor { .. } => Verdict::Wait,
            Reason::Refused(reason) => Verdict::Refuse(reason.kind()),
        }
    }
}

impl RefusalReason {
    /// The kind of this refusal.
    pub fn kind(&self) -> Refusal {
        match self {
            RefusalReason::TooManyConflicts { .. } | RefusalReason::Webhook { .. } => {
                Refusal::Policy
            }
            RefusalReason::Storm { .. } => Refusal::Storm,
            RefusalReason::Conflict(refusal) => refusal.kind(),
        }
    }
}

impl ConflictRefusal {
    /// The kind of this refusal.
    pub fn kind(&self) -> Refusal {
        match &self.cause {
            RefusalCause::NewerStart => Refusal::Superseded,
            RefusalCause::NotPermitted { .. }
            | RefusalCause::OnlyForceEnds
            | RefusalCause::Shielded { permission: Permission::Missing, .. } => Refusal::Permission,
            RefusalCause::RuleRefuses { .. }
            | RefusalCause::RuleForbidsEnding { .. }
            | RefusalCause::OnConflictRefuses(_)
            | RefusalCause::SameTokenRefuses(_)
            | RefusalCause::UndecidableRule { .. }
            | RefusalCause::WaitedTooLong
            | RefusalCause::HolderIgnored
            | RefusalCause::Shielded { permission: Permission::Granted, .. }
            | RefusalCause::HolderUnidentified
            | RefusalCause::ParentUnknown { .. }
            | RefusalCause::ParentsInCircle { .. }
            | RefusalCause::MonopollInTree { .. }
            | RefusalCause::ComesBack { .. } => Refusal::Policy,
        }
    }
}
