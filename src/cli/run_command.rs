//! `monopoll run`: settle who polls, then run COMMAND while holding the lock.

use std::{ffi::OsString, sync::Arc, time::Duration};

use tracing::{debug, warn};

use crate::{
    cli::{Common, prepare::PreparedStart, start_messages},
    engine::{
        ladder::{StopMode, StopOptions},
        purpose::Purpose,
    },
    error::{Error, ExitStatus},
    guard::{
        check_command::{self, Interruption},
        entrance::OpenedInstance,
        held_locks::HeldLocks,
        history_writer::HistoryWriter,
        holder_identity::HolderIdentity,
        lock_keeper::LockKeeper,
        lock_set::LockSet,
        start::{NotStarted, Start, StartEvent, Started},
        start_progress::StartProgress,
    },
    report,
    scan::{
        command::Command,
        env_marker::{EnvMarker, HELD},
        machine::{self, Machine, blind, guard_tree::GuardTree},
    },
    state::{
        event::{EndedConflict, GiveUpCause, HistoryEventKind},
        record::{Asker, Record, RecordStage},
    },
    supervise::{
        child::{self, Child, Inheritance},
        event_loop::{ChildEnd, ChildGuard, GuardEvent},
    },
    sys::{clock, machine::poll::Poller},
    telegram::Preflight,
    text::printable,
};

/// Settles, starts COMMAND and guards it to its end.
///
/// # Errors
/// There was no start, or a newer one took over.
pub(super) fn run(common: &Common, command: Vec<OsString>) -> Result<ExitStatus, Error> {
    let start = PreparedStart::prepare(common, command)?;
    let Some(command) = &start.command else {
        return Err(Error::new(ExitStatus::Usage, "there is no COMMAND")
            .with_hint("write it behind `--`: `monopoll run -- python main.py`"));
    };
    start.insist_on_the_script()?;
    // First, because everything that follows needs /proc as well and would say so less clearly.
    let mut machine = Machine::new(start.query()).map_err(blind)?;
    let mut entrance = OpenedInstance::open(&start.locks)?;
    start_messages::enclosure(machine::enclosure(entrance.place.beside().folder().path()).as_ref());
    if let Some(check) = &start.config.check {
        check_command::run(check, Interruption::Signals)?;
        command.insist_on_its_script()?;
    }
    machine.attend(Poller::set().map_err(blind)?);
    let mut preflight = Preflight::set_out(&start.config.telegram, start.token.as_ref());
    let began = clock::patience();
    let mut course = StartProgress::default();
    let mut teller = start_messages::ProgressPrinter::new(start.config.logging.format);
    let beat = teller.beat();
    for _ in 0..MOST_REPLACEMENTS {
        let OpenedInstance { place, files, ticket } = entrance;
        machine.keep(Arc::clone(place.beside()), &place.folders(), place.view_of_the_first_lock()?);
        let by = HolderIdentity {
            instance: &start.instance,
            user: &start.user,
            profile: start.config.profile.as_deref(),
            command,
        };
        let record = by.record(ticket, &files, &machine);
        debug!(ticket = ticket.0, "drew ticket {ticket}");
        let mut tell = |progress: StartEvent<'_>| teller.progress(&progress);
        let settling = Start {
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
                let company = teller.company();
                drop(teller);
                let won = WonStart {
                    settled,
                    company,
                    took: clock::patience().saturating_sub(began),
                    ended: course.into_ended(),
                };
                return guard(&start, command, place, machine, record, won);
            }
            Err(stop) => {
                place.beside().remove_record(ticket);
                if let NotStarted::Replaced = stop {
                    entrance = OpenedInstance::open(&start.locks)?;
                } else {
                    let chronicle = HistoryWriter::new(machine.whereabouts(), ticket);
                    chronicle.given_up(
                        place.beside(),
                        course.into_ended(),
                        report::not_started::cause(&stop),
                    );
                    let way_out = way_out(&stop);
                    let error = report::not_started::error(&start.instance, stop);
                    return Err(way_out.into_iter().fold(error, Error::with_hint));
                }
            }
        }
    }
    Err(Error::new(
        ExitStatus::LockFile,
        "the lock cannot be used: somebody deletes or replaces it all the time",
    )
    .with_hint("see who writes to its folder, or name another one in `lock.paths`"))
}

/// What a person can do about it.
fn way_out(stop: &NotStarted) -> Option<String> {
    match stop {
        NotStarted::Refused(refusal) => report::hints::hint(refusal.plan()?),
        NotStarted::Asked
        | NotStarted::Interrupted(_)
        | NotStarted::Replaced
        | NotStarted::Failed(_) => None,
    }
}

/// A start that came through, and how.
struct WonStart {
    settled: Started,
    company: start_messages::OthersLeft,
    took: Duration,
    ended: Vec<EndedConflict>,
}

/// How often the lock may be deleted or replaced under a start before it gives up.
pub(super) const MOST_REPLACEMENTS: u32 = 100;

