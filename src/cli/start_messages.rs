//! The messages of `run` about a start and its guard: log records and, on a terminal, a line that
//! is redrawn. If that line is shown, the record of each step needs `-v`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tracing::{Level, debug, info, warn};

use crate::cli::output;
use crate::cli::start_activity::{LastAction, OtherProcess, StartActivity};
use crate::cli::terminal_line::{self, TerminalLine};
use crate::config::settings::LogFormat;
use crate::engine::ladder::{Ladder, WaitLimit};
use crate::engine::plan::Conflict;
use crate::engine::policy::Purpose;
use crate::engine::process::ProcessId;
use crate::engine::signal::SignalToSend;
use crate::guard::follow_up_event::FollowUpEvent;
use crate::guard::start_event::{Observer, StartEvent};
use crate::guard::start_request::StartRequest;
use crate::library::lock_warning;
use crate::report::{follow_up_text, not_touched, reasons, trace};
use crate::supervise::GuardEvent;
use crate::sys::clock;
use crate::terminate::execute::TerminateEvent;
use crate::text::count;

/// The interval at which the terminal line is redrawn, and the one at which a waiting start is
/// logged.
const REDRAW_INTERVAL: Duration = Duration::from_secs(1);
const REMINDER_INTERVAL: Duration = Duration::from_secs(10);

/// The maximum length of a logged activity: longer than on a terminal, but still one line.
const ROOM: usize = 160;

/// Logs a step of a start, at debug level if the terminal line shows it.
macro_rules! step {
    ($line:expr, $($event:tt)+) => {
        if $line.is_some() { debug!($($event)+) } else { info!($($event)+) }
    };
}

#[derive(Debug)]
pub(super) struct ProgressPrinter {
    line: Option<TerminalLine>,
    activity: StartActivity,
    waiting_since: Option<Duration>,
    /// The conflicts whose wait was already logged.
    announced: BTreeSet<Option<u32>>,
    command: Option<String>,
}

impl ProgressPrinter {
    pub(super) fn new(request: &StartRequest) -> ProgressPrinter {
        let line = match request.config.settings.log.format {
            LogFormat::Text if tracing::enabled!(Level::INFO) => TerminalLine::possible(),
            LogFormat::Text | LogFormat::Json => None,
        };
        ProgressPrinter {
            line,
            activity: StartActivity::Idle,
            waiting_since: None,
            announced: BTreeSet::new(),
            command: output::typed_command(request),
        }
    }
}

impl Observer for ProgressPrinter {
    fn interval(&self) -> Duration {
        match &self.line {
            Some(_) => REDRAW_INTERVAL,
            None if tracing::enabled!(Level::INFO) => REMINDER_INTERVAL,
            None => Duration::MAX,
        }
    }

    fn on_event(&mut self, event: &StartEvent<'_>) {
        let now = clock::monotonic();
        match event {
            StartEvent::Scanned { snapshot, plan, took } => {
                trace::scanned(snapshot, plan, Purpose::Start, *took);
            }
            // The other start usually finishes quickly. Otherwise the first reminder says more.
            StartEvent::Queued => {
                self.activity = StartActivity::Queued { since: now };
                debug!("waiting for another start to finish");
            }
            StartEvent::Waiting(plan) => {
                for conflict in
                    plan.waits().filter(|conflict| self.announced.insert(conflict.pid()))
                {
                    step!(
                        self.line,
                        pid = conflict.pid(),
                        command = conflict.command().text(),
                        "{}",
                        waiting(conflict)
                    );
                }
                let since = *self.waiting_since.get_or_insert(now);
                let others = plan.waits().map(OtherProcess::new).collect();
                self.activity = StartActivity::Waiting { since, others };
                self.draw(now);
            }
            StartEvent::Acting(plan) => {
                for conflict in plan.conflicts_to_end() {
                    let action = conflict.action.to_string();
                    step!(
                        self.line,
                        pid = conflict.pid(),
                        command = conflict.command().text(),
                        action,
                        "{}",
                        ending(conflict)
                    );
                }
                self.activity =
                    StartActivity::Ending(plan.conflicts_to_end().map(OtherProcess::new).collect());
                self.draw(now);
            }
            StartEvent::Reminder => self.remind(now),
            StartEvent::Terminate(event) => self.on_terminate_event(*event, now),
            StartEvent::Clear(plan) => {
                self.activity = StartActivity::Idle;
                self.draw(now);
                for line in not_touched::lines(plan, self.command.as_deref()) {
                    warn!("{line}");
                }
            }
        }
    }
}

