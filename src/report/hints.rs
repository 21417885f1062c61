//! Hints for an unwanted plan. `plan` lists every key that would change it; a refused start gets a
//! single hint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::engine::action::Action;
use crate::engine::evidence::Evidence;
use crate::engine::ladder::{Ladder, WaitLimit};
use crate::engine::plan::{Conflict, DecidedBy, Plan};
use crate::engine::policy::Purpose;
use crate::engine::process::{Process, Role};
use crate::engine::reason::{RefusalCause, RefusalKind, RefusalReason};
use crate::engine::shield::Shield;
use crate::engine::snapshot::LockState;
use crate::report::manager_remedy::remedy;
use crate::report::reasons::found_by_entries;
use crate::report::{Context, typed};
use crate::text::{sanitize, shell_quote};

/// The place in which the options of a start are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionsIn {
    CommandLine,
    /// `ensure()` of the Python package, or a call of the library: its user has typed no command
    /// line of monopoll.
    EnsureCall,
}

impl OptionsIn {
    /// Returns a message with the name of an instance as it is given here.
    pub(crate) fn spell(self, message: String) -> String {
        match self {
            OptionsIn::CommandLine => message,
            OptionsIn::EnsureCall => {
                let mut parts = message.split("`--instance ");
                let first = parts.next().unwrap_or_default().to_owned();
                parts.fold(first, |spelled, part| match part.split_once('`') {
                    Some((name, rest)) => format!("{spelled}`instance=\"{name}\"`{rest}"),
                    None => spelled + "`--instance " + part,
                })
            }
        }
    }
}

/// Returns a pointer to the command that shows all hints.
fn more(purpose: Purpose, command: Option<&str>) -> String {
    let subcommand = match purpose {
        Purpose::Start => "plan",
        Purpose::Stop => "stop --dry-run",
    };
    format!("{} shows details", typed(subcommand, command))
}

/// The hint about a process whose only evidence is the token. Must not suggest anything that starts
/// a second poller.
const SAME_TOKEN: &str = "if it is a copy of the bot, stop it yourself, or add a `[[match]]` \
                          entry that finds it, and `on_conflict` applies";

/// Returns the hint for a refused plan; `None` if the reason already contains one, or nothing would
/// help. `command` is COMMAND as typed.
pub fn hint(
    plan: &Plan,
    purpose: Purpose,
    options: OptionsIn,
    command: Option<&str>,
) -> Option<String> {
    match plan.refusal.as_ref()? {
        RefusalReason::TooManyTakeovers { .. } | RefusalReason::Webhook { .. } => None,
        RefusalReason::TooManyConflicts { .. } => Some(more(purpose, command)),
        RefusalReason::Conflict => {
            let hint = hint_for(plan.decisive_conflict()?, plan, purpose, options, command)?;
            Some(format!("{hint}; {}", more(purpose, command)))
        }
    }
}

fn hint_for(
    conflict: &Conflict,
    plan: &Plan,
    purpose: Purpose,
    options: OptionsIn,
    command: Option<&str>,
) -> Option<String> {
    let hint = match (&conflict.decided_by, conflict.refusal.as_ref()?) {
        (DecidedBy::Rule(_), _) => "change that rule, or put another one before it",
        (DecidedBy::OnConflict, RefusalCause::WaitedTooLong(_)) => match options {
            OptionsIn::CommandLine => {
                "`--set timeouts.wait=…` waits longer, `--on-conflict graceful` takes over"
            }
            OptionsIn::EnsureCall => {
                "`timeouts.wait` in the configuration file waits longer, \
                 `monopoll.ensure(on_conflict=\"graceful\")` takes over"
            }
        },
        (DecidedBy::OnConflict, _) => match options {
            OptionsIn::CommandLine => {
                "`--on-conflict wait` waits for it to end, `--on-conflict graceful` takes over"
            }
            OptionsIn::EnsureCall => {
                "`monopoll.ensure(on_conflict=\"wait\")` waits for it to end, \
                 `on_conflict=\"graceful\"` takes over"
            }
        },
        (DecidedBy::SameToken, _) => SAME_TOKEN,
        // The reason already names the command to run. A newer start needs no hint.
        (
            DecidedBy::Supervised | DecidedBy::SafetyRule,
            RefusalCause::ComesBack { .. }
            | RefusalCause::NewerStart
            | RefusalCause::Supervised(_)
            | RefusalCause::InDoubt(_),
        ) => {
            return None;
        }
        (DecidedBy::Supervised | DecidedBy::SafetyRule, _) => {
            return outside_configuration(conflict, plan, purpose, command).into_iter().next();
        }
    };
    Some(hint.to_owned())
}