fn guard(
    start: &PreparedStart,
    command: &Command,
    place: LockSet,
    machine: Machine,
    mut record: Record,
    won: WonStart,
) -> Result<ExitStatus, Error> {
    let WonStart { settled, company, took, ended } = won;
    child::adopt_orphans().map_err(blind)?;
    let whereabouts = machine.whereabouts().clone();
    let (alarm, watch, spent) = machine.into_supervision();
    let Some(alarm) = alarm else {
        return Err(blind(std::io::Error::other("signals are not attended to")));
    };
    let (me, ticket) = (whereabouts.process, record.ticket);
    let tree = GuardTree::of_myself().map_err(blind)?;
    let holding = HeldLocks::new(place, settled.locks);
    let mark = EnvMarker::new(&start.instance, ticket, me, holding.first_path());
    let chronicle = HistoryWriter::new(&whereabouts, ticket);
    start_messages::yours(holding.first_path(), company, start.token.as_ref());
    let spawned = Child::spawn(
        &command.found,
        &command.args,
        &Inheritance {
            locks: holding.locks(),
            alarm: &alarm,
            on_guards_death: start.config.policy.signal,
            held: (HELD, mark.value()),
        },
    );
    let child = match spawned {
        Ok(child) => child,
        Err(error) => {
            holding.beside().remove_record(ticket);
            let error = not_started(command, &error);
            chronicle.given_up(
                holding.beside(),
                ended,
                (GiveUpCause::Failed, error.message().to_owned()),
            );
            return Err(error);
        }
    };
    debug!(pid = child.pid(), "started COMMAND as pid {}", child.pid());
    record.child = machine::identity(child.pid());
    record.stage(RecordStage::Running);
    if let Err(error) = holding.beside().write_record(&record) {
        warn!("the record cannot be written beside the lock: {error}");
    }
    // Behind the turnstile: the next start counts this takeover.
    chronicle.started(holding.beside(), ended, (&record.command, child.pid()), took);
    drop((settled.turnstile, settled.first));
    let _kept = spent.put_away();
    let mut guarding = ChildGuard {
        alarm: &alarm,
        keeper: LockKeeper::new(watch, holding, record, start.config.on_lost),
        manner: StopOptions::of(&start.config.policy, StopMode::Graceful),
        child,
        tell: &mut |beside, incident| {
            if let GuardEvent::Held(trouble) = &incident {
                chronicle.loss(beside, trouble);
            }
            start_messages::incident(incident);
        },
    };
    let end = guarding.run(tree);
    if end.left == 0 {
        // To whoever asked, this says that nobody is left.
        guarding.keeper.holding.beside().remove_record(ticket);
    }
    // The lock first: whoever waits for it does not wait for what is left of this process.
    let (beside, left) =
        (Arc::clone(guarding.keeper.holding.beside()), chronicle.event(departure(&end)));
    drop(guarding.keeper.holding);
    chronicle.write(&beside, &[left]);
    if end.left > 0 {
        warn!(
            count = end.left,
            "{} processes of the tree could not be ended; they keep the lock", end.left
        );
    }
    match end.superseded_by {
        None if end.lost => Err(Error::new(
            ExitStatus::Done,
            format!(
                "{}: the lock was lost to another guard, and COMMAND was ended",
                start.instance
            ),
        )),
        Some(Asker { pid, purpose: Purpose::Start }) => Err(Error::new(
            ExitStatus::Done,
            format!("{}: a newer start (pid {pid}) took over", start.instance),
        )),
        Some(Asker { pid, purpose: Purpose::Stop }) => Err(Error::new(
            ExitStatus::Done,
            format!("{}: `monopoll stop` (pid {pid}) ended it", start.instance),
        )),
        None => Ok(end.status),
    }
}

/// Why a guard left, as the history has it.
fn departure(end: &ChildEnd) -> HistoryEventKind {
    let how = match end.status {
        ExitStatus::Signalled(signal) => format!("COMMAND was ended by signal {signal}"),
        status => format!("COMMAND exited with {}", status.code()),
    };
    let (why, asked_by) = match end.superseded_by {
        Some(Asker { pid, purpose: Purpose::Start }) => {
            (format!("a newer start took over; {how}"), Some(pid))
        }
        Some(Asker { pid, purpose: Purpose::Stop }) => {
            (format!("`monopoll stop` ended it; {how}"), Some(pid))
        }
        None if end.lost => (format!("the lock was lost to another guard; {how}"), None),
        None => (how, None),
    };
    let why = if end.left == 0 {
        why
    } else {
        format!("{why}; {} processes of its tree could not be ended", end.left)
    };
    HistoryEventKind::Stop { why, asked_by }
}

fn not_started(command: &Command, error: &std::io::Error) -> Error {
    let status = if error.kind() == std::io::ErrorKind::NotFound {
        ExitStatus::NotFound
    } else {
        ExitStatus::NotExecutable
    };
    Error::new(
        status,
        format!("COMMAND `{}` cannot be executed: {error}", printable(&command.base_name())),
    )
    .with_hint("check the file, its first line and its permissions")
}