impl ProgressPrinter {
    fn on_terminate_event(&mut self, event: TerminateEvent, now: Duration) {
        match event {
            TerminateEvent::Asked(pid) => {
                self.activity.note(pid, LastAction::Asked, now);
                step!(self.line, pid, "asked {} to end its bot", self.activity.named(pid));
            }
            TerminateEvent::Acknowledged(pid) => {
                self.activity.note(pid, LastAction::Acknowledged, now);
                debug!(pid, "{} acknowledged the request", self.activity.named(pid));
            }
            TerminateEvent::Sent(id, sent) => self.sent(id, sent, now),
            TerminateEvent::Ended(pid) => {
                info!(pid, "{} has ended", self.activity.named(pid));
                self.activity.remove(pid);
            }
            TerminateEvent::Reminder => self.remind(now),
        }
        self.draw(now);
    }

    fn sent(&mut self, id: ProcessId, sent: SignalToSend, now: Duration) {
        let (pid, signal) = (id.pid, sent.name());
        if sent == SignalToSend::Continue || !self.activity.ends(pid) {
            debug!(pid, signal, "sent {signal} to pid {pid}");
            return;
        }
        self.activity.note(Some(pid), LastAction::Sent(sent), now);
        step!(self.line, pid, signal, "sent {signal} to {}", self.activity.named(Some(pid)));
    }

    fn remind(&mut self, now: Duration) {
        if self.line.is_some() {
            self.draw(now);
        } else if let Some(sentence) = self.activity.sentence(now, ROOM) {
            info!(pid = self.activity.pid(), "still {sentence}");
        }
    }

    fn draw(&mut self, now: Duration) {
        if self.line.is_none() {
            return;
        }
        match self.activity.sentence(now, terminal_line::width()) {
            Some(sentence) => TerminalLine::draw(sentence),
            None => TerminalLine::clear(),
        }
    }
}

pub(super) fn acquired(lock: &Path, request: &StartRequest) {
    let lock = lock.to_string_lossy();
    let limit = if request.knows_only_the_command() {
        format!(
            "; no bot token found, so only this exact command is recognized: set {}",
            request.config.suggested_token_variable()
        )
    } else {
        String::new()
    };
    info!(lock = &*lock, "lock acquired, starting{limit}");
    debug!("lock: {lock}");
}

pub(super) fn follow_up(event: &FollowUpEvent<'_>) -> Option<String> {
    let sentence = follow_up_text::sentence(event)?;
    event.log(&sentence);
    Some(sentence)
}

pub(super) fn guard_event(event: GuardEvent) {
    match event {
        GuardEvent::LeftBehind(number) => {
            let processes = count(number, "process", "processes");
            debug!(
                count = number,
                "COMMAND has ended; ending the {processes} that it left running"
            );
        }
        GuardEvent::Stuck(gave_up) => {
            warn!(pid = gave_up.id().pid, "{}", reasons::gave_up(gave_up, None));
        }
        GuardEvent::Lock(event) => {
            warn!("{}", lock_warning(&event, "ending COMMAND", "COMMAND keeps running"));
        }
    }
}

pub(super) fn waiting(conflict: &Conflict) -> String {
    let limit = match conflict.ladder {
        Ladder::Wait { limit: WaitLimit::For(time), .. } => {
            format!(", at most {}", humantime::format_duration(time))
        }
        Ladder::Wait { limit: WaitLimit::Forever, .. } => ", without a limit".to_owned(),
        Ladder::Stop(_) | Ladder::Nothing => String::new(),
    };
    format!("waiting for {}{limit}", OtherProcess::new(conflict).named(usize::MAX))
}

pub(super) fn ending(conflict: &Conflict) -> String {
    format!("ending {}, {}", OtherProcess::new(conflict).named(usize::MAX), conflict.action)
}
