//! A status as text: a sentence, then the holder of the instance and its takeovers.

use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::Process;
use crate::guard::instance_status::{InstanceState, InstanceStatus};
use crate::report::format;
use crate::report::history_text::{EndedText, happened, repeated, time_and_age};
use crate::report::{Context, conflict_text, plan_text};
use crate::state::history_event::{EndedConflict, HistoryEvent, HistoryEventKind};
use crate::state::record::Record;
use crate::text::{Paint, Style, sanitize};

pub fn text(status: &InstanceStatus, context: &Context<'_>, paint: Paint) -> String {
    let mut lines = vec![headline(status, context, paint), String::new()];
    let mut line = |label: &str, text: String| lines.push(format::labeled(label, &text, paint));
    let conflict = holder(status);
    match &status.record {
        Some(record) => guard_lines(record, status, &mut line),
        None => {
            if let Some(root) = conflict.and_then(|conflict| conflict.root.as_ref()) {
                line("holder", format::short_command(root));
                line("process", conflict_text::facts(root));
            }
        }
    }
    if let Some(manager) = conflict.and_then(|it| it.root.as_ref()).and_then(Process::manager) {
        line("managed", conflict_text::managed_by(manager));
    }
    // The child itself was already printed.
    let is_more = |conflict: &&Conflict| {
        conflict.tree.iter().any(|member| Some(member.id.pid) != status.child)
    };
    if let Some(conflict) = conflict.filter(is_more) {
        line("tree", conflict_text::pids(&conflict.tree));
    }
    for lock in status.plan.iter().flat_map(|plan| &plan.locks) {
        line("lock", sanitize(&lock.path.to_string_lossy()));
    }
    if let Some(takeovers) = takeovers(status) {
        line("acquired", takeovers);
    }
    for alert in status.alerts() {
        line("alert", alert_text(alert, context));
    }
    if let Some(event) = status.last_end().filter(|_| status.state == InstanceState::Stopped) {
        line("last", format!("{}: {}", time_and_age(event, context), happened(event)));
    }
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.extend(unguarded(status, context, paint));
    lines.extend(status.plan.iter().flat_map(|plan| plan_text::near_misses(plan, context, paint)));
    lines.join("\n") + "\n"
}

pub fn list(statuses: &[&InstanceStatus], context: &Context<'_>, paint: Paint) -> String {
    let width =
        statuses.iter().map(|status| status.instance.chars().count()).max().unwrap_or_default();
    let line = |status: &&InstanceStatus| {
        let name = paint.style(Style::Bold, &format!("{:<width$}", sanitize(&status.instance)));
        let (tone, word) = state_word(status.state);
        let state = paint.style(tone, &format!("{word:<9}"));
        let mut lines = format!("{name}  {state}  {}", summary(status, context));
        lines.truncate(lines.trim_end().len());
        lines.push('\n');
        let word = paint.style(Style::Error, &format!("{:<9}", "alert"));
        lines.extend(
            status
                .alerts()
                .map(|alert| format!("{:<width$}  {word}  {}\n", "", alert_text(alert, context))),
        );
        lines
    };
    statuses.iter().map(line).collect()
}

fn state_word(state: InstanceState) -> (Style, &'static str) {
    match state {
        InstanceState::Starting => (Style::Warning, "starting"),
        InstanceState::Running => (Style::Success, "running"),
        InstanceState::Stopping => (Style::Warning, "stopping"),
        InstanceState::Stopped => (Style::Dim, "stopped"),
        InstanceState::Unguarded => (Style::Warning, "unguarded"),
        InstanceState::Unknown => (Style::Error, "unknown"),
    }
}

fn headline(status: &InstanceStatus, context: &Context<'_>, paint: Paint) -> String {
    let instance = paint.style(Style::Bold, &sanitize(&status.instance));
    let (tone, word) = state_word(status.state);
    match status.state {
        InstanceState::Starting | InstanceState::Running | InstanceState::Stopping => {
            let since = match (status.state, since(status, context)) {
                (InstanceState::Stopping, Some(since)) => {
                    format!("; it has held the lock {since}")
                }
                (_, Some(since)) => format!(", {since}"),
                (_, None) => String::new(),
            };
            format!("{instance} is {}{since}.", paint.style(tone, word))
        }
        InstanceState::Unguarded => {
            let what = paint.style(tone, "without a guard");
            match since(status, context) {
                Some(since) => format!(
                    "{instance} runs {what}, {since}: its guard has ended, and the bot holds \
                     the lock."
                ),
                None => format!("{instance} runs {what}."),
            }
        }
        InstanceState::Stopped => format!("{instance} is {}.", paint.style(tone, "not running")),
        InstanceState::Unknown => {
            let why = status.doubt.as_deref().map(sanitize).unwrap_or_default();
            format!(
                "{instance}: {} whether it is running: {why}.",
                paint.style(tone, "cannot tell")
            )
        }
    }
}

