//! Groups the candidates by process tree; each tree is one conflict.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::classify::{Classification, Objection, classify};
use crate::engine::counter_evidence::{
    AnotherBot, CounterEvidence, Doubt, ProgramBelow, weigh_against,
};
use crate::engine::evidence::Evidence;
use crate::engine::fact::{Fact, Truth};
use crate::engine::helper_programs::may_be_a_bot;
use crate::engine::instance::NameSource;
use crate::engine::pattern::{ContainerLimit, UserLimit};
use crate::engine::plan::{self, NearMiss, Shielded};
use crate::engine::policy::Policy;
use crate::engine::process::{GuardedInstance, Process};
use crate::engine::servers_of_others::server_of_others;
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::{GuardView, Snapshot};

/// All processes that are related to the bot, by class.
#[derive(Debug, Default)]
pub(super) struct ProcessClasses {
    pub(super) conflicts: Vec<ConflictTree>,
    pub(super) shielded: Vec<Shielded>,
    pub(super) suspects: Vec<Process>,
    pub(super) near_misses: Vec<NearMiss>,
}

/// A tree with at least one candidate, before the decision.
#[derive(Debug, Default)]
pub(super) struct ConflictTree {
    pub(super) root: Option<Process>,
    pub(super) guard: Option<GuardView>,
    pub(super) tree: Vec<Process>,
    pub(super) evidence: BTreeSet<Evidence>,
    pub(super) objection: Option<Objection>,
}

impl ConflictTree {
    pub(super) fn holds_lock(&self) -> bool {
        self.evidence.contains(&Evidence::Lock)
    }
}

#[derive(Debug, Clone, Default)]
struct Candidate {
    evidence: BTreeSet<Evidence>,
    objection: Option<Objection>,
}

impl Candidate {
    fn has_lock(&self) -> bool {
        self.evidence.contains(&Evidence::Lock)
    }
}

type Candidates = BTreeMap<u32, Candidate>;

pub(super) fn gather(policy: &Policy, snapshot: &Snapshot) -> ProcessClasses {
    let table: BTreeMap<u32, &Process> =
        snapshot.processes.iter().map(|process| (process.id.pid, process)).collect();
    let mut classified = ProcessClasses::default();
    let mut candidates = Candidates::new();
    for (pid, &process) in &table {
        match classify(policy, snapshot, process) {
            Classification::Unrelated => {}
            Classification::Suspect => classified.suspects.push(process.clone()),
            Classification::Shielded(shield) => {
                classified.shielded.push(Shielded { process: process.clone(), shield });
            }
            Classification::NearMiss(reason) => {
                let against = weigh_against(&snapshot.me, process);
                classified.near_misses.push(NearMiss { process: process.clone(), reason, against });
            }
            Classification::Candidate { evidence, objection } => {
                candidates.insert(*pid, Candidate { evidence, objection });
            }
        }
    }
    for (pid, shield) in launchers_of_other_bots(snapshot, &table, &candidates) {
        candidates.remove(&pid);
        if let Some(&process) = table.get(&pid) {
            classified.shielded.push(Shielded { process: process.clone(), shield });
        }
    }
    for (guard, objection) in other_guards(snapshot, &table, &candidates) {
        let candidate = candidates.entry(guard).or_default();
        candidate.evidence.insert(Evidence::Lock);
        candidate.objection = candidate.objection.take().or(objection);
    }
    classified.conflicts = conflict_trees(policy, snapshot, &table, &candidates);
    classified.conflicts.extend(unseen_holders(snapshot, &table));
    let in_conflict: BTreeSet<u32> = classified
        .conflicts
        .iter()
        .flat_map(|found| found.root.iter().chain(&found.tree))
        .map(|process| process.id.pid)
        .collect();
    classified.suspects.retain(|suspect| !in_conflict.contains(&suspect.id.pid));
    // The launcher of a conflict, such as npm, is named with it. One that is connected may poll.
    let launchers: BTreeSet<u32> = classified
        .conflicts
        .iter()
        .filter_map(|found| plan::launcher(found.root.as_ref(), found.guard.as_ref()))
        .map(|launcher| launcher.id.pid)
        .collect();
    classified.near_misses.retain(|near| {
        let pid = near.process.id.pid;
        let may_poll = near.process.connected == Fact::Known(true);
        !in_conflict.contains(&pid) && (may_poll || !launchers.contains(&pid))
    });
    // Ending a holder ends its whole tree. So does ending a root whose match entry covers its
    // members, even members that would be shielded on their own.
    let proven: BTreeSet<u32> = classified
        .conflicts
        .iter()
        .filter(|found| found.objection.is_none())
        .flat_map(|found| &found.tree)
        .map(|process| process.id.pid)
        .collect();
    classified.shielded.retain(|shielded| !proven.contains(&shielded.process.id.pid));
    classified
}

