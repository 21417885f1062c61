//! A conflict as text: its processes, evidence, decision and steps.

use crate::engine::action::Action;
use crate::engine::counter_evidence::Doubt;
use crate::engine::evidence::Evidence;
use crate::engine::fact::Fact;
use crate::engine::ladder::{Ladder, Step, WaitLimit};
use crate::engine::likeness::CommandDoubt;
use crate::engine::managed_by::ManagedBy;
use crate::engine::plan::{Conflict, DecidedBy, Plan, UncertainRule};
use crate::engine::policy::Purpose;
use crate::engine::process::{OtherGuard, Process};
use crate::engine::reason::RefusalCause;
use crate::engine::signal::SignalToSend;
use crate::engine::snapshot::{GuardView, LockState};
use crate::report::format::{self, short_duration};
use crate::report::manager_remedy::remedy;
use crate::report::{Context, reasons};
use crate::text::{Paint, Style, sanitize};

const MAX_PIDS: usize = 8;

pub(super) fn lines(
    number: usize,
    conflict: &Conflict,
    plan: &Plan,
    context: &Context<'_>,
    paint: Paint,
) -> Vec<String> {
    let mut lines = vec![format!("{number}. {}", title(conflict, paint))];
    let mut line = |label: &str, text: String| lines.push(format::labeled(label, &text, paint));
    if let Some(root) = &conflict.root {
        line("process", facts(root));
    }
    if let Some(guard) = &conflict.guard {
        line("guard", guard_facts(guard));
    }
    if let Some(manager) = conflict.root.as_ref().and_then(Process::manager) {
        line("managed", managed_by(manager));
    } else if let Some(guard) = guard_above(conflict) {
        line("guard", guard);
    } else if let Some(launcher) = launcher(conflict) {
        line("launcher", launcher);
    }
    if !conflict.tree.is_empty() {
        line("tree", pids(&conflict.tree));
    }
    line("why", evidence(conflict, plan, context));
    if conflict.refusal != Some(RefusalCause::UndecidableRule) {
        for rule in &conflict.uncertain_rules {
            line("skipped", skipped(rule, context));
        }
    }
    line("decided", decision(conflict, context));
    // The refusal of the decisive conflict is already printed above, as the reason of the plan.
    if let Some(why) = reasons::conflict_refusal(conflict, context.purpose)
        && !plan.decisive_conflict().is_some_and(|decisive| std::ptr::eq(decisive, conflict))
    {
        line("because", sanitize(&why));
    }
    line("steps", steps(conflict, context.purpose, paint));
    lines
}

pub(super) fn managed_by(manager: &ManagedBy) -> String {
    format!("by {}; {}", sanitize(&manager.to_string()), sanitize(&remedy(manager)))
}

/// Returns the guard of another lock above the conflict.
fn guard_above(conflict: &Conflict) -> Option<String> {
    let root = conflict.root.as_ref().filter(|_| conflict.guard.is_none())?;
    let OtherGuard { instance, process, .. } = root.guard.known()?.as_ref()?;
    Some(format!("{} (pid {}), with another lock", sanitize(instance), process.pid))
}

/// Returns the process that may restart an unguarded conflict.
fn launcher(conflict: &Conflict) -> Option<String> {
    let launcher = conflict.launcher()?;
    Some(format!(
        "`{}` (pid {}); if it restarts the process, stop it first, where it was started",
        sanitize(&launcher.command),
        launcher.id.pid
    ))
}

pub(super) fn title(conflict: &Conflict, paint: Paint) -> String {
    let pid = |root: &Process| paint.style(Style::Bold, &format!("pid {}", root.id.pid));
    match (&conflict.root, &conflict.guard) {
        // Users know a guard by its bot.
        (Some(root), Some(guard)) => {
            format!("{}  {}", pid(root), format::shorten(&sanitize(&guard.command)))
        }
        (Some(root), None) => format!("{}  {}", pid(root), format::short_command(root)),
        (None, Some(guard)) => {
            let place = guard.process.map_or_else(
                || "a guard in another PID namespace".to_owned(),
                |process| format!("pid {} ({})", process.pid, reasons::ENDED),
            );
            let command = format::shorten(&sanitize(&guard.command));
            format!("{}  {command}", paint.style(Style::Bold, &place))
        }
        (None, None) => paint.style(Style::Bold, "an unknown holder of the lock"),
    }
}

