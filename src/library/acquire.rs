//! A program settles for itself: `monopoll run` without COMMAND, on a thread of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "who this program is, and under which guard, is read here, once"
)]

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tracing::{debug, info, warn};

use crate::{
    config::{Config, Placeholders},
    engine::{instance::Instance, snapshot::User, token::Token},
    error::{Error, ExitStatus},
    guard::{
        check_command::{self, Interruption},
        entrance::OpenedInstance,
        held_locks::HeldLocks,
        history_writer::HistoryWriter,
        holder_identity::HolderIdentity,
        in_process::InProcessClaim,
        instance_name,
        lock_keeper::LockKeeper,
        lock_set::LockSet,
        start::{NotStarted, Start, StartEvent, Started},
        start_progress::StartProgress,
    },
    library::guard_thread::{AdoptedGuard, OwnGuard, ThreadGuard},
    report::{not_started, reasons, trace},
    scan::{
        command::{Command, ProgramKind},
        env_marker::{EnvMarker, HELD},
        machine::{self, Machine, blind, guard_above},
        request::ScanRequest,
    },
    state::{
        lock_dir::lock_dir,
        record::{Record, RecordStage},
    },
    sys::{
        clock,
        machine::{pidfd::ProcessHandle, poll::Poller},
    },
    telegram::Preflight,
    terminate::execute::TerminateEvent,
    text::printable,
};

/// How often the lock may be deleted or replaced under a start before it gives up.
const MOST_REPLACEMENTS: u32 = 100;

/// How often it is told that a start still waits.
const BEAT: Duration = Duration::from_secs(10);

/// Acquires the instance, or adopts the guard of a `run` that has it for this program.
///
/// # Errors
/// As `monopoll run`.
pub(crate) fn acquire(config: &Config, alarm: Poller) -> Result<(ThreadGuard, Poller), Error> {
    for note in &config.notes {
        info!("{note}");
    }
    let token = instance_name::token(config);
    let named = instance_name::instance(config, token.as_ref(), None);
    if let Some((instance, guard)) = above(named.as_ref()) {
        info!("{instance}: held by the `monopoll run` above (pid {})", guard.id.pid);
        return Ok((
            ThreadGuard::Under(AdoptedGuard {
                claim: InProcessClaim::new(&instance)?,
                instance,
                guard,
            }),
            alarm,
        ));
    }
    let instance = named.ok_or_else(|| {
        Error::new(ExitStatus::Usage, "no instance is named").with_hint(format!(
            "write `instance = \"…\"` in the configuration, or set $MONOPOLL_INSTANCE or ${}",
            instance_name::variable(config)
        ))
    })?;
    let claim = InProcessClaim::new(&instance)?;
    let start =
        LibraryStart { config, instance, token, command: itself()?, user: machine::myself() };
    let mut machine = Machine::new(start.query()).map_err(blind)?;
    if let Some(check) = &config.check {
        check_command::run(check, Interruption::Recall(&alarm))?;
    }
    machine.attend(alarm);
    let (keeper, alarm) = start.settle(machine)?;
    Ok((ThreadGuard::Own(Box::new(OwnGuard::new(start.instance, claim, keeper))), alarm))
}

/// The guard of a `run` above this process that has this instance, whatever it is called where
/// nothing here names it.
fn above(named: Option<&Instance>) -> Option<(Instance, ProcessHandle)> {
    let mark = EnvMarker::parse(&env::var_os(HELD)?)?;
    let instance: Instance = mark.instance.parse().ok()?;
    if named.is_some_and(|named| *named != instance) {
        return None;
    }
    let guard = guard_above(&mark);
    if guard.is_none() {
        debug!(
            "${HELD} names a guard (pid {}) that does not hold {instance} for this process",
            mark.guard.pid
        );
    }
    Some((instance, guard?))
}

/// This program as the command that it is.
fn itself() -> Result<Command, Error> {
    let unknown = |what: &str, error: std::io::Error| {
        Error::from_source(ExitStatus::Fault, format!("{what} cannot be found out"), error)
    };
    let program =
        env::current_exe().map_err(|error| unknown("this program's executable", error))?;
    let cwd = env::current_dir().map_err(|error| unknown("the working directory", error))?;
    Ok(Command {
        args: env::args_os().collect(),
        found: program.clone(),
        program,
        kind: ProgramKind::Binary,
        cwd,
    })
}

/// A start of this very program.
struct LibraryStart<'a> {
    config: &'a Config,
    instance: Instance,
    token: Option<Token>,
    command: Command,
    user: User,
}

