//! Who is in the way: candidates with their evidence, gathered into one conflict for each tree.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    action::SameToken,
    fact::{Fact, Truth},
    pattern::{ContainerLimit, UserLimit},
    plan::{Evidence, Shielded, Suspect},
    policy::Policy,
    shield::{self, Shield},
    snapshot::{CarriedToken, GuardView, Kin, LockState, Process, Role, Snapshot, TokenPlace},
};

/// What the processes are to this start.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) conflicts: Vec<Found>,
    pub(super) shielded: Vec<Shielded>,
    pub(super) suspects: Vec<Suspect>,
}

/// A tree with at least one candidate in it, and nothing decided yet.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) root: Option<Process>,
    pub(super) guard: Option<GuardView>,
    pub(super) tree: Vec<Process>,
    pub(super) evidence: BTreeSet<Evidence>,
    /// Why it must not be acted on, although it is in the way.
    pub(super) shield: Option<Shield>,
}

/// The candidates by pid, and what was found about each.
type Candidates = BTreeMap<u32, (BTreeSet<Evidence>, Option<Shield>)>;

/// What one process is by itself.
enum Standing {
    Unrelated,
    Suspect,
    Shielded(Shield),
    Candidate { evidence: BTreeSet<Evidence>, shield: Option<Shield> },
}

pub(super) fn gather(policy: &Policy, snapshot: &Snapshot) -> Gathered {
    let table: BTreeMap<u32, &Process> = snapshot.processes.iter().map(|process| (process.id.pid, process)).collect();
    let mut gathered = Gathered::default();
    let mut candidates = Candidates::new();
    for (pid, &process) in &table {
        match standing(policy, snapshot, process) {
            Standing::Unrelated => {}
            Standing::Suspect => gathered.suspects.push(Suspect { process: process.clone(), reason: "the same token in its environment" }),
            Standing::Shielded(shield) => gathered.shielded.push(Shielded { process: process.clone(), shield }),
            Standing::Candidate { evidence, shield } => {
                candidates.insert(*pid, (evidence, shield));
            }
        }
    }
    gathered.conflicts = trees(snapshot, &table, &candidates);
    gathered.conflicts.extend(unseen(snapshot));
    let in_conflict: BTreeSet<u32> =
        gathered.conflicts.iter().flat_map(|found| found.root.iter().chain(&found.tree)).map(|process| process.id.pid).collect();
    gathered.suspects.retain(|suspect| !in_conflict.contains(&suspect.process.id.pid));
    gathered
}

fn standing(policy: &Policy, snapshot: &Snapshot, process: &Process) -> Standing {
    let has_lock = process.holds_lock == Fact::Known(true) || is_guard(snapshot, process);
    let mut evidence = BTreeSet::new();
    let mut limits = BTreeSet::new();
    if has_lock {
        evidence.insert(Evidence::Lock);
    }
    if process.role == Role::Program {
        for (entry, found, user, container) in patterns(policy, process) {
            match (found, shield::limit(process, &snapshot.me, user, container)) {
                (Truth::False | Truth::Unknown, _) => {}
                (Truth::True, None) => {
                    evidence.insert(entry);
                }
                (Truth::True, Some(limit)) => {
                    limits.insert(limit);
                }
            }
        }
    }
    let absolute = shield::absolute(process);
    let related = matches!(process.kin, Fact::Known(Kin::Myself | Kin::Ancestor | Kin::Descendant));
    let token = match (policy.same_token, process.role, &process.token) {
        (SameToken::Refuse | SameToken::Act | SameToken::Warn, Role::Program, Fact::Known(CarriedToken::Mine(place))) => Some(*place),
        _ => None,
    };
    let proven = match token {
        Some(_) if related || policy.same_token == SameToken::Warn => false,
        Some(TokenPlace::CommandLine) => true,
        Some(TokenPlace::Environment) => process.own_program == Fact::Known(true),
        None => false,
    };
    if proven {
        evidence.insert(Evidence::Token);
    }
    let by_pattern = evidence.iter().any(|it| matches!(it, Evidence::Match(_) | Evidence::Command));
    let unread = limits.iter().find(|limit| matches!(limit, Shield::UnknownUser | Shield::UnknownContainer)).cloned();
    match absolute {
        // What has the instance by proof is in the way, shielded or not; so is what nobody can rule out.
        Some(shield) if has_lock || proven => Standing::Candidate { evidence, shield: Some(shield) },
        Some(shield @ (Shield::UnknownBot | Shield::UnknownKin)) if by_pattern => Standing::Candidate { evidence, shield: Some(shield) },
        Some(shield) if by_pattern => Standing::Shielded(shield),
        None if has_lock || by_pattern => Standing::Candidate { evidence, shield: None },
        // Nothing but the token: other users and containers are not ours to end.
        None if proven => {
            let shield = shield::limit(process, &snapshot.me, &UserLimit::Same, ContainerLimit::Same);
            Standing::Candidate { evidence, shield }
        }
        None if unread.is_some() => Standing::Candidate { evidence, shield: unread },
        None if !limits.is_empty() => limits.pop_first().map_or(Standing::Unrelated, Standing::Shielded),
        None | Some(_) if token.is_some() && process.kin != Fact::Known(Kin::Myself) => Standing::Suspect,
        None | Some(_) => Standing::Unrelated,
    }
}

