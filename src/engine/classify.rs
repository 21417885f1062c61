//! Classifies one process by itself: unrelated, a suspect, shielded, or a candidate with its
//! evidence.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::action::SameToken;
use crate::engine::fact::{Fact, Truth};
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::plan::Evidence;
use crate::engine::policy::{MatchEntry, Policy};
use crate::engine::process::{Process, Relation, Role, User};
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::{LockState, LockView, Snapshot};
use crate::engine::token::{CarriedToken, TokenPlace};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classification {
    Unrelated,
    /// It only looks related.
    Suspect,
    /// It would be a candidate, but must not be acted on.
    Shielded(Shield),
    Candidate {
        evidence: BTreeSet<Evidence>,
        /// It is a conflict, but must not be acted on.
        shield: Option<Shield>,
    },
}

pub(super) fn classify(policy: &Policy, snapshot: &Snapshot, process: &Process) -> Classification {
    let has_lock = has_lock(snapshot, process);
    if !has_lock && snapshot.history.released.contains(&process.id) {
        return Classification::Unrelated;
    }
    let mut evidence: BTreeSet<Evidence> = has_lock.then_some(Evidence::Lock).into_iter().collect();
    let mut out_of_reach = BTreeSet::new();
    let mut in_doubt = BTreeMap::new();
    for (entry, found, user, container) in pattern_matches(policy, process, &snapshot.me.user) {
        match (found, shield::limit(process, &snapshot.me, user, container)) {
            (Truth::False | Truth::Unknown, _) => {}
            (Truth::True, None) => {
                evidence.insert(entry);
            }
            (Truth::True, Some(limit @ (Shield::UnknownUser | Shield::UnknownContainer))) => {
                in_doubt.insert(entry, limit);
            }
            (Truth::True, Some(limit)) => {
                out_of_reach.insert(limit);
            }
        }
    }
    let token = token_evidence(policy, process);
    if token == Some(TokenEvidence::Proof) {
        evidence.insert(Evidence::Token);
    }
    let is_proven = has_lock || token == Some(TokenEvidence::Proof);
    let is_matched = evidence.iter().any(|it| matches!(it, Evidence::Match(_) | Evidence::Command));
    match shield::absolute(process) {
        // A proven holder is a conflict, shielded or not; so is a process that cannot be ruled out.
        Some(shield) if is_proven => Classification::Candidate { evidence, shield: Some(shield) },
        Some(shield @ (Shield::UnknownBot | Shield::UnknownRelation))
            if is_matched || !in_doubt.is_empty() =>
        {
            evidence.extend(in_doubt.into_keys());
            Classification::Candidate { evidence, shield: Some(shield) }
        }
        Some(shield) if is_matched || !in_doubt.is_empty() || !out_of_reach.is_empty() => {
            Classification::Shielded(shield)
        }
        None if has_lock || is_matched => Classification::Candidate { evidence, shield: None },
        // Nothing but the token: other users and containers are not ours to end.
        None if is_proven => {
            let shield =
                shield::limit(process, &snapshot.me, &UserLimit::Same, ContainerLimit::Same);
            Classification::Candidate { evidence, shield }
        }
        None if !in_doubt.is_empty() => {
            let shield = in_doubt.values().next().cloned();
            Classification::Candidate { evidence: in_doubt.into_keys().collect(), shield }
        }
        None if !out_of_reach.is_empty() => {
            out_of_reach.pop_first().map_or(Classification::Unrelated, Classification::Shielded)
        }
        None | Some(_) if token.is_some() && process.relation != Fact::Known(Relation::Myself) => {
            Classification::Suspect
        }
        None | Some(_) => Classification::Unrelated,
    }
}

/// The evidence in my bot token on a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEvidence {
    /// The process polls my bot.
    Proof,
    /// Nothing: it may only have inherited the token.
    Hint,
}

pub(super) fn token_evidence(policy: &Policy, process: &Process) -> Option<TokenEvidence> {
    let Fact::Known(CarriedToken::Mine(place)) = process.token else { return None };
    if policy.same_token == SameToken::Off || process.role == Role::Monopoll {
        return None;
    }
    let is_related = process.is_relative() || process.relation == Fact::Known(Relation::Myself);
    let is_meant_for_it = match place {
        TokenPlace::CommandLine => true,
        TokenPlace::Environment => process.same_program == Fact::Known(true),
    };
    Some(if is_meant_for_it && !is_related && policy.same_token != SameToken::Warn {
        TokenEvidence::Proof
    } else {
        TokenEvidence::Hint
    })
}

/// Each pattern with whether it matches `process`, and the users and containers that it is limited
/// to.
pub(super) fn pattern_matches<'a>(
    policy: &'a Policy,
    process: &Process,
    me: &User,
) -> Vec<(Evidence, Truth, &'a UserLimit, ContainerLimit)> {
    if process.role == Role::Monopoll {
        return Vec::new();
    }
    if policy.matches.is_empty() {
        return vec![(
            Evidence::Command,
            process.likeness.holds(|likeness| likeness.is_same()),
            &UserLimit::Same,
            ContainerLimit::Same,
        )];
    }
    let each = |(index, entry): (usize, &'a MatchEntry)| {
        (Evidence::Match(index), entry.pattern.matches(process, me), &entry.user, entry.container)
    };
    policy.matches.iter().enumerate().map(each).collect()
}

/// Returns whether `process` has the lock: by its descriptors, by the kernel's list of locks or by
/// its record.
pub(super) fn has_lock(snapshot: &Snapshot, process: &Process) -> bool {
    process.holds_lock == Fact::Known(true)
        || snapshot.locks.iter().any(|lock| is_held_by(lock, process))
        || is_guard(snapshot, process)
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