pub(super) fn facts(root: &Process) -> String {
    let known =
        |fact: Option<String>, what: &str| fact.unwrap_or_else(|| format!("{what} unknown"));
    let mut parts = vec![
        known(root.user.known().map(|user| format!("user {}", sanitize(&user.name))), "user"),
        known(root.age.known().map(|age| format!("{} old", short_duration(*age))), "age"),
        known(root.state.known().map(ToString::to_string), "state"),
    ];
    if root.orphaned == Fact::Known(true) {
        parts.push("orphaned".to_owned());
    }
    if root.connected == Fact::Known(true) {
        parts.push("connected to the Bot API".to_owned());
    }
    if let Some(container) = root.container.known().and_then(Option::as_ref) {
        parts.push(format!("in container {}", sanitize(container)));
    }
    parts.join(", ")
}

pub(super) fn guard_facts(guard: &GuardView) -> String {
    let ticket = guard
        .ticket
        .map_or_else(|| "ticket unreadable".to_owned(), |ticket| format!("ticket {ticket}"));
    let since = format::unix_rfc3339(guard.since)
        .map_or_else(String::new, |since| format!(", since {since}"));
    format!(
        "monopoll, {ticket}, user {} on host {}{since}",
        sanitize(&guard.user),
        sanitize(&guard.host)
    )
}

pub(super) fn pids(tree: &[Process]) -> String {
    let shown: Vec<String> =
        tree.iter().take(MAX_PIDS).map(|process| process.id.pid.to_string()).collect();
    let more = tree.len().saturating_sub(MAX_PIDS);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    let pid = if tree.len() == 1 { "pid" } else { "pids" };
    format!("{pid} {}{rest}", shown.join(", "))
}

pub(super) fn evidence(conflict: &Conflict, plan: &Plan, context: &Context<'_>) -> String {
    let place = |it: &Evidence| match it {
        Evidence::Lock => lock_paths(conflict, plan),
        Evidence::Match(index) => {
            format!(" {}", format::written_at(context, &format!("match[{index}]")))
        }
        Evidence::Token | Evidence::Command => String::new(),
    };
    let claim = |it: &Evidence| match (it, &conflict.refusal) {
        (Evidence::Command, Some(RefusalCause::InDoubt(Doubt::Command(_)))) => {
            "may be the same command".to_owned()
        }
        (it, _) => reasons::evidence(it),
    };
    let all: Vec<String> =
        conflict.evidence.iter().map(|it| format!("{}{}", claim(it), place(it))).collect();
    all.join("; ").trim_end().to_owned()
}

/// Describes a rule that would end processes, but cannot decide because of an unknown fact.
fn skipped(rule: &UncertainRule, context: &Context<'_>) -> String {
    let place = format::written_at(context, &format!("rules.{}", rule.name));
    let rule_name = format!("rule `{}` {place}", sanitize(&rule.name));
    let unknown = reasons::unknown_conditions(rule);
    format!("{}, because {unknown}", rule_name.trim_end())
}

fn lock_paths(conflict: &Conflict, plan: &Plan) -> String {
    let paths: Vec<String> = plan
        .locks
        .iter()
        .filter(|lock| match &lock.state {
            LockState::Free | LockState::Mine => false,
            LockState::Held(pids) => {
                conflict.root.is_none()
                    || conflict.processes().any(|process| pids.contains(&process.id.pid))
            }
            LockState::Unknown => conflict.root.is_none(),
        })
        .map(|lock| format!(" {}", sanitize(&lock.path.to_string_lossy())))
        .collect();
    paths.join(",")
}

pub(super) fn decision(conflict: &Conflict, context: &Context<'_>) -> String {
    let by = match &conflict.decided_by {
        DecidedBy::Rule(name) => {
            format!(
                "by rule `{}` {}",
                sanitize(name),
                format::written_at(context, &format!("rules.{name}"))
            )
        }
        DecidedBy::OnConflict => match (context.purpose, conflict.action) {
            (Purpose::Start, _) if (context.origin)("on_conflict") == "--on-conflict" => {
                "by `--on-conflict`".to_owned()
            }
            (Purpose::Start, _) => {
                format!("by `on_conflict` {}", format::written_at(context, "on_conflict"))
            }
            (Purpose::Stop, Action::Force) => "by `--on-conflict force`".to_owned(),
            (Purpose::Stop, Action::Graceful | Action::Refuse | Action::Wait | Action::Ignore) => {
                "the default of `stop`".to_owned()
            }
        },
        DecidedBy::SameToken => {
            format!("by `same_token` {}", format::written_at(context, "same_token"))
        }
        DecidedBy::Supervised => "by the built-in rule `supervised`".to_owned(),
        DecidedBy::SafetyRule => {
            return format!("{}: {}", conflict.action, not_lifted(conflict));
        }
    };
    format!("{}, {}", conflict.action, by.trim_end())
}

