//! One conflict: who it is, why it is in the way, what decided, and what would be done.

use crate::{
    engine::{
        action::Action,
        fact::Fact,
        ladder::{Ladder, Patience, Step},
        plan::{Conflict, DecidedBy, Evidence, Plan},
        policy::Purpose,
        process::Process,
        reason::RefusalReason,
        signal::SignalToSend,
        snapshot::{GuardView, LockState},
    },
    report::{
        Context,
        format::{self, rfc3339, seconds_since_1970, span},
        reasons,
    },
    text::{Paint, Style, sanitize},
};

/// The most pids of a tree that are named.
const MOST_PIDS: usize = 8;

pub(super) fn block(
    number: usize,
    conflict: &Conflict,
    plan: &Plan,
    context: &Context<'_>,
    paint: Paint,
) -> Vec<String> {
    let mut lines = vec![format!("{number}. {}", head(conflict, paint))];
    let mut line = |label: &str, text: String| {
        lines.push(format!("   {} {text}", paint.style(Style::Dim, &format!("{label:<8}"))));
    };
    if let Some(root) = &conflict.root {
        line("who", who(root));
    }
    if let Some(guard) = &conflict.guard {
        line("guard", guarded(guard));
    }
    let unguarded = || conflict.root.as_ref().filter(|_| conflict.guard.is_none());
    if let Some(manager) =
        conflict.root.as_ref().and_then(|root| root.managed_by.known()).and_then(Option::as_ref)
    {
        line(
            "managed",
            format!(
                "by {}; ended for good by `{}`",
                sanitize(&manager.to_string()),
                sanitize(&manager.stop_command())
            ),
        );
    } else if let Some(launcher) =
        unguarded().and_then(|root| root.launchers.known()).and_then(|above| above.first())
    {
        line(
            "below",
            format!(
                "pid {}  {}; should that start it again: `{}`",
                launcher.id.pid,
                sanitize(&launcher.command),
                sanitize(&launcher.end)
            ),
        );
    }
    if !conflict.tree.is_empty() {
        line("tree", pids(&conflict.tree));
    }
    line("why", why(conflict, plan, context));
    line("decided", decided(conflict, context));
    match (&conflict.refusal, plan.refusal()) {
        (Some(refusal), Some(RefusalReason::Conflict(decisive))) if refusal == decisive => {}
        (Some(refusal), _) => line("because", sanitize(&reasons::conflict_refusal(refusal))),
        (None, _) => {}
    }
    line("steps", steps(conflict, context.purpose, paint));
    lines
}

pub(super) fn head(conflict: &Conflict, paint: Paint) -> String {
    let pid = |root: &Process| paint.style(Style::Bold, &format!("pid {}", root.id.pid));
    match (&conflict.root, &conflict.guard) {
        // A guard is known to people by its bot.
        (Some(root), Some(guard)) => {
            format!("{}  {}", pid(root), format::cut(&sanitize(&guard.command)))
        }
        (Some(root), None) => format!("{}  {}", pid(root), format::shortened(root)),
        (None, Some(guard)) => {
            format!(
                "{}  {}",
                paint.style(Style::Bold, "a guard in another PID namespace"),
                format::cut(&sanitize(&guard.command))
            )
        }
        (None, None) => paint.style(Style::Bold, "an unknown holder of the lock"),
    }
}

pub(super) fn who(root: &Process) -> String {
    let known =
        |fact: Option<String>, what: &str| fact.unwrap_or_else(|| format!("{what} unknown"));
    let mut parts = vec![
        known(root.user.known().map(|user| format!("user {}", sanitize(&user.name))), "user"),
        known(root.age.known().map(|age| format!("{} old", span(*age))), "age"),
        known(root.state.known().map(ToString::to_string), "state"),
    ];
    if root.orphaned == Fact::Known(true) {
        parts.push("orphaned".to_owned());
    }
    if let Some(container) = root.container.known().and_then(Option::as_ref) {
        parts.push(format!("in container {}", sanitize(container)));
    }
    parts.join(", ")
}

pub(super) fn guarded(guard: &GuardView) -> String {
    let ticket = guard
        .ticket
        .map_or_else(|| "ticket unreadable".to_owned(), |ticket| format!("ticket {ticket}"));
    let since = seconds_since_1970(guard.since)
        .and_then(rfc3339)
        .map_or_else(String::new, |since| format!(", since {since}"));
    format!(
        "monopoll, {ticket}, user {} on host {}{since}",
        sanitize(&guard.user),
        sanitize(&guard.host)
    )
}