/// Returns a line for each change that may help, without duplicates.
pub(super) fn all(plan: &Plan, context: &Context<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let too_many = matches!(plan.refusal, Some(RefusalReason::TooManyConflicts { .. }));
    if too_many {
        let first = if found_by_entries(plan) {
            "narrow the `match` entries"
        } else {
            "end those that are not needed yourself"
        };
        lines.push(format!("{first}, or raise {}", set_key(context, "limits.max_targets")));
    }
    let too_many_takeovers = matches!(plan.refusal, Some(RefusalReason::TooManyTakeovers { .. }));
    let never = matches!(plan.refusal, Some(RefusalReason::TooManyTakeovers { allowed: 0, .. }));
    if too_many_takeovers {
        lines.push(format!(
            "to allow more takeovers, raise {}",
            set_key(context, "limits.max_takeovers")
        ));
    }
    if too_many_takeovers && !never {
        lines.push(format!(
            "to forget takeovers sooner, lower {}",
            set_key(context, "limits.takeover_window")
        ));
    }
    for conflict in plan.conflicts.iter().filter(|_| !too_many && !too_many_takeovers) {
        lines.extend(for_conflict(conflict, plan, context));
    }
    if plan.shielded.iter().any(|it| matches!(it.shield, Shield::OtherUser(_))) {
        lines.push(
            "to match other users' processes, set `user = \"any\"` in a `match` entry".to_owned(),
        );
    }
    if plan.shielded.iter().any(|it| matches!(it.shield, Shield::OtherContainer(_))) {
        lines.push(
            "to match other containers' processes, set `container = \"any\"` in a `match` entry"
                .to_owned(),
        );
    }
    if !plan.suspects.is_empty() {
        lines.push(format!(
            "to stop looking for tokens, choose \"off\" for {}",
            set_key(context, "same_token")
        ));
    }
    lines.extend(too_broad(plan));
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

/// Returns the entries that matched different programs. A bot is a single program.
fn too_broad(plan: &Plan) -> Vec<String> {
    let mut programs: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    // A guard runs the bot as its child, so its own program says nothing about the entry.
    let is_bot = |it: &&Conflict| it.root.as_ref().is_some_and(|it| it.role != Role::Monopoll);
    for conflict in plan.conflicts.iter().filter(is_bot) {
        let name = conflict.root.as_ref().and_then(|root| root.name.known());
        for evidence in &conflict.evidence {
            if let (Evidence::Match(index), Some(name)) = (evidence, name) {
                programs.entry(*index).or_default().insert(name);
            }
        }
    }
    programs.retain(|_, names| names.len() > 1);
    let line = |(index, names): (usize, BTreeSet<&str>)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{}`", sanitize(name))).collect();
        format!(
            "match[{index}] finds different programs ({}); add what identifies the bot, such as \
             `name` or `cwd`",
            names.join(", ")
        )
    };
    programs.into_iter().map(line).collect()
}

fn for_conflict(conflict: &Conflict, plan: &Plan, context: &Context<'_>) -> Vec<String> {
    let command = context.command.as_deref();
    let mut lines = match &conflict.decided_by {
        DecidedBy::Rule(name) => vec![change_rule(context, name)],
        DecidedBy::OnConflict => match (context.purpose, conflict.action) {
            (Purpose::Start, action) => vec![other_action(action, context)],
            (Purpose::Stop, Action::Force) => {
                vec!["leave out `--on-conflict force`, and it is asked to end first".to_owned()]
            }
            (Purpose::Stop, Action::Graceful | Action::Refuse | Action::Wait | Action::Ignore) => {
                vec!["to protect it from `stop`, add a rule with `action = \"refuse\"`".to_owned()]
            }
        },
        DecidedBy::SameToken => vec![SAME_TOKEN.to_owned()],
        DecidedBy::Supervised | DecidedBy::SafetyRule => match conflict.refusal {
            // The reason already says how to settle it.
            Some(RefusalCause::InDoubt(_) | RefusalCause::Supervised(_)) => Vec::new(),
            Some(_) | None => outside_configuration(conflict, plan, context.purpose, command),
        },
    };
    if let Ladder::Wait { limit, .. } = conflict.ladder {
        lines.push(format!(
            "to wait longer or shorter, change {}",
            set_key(context, "timeouts.wait")
        ));
        if limit != WaitLimit::Forever {
            lines.push(format!(
                "to do something else after that, change {}",
                set_key(context, "after_wait")
            ));
        }
    }
    lines
}

