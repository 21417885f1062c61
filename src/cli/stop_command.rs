//! `monopoll stop`: ends what runs, and starts nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use crate::cli::output::{self, PlanOutput, print};
use crate::cli::{Common, dry_run, plan_command, prepare, start_messages};
use crate::engine::action::OnConflict;
use crate::engine::ladder::StopMode;
use crate::engine::managed_by::ManagedBy;
use crate::engine::plan::{Conflict, Plan};
use crate::engine::reason::{Refusal, Verdict};
use crate::error::{Error, ExitStatus};
use crate::guard::lock_set::LockSet;
use crate::guard::not_started::NotStarted;
use crate::guard::start;
use crate::guard::start_event::{Observer, StartEvent};
use crate::guard::start_request::StartRequest;
use crate::report::{reasons, trace};
use crate::text::printable;

/// Prints what a stop would end.
pub(super) fn dry_run(common: &Common, command: Vec<OsString>) -> Result<ExitStatus, Error> {
    let (start, plan) = plan_stop(common, command)?;
    plan_command::show(common, &start, &plan, PlanOutput::Plainly)?;
    match plan.verdict() {
        Verdict::Refuse(refusal) => {
            let why = plan_command::verdict(common, &start, "would not be stopped", &plan);
            Err(Error::new(status(refusal), why))
        }
        Verdict::Clear => {
            output::print_blind_spot(common, &start, PlanOutput::Plainly).map(|()| ExitStatus::Done)
        }
        Verdict::Act | Verdict::Wait => Ok(ExitStatus::Done),
    }
}

fn plan_stop(common: &Common, command: Vec<OsString>) -> Result<(StartRequest, Plan), Error> {
    let mode = mode(common)?;
    let mut start = prepare::request(common, command)?;
    prepare::warn_of_missing_script(&start);
    start.config.policy = start.config.policy.to_stop(mode);
    let plan = dry_run::look(&start)?;
    Ok((start, plan))
}

/// Ends what runs.
pub(super) fn run(common: &Common, command: Vec<OsString>) -> Result<ExitStatus, Error> {
    let (start, plan) = plan_stop(common, command)?;
    // Where nobody ever started there is no start to wait for, and nothing to be made for a stop
    // that ends nobody.
    let lock_set = LockSet::find(&start.locks)?;
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

/// Rejects `--on-conflict refuse` and `wait`: they do not mean a stop.
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
    /// The first plan that ends a process, else the first clear one.
    plan: Option<Plan>,
    /// The supervisors that may start an ended process again.
    managers: BTreeSet<(String, String)>,
    /// The processes that a rule leaves alone.
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

/// Stops as a start that is newer than every guard: a person ends what runs now, whatever its
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

struct StopPrinter<'a> {
    common: &'a Common,
    request: &'a StartRequest,
    done: StopReport,
}

impl Observer for StopPrinter<'_> {
    fn interval(&self) -> Duration {
        Duration::MAX
    }

    fn on_event(&mut self, event: &StartEvent<'_>) {
        if let StartEvent::Looked { snapshot, plan, took } = event {
            trace::looked(snapshot, plan, *took);
        }
        self.done.note(event);
        if self.common.json || self.common.quiet {
            return;
        }
        for line in lines(event) {
            // A reader that went away must not end a stop halfway.
            let _ = print(&format!("{}: {line}", self.request.instance));
        }
    }
}

fn lines(event: &StartEvent<'_>) -> Vec<String> {
    match event {
        StartEvent::Waiting(plan) => plan.waits().map(start_messages::waiting).collect(),
        StartEvent::Acting(plan) => plan.kills().map(start_messages::ending).collect(),
        StartEvent::Clear(plan) => {
            let suspicions = plan.unexpected_suspects().map(start_messages::suspicion);
            suspicions.map(|sentence| format!("warning: {sentence}")).collect()
        }
        StartEvent::Looked { .. } | StartEvent::Queued | StartEvent::Still | StartEvent::Did(_) => {
            Vec::new()
        }
    }
}

/// Reports a stop that came through.
fn print_end(
    common: &Common,
    start: &StartRequest,
    first: &Plan,
    done: &StopReport,
) -> Result<ExitStatus, Error> {
    let instance = &start.instance;
    let blind_spot = output::blind_spot(start).filter(|_| !done.has_acted());
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
    let outcome = if done.has_acted() { "stopped" } else { "nothing to stop" };
    [Some(outcome), blind_spot]
        .into_iter()
        .flatten()
        .try_fold(ExitStatus::Done, |_, line| print(&format!("{instance}: {line}")))
}

/// With `--json`, prints the plan that was carried out, or that could not be.
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
