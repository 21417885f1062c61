//! `monopoll stop`: ends the running bot and starts nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::output::{self, PlanOutput, print};
use crate::cli::{Common, dry_run, plan_command, prepare, start_messages};
use crate::engine::action::OnConflict;
use crate::engine::ladder::StopMode;
use crate::engine::plan::{Conflict, Plan};
use crate::engine::policy::Purpose;
use crate::engine::process::Launcher;
use crate::engine::reason::{RefusalKind, Verdict};
use crate::engine::signal::SignalToSend;
use crate::engine::ticket::Ticket;
use crate::error::{Error, ExitStatus};
use crate::guard::lock_set::LockSet;
use crate::guard::not_started::NotStarted;
use crate::guard::start;
use crate::guard::start_event::{Observer, StartEvent};
use crate::guard::start_request::StartRequest;
use crate::report::hints::{self, OptionsIn};
use crate::report::manager_remedy::remedy;
use crate::report::{not_touched, reasons, trace};
use crate::scan::machine;
use crate::state::history_event::HistoryEventKind;
use crate::state::state_dir::StateDir;
use crate::terminate::execute::TerminateEvent;
use crate::text::{count, printable};

#[derive(Debug, Args)]
pub struct StopArgs {
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// The bot's program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(common: &Common, args: StopArgs) -> Result<ExitStatus, Error> {
    if args.dry_run { dry_run(common, args.command) } else { stop(common, args.command) }
}

fn dry_run(common: &Common, command: Vec<OsString>) -> Result<ExitStatus, Error> {
    let (request, plan) = plan_stop(common, command)?;
    plan_command::show(common, &request, &plan, PlanOutput::Plan)?;
    match plan.verdict() {
        Verdict::Refuse(refusal) => {
            let why = plan_command::verdict(common, &request, "would not be stopped", &plan);
            Err(Error::new(refusal.exit_status_without_start(), why))
        }
        Verdict::Clear => {
            output::print_blind_spot(common, &request, PlanOutput::Plan).map(|()| ExitStatus::Done)
        }
        Verdict::Act | Verdict::Wait => Ok(ExitStatus::Done),
    }
}

fn plan_stop(common: &Common, command: Vec<OsString>) -> Result<(StartRequest, Plan), Error> {
    let mode = mode(common)?;
    let mut request = prepare::request(common, command)?;
    prepare::require_script(&request)?;
    request.config.policy = request.config.policy.to_stop(mode);
    let plan = dry_run::plan_of(&request)?;
    Ok((request, plan))
}

fn stop(common: &Common, command: Vec<OsString>) -> Result<ExitStatus, Error> {
    let (request, plan) = plan_stop(common, command)?;
    // If the instance was never started, there is no other start to wait for, and a stop without
    // effect must not create files.
    let lock_set = LockSet::open_existing(&request.locks)?;
    let ever_started =
        lock_set.is_some_and(|lock_set| lock_set.state_dirs().any(StateDir::was_ever_started));
    let mut stop = StopPrinter::new(common, &request);
    match plan.verdict() {
        Verdict::Clear if !ever_started => {
            stop.on_event(&StartEvent::Clear(&plan));
            return stop.print_end(&plan);
        }
        Verdict::Refuse(refusal) if !ever_started => {
            print_document(common, &request, &plan)?;
            let why = reasons::plan_reason(&plan, Purpose::Stop);
            return Err(with_hint(refused(&request, refusal, &why), &request, &plan));
        }
        Verdict::Clear | Verdict::Refuse(_) | Verdict::Act | Verdict::Wait => {}
    }
    // A stop counts as newer than every guard: a person ends what is running, whatever its ticket.
    match start::stop(&request, &mut stop) {
        Ok(()) => stop.print_end(&plan),
        Err(not_started) => {
            let seen = stop.plan.as_ref().or(not_started.plan()).unwrap_or(&plan);
            print_document(common, &request, seen)?;
            let refused_plan = not_started.plan().cloned();
            let error = not_stopped(&request, not_started);
            Err(match &refused_plan {
                Some(plan) => with_hint(error, &request, plan),
                None => error,
            })
        }
    }
}

