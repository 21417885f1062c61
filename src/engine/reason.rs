//! The sentences that a refusal is given with.

use crate::engine::{
    candidates::ConflictTree,
    plan::{DecidedBy, Evidence},
    policy::Policy,
    purpose::Purpose,
    snapshot::{Launcher, Process},
    start_history::History,
};

pub(super) fn owner(process: &Process) -> String {
    process.user.known().map_or_else(|| "an unknown user".to_owned(), |user| format!("user {user}"))
}

/// A start that would end somebody once too often.
pub(super) fn storm(policy: &Policy) -> String {
    let window = humantime::format_duration(policy.takeover_window);
    match policy.max_takeovers {
        0 => "`limits.max_takeovers` = 0: a start here takes over from nobody".to_owned(),
        most => format!(
            "there were too many takeovers (`limits.max_takeovers` = {most} within {window}): whoever is ended comes back and ends the \
             other one; find out what starts both, then `monopoll stop` and start one of them, or try nothing for {window}"
        ),
    }
}

pub(super) fn comes_back(found: &ConflictTree, who: &str, history: &History) -> String {
    let root = found.root.as_ref();
    let manager = root.and_then(|root| root.managed_by.known()).and_then(Option::as_ref);
    let mut above = root.and_then(|root| root.launchers.known()).into_iter().flatten();
    // A shell that the launcher starts for each round is as new as what comes back.
    match (manager, above.find(|launcher| history.launchers.contains(&launcher.id))) {
        (Some(manager), _) => format!(
            "{who} comes back: {manager} restarts it; end it for good with `{}`",
            manager.stop_command()
        ),
        (None, Some(Launcher { id, command, end })) => {
            format!(
                "{who} comes back: `{command}` (pid {}) starts it again; end that first with `{end}`",
                id.pid
            )
        }
        (None, None) => format!("{who} comes back: something restarts it; end that first"),
    }
}

pub(super) fn refused(found: &ConflictTree, by: &DecidedBy, purpose: Purpose) -> String {
    let who = describe(found);
    let says = match by {
        DecidedBy::Rule(name) => match purpose {
            Purpose::Start => format!("rule `{name}` says refuse"),
            // What the rule says of a start may be `wait`.
            Purpose::Stop => format!("rule `{name}` forbids to end it"),
        },
        DecidedBy::OnConflict => "on_conflict says refuse".to_owned(),
        DecidedBy::SameToken => "same_token says refuse".to_owned(),
        DecidedBy::Caution => "it must not be acted on".to_owned(),
    };
    let has = if found.evidence.contains(&Evidence::Lock) {
        "has the instance"
    } else if found.evidence.iter().all(|it| *it == Evidence::Token) {
        "has the same bot token"
    } else {
        "is running already"
    };
    format!("{who} {has}, and {says}")
}

pub(super) fn describe(found: &ConflictTree) -> String {
    match (&found.root, &found.guard) {
        (Some(root), Some(_)) => format!("the guard with pid {}", root.id.pid),
        (Some(root), None) => match root.name.known() {
            Some(name) => format!("`{}` (pid {})", name.escape_debug(), root.id.pid),
            None => format!("pid {}", root.id.pid),
        },
        (None, Some(guard)) => {
            format!("a guard in another PID namespace (host {})", guard.host.escape_debug())
        }
        (None, None) => "an unknown holder of the lock".to_owned(),
    }
}

/// A rule that would not kill must not be passed over for one that might.
pub(super) fn undecidable(found: &ConflictTree, by: &DecidedBy) -> String {
    let rule = match by {
        DecidedBy::Rule(name) => format!("rule `{}`", name.escape_debug()),
        DecidedBy::OnConflict | DecidedBy::SameToken | DecidedBy::Caution => "a rule".to_owned(),
    };
    format!("{rule} depends on a fact about {} that cannot be read", describe(found))
}