fn children_of(table: &BTreeMap<u32, &Process>) -> BTreeMap<u32, Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, process) in table {
        if let Fact::Known(parent) = process.parent {
            children.entry(parent).or_default().push(*pid);
        }
    }
    children
}

/// Returns processes that only their command found, in doubt, and that started a process with
/// another bot's token and none with this bot's. `uv run --env-file` reads the token for its child
/// alone.
fn launchers_of_other_bots(
    snapshot: &Snapshot,
    table: &BTreeMap<u32, &Process>,
    candidates: &Candidates,
) -> Vec<(u32, Shield)> {
    let children = children_of(table);
    let is_in_doubt = |candidate: &Candidate| {
        let is_only_command = candidate.evidence.iter().eq([&Evidence::Command]);
        is_only_command && matches!(candidate.objection, Some(Objection::Doubt(Doubt::Command(_))))
    };
    let another_bot = |pid: &u32| {
        let members = descendants(*pid, &children);
        let has_my_token =
            |pid: &u32| table.get(pid).is_some_and(|it| it.same_token() == Truth::True);
        if members.iter().chain([pid]).any(has_my_token) {
            return None;
        }
        members.iter().filter_map(|pid| table.get(pid)).find_map(|it| {
            match weigh_against(&snapshot.me, it) {
                CounterEvidence::AnotherBot(another @ AnotherBot::Token(_)) => {
                    Some(Shield::AnotherBot(another))
                }
                CounterEvidence::AnotherBot(AnotherBot::Guard(_))
                | CounterEvidence::Doubt(_)
                | CounterEvidence::Nothing => None,
            }
        })
    };
    let in_doubt = candidates.iter().filter(|(_, candidate)| is_in_doubt(candidate));
    in_doubt.filter_map(|(pid, _)| Some((*pid, another_bot(pid)?))).collect()
}

/// Returns the guards above candidates that hold other locks, with the objection to each. They are
/// asked to end, like a guard of this lock.
fn other_guards(
    snapshot: &Snapshot,
    table: &BTreeMap<u32, &Process>,
    candidates: &Candidates,
) -> BTreeMap<u32, Option<Objection>> {
    let is_found = |pid: u32| candidates.get(&pid).is_some_and(Candidate::has_lock);
    let guard_of = |(pid, candidate): (&u32, &Candidate)| {
        let guard = table.get(pid)?.guard_to_ask()?;
        let process = table.get(&guard.process.pid).filter(|seen| seen.id == guard.process)?;
        let own = || against_guard(snapshot, process, guard.guards);
        let objection = match guard.guards {
            GuardedInstance::Mine | GuardedInstance::Another if is_found(process.id.pid) => {
                return None;
            }
            GuardedInstance::Mine => own(),
            GuardedInstance::Another if candidate.evidence.contains(&Evidence::Command) => {
                let runs_another = || runs_another_program(snapshot, process, table, candidates);
                candidate.objection.clone().or_else(own).or_else(runs_another)
            }
            GuardedInstance::Another => return None,
        };
        Some((process.id.pid, objection))
    };
    let mut guards: BTreeMap<u32, Option<Objection>> = BTreeMap::new();
    for (guard, objection) in candidates.iter().filter_map(guard_of) {
        let known = guards.entry(guard).or_default();
        *known = known.take().or(objection);
    }
    guards
}