/// Rejects `--on-conflict refuse` and `wait`, which make no sense for a stop.
fn mode(common: &Common) -> Result<StopMode, Error> {
    match common.on_conflict {
        None | Some(OnConflict::Graceful) => Ok(StopMode::Graceful),
        Some(OnConflict::Force) => Ok(StopMode::Force),
        Some(OnConflict::Refuse | OnConflict::Wait) => Err(Error::new(
            ExitStatus::Usage,
            "`stop` takes only `--on-conflict graceful` or `force`",
        )
        .with_hint("`monopoll stop --dry-run` prints what would be ended")),
    }
}

struct StopPrinter<'a> {
    common: &'a Common,
    request: &'a StartRequest,
    /// The first plan that ends a process, else the first clear plan.
    plan: Option<Plan>,
    /// The supervisors that may restart an ended process.
    managers: BTreeSet<(String, String)>,
    /// The processes that may have started an ended process and may start it again.
    launchers: Vec<Launcher>,
    /// The processes that a rule leaves alone.
    ignored: Vec<String>,
    /// The requested guards: their first lock, if it is another one, and their ticket.
    guards: Vec<(Option<PathBuf>, Option<Ticket>)>,
    /// The number of processes that this stop killed with SIGKILL.
    killed: u32,
    command: Option<String>,
}

impl<'a> StopPrinter<'a> {
    fn new(common: &'a Common, request: &'a StartRequest) -> StopPrinter<'a> {
        StopPrinter {
            common,
            request,
            plan: None,
            managers: BTreeSet::new(),
            launchers: Vec::new(),
            ignored: Vec::new(),
            guards: Vec::new(),
            killed: 0,
            command: output::typed_command(request),
        }
    }

    fn note_clear(&mut self, plan: &Plan) {
        self.plan.get_or_insert_with(|| plan.clone());
        self.ignored = plan.conflicts.iter().map(reasons::name).collect();
    }

    fn note_acting(&mut self, plan: &Plan) {
        self.plan.get_or_insert_with(|| plan.clone());
        let managers =
            plan.conflicts_to_end().filter_map(|conflict| conflict.root.as_ref()?.manager());
        self.managers.extend(managers.map(|by| (by.to_string(), remedy(by))));
        let guards = plan.conflicts_to_end().filter_map(|conflict| conflict.guard.as_ref());
        self.guards.extend(guards.map(|guard| (guard.other_lock.clone(), guard.ticket)));
        for launcher in plan.conflicts_to_end().filter_map(Conflict::launcher) {
            if !self.launchers.contains(launcher) {
                self.launchers.push(launcher.clone());
            }
        }
    }

    fn print_end(&self, first: &Plan) -> Result<ExitStatus, Error> {
        let plan = self.plan.as_ref().unwrap_or(first);
        let has_acted = self.plan.is_some() && plan.verdict() == Verdict::Act;
        if self.common.json {
            print_document(self.common, self.request, plan)?;
            // The JSON document has no place for this.
            if let Some(killed) = self.killed_text() {
                tracing::warn!("{killed}");
            }
        } else if self.common.quiet {
            return Ok(ExitStatus::Done);
        } else {
            self.print_result(has_acted)?;
        }
        if !has_acted {
            output::print_blind_spot(self.common, self.request, PlanOutput::Plan)?;
        }
        Ok(ExitStatus::Done)
    }

    fn print_result(&self, has_acted: bool) -> Result<(), Error> {
        let instance = &self.request.instance;
        for ignored in &self.ignored {
            print(&format!("{instance}: a rule ignores {ignored}; it keeps running"))?;
        }
        for (manager, remedy) in &self.managers {
            let (manager, remedy) = (printable(manager), printable(remedy));
            print(&format!("{instance}: {manager} may restart it; {remedy}"))?;
        }
        let lives = |it: &&Launcher| machine::process_id(it.id.pid) == Some(it.id);
        for Launcher { id, command } in self.launchers.iter().filter(lives) {
            let command = printable(command);
            print(&format!(
                "{instance}: its launcher `{command}` (pid {}) still runs and may restart it; stop \
                 that too",
                id.pid
            ))?;
        }
        if has_acted {
            let killed = self.killed_text().map_or_else(String::new, |text| format!("; {text}"));
            print(&format!("{instance}: stopped{killed}"))?;
        } else {
            print(&format!("{instance}: nothing to stop"))?;
        }
        Ok(())
    }

    /// Returns the note that SIGKILL was needed; `None` if it was not, or was requested.
    fn killed_text(&self) -> Option<String> {
        let policy = &self.request.config.policy;
        let by_guards =
            self.guards.iter().map(|(lock, ticket)| self.killed_by(lock.as_ref(), *ticket));
        let killed = self.killed.saturating_add(by_guards.sum());
        if killed == 0 || policy.on_conflict == OnConflict::Force {
            return None;
        }
        let processes = count(usize::try_from(killed).ok()?, "process", "processes");
        let (signal, time) = (policy.signal, humantime::format_duration(policy.timeouts.graceful));
        Some(format!(
            "{processes} had to be killed (SIGKILL), as {signal} did not end the bot within \
             {time}; to give it more time, raise `timeouts.graceful`"
        ))
    }

    /// Returns the number of processes that a requested guard killed with SIGKILL, from its
    /// history.
    fn killed_by(&self, lock: Option<&PathBuf>, ticket: Option<Ticket>) -> u32 {
        let lock = lock.or_else(|| self.request.locks.first());
        let history = lock.and_then(|lock| StateDir::of_lock(lock)).map(|it| it.history());
        let events = history.unwrap_or_default().into_iter();
        let end = events.rev().filter(|event| Some(event.ticket) == ticket).find_map(|event| {
            let HistoryEventKind::Stop { killed, .. } = event.kind else { return None };
            Some(killed)
        });
        end.unwrap_or(0)
    }
}

