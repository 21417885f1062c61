//! What no key lifts: why an action that the policy wants must not be taken.

use crate::engine::{
    action::Action,
    candidates::ConflictTree,
    fact::Fact,
    plan::{Evidence, Refusal},
    reason::{comes_back, describe, owner},
    shield::{self, Shield},
    snapshot::{Process, Role, SignalSupport, Snapshot},
};

/// How often a conflict that comes back is ended before the start is refused.
const MOST_ROUNDS: u32 = 2;

/// Why `action` must not be taken on this conflict, whatever the policy says.
pub(super) fn objection(
    snapshot: &Snapshot,
    found: &ConflictTree,
    action: Action,
) -> Option<(Refusal, String)> {
    let who = describe(found);
    if action == Action::Ignore && found.evidence.contains(&Evidence::Lock) {
        return Some((
            Refusal::Policy,
            format!("{who} has the lock, and a holder of the lock cannot be ignored"),
        ));
    }
    let blocked = found
        .root
        .iter()
        .chain(&found.tree)
        .filter(|_| found.guard.is_none())
        .find(|process| !shield::may_signal(process, &snapshot.me));
    if let Some(shield) = &found.shield {
        let refusal = match shield {
            Shield::OtherUser(_) | Shield::UnknownUser if blocked.is_some() => Refusal::Permission,
            _ => Refusal::Policy,
        };
        return Some((refusal, format!("{who} is in the way and must not be signalled: {shield}")));
    }
    // Waiting for somebody to leave and starting beside a stranger need no permission.
    if action.kills() { against_ending(snapshot, found, &who, blocked, action) } else { None }
}

/// Why a conflict that nothing shields must not be ended all the same.
fn against_ending(
    snapshot: &Snapshot,
    found: &ConflictTree,
    who: &str,
    blocked: Option<&Process>,
    action: Action,
) -> Option<(Refusal, String)> {
    let theirs = found.guard.as_ref().and_then(|guard| guard.ticket);
    if theirs.zip(snapshot.me.ticket).is_some_and(|(theirs, mine)| theirs > mine) {
        return Some((Refusal::Superseded, format!("superseded: {who} is a newer start")));
    }
    match (&found.root, &found.guard) {
        // It can only be asked, and it knows its tree itself.
        (None, Some(_)) => return None,
        (None, None) => {
            return Some((
                Refusal::Policy,
                "the lock is taken and nobody can be identified who has it".to_owned(),
            ));
        }
        (Some(_), _) => {}
    }
    if let Some(adrift) = snapshot
        .processes
        .iter()
        .filter(|process| process.parent == Fact::Unknown)
        .map(|process| process.id.pid)
        .min()
    {
        return Some((
            Refusal::Policy,
            format!("the parent of pid {adrift} cannot be read, so it may be in the tree of {who}"),
        ));
    }
    if found.guard.is_some() {
        return None;
    }
    let in_a_circle = |root: &&Process| {
        found.tree.iter().chain([*root]).any(|member| root.parent == Fact::Known(member.id.pid))
    };
    if let Some(root) = found.root.as_ref().filter(in_a_circle) {
        let pid = root.id.pid;
        return Some((
            Refusal::Policy,
            format!(
                "the parents of pid {pid} were read at different moments, so its tree is not known"
            ),
        ));
    }
    if let Some(inner) = found.tree.iter().find(|member| member.role == Role::Monopoll) {
        return Some((
            Refusal::Policy,
            format!("the tree of {who} has a monopoll in it (pid {})", inner.id.pid),
        ));
    }
    if let Some(blocked) = blocked {
        return Some((
            Refusal::Permission,
            format!(
                "pid {} may not be signalled: it belongs to {}",
                blocked.id.pid,
                owner(blocked)
            ),
        ));
    }
    if action == Action::Graceful && snapshot.me.reach == SignalSupport::KillAlone {
        return Some((
            Refusal::Permission,
            format!("{who} cannot be asked to end on this system, only be killed by `force`"),
        ));
    }
    (snapshot.history.rounds >= MOST_ROUNDS)
        .then(|| (Refusal::Policy, comes_back(found, who, &snapshot.history)))
}
