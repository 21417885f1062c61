//! `monopoll run`: settle who polls, then run COMMAND while holding the lock.

use std::{ffi::OsString, sync::Arc, time::Duration};

use tracing::{debug, warn};

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
        course::Course,
        entrance::Entrance,
        holding::Holding,
        place::Place,
        settle::{Progress, Settled, Settling, Stop},
    },
    host::{
        beside::{self, Asker, Record, Stage},
        clock,
        command::Command,
        history::{Cause, Ended},
        lock::LockFile,
        machine::{self, Machine, blind, tree::Tree, wait::Alarm},
        mark::{HELD, Mark},
    },
    report::mask,
    telegram::Preflight,
    wrap::{
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
    let mut entrance = Entrance::open(&start.locks)?;
    told::enclosure(machine::enclosure(entrance.place.beside().folder().path()).as_ref());
    if let Some(check) = &start.config.check {
        check::run(check)?;
    }
    machine.attend(Alarm::set().map_err(|error| blind(&error))?);
    let mut preflight = Preflight::set_out(&start.config.telegram, start.token.as_ref());
    let began = clock::patience();
    let mut course = Course::default();
    let mut teller = told::Teller::new(start.config.logging.format);
    let beat = teller.beat();
    for _ in 0..MOST_REPLACEMENTS {
        let Entrance { place, files, ticket } = entrance;
        machine.keep(Arc::clone(place.beside()), &place.folders(), place.view_of_the_first_lock()?);
        let record = record(&start, command, ticket, &files, &machine);
        debug!(ticket = ticket.0, "drew ticket {ticket}");
        let mut tell = |progress: Progress<'_>| teller.progress(&progress);
        let settling = Settling {
            machine: &mut machine,
            place: &place,
            policy: &start.config.policy,
            files,
            record: Some(&record),
            preflight: preflight.as_mut(),
            course: &mut course,
            tell: &mut tell,
            beat,
        };
        match settling.run() {
            Ok(settled) => {
                drop(teller);
                let won = Won { settled, took: clock::patience().saturating_sub(began), ended: course.into_ended() };
                return guard(&start, command, place, machine, record, won);
            }
            Err(stop) => {
                place.beside().remove_record(ticket);
                if let Stop::Replaced = stop {
                    entrance = Entrance::open(&start.locks)?;
                } else {
                    let chronicle = Chronicle::new(machine.whereabouts(), ticket);
                    chronicle.given_up(place.beside(), course.into_ended(), chronicle::reason(&stop));
                    return Err(stopped(&start, stop));
                }
            }
        }
    }
    Err(Error::new(ExitStatus::LockFile, "the lock cannot be used: somebody deletes or replaces it all the time")
        .hint("see who writes to its folder, or name another one in `lock.paths`"))
}

/// A start that came through, and how.
struct Won {
    settled: Settled,
    took: Duration,
    ended: Vec<Ended>,
}

/// How often the lock may be deleted or replaced under a start before it gives up.
pub(super) const MOST_REPLACEMENTS: u32 = 100;