impl Observer for StopPrinter<'_> {
    fn interval(&self) -> Duration {
        Duration::MAX
    }

    fn on_event(&mut self, event: &StartEvent<'_>) {
        let lines: Vec<String> = match event {
            StartEvent::Scanned { snapshot, plan, took } => {
                return trace::scanned(snapshot, plan, Purpose::Stop, *took);
            }
            StartEvent::Terminate(TerminateEvent::Sent(_, SignalToSend::Kill)) => {
                self.killed += 1;
                return;
            }
            StartEvent::Queued | StartEvent::Reminder | StartEvent::Terminate(_) => return,
            StartEvent::Waiting(plan) => plan.waits().map(start_messages::waiting).collect(),
            StartEvent::Acting(plan) => {
                self.note_acting(plan);
                plan.conflicts_to_end().map(start_messages::ending).collect()
            }
            StartEvent::Clear(plan) => {
                self.note_clear(plan);
                let lines = not_touched::lines(plan, self.command.as_deref()).into_iter();
                lines.map(|line| format!("warning: {line}")).collect()
            }
        };
        if self.common.json || self.common.quiet {
            return;
        }
        for line in lines {
            // A closed pipe must not end a stop halfway.
            let _ = print(&format!("{}: {line}", self.request.instance));
        }
    }
}

/// Prints the plan that was carried out, or could not be, with `--json`.
fn print_document(common: &Common, request: &StartRequest, plan: &Plan) -> Result<(), Error> {
    if common.json { plan_command::show(common, request, plan, PlanOutput::Plan) } else { Ok(()) }
}

fn not_stopped(request: &StartRequest, stop: NotStarted) -> Error {
    match stop {
        NotStarted::Refused(refusal) => {
            refused(request, refusal.kind(), &reasons::start_refusal(&refusal, Purpose::Stop))
        }
        NotStarted::Interrupted(signal) => Error::new(
            ExitStatus::Signaled(signal),
            format!("{}: interrupted before all processes had ended", request.instance),
        ),
        NotStarted::Superseded => Error::new(
            ExitStatus::Refused,
            format!("{}: not stopped: a newer start took over", request.instance),
        ),
        NotStarted::Replaced => {
            let why = "not stopped: another program keeps replacing the lock file";
            Error::new(ExitStatus::LockFile, format!("{}: {why}", request.instance))
                .with_hint("find the program that writes to its folder")
        }
        NotStarted::Failed(error) => error,
    }
}

fn with_hint(error: Error, request: &StartRequest, plan: &Plan) -> Error {
    let command = output::typed_command(request);
    hints::hint(plan, Purpose::Stop, OptionsIn::CommandLine, command.as_deref())
        .into_iter()
        .fold(error, Error::with_hint)
}

fn refused(request: &StartRequest, refusal: RefusalKind, why: &str) -> Error {
    Error::new(
        refusal.exit_status_without_start(),
        format!("{}: not stopped: {why}", request.instance),
    )
}
