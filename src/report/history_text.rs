//! What happened to an instance, as a person reads it: one line an event, the oldest first.

use std::time::Duration;

use crate::{
    report::{
        Context,
        format::{cut, rfc3339, seconds_since_1970, span},
    },
    state::history_event::{EndedConflict, GiveUpCause, HistoryEvent, HistoryEventKind},
    text::sanitize,
};

/// The events in lines that each end with a line break.
#[must_use]
pub fn text(events: &[HistoryEvent]) -> String {
    if events.is_empty() {
        return "Nothing is remembered.\n".to_owned();
    }
    let moment = |event: &HistoryEvent| {
        seconds_since_1970(event.at).and_then(rfc3339).unwrap_or_else(|| "at some time".to_owned())
    };
    let line = |event: &HistoryEvent| {
        format!(
            "{}  ticket {:<4}  pid {:<7}  {}\n",
            moment(event),
            event.ticket,
            event.pid,
            what(event)
        )
    };
    events.iter().map(line).collect()
}

/// When it happened, and how long ago that is by the clock on the wall.
pub(super) fn when(event: &HistoryEvent, context: &Context<'_>) -> String {
    let moment = seconds_since_1970(event.at);
    let ago = moment.and_then(|moment| context.now_wall.duration_since(moment).ok());
    let ago = ago.map_or_else(String::new, |ago| {
        format!(" ({} ago)", span(Duration::from_secs(ago.as_secs())))
    });
    format!("{}{ago}", moment.and_then(rfc3339).unwrap_or_else(|| "at some time".to_owned()))
}

/// The action, and the rule that said so.
pub(super) fn by(ended: &EndedConflict) -> String {
    match &ended.rule {
        Some(rule) => format!("{}, by rule `{}`", ended.action, sanitize(rule)),
        None => ended.action.to_string(),
    }
}

/// What happened, without the time.
pub(super) fn what(event: &HistoryEvent) -> String {
    match &event.kind {
        HistoryEventKind::Start { command, child_pid, took_ms } => {
            format!("started {} as pid {child_pid}, after {}", quoted(command), millis(*took_ms))
        }
        HistoryEventKind::Refusal { cause, why, times } => {
            format!("{}{}: {}", given_up(*cause), often(*times), sanitize(why))
        }
        HistoryEventKind::Takeover { ended, to_pid: Some(_) } => {
            format!("took over from {}", victim(ended))
        }
        HistoryEventKind::Takeover { ended, to_pid: None } => {
            format!("gave up after it had ended {}", victim(ended))
        }
        HistoryEventKind::Loss { why, times } => {
            format!("lost the lock{}: {}", often(*times), sanitize(why))
        }
        HistoryEventKind::Stop { why, asked_by: Some(pid) } => {
            format!("left, asked by pid {pid}: {}", sanitize(why))
        }
        HistoryEventKind::Stop { why, asked_by: None } => format!("left: {}", sanitize(why)),
        HistoryEventKind::Clearing { ended } => format!("`monopoll stop` ended {}", victim(ended)),
    }
}

fn often(times: u32) -> String {
    if times > 1 { format!(" {times} times") } else { String::new() }
}

fn given_up(cause: GiveUpCause) -> &'static str {
    match cause {
        GiveUpCause::Policy => "refused",
        GiveUpCause::Permission => "refused for want of permission",
        GiveUpCause::Superseded => "gave way",
        GiveUpCause::Limit => "refused by `limits.max_takeovers`",
        GiveUpCause::Interrupted => "interrupted",
        GiveUpCause::Failed => "failed",
    }
}

fn victim(ended: &EndedConflict) -> String {
    let pid = ended
        .from_pid
        .map_or_else(|| "a guard in another PID namespace".to_owned(), |pid| format!("pid {pid}"));
    let killed =
        if ended.killed == 0 { String::new() } else { format!(", SIGKILL for {}", ended.killed) };
    format!("{pid} {} ({}) in {}{killed}", quoted(&ended.command), by(ended), millis(ended.took_ms))
}

fn quoted(command: &str) -> String {
    format!("`{}`", cut(&sanitize(command)))
}

fn millis(millis: u64) -> String {
    span(Duration::from_millis(millis))
}