/// Returns the doubt about a guard that was found only by the same command below it, and that runs
/// another program too. Its COMMAND may start several bots.
fn runs_another_program(
    snapshot: &Snapshot,
    guard: &Process,
    table: &BTreeMap<u32, &Process>,
    candidates: &Candidates,
) -> Option<Objection> {
    let me = &snapshot.me;
    let is_same_command = guard_view(snapshot, guard)
        .is_some_and(|view| Some(&view.command) == me.command.as_ref())
        && guard.is_in(me.cwd.as_deref()) == Truth::True;
    if is_same_command {
        return None;
    }
    let children = children_of(table);
    let members = descendants(guard.id.pid, &children);
    let is_same = |pid: &&u32| {
        let found = candidates.get(pid);
        found.is_some_and(|candidate| candidate.evidence.contains(&Evidence::Command))
    };
    let same: BTreeSet<u32> = members.iter().filter(is_same).copied().collect();
    let below_same: BTreeSet<u32> =
        same.iter().flat_map(|pid| descendants(*pid, &children)).collect();
    let is_related = |pid: &u32| {
        same.contains(pid)
            || below_same.contains(pid)
            || descendants(*pid, &children).iter().any(|below| same.contains(below))
    };
    let others = members.iter().filter(|pid| !is_related(pid)).filter_map(|pid| table.get(pid));
    let another = others.into_iter().find(|process| may_be_a_bot(process))?;
    let name = another.name.known().cloned();
    Some(Objection::Doubt(Doubt::BesideAnotherProgram { name, pid: another.id.pid }))
}

/// Returns the objection to asking the guard of another lock to end.
fn against_guard(
    snapshot: &Snapshot,
    guard: &Process,
    guards: GuardedInstance,
) -> Option<Objection> {
    let me = &snapshot.me;
    let limit = || shield::limit(guard, me, &UserLimit::Same, ContainerLimit::Same);
    // A guard counts as below itself, which would hide the other doubts.
    let alone = match (guards, &guard.guard) {
        (GuardedInstance::Another, Fact::Known(_)) => {
            &Process { guard: Fact::Known(None), ..guard.clone() }
        }
        (GuardedInstance::Another, Fact::Unknown) | (GuardedInstance::Mine, _) => guard,
    };
    match (shield::relation(guard), weigh_against(me, alone)) {
        (Some(shield), _) => Some(Objection::Shield(shield)),
        (None, CounterEvidence::AnotherBot(another)) => {
            Some(Objection::Shield(Shield::AnotherBot(another)))
        }
        (None, CounterEvidence::Doubt(doubt)) => Some(Objection::Doubt(doubt)),
        (None, CounterEvidence::Nothing) => limit().map(Objection::Shield),
    }
}

/// Returns one conflict for each topmost candidate, with all its descendants. A guard is always the
/// root of its own conflict, even below another candidate.
fn conflict_trees(
    policy: &Policy,
    snapshot: &Snapshot,
    table: &BTreeMap<u32, &Process>,
    candidates: &Candidates,
) -> Vec<ConflictTree> {
    let children = children_of(table);
    let guards = candidates
        .keys()
        .copied()
        .filter(|pid| table.get(pid).is_some_and(|it| guard_view(snapshot, it).is_some()));
    let roots: BTreeSet<u32> = candidates
        .keys()
        .map(|pid| topmost_candidate(*pid, table, candidates))
        .chain(guards)
        .collect();
    let mut found = Vec::new();
    for root in roots {
        let Some(&process) = table.get(&root) else { continue };
        let members = descendants(root, &children);
        let guard = guard_view(snapshot, process).cloned();
        let Candidate { mut evidence, objection } =
            candidates.get(&root).cloned().unwrap_or_default();
        let tree: Vec<Process> =
            members.iter().filter_map(|pid| table.get(pid)).map(|it| (*it).clone()).collect();
        let limits = entry_limits(policy, &evidence);
        let kind = TreeKind::of(process, &evidence);
        let proven = trees_of_holders(members.iter().chain([&root]), &children, candidates);
        let objection = objection
            .or_else(|| against_members(snapshot, root, &tree, kind, &proven, &limits, candidates))
            .or_else(|| server_of_others(guard.as_ref()?, &tree).map(Objection::Doubt))
            .or_else(|| other_command(snapshot, guard.as_ref(), Some(process), &tree))
            .or_else(|| {
                let is_lock_of_several = guard.is_some() && is_named_by_one_of_several(snapshot);
                is_lock_of_several
                    .then(|| runs_another_program(snapshot, process, table, candidates))
                    .flatten()
            });
        let members = members.iter().filter_map(|pid| candidates.get(pid));
        evidence.extend(members.flat_map(|candidate| &candidate.evidence));
        found.push(ConflictTree { root: Some(process.clone()), guard, tree, evidence, objection });
    }
    found
}