impl LibraryStart<'_> {
    fn query(&self) -> ScanRequest {
        ScanRequest {
            policy: self.config.policy.clone(),
            token: self.token.clone(),
            token_env: self.config.token_env.clone(),
            command: Some(self.command.clone()),
            wrapper: Some(PathBuf::from(format!("monopoll{}", env::consts::EXE_SUFFIX))),
            library: Some(self.command.program.clone()),
            user: self.user.clone(),
            asked: None,
        }
    }

    fn locks(&self) -> Vec<PathBuf> {
        let (instance, profile, lock_dir) =
            (self.instance.as_str(), self.config.profile.as_deref(), lock_dir(&self.user));
        let placeholders =
            Placeholders { instance, profile, user: &self.user.name, lock_dir: &lock_dir };
        self.config.locks.iter().map(|path| path.fill(&placeholders)).collect()
    }

    fn settle(&self, mut machine: Machine) -> Result<(LockKeeper, Poller), Error> {
        let locks = self.locks();
        let began = clock::patience();
        let mut course = StartProgress::default();
        let mut preflight = Preflight::set_out(&self.config.telegram, self.token.as_ref());
        let by = HolderIdentity {
            instance: &self.instance,
            user: &self.user,
            profile: self.config.profile.as_deref(),
            command: &self.command,
        };
        for _ in 0..MOST_REPLACEMENTS {
            let OpenedInstance { place, files, ticket } = OpenedInstance::open(&locks)?;
            alone_in_a_container(place.beside().folder().path());
            machine.keep(
                Arc::clone(place.beside()),
                &place.folders(),
                place.view_of_the_first_lock()?,
            );
            let record = by.record(ticket, &files, &machine);
            let settling = Start {
                machine: &mut machine,
                place: &place,
                policy: &self.config.policy,
                files,
                record: Some(&record),
                course: &mut course,
                preflight: preflight.as_mut(),
                tell: &mut |progress| tell(&self.instance, &progress),
                beat: BEAT,
            };
            match settling.run() {
                Ok(settled) => return self.hold(settled, (machine, place, record, course), began),
                Err(stop) => {
                    place.beside().remove_record(ticket);
                    if !matches!(stop, NotStarted::Replaced) {
                        let chronicle = HistoryWriter::new(machine.whereabouts(), ticket);
                        chronicle.given_up(
                            place.beside(),
                            course.into_ended(),
                            not_started::cause(&stop),
                        );
                        return Err(not_started::error(&self.instance, stop));
                    }
                }
            }
        }
        Err(not_started::error(&self.instance, NotStarted::Replaced))
    }

    /// The instance is won: the next start may look.
    fn hold(
        &self,
        settled: Started,
        (machine, place, mut record, course): (Machine, LockSet, Record, StartProgress),
        began: Duration,
    ) -> Result<(LockKeeper, Poller), Error> {
        record.stage(RecordStage::Running);
        if let Err(error) = place.beside().write_record(&record) {
            warn!("the record cannot be written beside the lock: {error}");
        }
        let (took, pid) = (clock::patience().saturating_sub(began), record.whereabouts.process.pid);
        // Behind the turnstile: the next start counts this takeover.
        let chronicle = HistoryWriter::new(machine.whereabouts(), record.ticket);
        chronicle.started(place.beside(), course.into_ended(), (&record.command, pid), took);
        let (alarm, watch, _spent) = machine.into_supervision();
        let alarm =
            alarm.ok_or_else(|| blind(std::io::Error::other("nobody could call this guard")))?;
        drop((settled.turnstile, settled.first));
        Ok((
            LockKeeper::new(
                watch,
                HeldLocks::new(place, settled.locks),
                record,
                self.config.on_lost,
            ),
            alarm,
        ))
    }
}

/// That a guard guards in its own container alone (S20).
fn alone_in_a_container(folder: &Path) {
    if let Some(enclosure) = machine::enclosure(folder) {
        warn!("{}; {}", enclosure.what(), enclosure.way_out());
    }
}

/// What goes on, for whoever listens to this program's events.
fn tell(instance: &Instance, progress: &StartEvent<'_>) {
    match progress {
        StartEvent::Looked { snapshot, plan, took } => trace::looked(snapshot, plan, *took),
        StartEvent::Queued => debug!("{instance}: waiting for another start to be through"),
        StartEvent::Waiting(plan) | StartEvent::Acting(plan) => {
            info!("{instance}: {}", printable(&reasons::plan_reason(&plan.reason)));
        }
        StartEvent::Still | StartEvent::Did(TerminateEvent::Still) => {
            info!("{instance}: still at it");
        }
        StartEvent::Did(TerminateEvent::Asked(pid)) => debug!(pid, "{instance}: asked the guard"),
        StartEvent::Did(TerminateEvent::Heard(pid)) => debug!(pid, "{instance}: the guard heard"),
        StartEvent::Did(TerminateEvent::Sent(id, blow)) => {
            info!(pid = id.pid, "{instance}: sent {} to pid {}", blow.name(), id.pid);
        }
        StartEvent::Did(TerminateEvent::Ended(pid)) => {
            info!(pid, "{instance}: what was in the way has ended");
        }
        StartEvent::Clear(plan) => {
            for suspect in plan.unexpected() {
                let (pid, reason) = (suspect.process.id.pid, reasons::SUSPECT);
                warn!(pid, "{instance}: pid {pid} has {reason}; it is left alone");
            }
        }
    }
}