/// Each way in which a pattern may find `process`, and how far it reaches.
fn patterns<'a>(policy: &'a Policy, process: &'a Process) -> Vec<(Evidence, Truth, &'a UserLimit, ContainerLimit)> {
    if policy.matches.is_empty() {
        return vec![(Evidence::Command, process.twin.holds(|twin| *twin), &UserLimit::Same, ContainerLimit::Same)];
    }
    let each = |(index, entry): (usize, &'a super::policy::MatchEntry)| {
        (Evidence::Match(index), entry.pattern.matches(process), &entry.user, entry.container)
    };
    policy.matches.iter().enumerate().map(each).collect()
}

fn is_guard(snapshot: &Snapshot, process: &Process) -> bool {
    snapshot.guards.iter().any(|guard| guard.process == Some(process.id))
}

/// One conflict for each topmost candidate, with everything below it. A guard always stands for itself.
fn trees(snapshot: &Snapshot, table: &BTreeMap<u32, &Process>, candidates: &Candidates) -> Vec<Found> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, process) in table {
        if let Fact::Known(parent) = process.parent {
            children.entry(parent).or_default().push(*pid);
        }
    }
    let roots: Vec<u32> = candidates
        .keys()
        .copied()
        .filter(|pid| table.get(pid).is_some_and(|it| is_guard(snapshot, it)) || !has_candidate_above(*pid, table, candidates))
        .collect();
    let mut found = Vec::new();
    for root in roots {
        let Some(&process) = table.get(&root) else { continue };
        let members = below(root, &children);
        let guard = snapshot.guards.iter().find(|guard| guard.process == Some(process.id)).cloned();
        let (mut evidence, mut shield) = candidates.get(&root).cloned().unwrap_or_default();
        let tree: Vec<Process> = members.iter().filter_map(|pid| table.get(pid)).map(|it| (*it).clone()).collect();
        for member in &tree {
            if let Some((more, inner)) = candidates.get(&member.id.pid) {
                evidence.extend(more);
                shield = shield.or_else(|| inner.clone());
            }
            shield = shield.or_else(|| shield::absolute(member));
        }
        found.push(Found { root: Some(process.clone()), guard, tree, evidence, shield });
    }
    found
}

fn has_candidate_above(pid: u32, table: &BTreeMap<u32, &Process>, candidates: &Candidates) -> bool {
    let mut seen = BTreeSet::from([pid]);
    let mut at = pid;
    while let Some(Fact::Known(parent)) = table.get(&at).map(|process| process.parent) {
        if !seen.insert(parent) {
            return false;
        }
        if candidates.contains_key(&parent) {
            return true;
        }
        at = parent;
    }
    false
}

fn below(root: u32, children: &BTreeMap<u32, Vec<u32>>) -> BTreeSet<u32> {
    let mut members = BTreeSet::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            if child != root && members.insert(child) {
                open.push(child);
            }
        }
    }
    members
}

/// Holders that are not in the process table: a guard in another PID namespace, or nobody that can be identified.
fn unseen(snapshot: &Snapshot) -> Vec<Found> {
    let lock = BTreeSet::from([Evidence::Lock]);
    let mut found: Vec<Found> = snapshot
        .guards
        .iter()
        .filter(|guard| guard.process.is_none())
        .map(|guard| Found { guard: Some(guard.clone()), evidence: lock.clone(), ..Found::default() })
        .collect();
    let nobody = snapshot.locks.iter().any(|lock| match &lock.state {
        LockState::Free | LockState::Mine => false,
        LockState::Held(holders) => holders.is_empty(),
        LockState::Unknown => true,
    });
    if nobody && found.is_empty() {
        found.push(Found { evidence: lock, ..Found::default() });
    }
    found
}