/// The kind of a tree, as far as its root tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TreeKind {
    /// This bot and the processes it started, regardless of their environments.
    Bot,
    /// Another program, such as a shell, found only by a match entry. Any bot may be below it.
    AnotherProgram,
}

impl TreeKind {
    fn of(root: &Process, evidence: &BTreeSet<Evidence>) -> TreeKind {
        let is_match = |it: &Evidence| match it {
            Evidence::Match(_) => true,
            Evidence::Lock | Evidence::Command | Evidence::Token => false,
        };
        if evidence.iter().all(is_match) && root.same_program != Fact::Known(true) {
            TreeKind::AnotherProgram
        } else {
            TreeKind::Bot
        }
    }
}

/// Returns the members that belong to the instance: those with the lock, and their descendants.
fn trees_of_holders<'a>(
    members: impl Iterator<Item = &'a u32>,
    children: &BTreeMap<u32, Vec<u32>>,
    candidates: &Candidates,
) -> BTreeSet<u32> {
    members
        .copied()
        .filter(|pid| candidates.get(pid).is_some_and(Candidate::has_lock))
        .flat_map(|holder| descendants(holder, children).into_iter().chain([holder]))
        .collect()
}

/// Returns the first objection that any member raises to ending the tree. The limits of the entries
/// that matched the root apply to every member that is not proven to belong to the instance.
fn against_members(
    snapshot: &Snapshot,
    root: u32,
    tree: &[Process],
    kind: TreeKind,
    proven: &BTreeSet<u32>,
    limits: &[(&UserLimit, ContainerLimit)],
    candidates: &Candidates,
) -> Option<Objection> {
    tree.iter().find_map(|member| {
        let pid = member.id.pid;
        let is_proven = proven.contains(&pid);
        let as_candidate = || candidates.get(&pid).and_then(|own| own.objection.clone());
        let limit = || limit_of_all(limits, snapshot, member).map(Objection::Shield);
        if is_proven {
            against_member(snapshot, member, TreeKind::Bot).map(|it| named(it, member, root))
        } else {
            as_candidate().or_else(|| against_member(snapshot, member, kind)).or_else(limit)
        }
    })
}

/// Names the process in an objection that its guard does not show.
fn named(objection: Objection, member: &Process, root: u32) -> Objection {
    match objection {
        Objection::Doubt(Doubt::Dotenv(bot)) => Objection::Doubt(Doubt::AnotherBotBelow {
            program: ProgramBelow::new(member, root),
            bot,
        }),
        objection => objection,
    }
}

fn guard_view<'a>(snapshot: &'a Snapshot, process: &Process) -> Option<&'a GuardView> {
    let mut guards = snapshot.guards.iter().chain(&snapshot.other_guards);
    guards.find(|guard| guard.process == Some(process.id))
}

/// Returns the objection to ending a tree because of `member`, which need not be a candidate.
fn against_member(snapshot: &Snapshot, member: &Process, kind: TreeKind) -> Option<Objection> {
    let against = weigh_against(&snapshot.me, member);
    let shield = shield::relation(member).or_else(|| shield::another_bot(&against));
    match (shield, against) {
        (Some(shield), _) => Some(Objection::Shield(shield)),
        (None, CounterEvidence::Doubt(doubt))
            if kind == TreeKind::AnotherProgram || doubt.holds_for_members() =>
        {
            Some(Objection::Doubt(doubt))
        }
        (
            None,
            CounterEvidence::Nothing | CounterEvidence::Doubt(_) | CounterEvidence::AnotherBot(_),
        ) => None,
    }
}

