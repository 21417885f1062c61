//! Caution that no key lifts: objections to an action that the policy wants.

use crate::engine::action::Action;
use crate::engine::candidates::ConflictTree;
use crate::engine::fact::Fact;
use crate::engine::process::{Launcher, Process, Role};
use crate::engine::reason::{Permission, RefusalCause, Restarter};
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::{SignalSupport, Snapshot};
use crate::engine::start_history::History;

/// The number of times that a conflict which comes back is ended before the start is refused.
const MAX_ROUNDS: u32 = 2;

/// Returns the objection to `action` on this conflict, independent of the policy.
pub(super) fn objection(
    snapshot: &Snapshot,
    found: &ConflictTree,
    action: Action,
) -> Option<RefusalCause> {
    if action == Action::Ignore && found.holds_lock() {
        return Some(RefusalCause::HolderIgnored);
    }
    let blocked = found
        .root
        .iter()
        .chain(&found.tree)
        .filter(|_| found.guard.is_none())
        .find(|process| !shield::may_signal(process, &snapshot.me));
    if let Some(shield) = &found.shield {
        return Some(RefusalCause::Shielded {
            shield: shield.clone(),
            permission: permission(shield, blocked),
        });
    }
    // Waiting for a conflict and ignoring it need no permission.
    if action.ends_processes() { against_ending(snapshot, found, blocked, action) } else { None }
}

/// A shield is a matter of permission if it is about a user and `blocked` may not be signaled.
fn permission(shield: &Shield, blocked: Option<&Process>) -> Permission {
    match (shield, blocked) {
        (Shield::OtherUser(_) | Shield::UnknownUser, Some(_)) => Permission::Missing,
        (Shield::OtherUser(_) | Shield::UnknownUser, None)
        | (
            Shield::Myself
            | Shield::Ancestor
            | Shield::Descendant
            | Shield::Init
            | Shield::Kernel
            | Shield::UnknownRelation
            | Shield::OtherBot(_)
            | Shield::UnknownBot
            | Shield::OtherContainer(_)
            | Shield::UnknownContainer,
            Some(_) | None,
        ) => Permission::Granted,
    }
}

fn against_ending(
    snapshot: &Snapshot,
    found: &ConflictTree,
    blocked: Option<&Process>,
    action: Action,
) -> Option<RefusalCause> {
    let theirs = found.guard.as_ref().and_then(|guard| guard.ticket);
    if theirs.zip(snapshot.me.ticket).is_some_and(|(theirs, mine)| theirs > mine) {
        return Some(RefusalCause::NewerStart);
    }
    match (&found.root, &found.guard) {
        // It can only be asked, and it knows its tree itself.
        (None, Some(_)) => return None,
        (None, None) => return Some(RefusalCause::HolderUnidentified),
        (Some(_), _) => {}
    }
    let adrift = snapshot.processes.iter().filter(|process| process.parent == Fact::Unknown);
    if let Some(pid) = adrift.map(|process| process.id.pid).min() {
        return Some(RefusalCause::ParentUnknown { pid });
    }
    if found.guard.is_some() {
        return None;
    }
    let in_a_circle = |root: &&Process| {
        found.tree.iter().chain([*root]).any(|member| root.parent == Fact::Known(member.id.pid))
    };
    if let Some(root) = found.root.as_ref().filter(in_a_circle) {
        return Some(RefusalCause::ParentsInCircle { pid: root.id.pid });
    }
    if let Some(inner) = found.tree.iter().find(|member| member.role == Role::Monopoll) {
        return Some(RefusalCause::MonopollInTree { pid: inner.id.pid });
    }
    if let Some(blocked) = blocked {
        let owner = blocked.user.known().map(|user| user.name.clone());
        return Some(RefusalCause::NotPermitted { pid: blocked.id.pid, owner });
    }
    if action == Action::Graceful && snapshot.me.signal_support == SignalSupport::KillAlone {
        return Some(RefusalCause::OnlyForceEnds);
    }
    (snapshot.history.ended_unguarded >= MAX_ROUNDS)
        .then(|| RefusalCause::ComesBack { restarted_by: restarter(found, &snapshot.history) })
}

fn restarter(found: &ConflictTree, history: &History) -> Restarter {
    let root = found.root.as_ref();
    let manager = root.and_then(Process::manager);
    // A shell that is new in each round is not the restarter: find a launcher of an earlier round.
    let was_there = |launcher: &&Launcher| history.launchers.contains(&launcher.id);
    let mut above = root.and_then(|root| root.launchers.known()).into_iter().flatten();
    match (manager, above.find(was_there)) {
        (Some(manager), _) => Restarter::Manager(manager.clone()),
        (None, Some(launcher)) => Restarter::Launcher(launcher.clone()),
        (None, None) => Restarter::Unknown,
    }
}