/// Returns the other actions of `on_conflict`, least harmful first. Never suggests `force`.
fn other_action(action: Action, context: &Context<'_>) -> String {
    let (purpose, others) = match action {
        Action::Graceful | Action::Force => ("to leave it running", "`refuse` or `wait`"),
        Action::Refuse => return take_over(context),
        Action::Wait | Action::Ignore => ("not to wait", "`refuse` or `graceful`"),
    };
    format!("{purpose}, choose {others} for {}", set_key(context, "on_conflict"))
}

/// Returns how to take over or wait where `on_conflict` refuses.
fn take_over(context: &Context<'_>) -> String {
    let once = typed("--on-conflict graceful run", context.command.as_deref());
    let place = (context.origin)("on_conflict");
    let always = if place == "default" || place.starts_with("--") {
        "write `on_conflict = \"graceful\"` to config.toml".to_owned()
    } else {
        format!("change `on_conflict` (at {})", sanitize(&place))
    };
    format!("to take over: {once} (or `wait`, to wait for it to end); for every start, {always}")
}

fn change_rule(context: &Context<'_>, name: &str) -> String {
    let place = (context.origin)(&format!("rules.{name}"));
    let at = if place == "default" { String::new() } else { format!(" at {}", sanitize(&place)) };
    format!("change the rule `{}`{at}, or put another one before it", sanitize(name))
}

fn outside_configuration(
    conflict: &Conflict,
    plan: &Plan,
    purpose: Purpose,
    command: Option<&str>,
) -> Vec<String> {
    match conflict.refusal_kind() {
        Some(RefusalKind::Superseded) => {
            return vec!["start it again: the newest start wins".to_owned()];
        }
        Some(RefusalKind::Permission) => {
            return vec![as_the_owner(conflict, purpose, command)];
        }
        Some(RefusalKind::Policy | RefusalKind::TooManyTakeovers) | None => {}
    }
    let manager = conflict.root.as_ref().and_then(Process::manager);
    match (manager, &conflict.root, &conflict.guard) {
        (Some(manager), ..) => {
            vec![sanitize(&remedy(manager))]
        }
        // The reason already says what to stop.
        (None, Some(_), _) if matches!(conflict.refusal, Some(RefusalCause::ComesBack { .. })) => {
            Vec::new()
        }
        (None, Some(root), _) => vec![
            stop_as_its_user(conflict, command)
                .unwrap_or_else(|| format!("end pid {} yourself if it is not needed", root.id.pid)),
        ],
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

/// Returns the same command, run as the owner of the processes.
fn as_the_owner(conflict: &Conflict, purpose: Purpose, command: Option<&str>) -> String {
    let owner = match &conflict.refusal {
        Some(
            RefusalCause::NotPermitted { owner: Some(owner), .. }
            | RefusalCause::Shielded { shield: Shield::OtherUser(owner), .. },
        ) => Some(owner),
        Some(_) | None => None,
    };
    let Some(owner) = owner else {
        return "run monopoll as the user that owns the process, or as root".to_owned();
    };
    let subcommand = match purpose {
        Purpose::Start => "run",
        Purpose::Stop => "stop",
    };
    let command = command.map_or_else(|| " …".to_owned(), |command| format!(" -- {command}"));
    let user = shell_quote(&sanitize(owner));
    format!("run it as that user: `sudo -u {user} monopoll {subcommand}{command}`")
}

/// Returns a stop as the owner of a process that this user may signal but monopoll does not touch.
fn stop_as_its_user(conflict: &Conflict, command: Option<&str>) -> Option<String> {
    let Some(RefusalCause::Shielded { shield: Shield::OtherUser(owner), .. }) = &conflict.refusal
    else {
        return None;
    };
    // That user's `stop` recognizes the bot only by the same COMMAND.
    let command = command.filter(|_| conflict.evidence.contains(&Evidence::Command))?;
    let user = shell_quote(&sanitize(owner));
    Some(format!("stop it as that user: `sudo -u {user} monopoll stop -- {command}`"))
}

fn find_holder(lock: &Path, purpose: Purpose) -> String {
    let path = sanitize(&lock.to_string_lossy());
    match purpose {
        Purpose::Start => format!(
            "set `on_conflict` to \"wait\", or find the holder with `fuser -v {path}` and end it \
             yourself"
        ),
        Purpose::Stop => format!("find the holder with `fuser -v {path}` and end it yourself"),
    }
}

fn set_key(context: &Context<'_>, key: &str) -> String {
    let place = (context.origin)(key);
    let flag = match key {
        "on_conflict" => "`--on-conflict ACTION`".to_owned(),
        _ => format!("`--set {key}=…`"),
    };
    if place.starts_with("--") {
        // The key was set on this command line.
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