fn since(status: &InstanceStatus, context: &Context<'_>) -> Option<String> {
    let record = status.record.as_ref()?;
    let moment = format::unix_rfc3339(record.since)?;
    let age = format::age(record.since, context).map_or_else(String::new, |it| format!(" ({it})"));
    Some(format!("since {moment}{age}"))
}

fn guard_lines(record: &Record, status: &InstanceStatus, line: &mut impl FnMut(&str, String)) {
    let place = match status.guard().map(|guard| guard.process) {
        None => "has ended".to_owned(),
        Some(None) => "in another PID namespace".to_owned(),
        Some(Some(process)) => format!("pid {}", process.pid),
    };
    line("runs", format::shorten(&sanitize(&record.command)));
    line(
        "guard",
        format!(
            "{place}, ticket {}, user {} on host {}, monopoll {}",
            record.ticket,
            sanitize(&record.user),
            sanitize(&record.host),
            sanitize(&record.monopoll)
        ),
    );
    if let Some(child) = status.child {
        line("child", format!("pid {child}"));
    }
    if let Some(profile) = &record.profile {
        line("profile", sanitize(profile));
    }
}

fn holder(status: &InstanceStatus) -> Option<&Conflict> {
    status.plan.as_ref()?.conflicts.iter().find(|conflict| conflict.holds_lock())
}

fn takeovers(status: &InstanceStatus) -> Option<String> {
    let mut events = status.own_events().peekable();
    events.peek()?;
    let from = |ended: &EndedConflict| {
        let EndedText { process, action, took } = EndedText::of(ended);
        let a_process = if ended.from_pid.is_none() { "a process " } else { "" };
        format!("{a_process}{process} ({action}) in {took}")
    };
    let sources: Vec<String> = events
        .filter_map(|event| {
            let HistoryEventKind::Takeover { ended, .. } = &event.kind else { return None };
            Some(from(ended))
        })
        .collect();
    Some(if sources.is_empty() {
        "without a conflict".to_owned()
    } else {
        format!("by takeover from {}", sources.join(", "))
    })
}

fn alert_text(alert: (&HistoryEvent, &str, u32), context: &Context<'_>) -> String {
    let (event, why, times) = alert;
    format!("{}{}: {}", time_and_age(event, context), repeated(times), sanitize(why))
}

/// Returns the processes that run without the lock.
fn unguarded(status: &InstanceStatus, context: &Context<'_>, paint: Paint) -> Vec<String> {
    let Some(plan) = &status.plan else { return Vec::new() };
    let lines: Vec<String> =
        status.unguarded().map(|conflict| unguarded_line(conflict, plan, context, paint)).collect();
    if lines.is_empty() {
        return lines;
    }
    [String::new(), "Running without a guard:".to_owned()].into_iter().chain(lines).collect()
}

fn unguarded_line(conflict: &Conflict, plan: &Plan, context: &Context<'_>, paint: Paint) -> String {
    format!(
        "  {}\n     {}",
        conflict_text::title(conflict, paint),
        conflict_text::evidence(conflict, plan, context)
    )
}

/// Returns the text after an instance's state in a list.
fn summary(status: &InstanceStatus, context: &Context<'_>) -> String {
    match (&status.record, &status.doubt) {
        (Some(record), _) => {
            let pid = match (status.guard().map(|guard| guard.process), status.child) {
                (Some(Some(guard)), _) => format!("pid {}", guard.pid),
                (_, Some(child)) => format!("pid {child}"),
                (Some(None), None) => "in another PID namespace".to_owned(),
                (None, None) => "its guard has ended".to_owned(),
            };
            let since =
                since(status, context).map_or_else(String::new, |since| format!(", {since}"));
            format!("{pid}{since}  {}", format::shorten(&sanitize(&record.command)))
        }
        (None, Some(why)) => sanitize(why),
        (None, None) => status.last_end().map_or_else(String::new, |event| {
            let end = happened(event);
            // The state already says that it stopped.
            let end = end
                .strip_prefix("stopped")
                .map_or(end.as_str(), |end| end.trim_start_matches([':', ',', ' ']));
            format!("{}: {end}", time_and_age(event, context))
        }),
    }
}