fn guard(start: &Start, command: &Command, place: Place, machine: Machine, mut record: Record, won: Won) -> Result<ExitStatus, Error> {
    let Won { settled, took, ended } = won;
    child::adopt_orphans().map_err(|error| blind(&error))?;
    let whereabouts = machine.whereabouts().clone();
    let (alarm, watch, _kept) = machine.into_supervision();
    let Some(alarm) = alarm else { return Err(blind(&std::io::Error::other("signals are not attended to"))) };
    let (me, ticket) = (whereabouts.process, record.ticket);
    let tree = Tree::of_myself();
    let holding = Holding::new(place, settled.locks);
    let mark = Mark::new(&start.instance, ticket, me, holding.first_path());
    let chronicle = Chronicle::new(&whereabouts, ticket);
    let spawned = Child::spawn(
        &command.found,
        &command.args,
        &Inheritance { locks: holding.locks(), alarm: &alarm, on_guards_death: start.config.policy.signal, held: (HELD, mark.value()) },
    );
    let child = match spawned {
        Ok(child) => child,
        Err(error) => {
            holding.beside().remove_record(ticket);
            let error = not_started(command, &error);
            chronicle.given_up(holding.beside(), ended, (Cause::Failed, error.what.clone()));
            return Err(error);
        }
    };
    debug!(pid = child.pid(), "started COMMAND as pid {}", child.pid());
    record.child = machine::identity(child.pid());
    record.stage(Stage::Running);
    if let Err(error) = holding.beside().write_record(&record) {
        warn!("the record cannot be written beside the lock: {error}");
    }
    // Behind the turnstile: the next start counts this takeover.
    chronicle.started(holding.beside(), ended, (&record.command, child.pid()), took);
    drop(settled.turnstile);
    let mut guarding = Guarding {
        alarm: &alarm,
        watch,
        holding,
        on_lost: start.config.on_lost,
        manner: Manner::of(&start.config.policy, Mode::Graceful),
        child,
        tell: &mut |beside, incident| {
            chronicle.loss(beside, &incident);
            told::incident(incident);
        },
        record,
    };
    let end = guarding.run(tree);
    if end.left == 0 {
        // To whoever asked, this says that nobody is left.
        guarding.holding.beside().remove_record(ticket);
    }
    // The lock first: whoever waits for it does not wait for what is left of this process.
    let (beside, left) = (Arc::clone(guarding.holding.beside()), chronicle.event(chronicle::departure(&end)));
    drop(guarding.holding);
    chronicle.write(&beside, &[left]);
    if end.left > 0 {
        warn!(count = end.left, "{} processes of the tree could not be ended; they keep the lock", end.left);
    }
    match end.superseded_by {
        None if end.lost => {
            Err(Error::new(ExitStatus::Done, format!("{}: the lock was lost to another guard, and COMMAND was ended", start.instance)))
        }
        Some(Asker { pid, purpose: Purpose::Start }) => {
            Err(Error::new(ExitStatus::Done, format!("{}: a newer start (pid {pid}) took over", start.instance)))
        }
        Some(Asker { pid, purpose: Purpose::Stop }) => {
            Err(Error::new(ExitStatus::Done, format!("{}: `monopoll stop` (pid {pid}) ended it", start.instance)))
        }
        None => Ok(end.status),
    }
}

fn record(start: &Start, command: &Command, ticket: Ticket, files: &[LockFile], machine: &Machine) -> Record {
    Record {
        version: 1,
        instance: start.instance.to_string(),
        state: Stage::Starting,
        ticket,
        whereabouts: machine.whereabouts().clone(),
        locks: files.iter().filter_map(LockFile::known_id).collect(),
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
            // It may say what others named: a unit, a program, a command line.
            let why = mask::printable(&why).into_owned();
            let (status, what) = match refusal {
                Refusal::Superseded => (ExitStatus::Done, why),
                Refusal::Permission => (ExitStatus::Permission, format!("refused: {why}")),
                Refusal::Policy | Refusal::Storm => (ExitStatus::Refused, format!("refused: {why}")),
            };
            Error::new(status, format!("{instance}: {what}"))
        }
        Stop::Asked => Error::new(ExitStatus::Done, format!("{instance}: a newer start took over before this one had started")),
        Stop::Interrupted(signal) => {
            Error::new(ExitStatus::Signalled(signal), format!("{instance}: ended by a signal before the start; nothing is left behind"))
        }
        Stop::Replaced => {
            Error::new(ExitStatus::LockFile, format!("{instance}: the lock was deleted or replaced during the start")).hint("try again")
        }
        Stop::Failed(error) => error,
    }
}

fn not_started(command: &Command, error: &std::io::Error) -> Error {
    let status = if error.kind() == std::io::ErrorKind::NotFound { ExitStatus::NotFound } else { ExitStatus::NotExecutable };
    Error::new(status, format!("COMMAND `{}` cannot be executed: {error}", mask::printable(&command.base_name())))
        .hint("check the file, its first line and its permissions")
}
