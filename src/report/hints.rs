//! Hints about a plan that is not wanted: for `plan` every key that would change it, with its
//! place; for a refused start one hint, in the line of the refusal.

use std::path::Path;

use crate::engine::action::Action;
use crate::engine::ladder::{Ladder, Patience};
use crate::engine::plan::{Conflict, DecidedBy, Plan};
use crate::engine::policy::Purpose;
use crate::engine::process::Process;
use crate::engine::reason::{ConflictRefusal, Refusal, RefusalCause, RefusalReason};
use crate::engine::shield::Shield;
use crate::engine::snapshot::LockState;
use crate::report::Context;
use crate::text::sanitize;

/// The command that shows all hints.
const MORE: &str = "`monopoll plan -- …` says more";

/// Returns the hint for a refused plan; `None` if its reason says it already, or nothing helps
/// here.
pub fn hint(plan: &Plan) -> Option<String> {
    match plan.refusal()? {
        RefusalReason::Storm { .. } | RefusalReason::Webhook { .. } => None,
        RefusalReason::TooManyConflicts { .. } => Some(MORE.to_owned()),
        RefusalReason::Conflict(refusal) => {
            let is_decisive = |conflict: &&Conflict| conflict.refusal.as_ref() == Some(refusal);
            let conflict = plan.conflicts.iter().find(is_decisive)?;
            let hint = hint_for(conflict, refusal, plan)?;
            Some(format!("{hint}; {MORE}"))
        }
    }
}

fn hint_for(conflict: &Conflict, refusal: &ConflictRefusal, plan: &Plan) -> Option<String> {
    let rule = "change that rule, or put another one before it";
    Some(match (&refusal.cause, &conflict.decided_by) {
        (
            RefusalCause::RuleRefuses { .. }
            | RefusalCause::RuleForbidsEnding { .. }
            | RefusalCause::UndecidableRule { .. },
            _,
        )
        | (RefusalCause::WaitedTooLong, DecidedBy::Rule(_)) => rule.to_owned(),
        (
            RefusalCause::WaitedTooLong,
            DecidedBy::OnConflict | DecidedBy::SameToken | DecidedBy::Caution,
        ) => "`--set timeouts.wait=…` waits longer, `--on-conflict graceful` takes over".to_owned(),
        (RefusalCause::OnConflictRefuses(_), _) => "`--on-conflict graceful` takes over".to_owned(),
        (RefusalCause::SameTokenRefuses(_), _) => {
            "`--set same_token=act` treats it as any other conflict".to_owned()
        }
        // What comes back is said with what ends it for good, and a newer start needs no hint.
        (RefusalCause::ComesBack { .. } | RefusalCause::NewerStart, _) => return None,
        (
            RefusalCause::HolderIgnored
            | RefusalCause::Shielded { .. }
            | RefusalCause::HolderUnidentified
            | RefusalCause::ParentUnknown { .. }
            | RefusalCause::ParentsInCircle { .. }
            | RefusalCause::MonopollInTree { .. }
            | RefusalCause::NotPermitted { .. }
            | RefusalCause::OnlyForceEnds,
            _,
        ) => {
            return outside_configuration(conflict, refusal, plan, Purpose::Start)
                .into_iter()
                .next();
        }
    })
}

