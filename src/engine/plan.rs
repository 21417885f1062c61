//! What will be done, and why.

use std::time::Duration;

use crate::engine::{
    action::Action,
    fact::Fact,
    ladder::{Ladder, Stop},
    process::{Process, Relation},
    reason::{ConflictRefusal, Reason, RefusalReason, Verdict},
    shield::Shield,
    snapshot::{GuardView, LockView},
};

/// What will be done, and why: a picture of one moment.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Why it is as it is.
    pub reason: Reason,
    /// The lock files as they were seen.
    pub locks: Vec<LockView>,
    /// The guards that have a record beside the lock.
    pub guards: Vec<GuardView>,
    /// Who is in the way, the oldest first.
    pub conflicts: Vec<Conflict>,
    /// Who would be, but must not be acted on.
    pub shielded: Vec<Shielded>,
    /// Who only looks related.
    pub suspects: Vec<Suspect>,
}

impl Plan {
    /// The plan in a word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.reason.verdict()
    }

    /// Whether there is no start.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.refusal().is_some()
    }

    /// Why there is no start, where there is none.
    #[must_use]
    pub fn refusal(&self) -> Option<&RefusalReason> {
        match &self.reason {
            Reason::Refused(reason) => Some(reason),
            Reason::NoConflicts | Reason::Ends { .. } | Reason::WaitsFor { .. } => None,
        }
    }

    /// Makes it a refusal for a reason that no conflict gives: nothing is touched.
    pub fn refuse(&mut self, reason: RefusalReason) {
        self.reason = Reason::Refused(reason);
        for conflict in &mut self.conflicts {
            conflict.ladder = Ladder::Nothing;
        }
    }

    /// How long the whole of it may take: wait + graceful + force. `None`: for ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let (mut waits, mut ends) = (Duration::ZERO, Duration::ZERO);
        for conflict in &self.conflicts {
            let (wait, end) = conflict.ladder.patience()?;
            // All are waited for at once, and ended at once when nobody is left to wait for.
            waits = waits.max(wait);
            ends = ends.max(end);
        }
        Some(waits.saturating_add(ends))
    }

    /// Those that only look related, and not because they are related to monopoll itself.
    pub fn unexpected_suspects(&self) -> impl Iterator<Item = &Suspect> {
        self.suspects.iter().filter(|suspect| !suspect.is_expected())
    }

    /// The conflicts that are waited for; none where the start is refused.
    pub fn waits(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| match conflict.ladder {
            Ladder::Wait { .. } => true,
            Ladder::Nothing | Ladder::Stop(_) => false,
        })
    }

    /// The conflicts that are ended, once all that are waited for have ended, and how; none where
    /// the start is refused.
    pub fn stops(&self) -> impl Iterator<Item = (&Conflict, Stop)> {
        self.conflicts.iter().filter_map(|conflict| match conflict.ladder {
            Ladder::Stop(stop) => Some((conflict, stop)),
            Ladder::Nothing | Ladder::Wait { .. } => None,
        })
    }

    /// The conflicts that are ended.
    pub fn kills(&self) -> impl Iterator<Item = &Conflict> {
        self.stops().map(|(conflict, _)| conflict)
    }
}

/// A candidate and its tree.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The topmost process; `None` where it cannot be seen (another PID namespace) or is not known.
    pub root: Option<Process>,
    /// The guard's own word about itself, if it is one.
    pub guard: Option<GuardView>,
    /// Everything below the root.
    pub tree: Vec<Process>,
    /// Why it is a candidate.
    pub evidence: Vec<Evidence>,
    /// What is done.
    pub action: Action,
    /// What decided that.
    pub decided_by: DecidedBy,
    /// Why, where it is a refusal.
    pub refusal: Option<ConflictRefusal>,
    /// How it is outlasted or ended.
    pub ladder: Ladder,
}

impl Conflict {
    /// Whether it has the lock.
    #[must_use]
    pub fn holds_lock(&self) -> bool {
        self.evidence.contains(&Evidence::Lock)
    }

    /// The root and everything below it.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.root.iter().chain(&self.tree)
    }
}

/// Why a process is a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    /// It has the lock.
    Lock,
    /// It carries my bot token.
    Token,
    /// It meets the match entry with this index.
    Match(usize),
    /// It is the same command in the same place.
    Command,
}

/// What decided about a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DecidedBy {
    /// The rule of this name.
    Rule(String),
    /// `on_conflict`.
    OnConflict,
    /// `same_token`.
    SameToken,
    /// monopoll's own caution, which no key lifts.
    Caution,
}

/// A process that would be a candidate but must not be acted on.
#[derive(Debug, Clone)]
pub struct Shielded {
    /// Who.
    pub process: Process,
    /// Why.
    pub shield: Shield,
}

/// A process that only looks related: it has this bot's token.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// Who.
    pub process: Process,
}

impl Suspect {
    /// Whether it has every reason to look so: what started monopoll, and what monopoll started,
    /// has its environment. Nobody needs to be warned about it.
    #[must_use]
    pub fn is_expected(&self) -> bool {
        matches!(self.process.relation, Fact::Known(Relation::Ancestor | Relation::Descendant))
    }
}
