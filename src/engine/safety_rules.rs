//! Safety rules: refuse an action that the policy wants. No setting disables them.

use crate::engine::action::Action;
use crate::engine::candidates::ConflictTree;
use crate::engine::classify::Objection;
use crate::engine::fact::Fact;
use crate::engine::process::{Process, Role};
use crate::engine::reason::{Permission, RefusalCause};
use crate::engine::shield::{self, Shield};
use crate::engine::snapshot::{Caller, GuardView, SignalSupport, Snapshot};

/// Returns the refusal because of an objection, which no rule overrides.
pub(super) fn table_refusal(snapshot: &Snapshot, found: &ConflictTree) -> Option<RefusalCause> {
    Some(match found.objection.clone()? {
        Objection::Doubt(doubt) => RefusalCause::InDoubt(doubt),
        Objection::Shield(shield) => {
            let permission = permission(&shield, blocked(snapshot, found));
            RefusalCause::Shielded { shield, permission }
        }
    })
}

/// Returns the first process of an unguarded conflict that the caller may not signal.
fn blocked<'a>(snapshot: &Snapshot, found: &'a ConflictTree) -> Option<&'a Process> {
    found
        .root
        .iter()
        .chain(&found.tree)
        .filter(|_| found.guard.is_none())
        .find(|process| !shield::may_signal(process, &snapshot.me))
}

pub(super) fn safety_refusal(
    snapshot: &Snapshot,
    found: &ConflictTree,
    action: Action,
) -> Option<RefusalCause> {
    if action == Action::Ignore && found.holds_lock() {
        return Some(RefusalCause::HolderIgnored);
    }
    // Waiting for a conflict or ignoring it needs no permission.
    if action.ends_processes() { against_ending(snapshot, found, action) } else { None }
}

/// A shield is a permission problem if it is about a user and `blocked` may not be signaled.
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
            | Shield::AnotherBot(_)
            | Shield::OtherContainer(_)
            | Shield::UnknownContainer,
            Some(_) | None,
        ) => Permission::Granted,
    }
}

fn against_ending(
    snapshot: &Snapshot,
    found: &ConflictTree,
    action: Action,
) -> Option<RefusalCause> {
    if found.guard.as_ref().is_some_and(|guard| is_newer(guard, &snapshot.me)) {
        return Some(RefusalCause::NewerStart);
    }
    match (&found.root, &found.guard) {
        // The guard can only be asked, and knows its own tree.
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
    if let Some(blocked) = blocked(snapshot, found) {
        let owner = blocked.user.known().map(|user| user.name.clone());
        return Some(RefusalCause::NotPermitted { pid: blocked.id.pid, owner });
    }
    if action == Action::Graceful && snapshot.me.signal_support == SignalSupport::KillAlone {
        return Some(RefusalCause::OnlyForceEnds);
    }
    let restarted_by = snapshot.rounds.restarter(found.root.as_ref());
    restarted_by.map(|restarted_by| RefusalCause::ComesBack { restarted_by })
}

/// Returns whether a guard is newer than this start. Tickets of another lock come from another
/// counter, so start times decide between those.
fn is_newer(guard: &GuardView, me: &Caller) -> bool {
    match (&guard.other_lock, guard.process, me.ticket) {
        (None, _, Some(mine)) => guard.ticket.is_some_and(|theirs| theirs > mine),
        (Some(_), Some(process), Some(_)) => (process.start, process.pid) > (me.start, me.pid),
        // A dry run and a stop are newer than any guard. A guard that cannot be compared counts as
        // older.
        (Some(_), None, _) | (_, _, None) => false,
    }
}
