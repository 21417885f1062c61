//! `monopoll stop`: ends what runs, and starts nothing.

use std::{collections::BTreeSet, ffi::OsString, sync::Arc, time::Duration};

use crate::{
    cli::{
        Common,
        plan_command::{self, PlanOutput},
        prepare::PreparedStart,
        print,
        run_command::MOST_REPLACEMENTS,
        start_messages,
    },
    engine::{
        action::OnConflict,
        instance::Instance,
        ladder::StopMode,
        plan::{Plan, Suspect},
        purpose::Purpose,
        reason::{Refusal, Verdict},
        snapshot::ManagedBy,
    },
    error::{Error, ExitStatus},
    guard::{
        entrance::OpenedInstance,
        history_writer::HistoryWriter,
        lock_set::LockSet,
        start::{NotStarted, Start, StartEvent},
        start_progress::StartProgress,
    },
    report::{reasons, trace},
    scan::machine::{Machine, blind},
    state::{
        event::{HistoryEvent, HistoryEventKind},
        folder::MissingFolder,
    },
    sys::machine::poll::Poller,
    text::printable,
};

/// What is said while it goes on.
fn lines(common: &Common, instance: &Instance, progress: &StartEvent<'_>) -> Vec<String> {
    if common.quiet {
        return Vec::new();
    }
    let lines: Vec<String> = match progress {
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
        StartEvent::Clear(plan) => plan.unexpected().map(suspicion).collect(),
    };
    lines.into_iter().map(|line| format!("{instance}: {line}")).collect()
}

