//! What one process is by itself: unrelated, a suspect, shielded, or a candidate with its evidence.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{
    action::SameToken,
    fact::{Fact, Truth},
    pattern::{ContainerLimit, UserLimit},
    plan::Evidence,
    policy::{MatchEntry, Policy},
    process::{Process, Relation, Role},
    shield::{self, Shield},
    snapshot::{LockState, LockView, Snapshot},
    token::{CarriedToken, TokenPlace},
};

/// What one process is by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classification {
    /// Nothing speaks against it.
    Unrelated,
    /// It only looks related.
    Suspect,
    /// It would be a candidate, but must not be acted on.
    Shielded(Shield),
    /// It is in the way.
    Candidate {
        /// Why.
        evidence: BTreeSet<Evidence>,
        /// Why it must not be acted on all the same.
        shield: Option<Shield>,
    },
}

/// Weighs everything that speaks for or against `process`.
pub(super) fn standing(policy: &Policy, snapshot: &Snapshot, process: &Process) -> Classification {
    let has_lock = has_lock(snapshot, process);
    if !has_lock && snapshot.history.released.contains(&process.id) {
        return Classification::Unrelated;
    }
    let mut evidence: BTreeSet<Evidence> = has_lock.then_some(Evidence::Lock).into_iter().collect();
    let mut beyond = BTreeSet::new();
    let mut in_doubt = BTreeMap::new();
    for (entry, found, user, container) in patterns(policy, process) {
        match (found, shield::limit(process, &snapshot.me, user, container)) {
            (Truth::False | Truth::Unknown, _) => {}
            (Truth::True, None) => {
                evidence.insert(entry);
            }
            (Truth::True, Some(limit @ (Shield::UnknownUser | Shield::UnknownContainer))) => {
                in_doubt.insert(entry, limit);
            }
            (Truth::True, Some(limit)) => {
                beyond.insert(limit);
            }
        }
    }
    let token = token(policy, process);
    if token == Some(TokenEvidence::Proof) {
        evidence.insert(Evidence::Token);
    }
    let proven = has_lock || token == Some(TokenEvidence::Proof);
    let by_pattern = evidence.iter().any(|it| matches!(it, Evidence::Match(_) | Evidence::Command));
    match shield::absolute(process) {
        // What has the instance by proof is in the way, shielded or not; so is what nobody can rule
        // out.
        Some(shield) if proven => Classification::Candidate { evidence, shield: Some(shield) },
        Some(shield @ (Shield::UnknownBot | Shield::UnknownKin))
            if by_pattern || !in_doubt.is_empty() =>
        {
            evidence.extend(in_doubt.into_keys());
            Classification::Candidate { evidence, shield: Some(shield) }
        }
        Some(shield) if by_pattern || !in_doubt.is_empty() || !beyond.is_empty() => {
            Classification::Shielded(shield)
        }
        None if has_lock || by_pattern => Classification::Candidate { evidence, shield: None },
        // Nothing but the token: other users and containers are not ours to end.
        None if proven => {
            let shield =
                shield::limit(process, &snapshot.me, &UserLimit::Same, ContainerLimit::Same);
            Classification::Candidate { evidence, shield }
        }
        None if !in_doubt.is_empty() => {
            let shield = in_doubt.values().next().cloned();
            Classification::Candidate { evidence: in_doubt.into_keys().collect(), shield }
        }
        None if !beyond.is_empty() => {
            beyond.pop_first().map_or(Classification::Unrelated, Classification::Shielded)
        }
        None | Some(_) if token.is_some() && process.kin != Fact::Known(Relation::Myself) => {
            Classification::Suspect
        }
        None | Some(_) => Classification::Unrelated,
    }
}

/// What my token on a process says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEvidence {
    /// It is a poller of my bot.
    Proof,
    /// It may only have inherited it.
    Hint,
}

pub(super) fn token(policy: &Policy, process: &Process) -> Option<TokenEvidence> {
    let place = match (policy.same_token, process.role, &process.token) {
        (
            SameToken::Refuse | SameToken::Act | SameToken::Warn,
            Role::Program,
            Fact::Known(CarriedToken::Mine(place)),
        ) => *place,
        _ => return None,
    };
    let related = matches!(
        process.kin,
        Fact::Known(Relation::Myself | Relation::Ancestor | Relation::Descendant)
    );
    let meant_for_it = match place {
        TokenPlace::CommandLine => true,
        TokenPlace::Environment => process.own_program == Fact::Known(true),
    };
    Some(if meant_for_it && !related && policy.same_token != SameToken::Warn {
        TokenEvidence::Proof
    } else {
        TokenEvidence::Hint
    })
}

/// Each way in which a pattern may find `process`, and how far it reaches.
pub(super) fn patterns<'a>(
    policy: &'a Policy,
    process: &'a Process,
) -> Vec<(Evidence, Truth, &'a UserLimit, ContainerLimit)> {
    if process.role == Role::Monopoll {
        return Vec::new();
    }
    if policy.matches.is_empty() {
        return vec![(
            Evidence::Command,
            process.twin.holds(|twin| *twin),
            &UserLimit::Same,
            ContainerLimit::Same,
        )];
    }
    let each = |(index, entry): (usize, &'a MatchEntry)| {
        (Evidence::Match(index), entry.pattern.matches(process), &entry.user, entry.container)
    };
    policy.matches.iter().enumerate().map(each).collect()
}

/// By its own descriptors, by the kernel's list of locks, or by its record.
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
