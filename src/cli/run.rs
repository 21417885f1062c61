//! `monopoll run`: settle who polls, then run COMMAND while holding the lock.

use std::{ffi::OsString, sync::Arc};

use tracing::{debug, warn};

use super::{Common, check, start::Start, told};
use crate::{
    engine::{
        escalation::{Manner, Mode},
        plan::Refusal,
        takeover::Ticket,
    },
    error::{Error, ExitStatus},
    guard::{
        place::Place,
        settle::{Progress, Settled, Settling, Stop},
    },
    host::{
        beside::{self, Record, Stage},
        command::Command,
        lock::LockFile,
        machine::{self, Machine, blind, tree::Tree, wait::Alarm},
    },
    report::mask,
    wrap::{
        HELD,
        child::{self, Child, Inheritance},
        supervise::Guarding,
    },
};

/// What a record keeps of a command line: nobody reads a record that is longer than `host::folder` reads.
const LONGEST_COMMAND: usize = 4000;

/// Settles, starts COMMAND and guards it to its end.
///
/// # Errors
/// There was no start, or a newer one took over.
pub(super) fn run(common: &Common, command: Vec<OsString>) -> Result<ExitStatus, Error> {
    let start = Start::prepare(common, command)?;
    let Some(command) = &start.command else {
        return Err(Error::new(ExitStatus::Usage, "there is no COMMAND").hint("write it behind `--`: `monopoll run -- python main.py`"));
    };
    // First, because everything that follows needs /proc as well and would say so less clearly.
    let mut machine = Machine::new(start.query()).map_err(|error| blind(&error))?;
    let place = Place::open(&start.locks)?;
    let files = place.open_locks()?;
    let ticket = place.beside().draw_ticket()?;
    debug!(ticket = ticket.0, "drew ticket {ticket}");
    if let Some(check) = &start.config.check {
        check::run(check)?;
    }
    machine.attend(Alarm::set().map_err(|error| blind(&error))?, Arc::clone(place.beside()));
    machine.keep(place.view_of_the_first_lock()?);
    let record = record(&start, command, ticket, &machine);
    let settled = settle(&start, &place, files, &mut machine, &record).map_err(|stop| {
        place.beside().remove_record(ticket);
        stopped(&start, stop)
    })?;
    guard(&start, command, &place, machine, record, settled)
}

fn settle(start: &Start, place: &Place, files: Vec<LockFile>, machine: &mut Machine, record: &Record) -> Result<Settled, Stop> {
    let announce = || place.beside().write_record(record);
    let mut teller = told::Teller::new(start.config.logging.format);
    let beat = teller.beat();
    let mut tell = |progress: Progress<'_>| teller.progress(&progress);
    Settling { machine, place, policy: &start.config.policy, files, ticket: record.ticket, announce: &announce, tell: &mut tell, beat }
        .run()
}

fn guard(
    start: &Start,
    command: &Command,
    place: &Place,
    machine: Machine,
    mut record: Record,
    settled: Settled,
) -> Result<ExitStatus, Error> {
    child::adopt_orphans().map_err(|error| blind(&error))?;
    let whereabouts = machine.whereabouts().clone();
    let (alarm, watch, _kept) = machine.into_supervision();
    let Some(alarm) = alarm else { return Err(blind(&std::io::Error::other("signals are not attended to"))) };
    let (me, ticket) = (whereabouts.process, record.ticket);
    let held = format!("{}:{}:{}:{}", start.instance, ticket, me.pid, me.start);
    let tree = Tree::of_myself();
    let child = Child::spawn(
        &command.found,
        &command.args,
        &Inheritance { locks: &settled.locks, alarm: &alarm, on_guards_death: start.config.policy.signal, held: (HELD, held.into()) },
    )
    .map_err(|error| {
        place.beside().remove_record(ticket);
        not_started(command, &error)
    })?;
    debug!(pid = child.pid(), "started COMMAND as pid {}", child.pid());
    record.child = machine::identity(child.pid());
    record.stage(Stage::Running);
    if let Err(error) = place.beside().write_record(&record) {
        warn!("the record cannot be written beside the lock: {error}");
    }
    drop(settled.turnstile);
    let mut guarding = Guarding {
        alarm: &alarm,
        watch,
        beside: Arc::clone(place.beside()),
        manner: Manner::of(&start.config.policy, Mode::Graceful),
        child,
        tell: &mut told::incident,
        record,
    };
    let end = guarding.run(tree);
    // The lock first: whoever waits for it does not wait for what is left of this process.
    if end.left == 0 {
        // To whoever asked, this says that nobody is left.
        place.beside().remove_record(ticket);
    }
    drop(settled.locks);
    if end.left > 0 {
        warn!(count = end.left, "{} processes of the tree could not be ended; they keep the lock", end.left);
    }
    match end.superseded_by {
        Some(pid) => Err(Error::new(ExitStatus::Done, format!("{}: a newer start (pid {pid}) took over", start.instance))),
        None => Ok(end.status),
    }
}

fn record(start: &Start, command: &Command, ticket: Ticket, machine: &Machine) -> Record {
    Record {
        version: 1,
        instance: start.instance.to_string(),
        state: Stage::Starting,
        ticket,
        whereabouts: machine.whereabouts().clone(),
        host: machine::host_name(),
        user: start.user.name.clone(),
        command: mask::command(&command.text()).chars().take(LONGEST_COMMAND).collect(),
        since: beside::now(),
        profile: start.config.profile.clone(),
        child: None,
        monopoll: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn stopped(start: &Start, stop: Stop) -> Error {
    let instance = &start.instance;
    match stop {
        Stop::Refused { refusal, why, .. } => {
            let (status, what) = match refusal {
                Refusal::Superseded => (ExitStatus::Done, why),
                Refusal::Permission => (ExitStatus::Permission, format!("refused: {why}")),
                Refusal::Policy => (ExitStatus::Refused, format!("refused: {why}")),
            };
            Error::new(status, format!("{instance}: {what}"))
        }
        Stop::Asked => Error::new(ExitStatus::Done, format!("{instance}: a newer start took over before this one had started")),
        Stop::Interrupted(signal) => {
            Error::new(ExitStatus::Signalled(signal), format!("{instance}: ended by a signal before the start; nothing is left behind"))
        }
        Stop::Failed(error) => error,
    }
}

fn not_started(command: &Command, error: &std::io::Error) -> Error {
    let status = if error.kind() == std::io::ErrorKind::NotFound { ExitStatus::NotFound } else { ExitStatus::NotExecutable };
    Error::new(status, format!("COMMAND `{}` cannot be executed: {error}", mask::printable(&command.base_name())))
        .hint("check the file, its first line and its permissions")
}
