//! An event in the history of an instance, as stored: masked and shortened.

use serde::{Deserialize, Serialize};

use crate::engine::action::Action;
use crate::engine::ticket::Ticket;
use crate::state::record::{HostProcess, Record};
use crate::sys::clock;
use crate::text::{command_line, mask_secrets};

/// The maximum lengths of texts, in bytes of JSON.
const MAX_COMMAND: usize = 120;
const MAX_NAME: usize = 60;
const MAX_SENTENCE: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// The kernel's id of the boot.
    pub boot: String,
    /// Milliseconds since boot, on a clock that cannot be set (S21).
    pub since_boot_ms: u64,
    /// Seconds since 1970. For display only.
    pub at: u64,
    pub ticket: Ticket,
    /// The writer's pid, in its own PID namespace.
    pub pid: u32,
    #[serde(flatten)]
    pub kind: HistoryEventKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum HistoryEventKind {
    Start {
        command: String,
        child_pid: u32,
        /// From the first snapshot to the child.
        took_ms: u64,
    },
    /// A start gave up and left nothing behind.
    Refusal {
        cause: GiveUpCause,
        why: String,
        /// The number of identical refusals in a row, so that hours of restarts do not push out
        /// other events.
        times: u32,
    },
    Takeover {
        #[serde(flatten)]
        ended: EndedConflict,
        /// The guard that got the instance; `None` if the start failed after all.
        to_pid: Option<u32>,
    },
    /// A running guard found its lock replaced.
    Loss { why: String, times: u32 },
    /// A running guard found a possible second poller, and left it running.
    Alert { why: String, times: u32 },
    Stop {
        why: String,
        asked_by: Option<u32>,
        /// The number of processes that the guard killed with SIGKILL; omitted if it is 0.
        #[serde(default, skip_serializing_if = "is_zero")]
        killed: u32,
    },
    /// `monopoll stop` ended a conflict.
    Clearing {
        #[serde(flatten)]
        ended: EndedConflict,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedConflict {
    /// The pid of the root; `None` in another PID namespace, or if it was unknown.
    pub from_pid: Option<u32>,
    pub command: String,
    pub action: Action,
    /// The rule that decided; `None` for `on_conflict`.
    pub rule: Option<String>,
    /// The time from the first signal or request to the end of the whole tree.
    pub took_ms: u64,
    /// The number of processes that the writer killed with SIGKILL, without those that a guard
    /// killed.
    pub killed: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GiveUpCause {
    /// The policy refused, or a fact is unknown.
    Policy,
    Permission,
    Superseded,
    /// Too many takeovers (S14).
    Limit,
    Interrupted,
    Failed,
}

/// The failure of a start to acquire its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveUp {
    pub cause: GiveUpCause,
    pub why: String,
}

impl HistoryEvent {
    #[expect(clippy::disallowed_types, reason = "when it happened, to be printed")]
    pub fn now(me: &HostProcess, ticket: Ticket, kind: HistoryEventKind) -> HistoryEvent {
        HistoryEvent {
            boot: me.boot.clone(),
            since_boot_ms: clock::millis(clock::since_boot()),
            at: clock::WallClock::seconds(),
            ticket,
            pid: me.process.pid,
            kind,
        }
    }

    /// Returns whether the guard with this record wrote the event.
    pub fn is_of(&self, record: &Record) -> bool {
        (self.ticket, &self.boot) == (record.ticket, &record.holder.boot)
    }

    /// Returns the text of an alert, and how often it was reported in a row.
    pub fn alert(&self) -> Option<(&str, u32)> {
        match &self.kind {
            HistoryEventKind::Alert { why, times } => Some((why, *times)),
            HistoryEventKind::Start { .. }
            | HistoryEventKind::Refusal { .. }
            | HistoryEventKind::Takeover { .. }
            | HistoryEventKind::Loss { .. }
            | HistoryEventKind::Stop { .. }
            | HistoryEventKind::Clearing { .. } => None,
        }
    }

    pub(super) fn shortened(mut self) -> HistoryEvent {
        self.boot = cut(&self.boot, MAX_NAME);
        match &mut self.kind {
            HistoryEventKind::Start { command, .. } => *command = cut(command, MAX_COMMAND),
            HistoryEventKind::Refusal { why, .. }
            | HistoryEventKind::Loss { why, .. }
            | HistoryEventKind::Alert { why, .. }
            | HistoryEventKind::Stop { why, .. } => {
                *why = cut(why, MAX_SENTENCE);
            }
            HistoryEventKind::Takeover { ended, .. } | HistoryEventKind::Clearing { ended } => {
                ended.command = cut(&ended.command, MAX_COMMAND);
                ended.rule = ended.rule.as_deref().map(|rule| cut(rule, MAX_NAME));
            }
        }
        self
    }
}

impl HistoryEventKind {
    pub fn refusal(cause: GiveUpCause, why: String) -> HistoryEventKind {
        HistoryEventKind::Refusal { cause, why, times: 1 }
    }

    /// Merges the previous event into this one if both are the same refusal or loss, and returns
    /// whether it did. Refusals by the takeover limit stay separate, because the limit counts them.
    pub(super) fn merge_repeat(&mut self, before: &HistoryEventKind) -> bool {
        match (self, before) {
            (
                HistoryEventKind::Refusal { cause, why, times },
                HistoryEventKind::Refusal { cause: old_cause, why: old_why, times: old_times },
            ) if *cause != GiveUpCause::Limit && cause == old_cause && why == old_why => {
                *times = times.saturating_add(*old_times);
                true
            }
            (
                HistoryEventKind::Loss { why, times },
                HistoryEventKind::Loss { why: old_why, times: old_times },
            )
            | (
                HistoryEventKind::Alert { why, times },
                HistoryEventKind::Alert { why: old_why, times: old_times },
            ) if why == old_why => {
                *times = times.saturating_add(*old_times);
                true
            }
            _ => false,
        }
    }
}

pub(crate) fn short_command(args: &[String]) -> String {
    cut(&command_line(args), MAX_COMMAND)
}

/// Masks the secrets in `text` and cuts it to `max` bytes of JSON.
fn cut(text: &str, max: usize) -> String {
    const ELLIPSIS: char = '…';
    let masked = mask_secrets(text);
    let bytes = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    };
    if masked.chars().map(bytes).sum::<usize>() <= max {
        return masked;
    }
    let mut left = max.saturating_sub(ELLIPSIS.len_utf8());
    let fits = |c: &char| left.checked_sub(bytes(*c)).inspect(|less| left = *less).is_some();
    let mut short: String = masked.chars().take_while(fits).collect();
    short.push(ELLIPSIS);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_read_events_by_these_keys() {
        let ended = || EndedConflict {
            from_pid: Some(9),
            command: "c".to_owned(),
            action: Action::Graceful,
            rule: None,
            took_ms: 8,
            killed: 0,
        };
        let why = || "w".to_owned();
        for (kind, fields) in [
            (
                HistoryEventKind::Start { command: "c".to_owned(), child_pid: 9, took_ms: 8 },
                r#""event":"start","command":"c","child_pid":9,"took_ms":8"#,
            ),
            (
                HistoryEventKind::refusal(GiveUpCause::Superseded, why()),
                r#""event":"refusal","cause":"superseded","why":"w","times":1"#,
            ),
            (
                HistoryEventKind::Takeover { ended: ended(), to_pid: Some(7) },
                concat!(
                    r#""event":"takeover","from_pid":9,"command":"c","action":"graceful","#,
                    r#""rule":null,"took_ms":8,"killed":0,"to_pid":7"#,
                ),
            ),
            (
                HistoryEventKind::Loss { why: why(), times: 2 },
                r#""event":"loss","why":"w","times":2"#,
            ),
            (
                HistoryEventKind::Alert { why: why(), times: 2 },
                r#""event":"alert","why":"w","times":2"#,
            ),
            (
                HistoryEventKind::Stop { why: why(), asked_by: None, killed: 2 },
                r#""event":"stop","why":"w","asked_by":null,"killed":2"#,
            ),
            (
                HistoryEventKind::Clearing { ended: ended() },
                concat!(
                    r#""event":"clearing","from_pid":9,"command":"c","action":"graceful","#,
                    r#""rule":null,"took_ms":8,"killed":0"#,
                ),
            ),
        ] {
            let boot = "b".to_owned();
            let event =
                HistoryEvent { boot, since_boot_ms: 4, at: 5, ticket: Ticket(6), pid: 7, kind };
            let text =
                format!(r#"{{"boot":"b","since_boot_ms":4,"at":5,"ticket":6,"pid":7,{fields}}}"#);
            assert_eq!(serde_json::to_string(&event).unwrap(), text);
            assert_eq!(serde_json::from_str::<HistoryEvent>(&text).unwrap(), event);
        }
    }
}
