//! Classifies a single process by the evidence for and against it.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::counter_evidence::{CounterEvidence, Doubt, weigh_against};
use crate::engine::evidence::{
    Evidence, PatternMatch, TokenEvidence, pattern_matches, token_evidence, with_stronger_evidence,
};
use crate::engine::fact::{Fact, Truth};
use crate::engine::near_miss::{self, NearMissReason};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::policy::Policy;
use crate::engine::process::{GuardedInstance, Process};
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::{Caller, LockState, LockView, Snapshot};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classification {
    Unrelated,
    /// The process is almost the same command.
    NearMiss(NearMissReason),
    /// The process carries this bot's token, but nothing else speaks for it.
    Suspect,
    /// The process would be a candidate, but is shielded.
    Shielded(Shield),
    Candidate {
        evidence: BTreeSet<Evidence>,
        /// The reason not to act on the candidate. It is still a conflict.
        objection: Option<Objection>,
    },
}

/// The reason a conflict refuses the start regardless of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Objection {
    Shield(Shield),
    Doubt(Doubt),
}

pub(super) fn classify(policy: &Policy, snapshot: &Snapshot, process: &Process) -> Classification {
    let me = &snapshot.me;
    let has_lock = has_lock(snapshot, process);
    if !has_lock && snapshot.rounds.released.contains(&process.id) {
        return Classification::Unrelated;
    }
    let token = token_evidence(policy, me.cwd.as_deref(), process);
    let process = &*with_stronger_evidence(token, process);
    let mut found = EvidenceSet::by_patterns(policy, me, process);
    if has_lock {
        let unknown_user = (!is_seen_with_lock(snapshot, process) && process.user == Fact::Unknown)
            .then_some(Shield::UnknownUser);
        found.evidence.insert(Evidence::Lock, unknown_user);
    }
    if token == Some(TokenEvidence::Proof) {
        // A token alone does not justify ending processes of other users or in other containers.
        let limit = shield::limit(process, me, &UserLimit::Same, ContainerLimit::Same);
        found.evidence.insert(Evidence::Token, limit);
    }
    let against = weigh_against(me, process);
    if !found.is_empty() {
        let is_same_command = found.evidence.keys().eq([&Evidence::Command]);
        return match (found.weigh(process, &against), near_miss::of_other_instance(me, &against)) {
            (Classification::Shielded(Shield::AnotherBot(_)), Some(reason)) if is_same_command => {
                Classification::NearMiss(reason)
            }
            (classification, _) => classification,
        };
    }
    match (token, near_miss::of(me, process), &against) {
        (_, _, CounterEvidence::AnotherBot(_)) | (None, None, _) => Classification::Unrelated,
        (Some(_), _, CounterEvidence::Nothing | CounterEvidence::Doubt(_)) => {
            Classification::Suspect
        }
        (None, Some(reason), CounterEvidence::Nothing | CounterEvidence::Doubt(_)) => {
            Classification::NearMiss(reason)
        }
    }
}

#[derive(Default)]
struct EvidenceSet {
    /// The evidence, each with the limit that excludes the process, if any. Such evidence still
    /// refuses the start.
    evidence: BTreeMap<Evidence, Option<Shield>>,
    /// Patterns that match, but whose limits cannot be checked.
    in_doubt: BTreeMap<Evidence, Option<Shield>>,
    /// Limits that exclude the process although their patterns match.
    out_of_reach: BTreeSet<Shield>,
}

