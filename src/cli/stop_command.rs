//! `monopoll stop`: ends what runs, and starts nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use crate::cli::output::{self, PlanOutput, print};
use crate::cli::{Common, dry_run, plan_command, prepare, start_messages};
use crate::engine::action::OnConflict;
use crate::engine::instance::Instance;
use crate::engine::ladder::StopMode;
use crate::engine::managed_by::ManagedBy;
use crate::engine::plan::{Conflict, Plan};
use crate::engine::process::Process;
use crate::engine::reason::{Refusal, Verdict};
use crate::error::{Error, ExitStatus};
use crate::guard::lock_set::LockSet;
use crate::guard::not_started::NotStarted;
use crate::guard::start;
use crate::guard::start_event::{Observer, StartEvent};
use crate::guard::start_request::StartRequest;
use crate::report::{reasons, trace};
use crate::state::lock_folder::MissingFolder;
use crate::text::printable;

/// The lines about an event.
fn lines(common: &Common, instance: &Instance, event: &StartEvent<'_>) -> Vec<String> {
    if common.quiet {
        return Vec::new();
    }
    let lines: Vec<String> = match event {
        StartEvent::Waiting(plan) => plan
            .waits()
            .map(|conflict| {
                format!(
                    "waiting for {}{}",
                    start_messages::named(conflict),
                    start_messages::limit(conflict)
                )
            })
            .collect(),
        StartEvent::Acting(plan) => plan
            .kills()
            .map(|conflict| {
                format!("ending {} ({})", start_messages::named(conflict), conflict.action)
            })
            .collect(),
        StartEvent::Looked { .. } | StartEvent::Queued | StartEvent::Still | StartEvent::Did(_) => {
            Vec::new()
        }
        StartEvent::Clear(plan) => plan.unexpected_suspects().map(suspicion).collect(),
    };
    lines.into_iter().map(|line| format!("{instance}: {line}")).collect()
}

fn suspicion(suspect: &Process) -> String {
    let name = printable(suspect.name.known().map_or("?", String::as_str));
    format!("warning: pid {} ({name}) has {}; it is left alone", suspect.id.pid, reasons::SUSPECT)
}

/// Whether it is done or only said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopRun {
    /// `stop --dry-run`.
    Tries,
    /// `stop`.
    Stops,
}

/// Ends what runs, or says what would be ended.
///
/// # Errors
/// Something may not be ended, or does not end.
pub(super) fn run(
    common: &Common,
    command: Vec<OsString>,
    doing: StopRun,
) -> Result<ExitStatus, Error> {
    let mode = mode(common)?;
    let mut start = prepare::request(common, command)?;
    prepare::warn_of_missing_script(&start);
    start.config.policy = start.config.policy.to_stop(mode);
    let plan = dry_run::look(&start)?;
    if doing == StopRun::Tries {
        plan_command::show(common, &start, &plan, PlanOutput::Plainly)?;
        if let (Verdict::Clear, Some(blind_spot)) = (plan.verdict(), prepare::blind_spot(&start)) {
            output::aside(common, blind_spot, PlanOutput::Plainly)?;
        }
        return match plan.verdict() {
            Verdict::Refuse(refusal) => Err(Error::new(
                status(refusal),
                plan_command::verdict(common, &start, "would not be stopped", &plan),
            )),
            Verdict::Act | Verdict::Wait | Verdict::Clear => Ok(ExitStatus::Done),
        };
    }
    // Where nobody ever started there is no start to wait for, and nothing to be made for a stop
    // that ends nobody.
    let lock_set = LockSet::find(&start.locks, MissingFolder::Leave)?;
    let ever_started = lock_set.is_some_and(|lock_set| lock_set.state_dir().was_ever_started());
    match plan.verdict() {
        Verdict::Clear if !ever_started => {
            let mut done = StopReport::default();
            done.note(&StartEvent::Clear(&plan));
            print_end(common, &start, &plan, &done)
        }
        Verdict::Refuse(refusal) if !ever_started => {
            print_document(common, &start, &plan)?;
            Err(refused(&start, refusal, &reasons::plan_reason(&plan)))
        }
        Verdict::Clear | Verdict::Refuse(_) | Verdict::Act | Verdict::Wait => {
            stop(common, &start, &plan)
        }
    }
}

/// Who says that nobody is to be ended does not mean a stop.
fn mode(common: &Common) -> Result<StopMode, Error> {
    match common.on_conflict {
        None | Some(OnConflict::Graceful) => Ok(StopMode::Graceful),
        Some(OnConflict::Force) => Ok(StopMode::Force),
        Some(OnConflict::Refuse | OnConflict::Wait) => Err(Error::new(
            ExitStatus::Usage,
            "`stop` ends what runs: its `--on-conflict` is graceful or force",
        )
        .with_hint("`monopoll stop --dry-run` only says what would be ended")),
    }
}

/// What a stop has done so far.
#[derive(Debug, Default)]
struct StopReport {
    /// The plan that it began with: the first that ends somebody, else the one that found nobody.
    plan: Option<Plan>,
    /// What may start again whom it ended.
    managers: BTreeSet<(String, String)>,
    /// Who is left, because a rule says so.
    ignored: Vec<u32>,
}