/// Says that no rule lifts a refusal, and why if the process is in doubt.
fn not_lifted(conflict: &Conflict) -> &'static str {
    match &conflict.refusal {
        // The reason above says of the other doubt that it seems to be this bot's.
        Some(RefusalCause::InDoubt(doubt))
            if *doubt != Doubt::Command(CommandDoubt::StartsAgain) =>
        {
            "it may be another bot (no rule lifts this)"
        }
        Some(_) | None => "no rule lifts this",
    }
}

pub(super) fn steps(conflict: &Conflict, purpose: Purpose, paint: Paint) -> String {
    match conflict.ladder {
        Ladder::Nothing => paint.style(Style::Bold, nothing(conflict.action, purpose)),
        Ladder::Wait { .. } | Ladder::Stop(_) => {
            paint.style(Style::Warning, &ladder_text(conflict.ladder))
        }
    }
}

fn nothing(action: Action, purpose: Purpose) -> &'static str {
    match (action, purpose) {
        (Action::Refuse, Purpose::Start | Purpose::Stop) => "nothing",
        (Action::Graceful | Action::Force | Action::Wait, Purpose::Start) => {
            "nothing, because the start is refused"
        }
        (Action::Graceful | Action::Force | Action::Wait, Purpose::Stop) => {
            "nothing, because the stop is refused"
        }
        (Action::Ignore, Purpose::Start) => "nothing: it keeps running next to the new one",
        (Action::Ignore, Purpose::Stop) => "nothing: it keeps running",
    }
}

/// Returns the steps with their conditions, and the total time limit.
fn ladder_text(ladder: Ladder) -> String {
    let steps = ladder.steps();
    let mut text = String::new();
    let mut limits = 0;
    for (index, step) in steps.iter().enumerate() {
        text.push_str(match index.checked_sub(1).map(|before| steps[before]) {
            None => "",
            Some(Step::Wait { .. }) => "; if it does not: ",
            Some(Step::Ask { .. }) => "; if it does not answer, ",
            Some(Step::Signal { .. }) => ", then ",
        });
        text.push_str(&step_text(step));
        match step {
            // Signals replace the guard's answer, with the same time limits.
            Step::Ask { .. } if index + 1 < steps.len() => {}
            Step::Ask { timeout } | Step::Signal { timeout, .. } => {
                text.extend([" (", &short_duration(*timeout), ")"]);
                limits += 1;
            }
            Step::Wait { .. } => limits += 1,
        }
    }
    if let (true, Some((wait, end))) = (limits > 1, ladder.time_limits()) {
        text.extend(["; at most ", &short_duration(wait.saturating_add(end)), " in total"]);
    }
    text.push_str(match steps.last() {
        Some(Step::Wait { limit: WaitLimit::For(_) }) => "; if it does not: refuse",
        Some(Step::Ask { .. }) => {
            "; if it does not answer: refuse (it cannot be signaled from here)"
        }
        Some(Step::Signal { signal: SignalToSend::Signal(_), .. }) => "; if it still runs: refuse",
        Some(Step::Wait { limit: WaitLimit::Forever } | Step::Signal { .. }) | None => "",
    });
    text
}

/// Returns the step without its time limit, unless it is a wait.
fn step_text(step: &Step) -> String {
    match *step {
        Step::Ask { .. } => "ask the guard to end it".to_owned(),
        Step::Signal { signal, .. } => signal.name().to_string(),
        Step::Wait { limit: WaitLimit::Forever } => {
            "wait for it to end, as long as it takes".to_owned()
        }
        Step::Wait { limit: WaitLimit::For(time) } => {
            format!("wait for it to end ({})", short_duration(time))
        }
    }
}