/// Returns the doubt about a guard of this instance that runs another command. Every start with the
/// tokens of several bots gets the name of the first bot. The folder of a guard in another PID
/// namespace is unknown, so its command as written must do.
fn other_command(
    snapshot: &Snapshot,
    guard: Option<&GuardView>,
    root: Option<&Process>,
    tree: &[Process],
) -> Option<Objection> {
    let (me, guard) = (&snapshot.me, guard?);
    let is_here = root.map_or(Truth::True, |guard| guard.is_in(me.cwd.as_deref()));
    let is_mine = guard.command == *me.command.as_ref()? && is_here == Truth::True
        || tree.iter().any(Process::is_same_command_here);
    (is_named_by_one_of_several(snapshot) && !is_mine)
        .then_some(Objection::Doubt(Doubt::SeveralBots))
}

/// Returns whether the name of this start, and so its lock, says only one of several bots that it
/// may be.
fn is_named_by_one_of_several(snapshot: &Snapshot) -> bool {
    snapshot.me.bots >= 2 && snapshot.me.name_source == NameSource::Token
}

/// Returns the user and container limits of the entries that matched the root of a tree.
fn entry_limits<'a>(
    policy: &'a Policy,
    evidence: &BTreeSet<Evidence>,
) -> Vec<(&'a UserLimit, ContainerLimit)> {
    let entries = evidence.iter().filter_map(|it| match it {
        Evidence::Match(index) => {
            policy.matches.get(*index).map(|entry| (&entry.user, entry.container))
        }
        Evidence::Lock | Evidence::Token | Evidence::Command => None,
    });
    entries.chain([(&UserLimit::Same, ContainerLimit::Same)]).collect()
}

/// Returns a limit that excludes `member`, if all of them do.
fn limit_of_all(
    limits: &[(&UserLimit, ContainerLimit)],
    snapshot: &Snapshot,
    member: &Process,
) -> Option<Shield> {
    let mut limits = limits
        .iter()
        .map(|(user, container)| shield::limit(member, &snapshot.me, user, *container));
    let last = limits.next_back().flatten()?;
    if limits.any(|limit| limit.is_none()) { None } else { Some(last) }
}

/// Returns the topmost candidate among `pid` and its ancestors.
fn topmost_candidate(pid: u32, table: &BTreeMap<u32, &Process>, candidates: &Candidates) -> u32 {
    let mut line = vec![pid];
    let mut at = pid;
    while let Some(Fact::Known(parent)) = table.get(&at).map(|process| process.parent) {
        if let Some(start) = line.iter().position(|seen| *seen == parent) {
            // Parents form a cycle only if the table changed while it was read. A cycle has no top,
            // so pick one of its candidates rather than lose them all.
            let in_circle =
                line[start..].iter().copied().filter(|pid| candidates.contains_key(pid)).min();
            return in_circle.unwrap_or_else(|| last_candidate(&line, candidates).unwrap_or(pid));
        }
        line.push(parent);
        at = parent;
    }
    last_candidate(&line, candidates).unwrap_or(pid)
}

fn last_candidate(line: &[u32], candidates: &Candidates) -> Option<u32> {
    line.iter().copied().rfind(|pid| candidates.contains_key(pid))
}

fn descendants(root: u32, children: &BTreeMap<u32, Vec<u32>>) -> BTreeSet<u32> {
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

/// Returns the conflicts whose holders are not in the process table: guards in other PID
/// namespaces, and holders that cannot be identified.
fn unseen_holders(snapshot: &Snapshot, table: &BTreeMap<u32, &Process>) -> Vec<ConflictTree> {
    let lock = BTreeSet::from([Evidence::Lock]);
    let is_seen = |guard: &GuardView| {
        guard.process.is_some_and(|id| table.get(&id.pid).is_some_and(|process| process.id == id))
    };
    let mut found: Vec<ConflictTree> = snapshot
        .guards
        .iter()
        .filter(|guard| !is_seen(guard))
        .map(|guard| ConflictTree {
            guard: Some(guard.clone()),
            evidence: lock.clone(),
            objection: other_command(snapshot, Some(guard), None, &[]),
            ..ConflictTree::default()
        })
        .collect();
    let is_unidentified = |lock| snapshot.is_holder_unidentified(lock);
    if found.is_empty() && snapshot.locks.iter().any(is_unidentified) {
        found.push(ConflictTree { evidence: lock, ..ConflictTree::default() });
    }
    found
}