impl StopReport {
    fn has_acted(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.verdict() == Verdict::Act)
    }

    fn note(&mut self, event: &StartEvent<'_>) {
        match event {
            StartEvent::Acting(plan) => {
                let managers =
                    plan.kills().filter_map(|conflict| conflict.root.as_ref()?.manager());
                self.managers
                    .extend(managers.map(|by: &ManagedBy| (by.to_string(), by.stop_command())));
                self.plan.get_or_insert_with(|| (*plan).clone());
            }
            StartEvent::Clear(plan) => {
                self.plan.get_or_insert_with(|| (*plan).clone());
                self.ignored = plan.conflicts.iter().filter_map(Conflict::pid).collect();
            }
            StartEvent::Looked { .. }
            | StartEvent::Queued
            | StartEvent::Waiting(_)
            | StartEvent::Still
            | StartEvent::Did(_) => {}
        }
    }
}

/// Stops as a start does that is newer than every guard: a person ends what runs now, whatever its
/// ticket.
fn stop(common: &Common, request: &StartRequest, first: &Plan) -> Result<ExitStatus, Error> {
    let mut printer = StopPrinter { common, request, done: StopReport::default() };
    let stopped = start::stop(request, &mut printer);
    let done = printer.done;
    let Err(not_started) = stopped else { return print_end(common, request, first, &done) };
    let seen = match &not_started {
        NotStarted::Refused(refusal) => refusal.plan().unwrap_or(first),
        NotStarted::Superseded
        | NotStarted::Replaced
        | NotStarted::Interrupted(_)
        | NotStarted::Failed(_) => first,
    };
    print_document(common, request, done.plan.as_ref().unwrap_or(seen))?;
    Err(not_stopped(request, not_started))
}

/// Prints what happens while a stop is under way.
struct StopPrinter<'a> {
    common: &'a Common,
    request: &'a StartRequest,
    done: StopReport,
}

impl Observer for StopPrinter<'_> {
    /// Each line is printed once: a person does not watch a stop for long.
    fn interval(&self) -> Duration {
        Duration::MAX
    }

    fn on_event(&mut self, event: &StartEvent<'_>) {
        if let StartEvent::Looked { snapshot, plan, took } = event {
            trace::looked(snapshot, plan, *took);
        }
        self.done.note(event);
        if !self.common.json {
            for line in lines(self.common, &self.request.instance, event) {
                // A reader that went away must not end a stop halfway.
                let _ = print(&line);
            }
        }
    }
}

/// Prints the end of a stop that came through.
fn print_end(
    common: &Common,
    start: &StartRequest,
    first: &Plan,
    done: &StopReport,
) -> Result<ExitStatus, Error> {
    let instance = &start.instance;
    let blind_spot = prepare::blind_spot(start).filter(|_| !done.has_acted());
    if common.json {
        print_document(common, start, done.plan.as_ref().unwrap_or(first))?;
        if let Some(blind_spot) = blind_spot {
            tracing::warn!("{blind_spot}");
        }
        return Ok(ExitStatus::Done);
    }
    if common.quiet {
        return Ok(ExitStatus::Done);
    }
    for pid in &done.ignored {
        print(&format!("{instance}: pid {pid} is left alone, by a rule"))?;
    }
    for (manager, command) in &done.managers {
        print(&format!(
            "{instance}: {} may start it again; `{}` ends it for good",
            printable(manager),
            printable(command)
        ))?;
    }
    print(&format!(
        "{instance}: {}",
        if done.has_acted() { "stopped" } else { "nothing to stop" }
    ))?;
    blind_spot
        .map_or(Ok(ExitStatus::Done), |blind_spot| print(&format!("{instance}: {blind_spot}")))
}

/// With `--json`, the plan that was carried out, or could not be.
fn print_document(common: &Common, start: &StartRequest, plan: &Plan) -> Result<(), Error> {
    if common.json { plan_command::show(common, start, plan, PlanOutput::Plainly) } else { Ok(()) }
}

fn not_stopped(start: &StartRequest, stop: NotStarted) -> Error {
    match stop {
        NotStarted::Refused(refusal) => {
            refused(start, refusal.kind(), &reasons::start_refusal(&refusal))
        }
        NotStarted::Interrupted(signal) => Error::new(
            ExitStatus::Signalled(signal),
            format!("{}: ended by a signal before everything had ended", start.instance),
        ),
        NotStarted::Superseded => Error::new(
            ExitStatus::Refused,
            format!("{}: not stopped: another start is in progress", start.instance),
        ),
        NotStarted::Replaced => Error::new(
            ExitStatus::LockFile,
            format!(
                "{}: not stopped: the lock is deleted or replaced all the time",
                start.instance
            ),
        )
        .with_hint("see who writes to its folder"),
        NotStarted::Failed(error) => error,
    }
}

fn refused(start: &StartRequest, refusal: Refusal, why: &str) -> Error {
    Error::new(status(refusal), format!("{}: not stopped: {why}", start.instance))
}

fn status(refusal: Refusal) -> ExitStatus {
    match refusal {
        Refusal::Permission => ExitStatus::Permission,
        Refusal::Policy | Refusal::Storm | Refusal::Superseded => ExitStatus::Refused,
    }
}
