//! What to change where a plan is not what was wanted: the key, and where it is written.

use crate::{
    engine::{
        action::Action,
        plan::{Conflict, DecidedBy, Plan, Refusal, Step, Verdict},
        policy::Patience,
        purpose::Purpose,
        shield::Shield,
        snapshot::LockState,
    },
    report::Context,
    text::sanitize,
};

/// One line for each thing that can be changed, none twice.
pub(super) fn advice(plan: &Plan, context: &Context<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let too_many = plan.reason.contains("limits.max_targets");
    if too_many {
        lines.push(format!(
            "narrow the `match` entries, or raise {}",
            key(context, "limits.max_targets")
        ));
    }
    let storm = plan.verdict == Verdict::Refuse(Refusal::Storm);
    if storm {
        lines.push(format!("to allow more, raise {}", key(context, "limits.max_takeovers")));
        lines.push(format!(
            "to forget them sooner, lower {}",
            key(context, "limits.takeover_window")
        ));
    }
    for conflict in plan.conflicts.iter().filter(|_| !too_many && !storm) {
        lines.extend(about(conflict, plan, context));
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
            key(context, "same_token")
        ));
    }
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

fn about(conflict: &Conflict, plan: &Plan, context: &Context<'_>) -> Vec<String> {
    let mut lines = match &conflict.decided_by {
        DecidedBy::Rule(name) => vec![rule(context, name)],
        DecidedBy::OnConflict => match (context.purpose, conflict.action) {
            (Purpose::Start, _) => vec![format!("choose another {}", key(context, "on_conflict"))],
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
            key(context, "same_token")
        )],
        DecidedBy::Caution => caution(conflict, plan, context.purpose),
    };
    if let Some(Step::Wait { timeout }) = conflict.steps.first() {
        lines.push(format!("wait longer or shorter: {}", key(context, "timeouts.wait")));
        if *timeout != Patience::Forever {
            lines.push(format!(
                "do something else when that runs out: {}",
                key(context, "after_wait")
            ));
        }
    }
    lines
}

fn rule(context: &Context<'_>, name: &str) -> String {
    let place = (context.origin)(&format!("rules.{name}"));
    let at = if place == "default" { String::new() } else { format!(" at {}", sanitize(&place)) };
    format!("change the rule `{}`{at}, or put another one before it", sanitize(name))
}

/// Where no key helps, something outside of the configuration may.
pub(super) fn caution(conflict: &Conflict, plan: &Plan, purpose: Purpose) -> Vec<String> {
    let manager =
        conflict.root.as_ref().and_then(|root| root.managed_by.known()).and_then(Option::as_ref);
    match (&conflict.refusal, manager, &conflict.root, &conflict.guard) {
        (Some((Refusal::Superseded, _)), ..) => vec!["start it once more: the newest start wins".to_owned()],
        (Some((Refusal::Permission, _)), ..) => vec!["run monopoll as the user that the process belongs to, or as root".to_owned()],
        (_, Some(manager), ..) => vec![format!("stop it for good with `{}`", sanitize(&manager.stop_command()))],
        (_, None, None, None) => plan
            .locks
            .iter()
            .filter_map(|lock| match lock.state {
                LockState::Held(_) | LockState::Unknown => Some(sanitize(&lock.path.to_string_lossy())),
                LockState::Free | LockState::Mine => None,
            })
            .map(|path| match purpose {
                Purpose::Start => format!("find who has it with `fuser -v {path}`, end that yourself, or set `on_conflict` to \"wait\""),
                Purpose::Stop => format!("find who has it with `fuser -v {path}`, and end that yourself"),
            })
            .collect(),
        (_, None, Some(root), _) => vec![format!("end pid {} yourself if it may go", root.id.pid)],
        (_, None, None, Some(guard)) => vec![format!("end it where it runs, on host {}", sanitize(&guard.host))],
    }
}

/// A key, where it is written, or every way to write it.
fn key(context: &Context<'_>, key: &str) -> String {
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
