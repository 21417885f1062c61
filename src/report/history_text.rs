//! The history of an instance as text: one line per event, oldest first.

use std::time::Duration;

use crate::report::Context;
use crate::report::format::{age, short_duration, shorten, unix_rfc3339};
use crate::state::history_event::{EndedConflict, GiveUpCause, HistoryEvent, HistoryEventKind};
use crate::text::{count, sanitize};

pub fn text(events: &[HistoryEvent]) -> String {
    if events.is_empty() {
        return "No history.\n".to_owned();
    }
    let widest = |number: fn(&HistoryEvent) -> String| {
        events.iter().map(|event| number(event).len()).max().unwrap_or_default()
    };
    let ticket_width = widest(|event| event.ticket.to_string());
    let pid_width = widest(|event| event.pid.to_string());
    let line = |event: &HistoryEvent| {
        format!(
            "{}  ticket {:<ticket_width$}  pid {:<pid_width$}  {}\n",
            time(event),
            event.ticket,
            event.pid,
            happened(event)
        )
    };
    events.iter().map(line).collect()
}

pub(super) fn time_and_age(event: &HistoryEvent, context: &Context<'_>) -> String {
    let ago = age(event.at, context).map_or_else(String::new, |age| format!(" ({age} ago)"));
    format!("{}{ago}", time(event))
}

fn time(event: &HistoryEvent) -> String {
    unix_rfc3339(event.at).unwrap_or_else(|| "unknown time".to_owned())
}

/// Describes the event without its time.
pub(super) fn happened(event: &HistoryEvent) -> String {
    match &event.kind {
        HistoryEventKind::Start { command, child_pid, took_ms } => {
            format!(
                "started {} as pid {child_pid}, after {}",
                quoted_command(command),
                millis_text(*took_ms)
            )
        }
        HistoryEventKind::Refusal { cause, why, times } => {
            format!("{}{}: {}", cause_text(*cause), repeated(*times), sanitize(why))
        }
        HistoryEventKind::Takeover { ended, to_pid: Some(_) } => {
            format!("took over from {}", ended_conflict(ended))
        }
        HistoryEventKind::Takeover { ended, to_pid: None } => {
            format!("gave up after ending {}", ended_conflict(ended))
        }
        HistoryEventKind::Loss { why, times } => {
            format!("lost the lock{}: {}", repeated(*times), sanitize(why))
        }
        HistoryEventKind::Alert { why, times } => {
            format!("alert{}: {}", repeated(*times), sanitize(why))
        }
        HistoryEventKind::Stop { why, asked_by, killed } => {
            let asked = asked_by.map_or_else(String::new, |pid| format!(", asked by pid {pid}"));
            format!("stopped{asked}: {}{}", sanitize(why), killed_text(*killed))
        }
        HistoryEventKind::Clearing { ended } => {
            format!("`monopoll stop` ended {}", ended_conflict(ended))
        }
    }
}

pub(super) fn repeated(times: u32) -> String {
    if times > 1 { format!(" {times} times") } else { String::new() }
}

fn cause_text(cause: GiveUpCause) -> &'static str {
    match cause {
        GiveUpCause::Policy => "refused",
        GiveUpCause::Permission => "refused, not permitted",
        GiveUpCause::Superseded => "gave way",
        GiveUpCause::Limit => "refused by `limits.max_takeovers`",
        GiveUpCause::Interrupted => "interrupted",
        GiveUpCause::Failed => "failed",
    }
}

fn ended_conflict(ended: &EndedConflict) -> String {
    let EndedText { process, action, took } = EndedText::of(ended);
    let killed = killed_text(ended.killed);
    format!("{} ({process}), {action}, in {took}{killed}", quoted_command(&ended.command))
}

fn killed_text(killed: u32) -> String {
    match usize::try_from(killed).unwrap_or(usize::MAX) {
        0 => String::new(),
        killed => format!(", with SIGKILL for {}", count(killed, "process", "processes")),
    }
}

/// The parts of a sentence about an ended conflict.
pub(super) struct EndedText {
    pub(super) process: String,
    /// The action and the rule that chose it.
    pub(super) action: String,
    pub(super) took: String,
}

impl EndedText {
    pub(super) fn of(ended: &EndedConflict) -> EndedText {
        let elsewhere = || "in another PID namespace".to_owned();
        EndedText {
            process: ended.from_pid.map_or_else(elsewhere, |pid| format!("pid {pid}")),
            action: match &ended.rule {
                Some(rule) => format!("{} by rule `{}`", ended.action, sanitize(rule)),
                None => ended.action.to_string(),
            },
            took: millis_text(ended.took_ms),
        }
    }
}

fn quoted_command(command: &str) -> String {
    format!("`{}`", shorten(&sanitize(command)))
}

fn millis_text(millis: u64) -> String {
    short_duration(Duration::from_millis(millis))
}
