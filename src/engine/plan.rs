//! The plan: the conflicts, what to do about each, and why.

use std::time::Duration;

use crate::engine::action::Action;
use crate::engine::counter_evidence::CounterEvidence;
use crate::engine::evidence::Evidence;
use crate::engine::ladder::{Ladder, Stop};
use crate::engine::near_miss::NearMissReason;
use crate::engine::process::{Launcher, Process};
use crate::engine::reason::{RefusalCause, RefusalKind, RefusalReason, Verdict};
use crate::engine::shield::Shield;
use crate::engine::snapshot::{GuardView, LockView};
use crate::text::command_line;

#[derive(Debug, Clone)]
pub struct Plan {
    pub refusal: Option<RefusalReason>,
    pub locks: Vec<LockView>,
    /// The guards that hold one of the locks or have a record next to one.
    pub guards: Vec<GuardView>,
    /// Oldest first.
    pub conflicts: Vec<Conflict>,
    /// Processes that would be conflicts, but are shielded.
    pub shielded: Vec<Shielded>,
    /// Processes whose only evidence is this bot's token.
    pub suspects: Vec<Process>,
    pub near_misses: Vec<NearMiss>,
}

impl Plan {
    pub fn verdict(&self) -> Verdict {
        match self.refusal_kind() {
            Some(kind) => Verdict::Refuse(kind),
            None if self.waits().next().is_some() => Verdict::Wait,
            None if self.conflicts_to_end().next().is_some() => Verdict::Act,
            None => Verdict::Clear,
        }
    }

    pub fn refusal_kind(&self) -> Option<RefusalKind> {
        self.refusal.as_ref().map(|reason| match reason {
            RefusalReason::TooManyTakeovers { .. } => RefusalKind::TooManyTakeovers,
            RefusalReason::TooManyConflicts { .. } | RefusalReason::Webhook { .. } => {
                RefusalKind::Policy
            }
            RefusalReason::Conflict => self
                .decisive_conflict()
                .and_then(Conflict::refusal_kind)
                .unwrap_or(RefusalKind::Policy),
        })
    }

    /// Returns the conflict with the most severe refusal, if a conflict is why the plan is refused.
    pub fn decisive_conflict(&self) -> Option<&Conflict> {
        self.conflicts
            .iter()
            .filter(|_| self.refusal == Some(RefusalReason::Conflict))
            .max_by_key(|conflict| conflict.refusal_kind())
    }

    /// Refuses the plan, so that no conflict is acted on.
    pub fn refuse(&mut self, reason: RefusalReason) {
        self.refusal = Some(reason);
        for conflict in &mut self.conflicts {
            conflict.ladder = Ladder::Nothing;
        }
    }

    /// Returns the time limit of the whole plan: wait + graceful + force. `None` if there is no
    /// limit.
    pub fn deadline(&self) -> Option<Duration> {
        let (mut waits, mut ends) = (Duration::ZERO, Duration::ZERO);
        for conflict in &self.conflicts {
            let (wait, end) = conflict.ladder.time_limits()?;
            // All conflicts are waited for in parallel, and then ended in parallel.
            waits = waits.max(wait);
            ends = ends.max(end);
        }
        Some(waits.saturating_add(ends))
    }

    pub fn waits(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| match conflict.ladder {
            Ladder::Wait { .. } => true,
            Ladder::Nothing | Ladder::Stop(_) => false,
        })
    }

    /// Returns the conflicts that are ended after the wait, and how. Empty if the start is refused.
    pub fn stops(&self) -> impl Iterator<Item = (&Conflict, Stop)> {
        self.conflicts.iter().filter_map(|conflict| match conflict.ladder {
            Ladder::Stop(stop) => Some((conflict, stop)),
            Ladder::Nothing | Ladder::Wait { .. } => None,
        })
    }

    pub fn conflicts_to_end(&self) -> impl Iterator<Item = &Conflict> {
        self.stops().map(|(conflict, _)| conflict)
    }
}

/// A candidate and its tree.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The topmost process; `None` if it is in another PID namespace, unknown, or a guard that
    /// ended while the machine was scanned.
    pub root: Option<Process>,
    /// The guard, if the root is one.
    pub guard: Option<GuardView>,
    pub tree: Vec<Process>,
    pub evidence: Vec<Evidence>,
    pub action: Action,
    pub decided_by: DecidedBy,
    pub refusal: Option<RefusalCause>,
    pub ladder: Ladder,
    /// The rules that could not decide because of unknown facts.
    pub uncertain_rules: Vec<UncertainRule>,
}

/// A rule that could not decide because some of its conditions are unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncertainRule {
    pub name: String,
    pub unknown: Vec<&'static str>,
}

impl Conflict {
    pub fn refusal_kind(&self) -> Option<RefusalKind> {
        self.refusal.as_ref().map(RefusalCause::kind)
    }

    pub fn holds_lock(&self) -> bool {
        self.evidence.contains(&Evidence::Lock)
    }

    pub fn found_by(&self) -> Evidence {
        // Every conflict has evidence. The fallback is the lock, which is never ignored.
        self.evidence.iter().min().copied().unwrap_or(Evidence::Lock)
    }

    /// Returns the pid of the root; `None` in another PID namespace, or if it is unknown.
    pub fn pid(&self) -> Option<u32> {
        let guard = || self.guard.as_ref().and_then(|guard| guard.process);
        self.root.as_ref().map(|root| root.id).or_else(guard).map(|id| id.pid)
    }

    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.root.iter().chain(&self.tree)
    }

    /// Returns the process that may have started an unguarded, unmanaged conflict and may start it
    /// again.
    pub fn launcher(&self) -> Option<&Launcher> {
        launcher(self.root.as_ref(), self.guard.as_ref())
    }

    pub fn command(&self) -> ConflictCommand<'_> {
        let args = self.root.as_ref().and_then(|root| root.args.known());
        match (&self.guard, args) {
            (Some(guard), _) => ConflictCommand::Recorded(&guard.command),
            (None, Some(args)) => ConflictCommand::Arguments(args),
            (None, None) => ConflictCommand::Unknown,
        }
    }
}

/// See [`Conflict::launcher`].
pub(super) fn launcher<'a>(
    root: Option<&'a Process>,
    guard: Option<&GuardView>,
) -> Option<&'a Launcher> {
    let root = root.filter(|root| guard.is_none() && root.manager().is_none())?;
    root.launchers.known()?.first()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictCommand<'a> {
    /// The command in the guard's record: quoted and masked.
    Recorded(&'a str),
    Arguments(&'a [String]),
    Unknown,
}

impl ConflictCommand<'_> {
    pub fn text(self) -> Option<String> {
        match self {
            ConflictCommand::Recorded(command) => Some(command.to_owned()),
            ConflictCommand::Arguments(args) => Some(command_line(args)),
            ConflictCommand::Unknown => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DecidedBy {
    Rule(String),
    OnConflict,
    SameToken,
    /// The built-in rule about processes that a supervisor restarts.
    Supervised,
    /// A safety rule, which no setting disables.
    SafetyRule,
}

impl DecidedBy {
    pub fn rule(&self) -> Option<&str> {
        match self {
            DecidedBy::Rule(name) => Some(name),
            DecidedBy::OnConflict
            | DecidedBy::SameToken
            | DecidedBy::Supervised
            | DecidedBy::SafetyRule => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct NearMiss {
    pub process: Process,
    pub reason: NearMissReason,
    /// The evidence that the process is not this bot.
    pub against: CounterEvidence,
}

#[derive(Debug, Clone)]
pub struct Shielded {
    pub process: Process,
    pub shield: Shield,
}
