//! `monopoll stop`: ends what runs, and starts nothing.

use std::{collections::BTreeSet, ffi::OsString, sync::Arc, time::Duration};

use crate::{
    cli::{
        Common,
        plan::{self, Said},
        prepare::Start,
        print, progress,
        run::MOST_REPLACEMENTS,
    },
    engine::{
        action::OnConflict,
        instance::Instance,
        ladder::Mode,
        plan::{Plan, Refusal, Suspect, Verdict},
        purpose::Purpose,
        snapshot::ManagedBy,
    },
    error::{Error, ExitStatus},
    guard::{
        entrance::Entrance,
        history_writer::Chronicle,
        lock_set::Place,
        progress::Course,
        start::{Progress, Settling, Stop},
    },
    scan::machine::{Machine, blind},
    state::{
        event::{Event, Kind},
        folder::Missing,
    },
    sys::machine::poll::Alarm,
    text::mask::printable,
};

/// What is said while it goes on.
fn lines(common: &Common, instance: &Instance, progress: &Progress<'_>) -> Vec<String> {
    if common.quiet {
        return Vec::new();
    }
    let lines: Vec<String> = match progress {
        Progress::Waiting(plan) => plan
            .waits()
            .map(|conflict| {
                format!("waiting for {}{}", progress::named(conflict), progress::limit(conflict))
            })
            .collect(),
        Progress::Acting(plan) => plan
            .kills()
            .map(|conflict| format!("ending {} ({})", progress::named(conflict), conflict.action))
            .collect(),
        Progress::Queued | Progress::Still | Progress::Did(_) => Vec::new(),
        Progress::Clear(plan) => plan.unexpected().map(suspicion).collect(),
    };
    lines.into_iter().map(|line| format!("{instance}: {line}")).collect()
}

fn suspicion(suspect: &Suspect) -> String {
    let name = printable(suspect.process.name.known().map_or("?", String::as_str));
    format!(
        "warning: pid {} ({name}) has {}; it is left alone",
        suspect.process.id.pid, suspect.reason
    )
}

/// Whether it is done or only said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
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
    doing: Doing,
) -> Result<ExitStatus, Error> {
    let mode = mode(common)?;
    let mut start = Start::prepare(common, command)?;
    start.warn_of_a_missing_script();
    start.config.policy = start.config.policy.to_stop(mode);
    let plan = plan::look(&start)?;
    if doing == Doing::Tries {
        plan::show(common, &start, &plan, Said::Plainly)?;
        if let (Verdict::Clear, Some(reservation)) = (plan.verdict, start.reservation()) {
            plan::aside(common, reservation, Said::Plainly)?;
        }
        return match plan.verdict {
            Verdict::Refuse(refusal) => Err(Error::new(
                status(refusal),
                plan::verdict(common, &start, "would not be stopped", &plan),
            )),
            Verdict::Act | Verdict::Wait | Verdict::Clear => Ok(ExitStatus::Done),
        };
    }
    // Where nobody ever started there is no start to wait for, and nothing to be made for a stop
    // that ends nobody.
    let place = Place::find(&start.locks, Missing::Leave)?;
    let ever_started = place.is_some_and(|place| place.beside().has_turnstile());
    match plan.verdict {
        Verdict::Clear if !ever_started => {
            let mut done = Done::default();
            done.note(&Progress::Clear(&plan));
            said(common, &start, &plan, &done)
        }
        Verdict::Refuse(refusal) if !ever_started => {
            show_document(common, &start, &plan)?;
            Err(refused(&start, "not stopped", refusal, &plan.reason))
        }
        Verdict::Clear | Verdict::Refuse(_) | Verdict::Act | Verdict::Wait => {
            stop(common, &start, &plan)
        }
    }
}

/// Who says that nobody is to be ended does not mean a stop.
fn mode(common: &Common) -> Result<Mode, Error> {
    match common.on_conflict {
        None | Some(OnConflict::Graceful) => Ok(Mode::Graceful),
        Some(OnConflict::Force) => Ok(Mode::Force),
        Some(OnConflict::Refuse | OnConflict::Wait) => Err(Error::new(
            ExitStatus::Usage,
            "`stop` ends what runs: its `--on-conflict` is graceful or force",
        )
        .hint("`monopoll stop --dry-run` only says what would be ended")),
    }
}

/// What a stop has done.
#[derive(Debug, Default)]
struct Done {
    /// The plan that it began with: the first that ends somebody, else the one that found nobody.
    plan: Option<Plan>,
    /// What may start again whom it ended.
    managers: BTreeSet<(String, String)>,
    /// Who is left, because a rule says so.
    ignored: Vec<u32>,
}

