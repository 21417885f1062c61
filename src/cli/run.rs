//! `monopoll run`: settle who polls, then run COMMAND while holding the lock.

use std::{ffi::OsString, sync::Arc, time::Duration};

use super::{
    Common, check,
    chronicle::{self, Chronicle},
    start::Start,
    told,
};
use crate::{
    engine::{
        escalation::{Manner, Mode},
        plan::Refusal,
        purpose::Purpose,
        takeover::Ticket,
    },
    error::{Error, ExitStatus},
    guard::{
        place::Place,
        settle::{Settled, Settling, Stop},
    },
    host::{
        beside::{self, Asker, Record, Stage},
        clock,
        command::Command,
        history::{Cause, Ended},
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
    if let Some(check) = &start.config.check {
        check::run(check)?;
    }
    machine.attend(Alarm::set().map_err(|error| blind(&error))?, Arc::clone(place.beside()));
    machine.keep(place.view_of_the_first_lock()?);
    let record = record(&start, command, ticket, &machine);
    let began = clock::patience();
    let mut ended = Vec::new();
    let settled = settle(common, &start, &place, files, &mut machine, &record, &mut ended).map_err(|stop| {
        place.beside().remove_record(ticket);
        let chronicle = Chronicle::new(common, place.beside(), machine.whereabouts(), ticket);
        chronicle.given_up(std::mem::take(&mut ended), chronicle::reason(&stop));
        stopped(&start, stop)
    })?;
    guard(common, &start, command, &place, machine, record, Won { settled, began, ended })
}

/// A start that came through, and how.
struct Won {
    settled: Settled,
    began: Duration,
    ended: Vec<Ended>,
}

fn settle(
    common: &Common,
    start: &Start,
    place: &Place,
    files: Vec<LockFile>,
    machine: &mut Machine,
    record: &Record,
    ended: &mut Vec<Ended>,
) -> Result<Settled, Stop> {
    let announce = || place.beside().write_record(record);
    let mut tell = |progress: crate::guard::settle::Progress<'_>| told::progress(common, &start.instance, &progress);
    let (policy, ticket) = (&start.config.policy, Some(record.ticket));
    Settling { machine, place, policy, files, ticket, announce: &announce, tell: &mut tell, ended }.run()
}

fn guard(
    common: &Common,
    start: &Start,
    command: &Command,
    place: &Place,
    machine: Machine,
    mut record: Record,
    won: Won,
) -> Result<ExitStatus, Error> {
    let Won { settled, began, ended } = won;
    child::adopt_orphans().map_err(|error| blind(&error))?;
    let whereabouts = machine.whereabouts().clone();
    let (alarm, watch, _kept) = machine.into_supervision();
    let Some(alarm) = alarm else { return Err(blind(&std::io::Error::other("signals are not attended to"))) };
    let (me, ticket) = (whereabouts.process, record.ticket);
    let held = format!("{}:{}:{}:{}", start.instance, ticket, me.pid, me.start);
    let chronicle = Chronicle::new(common, place.beside(), &whereabouts, ticket);
    let tree = Tree::of_myself();
    let spawned = Child::spawn(
        &command.found,
        &command.args,
        &Inheritance { locks: &settled.locks, alarm: &alarm, on_guards_death: start.config.policy.signal, held: (HELD, held.into()) },
    );
    let child = match spawned {
        Ok(child) => child,
        Err(error) => {
            place.beside().remove_record(ticket);
            let error = not_started(command, &error);
            chronicle.given_up(ended, (Cause::Failed, error.what.clone()));
            return Err(error);
        }
    };
    record.child = machine::identity(child.pid());
    record.stage(Stage::Running);
    if let Err(error) = place.beside().write_record(&record) {
        told::warning(common, &format!("the record cannot be written beside the lock: {error}"));
    }
    // Behind the turnstile: the next start counts this takeover.
    chronicle.started(ended, &record.command, child.pid(), clock::patience().saturating_sub(began));
    drop(settled.turnstile);
    let mut guarding = Guarding {
        alarm: &alarm,
        watch,
        beside: Arc::clone(place.beside()),
        manner: Manner::of(&start.config.policy, Mode::Graceful),
        child,
        tell: &mut |incident| told::incident(common, incident),
        record,
    };
    let end = guarding.run(tree);
    // The lock first: whoever waits for it does not wait for what is left of this process.
    if end.left == 0 {
        // To whoever asked, this says that nobody is left.
        place.beside().remove_record(ticket);
    }
    let left = chronicle.event(chronicle::departure(&end));
    drop(settled.locks);
    chronicle.write(&[left]);
    if end.left > 0 {
        told::warning(common, &format!("{} processes of the tree could not be ended; they keep the lock", end.left));
    }
    match end.superseded_by {
        Some(Asker { pid, purpose: Purpose::Start }) => {
            Err(Error::new(ExitStatus::Done, format!("{}: a newer start (pid {pid}) took over", start.instance)))
        }
        Some(Asker { pid, purpose: Purpose::Stop }) => {
            Err(Error::new(ExitStatus::Done, format!("{}: `monopoll stop` (pid {pid}) ended it", start.instance)))
        }
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
