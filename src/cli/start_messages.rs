//! What `run` tells of a start and of the guard after it: as records, and on a terminal as one line
//! that is drawn over and over. A person who watches that line does not need the records of each
//! step as well; `-v` shows both.

use std::{collections::BTreeSet, path::Path, time::Duration};

use tracing::{Level, debug, info, warn};

use crate::{
    cli::{
        status_line::{LastAction, LineState},
        terminal_line::TerminalLine,
    },
    config::settings::LogFormat,
    engine::{
        action::OnLost,
        plan::{Conflict, Plan, SignalToSend, Step},
        policy::Patience,
        snapshot::ProcessId,
        token::Token,
    },
    guard::{lock_keeper::LockEvent, start::StartEvent},
    report::{reasons, trace},
    scan::container::PrivateFolder,
    supervise::event_loop::GuardEvent,
    sys::clock,
    terminate::execute::TerminateEvent,
    text::{command_line, printable},
};

/// That a start is guarded in its own container alone (S20).
pub(super) fn enclosure(enclosure: Option<&PrivateFolder>) {
    if let Some(enclosure) = enclosure {
        warn!("{}; {}", enclosure.what(), enclosure.way_out());
    }
}

/// How often the line on a terminal is drawn, and how often a record says that it still goes on.
const DRAWN: Duration = Duration::from_secs(1);
const RECORDED: Duration = Duration::from_secs(10);

/// The characters that a record has room for: it is not as narrow as a terminal, and has no need to
/// be long.
const ROOM: usize = 160;

/// A step of a start: where a line shows it, its record is for those who want to see everything.
macro_rules! step {
    ($line:expr, $($record:tt)+) => {
        if $line.is_some() { debug!($($record)+) } else { info!($($record)+) }
    };
}

/// Whoever tells of a start that is settling. The line is gone when this is.
#[derive(Debug)]
pub(super) struct ProgressPrinter {
    line: Option<TerminalLine>,
    course: LineState,
    waiting_since: Option<Duration>,
    /// Those that it is known of that they are waited for.
    announced: BTreeSet<Option<u32>>,
    company: OthersLeft,
}

/// Who is left beside a start that came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OthersLeft {
    /// Nobody that is known of.
    None,
    /// Somebody whom a rule ignores, who must not be touched, or who only looks related.
    Somebody,
}

impl ProgressPrinter {
    /// Nothing has been told yet.
    pub(super) fn new(format: LogFormat) -> ProgressPrinter {
        let line = match format {
            LogFormat::Text if tracing::enabled!(Level::INFO) => TerminalLine::possible(),
            LogFormat::Text | LogFormat::Json => None,
        };
        ProgressPrinter {
            line,
            course: LineState::Idle,
            waiting_since: None,
            announced: BTreeSet::new(),
            company: OthersLeft::None,
        }
    }

    /// Who was left when the start came through.
    pub(super) fn company(&self) -> OthersLeft {
        self.company
    }

    /// How often it wants to be told that something still goes on.
    pub(super) fn beat(&self) -> Duration {
        match &self.line {
            Some(_) => DRAWN,
            None if tracing::enabled!(Level::INFO) => RECORDED,
            None => Duration::MAX,
        }
    }

    /// Something went on.
    pub(super) fn progress(&mut self, progress: &StartEvent<'_>) {
        let now = clock::patience();
        match progress {
            StartEvent::Looked { snapshot, plan, took } => trace::looked(snapshot, plan, *took),
            // Mostly it is through in a moment: the first beat says more.
            StartEvent::Queued => {
                self.course = LineState::Queued { since: now };
                debug!("waiting for another start to be through");
            }
            StartEvent::Waiting(plan) => {
                for conflict in plan.waits().filter(|conflict| self.announced.insert(pid(conflict)))
                {
                    step!(
                        self.line,
                        pid = pid(conflict),
                        command = command(conflict),
                        "waiting for {}{}",
                        named(conflict),
                        limit(conflict)
                    );
                }
                self.course = LineState::waiting(plan, *self.waiting_since.get_or_insert(now));
                self.draw(now);
            }
            StartEvent::Acting(plan) => {
                for conflict in plan.kills() {
                    let action = conflict.action.to_string();
                    step!(
                        self.line,
                        pid = pid(conflict),
                        command = command(conflict),
                        action,
                        "ending {} ({action})",
                        named(conflict)
                    );
                }
                self.course = LineState::ending(plan);
                self.draw(now);
            }
            StartEvent::Did(TerminateEvent::Still) | StartEvent::Still => self.still(now),
            StartEvent::Did(event) => self.did(*event, now),
            StartEvent::Clear(plan) => {
                self.course = LineState::Idle;
                self.draw(now);
                suspects(plan);
                let alone = plan.conflicts.is_empty()
                    && plan.shielded.is_empty()
                    && plan.unexpected().next().is_none();
                self.company = if alone { OthersLeft::None } else { OthersLeft::Somebody };
            }
        }
    }