pub(super) fn pids(tree: &[Process]) -> String {
    let shown: Vec<String> =
        tree.iter().take(MOST_PIDS).map(|process| process.id.pid.to_string()).collect();
    let more = tree.len().saturating_sub(MOST_PIDS);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    let pid = if tree.len() == 1 { "pid" } else { "pids" };
    format!("{pid} {}{rest}", shown.join(", "))
}

pub(super) fn why(conflict: &Conflict, plan: &Plan, context: &Context<'_>) -> String {
    let each = |evidence: &Evidence| match evidence {
        Evidence::Lock => format!("has the lock{}", lock_paths(conflict, plan)),
        Evidence::Token => "carries this bot's token".to_owned(),
        Evidence::Match(index) => {
            let key = format!("match[{index}]");
            format!("meets {key} {}", format::place(context, &key))
        }
        Evidence::Command => "is the same command in the same place".to_owned(),
    };
    let all: Vec<String> = conflict.evidence.iter().map(each).collect();
    all.join("; ").trim_end().to_owned()
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

pub(super) fn decided(conflict: &Conflict, context: &Context<'_>) -> String {
    let by = match &conflict.decided_by {
        DecidedBy::Rule(name) => {
            format!(
                "by rule `{}` {}",
                sanitize(name),
                format::place(context, &format!("rules.{name}"))
            )
        }
        DecidedBy::OnConflict => match (context.purpose, conflict.action) {
            (Purpose::Start, _) if (context.origin)("on_conflict") == "--on-conflict" => {
                "by `--on-conflict`".to_owned()
            }
            (Purpose::Start, _) => {
                format!("by `on_conflict` {}", format::place(context, "on_conflict"))
            }
            (Purpose::Stop, Action::Force) => "by `--on-conflict force`".to_owned(),
            (Purpose::Stop, Action::Graceful | Action::Refuse | Action::Wait | Action::Ignore) => {
                "as `stop` does".to_owned()
            }
        },
        DecidedBy::SameToken => {
            format!("by `same_token` {}", format::place(context, "same_token"))
        }
        DecidedBy::Caution => "by monopoll's own caution".to_owned(),
    };
    format!("{}, {}", conflict.action, by.trim_end())
}

pub(super) fn steps(conflict: &Conflict, purpose: Purpose, paint: Paint) -> String {
    match (conflict.ladder, conflict.action, purpose) {
        (Ladder::Wait { .. } | Ladder::Stop(_), ..) => {
            paint.style(Style::Warning, &ladder(conflict.ladder))
        }
        (Ladder::Nothing, action, purpose) => paint.style(Style::Bold, nothing(action, purpose)),
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
        (Action::Ignore, Purpose::Start) => "nothing: it goes on beside the new one",
        (Action::Ignore, Purpose::Stop) => "nothing: it is left alone",
    }
}

/// The steps, each joined to the one before by what leads from that to this, and how long all of
/// them may take.
fn ladder(ladder: Ladder) -> String {
    let steps = ladder.steps();
    let mut text = String::new();
    for (index, step) in steps.iter().enumerate() {
        text.push_str(match index.checked_sub(1).map(|before| steps[before]) {
            None => "",
            Some(Step::Wait { .. }) => "; if that is not enough: ",
            Some(Step::Ask { .. }) => "; if it does not answer, instead of that: ",
            Some(Step::Signal { .. }) => ", then ",
        });
        text.push_str(&crate::report::conflict_text::step(step));
    }
    if let (true, Some((wait, end))) = (steps.len() > 1, ladder.patience()) {
        text.extend([": at most ", &span(wait.saturating_add(end))]);
    }
    text.push_str(match steps.last() {
        Some(Step::Wait { timeout: Patience::For(_) }) => "; if that is not enough: refuse",
        Some(Step::Ask { .. }) => {
            "; it cannot be signalled from here, so if it does not answer: refuse"
        }
        Some(Step::Signal { signal: SignalToSend::Signal(_), .. }) => {
            "; if it outlives that: refuse"
        }
        Some(Step::Wait { timeout: Patience::Forever } | Step::Signal { .. }) | None => "",
    });
    text
}

fn step(step: &Step) -> String {
    match *step {
        Step::Ask { timeout } => format!("ask the guard to end it ({})", span(timeout)),
        Step::Signal { signal, timeout } => format!("{} ({})", signal.name(), span(timeout)),
        Step::Wait { timeout: Patience::Forever } => {
            "wait for its end, as long as it takes".to_owned()
        }
        Step::Wait { timeout: Patience::For(time) } => format!("wait for its end ({})", span(time)),
    }
}