impl Done {
    fn has_acted(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.verdict == Verdict::Act)
    }

    fn note(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Acting(plan) => {
                let managers = plan
                    .kills()
                    .filter_map(|conflict| conflict.root.as_ref()?.managed_by.known()?.as_ref());
                self.managers
                    .extend(managers.map(|by: &ManagedBy| (by.to_string(), by.stop_command())));
                self.plan.get_or_insert_with(|| (*plan).clone());
            }
            Progress::Clear(plan) => {
                self.plan.get_or_insert_with(|| (*plan).clone());
                self.ignored = plan
                    .conflicts
                    .iter()
                    .filter_map(|conflict| Some(conflict.root.as_ref()?.id.pid))
                    .collect();
            }
            Progress::Queued | Progress::Waiting(_) | Progress::Still | Progress::Did(_) => {}
        }
    }
}

/// Through the turnstile as a start, and newer than everybody: a person ends what runs now,
/// whatever its ticket.
fn stop(common: &Common, start: &Start, first: &Plan) -> Result<ExitStatus, Error> {
    let mut machine = Machine::new(start.query()).map_err(|error| blind(&error))?;
    machine.attend(Alarm::set().map_err(|error| blind(&error))?);
    machine.ask_for(Purpose::Stop);
    let mut done = Done::default();
    let mut course = Course::default();
    let mut stopped = Err(Stop::Replaced);
    for _ in 0..MOST_REPLACEMENTS {
        let Entrance { place, files, ticket } = Entrance::open(&start.locks)?;
        machine.keep(Arc::clone(place.beside()), &place.folders(), place.view_of_the_first_lock()?);
        let mut tell = |progress: Progress<'_>| tell(common, start, &mut done, &progress);
        let policy = &start.config.policy;
        let settling = Settling {
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
        if !matches!(stopped, Err(Stop::Replaced)) {
            let chronicle = Chronicle::new(machine.whereabouts(), ticket);
            let events: Vec<Event> = course
                .into_ended()
                .into_iter()
                .map(|ended| chronicle.event(Kind::Clearing { ended }))
                .collect();
            chronicle.write(place.beside(), &events);
            break;
        }
    }
    let Err(stop) = stopped else { return said(common, start, first, &done) };
    let seen = match &stop {
        Stop::Refused { plan: Some(plan), .. } => plan,
        Stop::Refused { plan: None, .. }
        | Stop::Asked
        | Stop::Replaced
        | Stop::Interrupted(_)
        | Stop::Failed(_) => first,
    };
    show_document(common, start, done.plan.as_ref().unwrap_or(seen))?;
    Err(not_stopped(start, stop))
}

fn tell(common: &Common, start: &Start, done: &mut Done, progress: &Progress<'_>) {
    done.note(progress);
    if !common.json {
        for line in lines(common, &start.instance, progress) {
            // A reader that went away must not end a stop halfway.
            let _ = print(&line);
        }
    }
}

/// The end of a stop that came through.
fn said(common: &Common, start: &Start, first: &Plan, done: &Done) -> Result<ExitStatus, Error> {
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
fn show_document(common: &Common, start: &Start, plan: &Plan) -> Result<(), Error> {
    if common.json { plan::show(common, start, plan, Said::Plainly) } else { Ok(()) }
}

fn not_stopped(start: &Start, stop: Stop) -> Error {
    match stop {
        Stop::Refused { refusal, why, .. } => refused(start, "not stopped", refusal, &why),
        Stop::Interrupted(signal) => Error::new(
            ExitStatus::Signalled(signal),
            format!("{}: ended by a signal before everything had ended", start.instance),
        ),
        Stop::Asked => Error::new(
            ExitStatus::Refused,
            format!("{}: not stopped: another start is in progress", start.instance),
        ),
        Stop::Replaced => Error::new(
            ExitStatus::LockFile,
            format!(
                "{}: not stopped: the lock is deleted or replaced all the time",
                start.instance
            ),
        )
        .hint("see who writes to its folder"),
        Stop::Failed(error) => error,
    }
}

fn refused(start: &Start, what: &str, refusal: Refusal, why: &str) -> Error {
    Error::new(status(refusal), format!("{}: {what}: {why}", start.instance))
}

fn status(refusal: Refusal) -> ExitStatus {
    match refusal {
        Refusal::Permission => ExitStatus::Permission,
        Refusal::Policy | Refusal::Storm | Refusal::Superseded => ExitStatus::Refused,
    }
}