    fn did(&mut self, event: TerminateEvent, now: Duration) {
        match event {
            TerminateEvent::Asked(pid) => {
                self.course.did(pid, LastAction::Asked, now);
                step!(self.line, pid, "asked the guard{}", whose(pid));
            }
            TerminateEvent::Heard(pid) => {
                self.course.did(pid, LastAction::Heard, now);
                debug!(pid, "the guard{} heard, and ends its tree itself", whose(pid));
            }
            TerminateEvent::Sent(id, blow) => self.sent(id, blow, now),
            TerminateEvent::Ended(pid) => {
                self.course.ended(pid);
                self.draw(now);
                let below = |pid| format!("pid {pid} and everything below it has ended");
                info!(
                    pid,
                    "{}",
                    pid.map_or_else(
                        || "the guard in another PID namespace has left".to_owned(),
                        below
                    )
                );
            }
            TerminateEvent::Still => self.still(now),
        }
        self.draw(now);
    }

    fn sent(&mut self, id: ProcessId, blow: SignalToSend, now: Duration) {
        let (pid, signal) = (id.pid, blow.name());
        if blow == SignalToSend::Continue || !self.course.ends(pid) {
            debug!(pid, signal, "sent {signal} to pid {pid}");
            return;
        }
        self.course.did(Some(pid), LastAction::Sent(blow), now);
        step!(self.line, pid, signal, "sent {signal} to pid {pid}");
    }

    fn still(&mut self, now: Duration) {
        if self.line.is_some() {
            self.draw(now);
        } else if let Some(sentence) = self.course.sentence(now, ROOM) {
            info!(pid = self.course.pid(), "still {sentence}");
        }
    }

    fn draw(&mut self, now: Duration) {
        let Some(line) = &self.line else { return };
        match self.course.sentence(now, line.width()) {
            Some(sentence) => line.draw(sentence),
            None => TerminalLine::clear(),
        }
    }
}

/// Who only looks related is left alone, and a person should know, unless it was to be expected.
fn suspects(plan: &Plan) {
    for suspect in plan.unexpected() {
        let pid = suspect.process.id.pid;
        let name = suspect.process.name.known().map_or("?", String::as_str);
        warn!(pid, name, "pid {pid} ({name}) has {}; it is left alone", reasons::SUSPECT);
    }
}

/// That a start came through: whose the instance is now, and by which lock.
pub(super) fn yours(lock: &Path, company: OthersLeft, token: Option<&Token>) {
    let alone = match (company, token) {
        (OthersLeft::Somebody, _) => "",
        (OthersLeft::None, Some(_)) => ": nobody else polls here",
        (OthersLeft::None, None) => ", as far as can be told without a bot token",
    };
    let lock = lock.to_string_lossy();
    info!(lock = &*lock, "is yours{alone} (lock {lock})");
}

/// Something that happened while the child ran.
pub(super) fn incident(incident: GuardEvent) {
    match incident {
        GuardEvent::Leftovers(count) => {
            debug!(count, "COMMAND has ended; ending {count} processes that it left behind");
        }
        GuardEvent::Stuck(gave_up) => {
            warn!(pid = gave_up.id().pid, "{}", reasons::gave_up(gave_up));
        }
        GuardEvent::Held(trouble) => crate::cli::start_messages::trouble(trouble),
    }
}

fn trouble(trouble: LockEvent) {
    match trouble {
        LockEvent::Unwritten(what) => warn!("{what}"),
        LockEvent::Retaken => {
            warn!("the lock file was deleted, moved or replaced; it is held again");
        }
        LockEvent::Unusable(error) => {
            warn!("the lock file is gone and cannot be held again for now: {error}");
        }
        LockEvent::Lost(OnLost::Stop) => {
            warn!("the lock is lost to another guard; COMMAND is ended, as `lock.on_lost` says");
        }
        LockEvent::Lost(OnLost::Warn) => {
            warn!("the lock is lost to another guard; COMMAND goes on, as `lock.on_lost` says");
        }
    }
}

fn pid(conflict: &Conflict) -> Option<u32> {
    conflict.root.as_ref().map(|root| root.id.pid)
}

fn command(conflict: &Conflict) -> Option<String> {
    match (&conflict.guard, &conflict.root) {
        (Some(guard), _) => Some(guard.command.clone()),
        (None, Some(root)) => {
            Some(root.args.known().map(|args| command_line(args)).unwrap_or_default())
        }
        (None, None) => None,
    }
}

pub(super) fn named(conflict: &Conflict) -> String {
    let Some(command) = command(conflict) else {
        return "an unknown holder of the lock".to_owned();
    };
    let pid = pid(conflict)
        .map_or_else(|| "in another PID namespace".to_owned(), |pid| format!("pid {pid}"));
    format!("`{}` ({pid})", printable(&command))
}

fn whose(pid: Option<u32>) -> String {
    pid.map_or_else(|| " in another PID namespace".to_owned(), |pid| format!(" (pid {pid})"))
}

pub(super) fn limit(conflict: &Conflict) -> String {
    match conflict.steps.first() {
        Some(Step::Wait { timeout: Patience::For(time) }) => {
            format!(", at most {}", humantime::format_duration(*time))
        }
        Some(Step::Wait { timeout: Patience::Forever }) => ", as long as it takes".to_owned(),
        Some(Step::Ask { .. } | Step::Signal { .. }) | None => String::new(),
    }
}
