//! Something that happened to an instance, as it is kept: no secret gets into it, and every text is
//! cut.

use serde::{Deserialize, Serialize};

use crate::{
    engine::{action::Action, start_history::Ticket},
    state::record::HostProcess,
    sys::clock,
    text::{command_line, mask_secrets},
};

/// What the texts of an event may take of that, in bytes; its numbers and names need the rest.
const LONGEST_COMMAND: usize = 120;
const LONGEST_NAME: usize = 60;
const LONGEST_SENTENCE: usize = 200;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// The kernel's id of the boot that it happened in.
    pub boot: String,
    /// When, in milliseconds since that boot: nobody can set this clock (S21).
    pub since_boot_ms: u64,
    /// When, in seconds since 1970: only to be shown.
    pub at: u64,
    /// The ticket of the start that it happened to.
    pub ticket: Ticket,
    /// The pid of whoever wrote this, in its own PID namespace.
    pub pid: u32,
    /// What.
    #[serde(flatten)]
    pub kind: HistoryEventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum HistoryEventKind {
    /// A child was started.
    Start {
        /// What, secrets masked.
        command: String,
        /// The child.
        child_pid: u32,
        /// From the first look to the child.
        took_ms: u64,
    },
    /// A start gave up; nothing was left behind.
    Refusal {
        /// What for.
        cause: GiveUpCause,
        /// In a sentence.
        why: String,
        /// How often, one after the other: a supervisor that tries for hours must not push out
        /// everything else.
        times: u32,
    },
    /// A start ended somebody.
    Takeover {
        /// Who was ended.
        #[serde(flatten)]
        ended: EndedConflict,
        /// The guard that has the instance since; nobody if the start was given up after all.
        to_pid: Option<u32>,
    },
    /// A running guard's lock was no longer its own.
    Loss {
        /// What was seen, and what was done.
        why: String,
        /// How often, one after the other.
        times: u32,
    },
    /// A guard left.
    Stop {
        /// In a few words.
        why: String,
        /// Who asked it to, if somebody did.
        asked_by: Option<u32>,
    },
    /// `monopoll stop` ended somebody.
    Clearing {
        /// Who was ended.
        #[serde(flatten)]
        ended: EndedConflict,
    },
}

/// A conflict that was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedConflict {
    /// Its root; nothing where that is in another PID namespace.
    pub from_pid: Option<u32>,
    /// What that ran, secrets masked.
    pub command: String,
    /// How.
    pub action: Action,
    /// The rule that said so; nothing where it was `on_conflict`.
    pub rule: Option<String>,
    /// From the first signal or question to the end of its whole tree.
    pub took_ms: u64,
    /// How many of its tree were sent SIGKILL by whoever wrote this; what a guard that was asked
    /// needed is not known here.
    pub killed: u32,
}

/// Why a start gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GiveUpCause {
    /// The policy says so, or something is not known well enough.
    Policy,
    /// Somebody may not be signalled.
    Permission,
    /// A newer start has the instance.
    Superseded,
    /// There were too many takeovers (S14).
    Limit,
    /// A signal ended it.
    Interrupted,
    /// Something was wrong.
    Failed,
}

impl HistoryEvent {
    /// Something that happens now, to the start with this ticket.
    #[must_use]
    pub fn now(me: &HostProcess, ticket: Ticket, kind: HistoryEventKind) -> HistoryEvent {
        HistoryEvent {
            boot: me.boot.clone(),
            since_boot_ms: clock::millis(clock::since_boot()),
            at: clock::wall_seconds(),
            ticket,
            pid: me.process.pid,
            kind,
        }
    }

    /// As it may be written: secrets masked, every text cut.
    pub(crate) fn brief(mut self) -> HistoryEvent {
        self.boot = cut(&self.boot, LONGEST_NAME);
        match &mut self.kind {
            HistoryEventKind::Start { command, .. } => *command = cut(command, LONGEST_COMMAND),
            HistoryEventKind::Refusal { why, .. }
            | HistoryEventKind::Loss { why, .. }
            | HistoryEventKind::Stop { why, .. } => {
                *why = cut(why, LONGEST_SENTENCE);
            }
            HistoryEventKind::Takeover { ended, .. } | HistoryEventKind::Clearing { ended } => {
                ended.command = cut(&ended.command, LONGEST_COMMAND);
                ended.rule = ended.rule.as_deref().map(|rule| cut(rule, LONGEST_NAME));
            }
        }
        self
    }
}

impl HistoryEventKind {
    /// A start gave up.
    #[must_use]
    pub fn refusal(cause: GiveUpCause, why: String) -> HistoryEventKind {
        HistoryEventKind::Refusal { cause, why, times: 1 }
    }

    /// Takes the same that happened just before into itself, where one word for both is enough.
    /// What the limit refuses is counted, each for itself.
    pub(crate) fn repeats(&mut self, before: &HistoryEventKind) -> bool {
        if let (
            HistoryEventKind::Refusal { cause, why, times },
            HistoryEventKind::Refusal { cause: earlier, why: said, times: often },
        ) = (&mut *self, before)
            && *cause != GiveUpCause::Limit
            && cause == earlier
            && why == said
        {
            *times = times.saturating_add(*often);
            return true;
        }
        if let (
            HistoryEventKind::Loss { why, times },
            HistoryEventKind::Loss { why: said, times: often },
        ) = (self, before)
            && why == said
        {
            *times = times.saturating_add(*often);
            return true;
        }
        false
    }
}

/// A command line as it may be kept.
#[must_use]
pub fn kept(args: &[String]) -> String {
    cut(&command_line(args), LONGEST_COMMAND)
}

/// `text`, masked, in at most `most` bytes of JSON.
fn cut(text: &str, most: usize) -> String {
    const ELLIPSIS: char = '…';
    let masked = mask_secrets(text);
    let bytes = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    };
    if masked.chars().map(bytes).sum::<usize>() <= most {
        return masked;
    }
    let mut left = most.saturating_sub(ELLIPSIS.len_utf8());
    let fits = |c: &char| left.checked_sub(bytes(*c)).inspect(|less| left = *less).is_some();
    let mut short: String = masked.chars().take_while(fits).collect();
    short.push(ELLIPSIS);
    short
}