/// One line for each change that may help, none twice.
pub(super) fn all(plan: &Plan, context: &Context<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let too_many = matches!(plan.refusal(), Some(RefusalReason::TooManyConflicts { .. }));
    if too_many {
        lines.push(format!(
            "narrow the `match` entries, or raise {}",
            set_key(context, "limits.max_targets")
        ));
    }
    let storm = matches!(plan.refusal(), Some(RefusalReason::Storm { .. }));
    if storm {
        lines.push(format!("to allow more, raise {}", set_key(context, "limits.max_takeovers")));
        lines.push(format!(
            "to forget them sooner, lower {}",
            set_key(context, "limits.takeover_window")
        ));
    }
    for conflict in plan.conflicts.iter().filter(|_| !too_many && !storm) {
        lines.extend(for_conflict(conflict, plan, context));
    }
    if plan.shielded.iter().any(|it| matches!(it.shield, Shield::OtherUser(_))) {
        lines.push(
            "a `match` entry with `user = \"any\"` reaches other users' processes".to_owned(),
        );
    }
    if plan.shielded.iter().any(|it| matches!(it.shield, Shield::OtherContainer(_))) {
        lines
            .push("a `match` entry with `container = \"any\"` reaches other containers".to_owned());
    }
    if !plan.suspects.is_empty() {
        lines.push(format!(
            "to look for no tokens at all, choose \"off\" for {}",
            set_key(context, "same_token")
        ));
    }
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

fn for_conflict(conflict: &Conflict, plan: &Plan, context: &Context<'_>) -> Vec<String> {
    let mut lines = match &conflict.decided_by {
        DecidedBy::Rule(name) => vec![change_rule(context, name)],
        DecidedBy::OnConflict => match (context.purpose, conflict.action) {
            (Purpose::Start, _) => {
                vec![format!("choose another {}", set_key(context, "on_conflict"))]
            }
            (Purpose::Stop, Action::Force) => {
                vec!["leave out `--on-conflict force`, and it is asked to end first".to_owned()]
            }
            (Purpose::Stop, Action::Graceful | Action::Refuse | Action::Wait | Action::Ignore) => {
                vec![
                    "forbid it by a rule, or kill it at once with `--on-conflict force`".to_owned(),
                ]
            }
        },
        DecidedBy::SameToken => vec![format!(
            "to treat it as any other conflict, choose \"act\" for {}",
            set_key(context, "same_token")
        )],
        DecidedBy::Caution => conflict
            .refusal
            .as_ref()
            .map(|refusal| outside_configuration(conflict, refusal, plan, context.purpose))
            .unwrap_or_default(),
    };
    if let Ladder::Wait { patience, .. } = conflict.ladder {
        lines.push(format!("wait longer or shorter: {}", set_key(context, "timeouts.wait")));
        if patience != Patience::Forever {
            lines.push(format!(
                "do something else when that runs out: {}",
                set_key(context, "after_wait")
            ));
        }
    }
    lines
}

fn change_rule(context: &Context<'_>, name: &str) -> String {
    let place = (context.origin)(&format!("rules.{name}"));
    let at = if place == "default" { String::new() } else { format!(" at {}", sanitize(&place)) };
    format!("change the rule `{}`{at}, or put another one before it", sanitize(name))
}

/// Hints outside of the configuration, if no key helps.
fn outside_configuration(
    conflict: &Conflict,
    refusal: &ConflictRefusal,
    plan: &Plan,
    purpose: Purpose,
) -> Vec<String> {
    match refusal.kind() {
        Refusal::Superseded => {
            return vec!["start it once more: the newest start wins".to_owned()];
        }
        Refusal::Permission => {
            return vec![
                "run monopoll as the user that the process belongs to, or as root".to_owned(),
            ];
        }
        Refusal::Policy | Refusal::Storm => {}
    }
    let manager = conflict.root.as_ref().and_then(Process::manager);
    match (manager, &conflict.root, &conflict.guard) {
        (Some(manager), ..) => {
            vec![format!("stop it for good with `{}`", sanitize(&manager.stop_command()))]
        }
        (None, Some(root), _) => vec![format!("end pid {} yourself if it may go", root.id.pid)],
        (None, None, Some(guard)) => {
            vec![format!("end it where it runs, on host {}", sanitize(&guard.host))]
        }
        (None, None, None) => {
            let taken = plan.locks.iter().filter(|lock| match lock.state {
                LockState::Held(_) | LockState::Unknown => true,
                LockState::Free | LockState::Mine => false,
            });
            taken.map(|lock| find_holder(&lock.path, purpose)).collect()
        }
    }
}

fn find_holder(lock: &Path, purpose: Purpose) -> String {
    let path = sanitize(&lock.to_string_lossy());
    match purpose {
        Purpose::Start => format!(
            "find who has it with `fuser -v {path}`, end that yourself, or set `on_conflict` to \"wait\""
        ),
        Purpose::Stop => format!("find who has it with `fuser -v {path}`, and end that yourself"),
    }
}

/// A key with its place, or with every way to set it.
fn set_key(context: &Context<'_>, key: &str) -> String {
    let place = (context.origin)(key);
    let flag = match key {
        "on_conflict" => "`--on-conflict refuse|graceful|force|wait`".to_owned(),
        _ => format!("`--set {key}=…`"),
    };
    if place.starts_with("--") {
        // There is nothing to be changed but this very command line.
        format!("`{key}` with {flag}")
    } else if place == "default" {
        let variable = format!("MONOPOLL_{}", key.to_uppercase().replace('.', "__"));
        format!(
            "`{key}` (default; set it in the configuration file, with {flag}, or in ${variable})"
        )
    } else {
        format!("`{key}` (at {}; for one start {flag})", sanitize(&place))
    }
}
