//! A plan as text: the verdict, the conflicts, the processes that are not touched, and hints.

use crate::engine::action::Action;
use crate::engine::ladder::{Ladder, WaitLimit};
use crate::engine::plan::{Conflict, NearMiss, Plan};
use crate::engine::policy::Purpose;
use crate::engine::process::Process;
use crate::engine::reason::{RefusalKind, Verdict};
use crate::report::format::{self, short_duration};
use crate::report::{Context, conflict_text, hints, not_touched, reasons, typed};
use crate::text::{Paint, Style, count, sanitize};

pub fn text(plan: &Plan, context: &Context<'_>, paint: Paint) -> String {
    let mut lines = vec![verdict(plan, context, paint)];
    for (index, conflict) in plan.conflicts.iter().enumerate() {
        lines.push(String::new());
        lines.extend(conflict_text::lines(index + 1, conflict, plan, context, paint));
    }
    let shielded =
        plan.shielded.iter().map(|it| untouched(&it.process, &reasons::shield(&it.shield), paint));
    lines.extend(section("Shielded (never touched):", shielded));
    let suspects = plan.suspects.iter().map(|it| untouched(it, reasons::SUSPECT, paint));
    lines.extend(section("Suspects (only carry the token, not touched):", suspects));
    lines.extend(near_misses(plan, context, paint));
    let hints = hints::all(plan, context).into_iter().map(|line| format!("  - {line}"));
    lines.extend(section("If this is not what you want:", hints));
    lines.join("\n") + "\n"
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return Vec::new();
    }
    [String::new(), title.to_owned()].into_iter().chain(lines).collect()
}

fn untouched(process: &Process, why: &str, paint: Paint) -> String {
    let pid = format!("pid {}", process.id.pid);
    format!(
        "  {}  {}\n     {}",
        paint.style(Style::Bold, &pid),
        format::short_command(process),
        sanitize(why)
    )
}

/// Returns the near misses, each with a hint.
pub(super) fn near_misses(plan: &Plan, context: &Context<'_>, paint: Paint) -> Vec<String> {
    let near_misses = plan.near_misses.iter().map(|it| near_miss(it, context, paint));
    section("Near misses (almost the same command, not touched):", near_misses)
}

fn near_miss(it: &NearMiss, context: &Context<'_>, paint: Paint) -> String {
    let next = if let Some([cmdline, cwd]) = not_touched::match_fields(it) {
        let entry = ["if it is this bot, add to the configuration:", "[[match]]", &cmdline, &cwd];
        entry.join("\n       ")
    } else {
        let explain = format!("explain {}", it.process.id.pid);
        format!("{} explains it", typed(&explain, context.command.as_deref()))
    };
    let reason = reasons::near_miss(&it.reason);
    format!("{}\n     {next}", untouched(&it.process, &reason, paint))
}

fn verdict(plan: &Plan, context: &Context<'_>, paint: Paint) -> String {
    let instance = format::instance(context, paint);
    let ignored = named_conflicts(plan, |action| action == Action::Ignore);
    let ignoring = ignored.as_ref().map_or_else(String::new, |them| format!(", ignoring {them}"));
    let ended = named_conflicts(plan, Action::ends_processes).unwrap_or_default();
    if context.purpose == Purpose::Stop {
        let (tone, would, rest) = stop_verdict(plan, &ended, ignored);
        let subject_end = if plan.verdict() == Verdict::Clear { ":" } else { "" };
        return format!("{instance}{subject_end} {}{rest}", paint.style(tone, would));
    }
    let (tone, would, rest) = match plan.verdict() {
        Verdict::Clear if ignoring.is_empty() => {
            (Style::Success, "would start at once", ": no conflicts.".to_owned())
        }
        Verdict::Clear => (Style::Success, "would start at once", format!("{ignoring}.")),
        Verdict::Act => (
            Style::Warning,
            "would end",
            format!(" {ended}, then start{ignoring}{}.", time_limit(plan)),
        ),
        Verdict::Wait => (
            Style::Warning,
            "would wait",
            format!(" {}, then start{ignoring}.", wait_text(plan, &ended)),
        ),
        Verdict::Refuse(kind @ RefusalKind::Superseded) => {
            (Style::Warning, "would give way", format!(": {}", refusal(plan, Purpose::Start, kind)))
        }
        Verdict::Refuse(
            kind @ (RefusalKind::TooManyTakeovers | RefusalKind::Permission | RefusalKind::Policy),
        ) => {
            (Style::Error, "would not start", format!(": {}", refusal(plan, Purpose::Start, kind)))
        }
    };
    format!("{instance} {}{rest}", paint.style(tone, would))
}

fn stop_verdict(
    plan: &Plan,
    ended: &str,
    ignored: Option<String>,
) -> (Style, &'static str, String) {
    let alone = ignored.map_or_else(String::new, |them| format!("; {them} would keep running"));
    match plan.verdict() {
        Verdict::Clear => (Style::Success, "nothing to stop", format!("{alone}.")),
        Verdict::Act | Verdict::Wait => {
            (Style::Warning, "would end", format!(" {ended}{}{alone}.", time_limit(plan)))
        }
        Verdict::Refuse(kind) => (
            Style::Error,
            "would not be stopped",
            format!(": {}", refusal(plan, Purpose::Stop, kind)),
        ),
    }
}

/// Names a single conflict with such an action; returns the number of several.
fn named_conflicts(plan: &Plan, is: impl Fn(Action) -> bool) -> Option<String> {
    let them: Vec<&Conflict> =
        plan.conflicts.iter().filter(|conflict| is(conflict.action)).collect();
    match them.as_slice() {
        [] => None,
        [one] => Some(match (reasons::name(one), one.tree.len()) {
            (name, 0) => name,
            (name, size) => format!("{name} and {}", count(size, "descendant", "descendants")),
        }),
        many => Some(count(many.len(), "conflict", "conflicts")),
    }
}

fn wait_text(plan: &Plan, ended: &str) -> String {
    let limit = plan.waits().find_map(|conflict| match conflict.ladder {
        Ladder::Wait { limit: WaitLimit::For(time), .. } => {
            Some(format!("up to {}", short_duration(time)))
        }
        Ladder::Wait { limit: WaitLimit::Forever, .. } => Some("as long as it takes".to_owned()),
        Ladder::Stop(_) | Ladder::Nothing => None,
    });
    let then = if ended.is_empty() { String::new() } else { format!(", then end {ended}") };
    let whom = named_conflicts(plan, |action| action == Action::Wait).unwrap_or_default();
    format!("{} for {whom} to end{then}", limit.unwrap_or_default())
}

fn time_limit(plan: &Plan) -> String {
    plan.deadline().map_or_else(String::new, |time| format!(", within {}", short_duration(time)))
}

/// Returns the reason for a refusal, and the exit status of the start.
fn refusal(plan: &Plan, purpose: Purpose, kind: RefusalKind) -> String {
    format!(
        "{}.\nNothing would be touched; exit status {}.",
        sanitize(&reasons::plan_reason(plan, purpose)),
        kind.exit_status().code()
    )
}