fn suspicion(suspect: &Suspect) -> String {
    let name = printable(suspect.process.name.known().map_or("?", String::as_str));
    format!(
        "warning: pid {} ({name}) has {}; it is left alone",
        suspect.process.id.pid,
        reasons::SUSPECT
    )
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
    let mut start = PreparedStart::prepare(common, command)?;
    start.warn_of_a_missing_script();
    start.config.policy = start.config.policy.to_stop(mode);
    let plan = plan_command::look(&start)?;
    if doing == StopRun::Tries {
        plan_command::show(common, &start, &plan, PlanOutput::Plainly)?;
        if let (Verdict::Clear, Some(reservation)) = (plan.verdict(), start.reservation()) {
            plan_command::aside(common, reservation, PlanOutput::Plainly)?;
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
    let place = LockSet::find(&start.locks, MissingFolder::Leave)?;
    let ever_started = place.is_some_and(|place| place.beside().has_turnstile());
    match plan.verdict() {
        Verdict::Clear if !ever_started => {
            let mut done = StopReport::default();
            done.note(&StartEvent::Clear(&plan));
            said(common, &start, &plan, &done)
        }
        Verdict::Refuse(refusal) if !ever_started => {
            show_document(common, &start, &plan)?;
            Err(refused(&start, refusal, &reasons::plan_reason(&plan.reason)))
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

/// What a stop has done.
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

    fn note(&mut self, progress: &StartEvent<'_>) {
        match progress {
            StartEvent::Acting(plan) => {
                let managers = plan
                    .kills()
                    .filter_map(|conflict| conflict.root.as_ref()?.managed_by.known()?.as_ref());
                self.managers
                    .extend(managers.map(|by: &ManagedBy| (by.to_string(), by.stop_command())));
                self.plan.get_or_insert_with(|| (*plan).clone());
            }
            StartEvent::Clear(plan) => {
                self.plan.get_or_insert_with(|| (*plan).clone());
                self.ignored = plan
                    .conflicts
                    .iter()
                    .filter_map(|conflict| Some(conflict.root.as_ref()?.id.pid))
                    .collect();
            }
            StartEvent::Looked { .. }
            | StartEvent::Queued
            | StartEvent::Waiting(_)
            | StartEvent::Still
            | StartEvent::Did(_) => {}
        }
    }
}

/// Through the turnstile as a start, and newer than everybody: a person ends what runs now,
/// whatever its ticket.
fn stop(common: &Common, start: &PreparedStart, first: &Plan) -> Result<ExitStatus, Error> {
    let mut machine = Machine::new(start.query()).map_err(blind)?;
    machine.attend(Poller::set().map_err(blind)?);
    machine.ask_for(Purpose::Stop);
    let mut done = StopReport::default();
    let mut course = StartProgress::default();
    let mut stopped = Err(NotStarted::Replaced);
    for _ in 0..MOST_REPLACEMENTS {
        let OpenedInstance { place, files, ticket } = OpenedInstance::open(&start.locks)?;
        machine.keep(Arc::clone(place.beside()), &place.folders(), place.view_of_the_first_lock()?);
        let mut tell = |progress: StartEvent<'_>| tell(common, start, &mut done, &progress);
        let policy = &start.config.policy;
        let settling = Start {
            machine: &mut machine,
            place: &place,
            policy,
            files,
            record: None,
            preflight: None,
            course: &mut course,
            tell: &mut tell,
            // What it says, it says once: nobody watches a stop for long.
            beat: Duration::MAX,
        };
        stopped = settling.run().map(drop);
        if !matches!(stopped, Err(NotStarted::Replaced)) {
            let chronicle = HistoryWriter::new(machine.whereabouts(), ticket);
            let events: Vec<HistoryEvent> = course
                .into_ended()
                .into_iter()
                .map(|ended| chronicle.event(HistoryEventKind::Clearing { ended }))
                .collect();
            chronicle.write(place.beside(), &events);
            break;
        }
    }
    let Err(stop) = stopped else { return said(common, start, first, &done) };
    let seen = match &stop {
        NotStarted::Refused(refusal) => refusal.plan().unwrap_or(first),
        NotStarted::Asked
        | NotStarted::Replaced
        | NotStarted::Interrupted(_)
        | NotStarted::Failed(_) => first,
    };
    show_document(common, start, done.plan.as_ref().unwrap_or(seen))?;
    Err(not_stopped(start, stop))
}

fn tell(common: &Common, start: &PreparedStart, done: &mut StopReport, progress: &StartEvent<'_>) {
    if let StartEvent::Looked { snapshot, plan, took } = progress {
        trace::looked(snapshot, plan, *took);
    }
    done.note(progress);
    if !common.json {
        for line in lines(common, &start.instance, progress) {
            // A reader that went away must not end a stop halfway.
            let _ = print(&line);
        }
    }
}

/// The end of a stop that came through.
fn said(
    common: &Common,
    start: &PreparedStart,
    first: &Plan,
    done: &StopReport,
) -> Result<ExitStatus, Error> {
    let instance = &start.instance;
    let reservation = start.reservation().filter(|_| !done.has_acted());
    if common.json {
        show_document(common, start, done.plan.as_ref().unwrap_or(first))?;
        if let Some(reservation) = reservation {
            tracing::warn!("{reservation}");
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
    reservation
        .map_or(Ok(ExitStatus::Done), |reservation| print(&format!("{instance}: {reservation}")))
}

/// With `--json`, the plan that was carried out, or could not be.
fn show_document(common: &Common, start: &PreparedStart, plan: &Plan) -> Result<(), Error> {
    if common.json { plan_command::show(common, start, plan, PlanOutput::Plainly) } else { Ok(()) }
}

fn not_stopped(start: &PreparedStart, stop: NotStarted) -> Error {
    match stop {
        NotStarted::Refused(refusal) => {
            refused(start, refusal.kind(), &reasons::start_refusal(&refusal))
        }
        NotStarted::Interrupted(signal) => Error::new(
            ExitStatus::Signalled(signal),
            format!("{}: ended by a signal before everything had ended", start.instance),
        ),
        NotStarted::Asked => Error::new(
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

fn refused(start: &PreparedStart, refusal: Refusal, why: &str) -> Error {
    Error::new(status(refusal), format!("{}: not stopped: {why}", start.instance))
}

fn status(refusal: Refusal) -> ExitStatus {
    match refusal {
        Refusal::Permission => ExitStatus::Permission,
        Refusal::Policy | Refusal::Storm | Refusal::Superseded => ExitStatus::Refused,
    }
}