impl EvidenceSet {
    fn by_patterns(policy: &Policy, me: &Caller, process: &Process) -> EvidenceSet {
        let mut found = EvidenceSet::default();
        for PatternMatch { evidence, holds, user, container } in pattern_matches(policy, process) {
            match (holds, shield::limit(process, me, user, container)) {
                (Truth::False | Truth::Unknown, _) => {}
                (Truth::True, None) => {
                    found.evidence.insert(evidence, None);
                }
                (Truth::True, Some(limit @ (Shield::UnknownUser | Shield::UnknownContainer))) => {
                    found.in_doubt.insert(evidence, Some(limit));
                }
                (Truth::True, Some(limit @ Shield::OtherUser(_)))
                    if evidence == Evidence::Command =>
                {
                    // An unrelated user must neither block a start nor be ended: at most a near
                    // miss.
                    if me.shares_script_with(process) {
                        found.evidence.insert(evidence, Some(limit));
                    }
                }
                (Truth::True, Some(limit)) => {
                    found.out_of_reach.insert(limit);
                }
            }
        }
        found
    }

    fn is_empty(&self) -> bool {
        self.evidence.is_empty() && self.in_doubt.is_empty() && self.out_of_reach.is_empty()
    }

    /// Applies the table of evidence: the strongest evidence, then the counter-evidence.
    fn weigh(mut self, process: &Process, against: &CounterEvidence) -> Classification {
        let is_proven = self.evidence.contains_key(&Evidence::Lock)
            || self.evidence.contains_key(&Evidence::Token);
        if self.evidence.is_empty() {
            self.evidence = self.in_doubt;
        }
        let EvidenceSet { evidence, mut out_of_reach, .. } = self;
        let candidate = |objection| Classification::Candidate {
            evidence: evidence.keys().copied().collect(),
            objection,
        };
        match shield::relation(process).or_else(|| shield::another_bot(against)) {
            // A proven holder is a conflict even if it is shielded. So is a process that cannot be
            // ruled out because its relation is unknown.
            Some(shield)
                if is_proven || shield == Shield::UnknownRelation && !evidence.is_empty() =>
            {
                return candidate(Some(Objection::Shield(shield)));
            }
            Some(shield) => return Classification::Shielded(shield),
            None => {}
        }
        if evidence.is_empty() {
            let limit = out_of_reach.pop_first();
            return limit.map_or(Classification::Unrelated, Classification::Shielded);
        }
        // One piece of evidence without a limit is enough.
        let limits: Option<Vec<&Shield>> = evidence.values().map(Option::as_ref).collect();
        let limit = limits.and_then(|limits| limits.into_iter().next().cloned());
        let doubt = || match against {
            CounterEvidence::Doubt(doubt) => Some(Objection::Doubt(doubt.clone())),
            CounterEvidence::Nothing | CounterEvidence::AnotherBot(_) => None,
        };
        candidate(limit.map(Objection::Shield).or_else(doubt))
    }
}

/// Returns whether `process` has the lock: it is seen with the lock, or belongs to the tree of a
/// living guard of this instance.
pub(super) fn has_lock(snapshot: &Snapshot, process: &Process) -> bool {
    let above = process.guard.known().and_then(Option::as_ref);
    let is_below_mine = above.is_some_and(|guard| guard.guards == GuardedInstance::Mine);
    is_seen_with_lock(snapshot, process)
        || is_below_mine && !is_another_users(&snapshot.me, process)
}

/// Returns whether `process` has the lock according to its descriptors, the kernel's lock list or a
/// guard's record.
fn is_seen_with_lock(snapshot: &Snapshot, process: &Process) -> bool {
    process.holds_lock == Fact::Known(true)
        || snapshot.locks.iter().any(|lock| is_held_by(lock, process))
        || is_guard(snapshot, process)
}

/// A marker can be forged, and each user has separate locks, so another user's marker proves
/// nothing.
fn is_another_users(me: &Caller, process: &Process) -> bool {
    process.user.known().is_some_and(|user| user.id != me.user.id)
}

pub(super) fn is_held_by(lock: &LockView, process: &Process) -> bool {
    match &lock.state {
        LockState::Held(holders) => holders.contains(&process.id.pid),
        LockState::Free | LockState::Mine | LockState::Unknown => false,
    }
}

pub(super) fn is_guard(snapshot: &Snapshot, process: &Process) -> bool {
    snapshot.guards.iter().any(|guard| guard.process == Some(process.id))
}
