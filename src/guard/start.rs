//! One start, for `monopoll run`, `monopoll stop` and the library: everything between a valid
//! request and a held instance.
//!
//! Opens the lock files and draws a ticket, runs `[check]`, and makes attempts (`attempt.rs`) until
//! one succeeds. The history records what it ended, even if nothing was started.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use crate::engine::action::OnLost;
use crate::engine::policy::Purpose;
use crate::engine::process::ProcessId;
use crate::error::Error;
use crate::guard::attempt::{Attempt, HeldInstance, StartMutexes};
use crate::guard::attempt_state::AttemptState;
use crate::guard::check_command;
use crate::guard::follow_up::{FollowUp, FollowUpScans};
use crate::guard::follow_up_event::OnFollowUp;
use crate::guard::held_locks::HeldLocks;
use crate::guard::history_writer::HistoryWriter;
use crate::guard::lock_monitor::LockMonitor;
use crate::guard::lock_set::{MAX_REPLACEMENTS, OpenedLocks};
use crate::guard::not_started::NotStarted;
use crate::guard::second_copy::CopyAlarm;
use crate::guard::start_event::Observer;
use crate::guard::start_request::{Cancellation, StartRequest, missing_command};
use crate::scan::cannot_scan;
use crate::scan::command::Command;
use crate::scan::machine::private_folder;
use crate::state::history_event::{EndedConflict, GiveUp, GiveUpCause, HistoryEventKind};
use crate::state::record::{Record, RecordStage};
use crate::state::state_dir::StateDir;
use crate::sys::clock;
use crate::sys::machine::file_watch::FileWatch;
use crate::sys::machine::poll::Poller;
use crate::telegram::Preflight;
use crate::terminate::process_control::StartHost;
use crate::terminate::real_host::{DeferredCleanup, RealHost};

/// The locks of a start that has acquired its instance; released on drop.
pub struct AcquiredLocks {
    locks: HeldLocks,
    /// `None` for a stop, which writes none.
    pub record: Option<Record>,
    mutexes: StartMutexes,
    pub ended: Vec<EndedConflict>,
    /// From the first scan until the locks were acquired.
    pub took: Duration,
    pub follow_up: FollowUp,
}

/// A held instance and what the guard needs of this host.
pub(crate) struct Acquired {
    pub(crate) guard: StartingGuard,
    pub(crate) poller: Poller,
    /// Freeing them takes a while.
    pub(crate) cleanup: DeferredCleanup,
}

/// A guard that holds its instance. The next start waits until
/// [`record_running`](StartingGuard::record_running).
pub struct StartingGuard {
    pub monitor: LockMonitor,
    mutexes: Option<StartMutexes>,
    ended: Vec<EndedConflict>,
    took: Duration,
    follow_up: FollowUp,
}

impl StartingGuard {
    /// Takes over the locks. Fails for a stop, which has no record.
    pub fn new(
        acquired: AcquiredLocks,
        watch: FileWatch,
        on_lost: OnLost,
    ) -> Result<StartingGuard, Error> {
        let AcquiredLocks { locks, record, mutexes, ended, took, follow_up } = acquired;
        let record = record.ok_or_else(missing_command)?;
        let monitor = LockMonitor::new(watch, locks, record, on_lost);
        Ok(StartingGuard { monitor, mutexes: Some(mutexes), ended, took, follow_up })
    }

    /// Records that the instance runs – as `child`, or as this very process – and lets the next
    /// start proceed.
    pub fn record_running(&mut self, child: Option<ProcessId>) {
        let monitor = &mut self.monitor;
        monitor.record.child = child;
        monitor.record.stage = RecordStage::Running;
        let state_dir = monitor.locks.state_dir();
        if let Err(error) = state_dir.write_record(&monitor.record) {
            warn!("cannot write the record next to the lock: {error}");
        }
        let pid = child.unwrap_or(monitor.record.holder.process).pid;
        let started = HistoryEventKind::Start {
            command: monitor.record.command.clone(),
            child_pid: pid,
            took_ms: clock::millis(self.took),
        };
        // While the start mutex is held: the next start counts this takeover.
        monitor.history.started(state_dir, std::mem::take(&mut self.ended), started);
        self.mutexes = None;
    }

    /// Begins to scan again for a while, if this start left something to look for, or if COMMAND
    /// is a child of this guard and may start the bot. The alarm then tells of a second copy.
    pub(crate) fn follow_up(
        &mut self,
        request: &StartRequest,
        alarm: Option<CopyAlarm>,
        on_event: OnFollowUp,
    ) -> Option<FollowUpScans> {
        std::mem::take(&mut self.follow_up).begin(request, &self.monitor, alarm, on_event)
    }

    /// Records that the start failed, releases everything, and returns the error to report.
    pub(crate) fn give_up(self, mut error: Error) -> Error {
        if !self.ended.is_empty() {
            error = error.after_ending_others();
        }
        let state_dir = self.monitor.locks.state_dir();
        state_dir.remove_record(self.monitor.record.ticket);
        let give_up = GiveUp { cause: GiveUpCause::Failed, why: error.message().to_owned() };
        self.monitor.history.given_up(state_dir, self.ended, give_up);
        error
    }
}

/// Applies the policy and acquires the instance. After an error nothing is left behind.
pub(crate) fn start(
    request: &StartRequest,
    cancellation: Cancellation,
    observer: &mut dyn Observer,
) -> Result<Acquired, NotStarted> {
    let AcquiredStart { acquired, poller, watch, cleanup } =
        prepare_and_acquire(request, cancellation, observer)?;
    let guard = StartingGuard::new(acquired, watch, request.config.settings.lock.on_lost)?;
    Ok(Acquired { guard, poller, cleanup })
}

/// Ends what runs, and acquires nothing.
pub(crate) fn stop(request: &StartRequest, observer: &mut dyn Observer) -> Result<(), NotStarted> {
    prepare_and_acquire(request, Cancellation::Signals, observer).map(drop)
}

struct AcquiredStart {
    acquired: AcquiredLocks,
    poller: Poller,
    watch: FileWatch,
    cleanup: DeferredCleanup,
}

fn prepare_and_acquire(
    request: &StartRequest,
    cancellation: Cancellation,
    observer: &mut dyn Observer,
) -> Result<AcquiredStart, NotStarted> {
    // First: its error about the process table is clearer than later ones.
    let mut machine = RealHost::new(request.scan_request()).map_err(cannot_scan)?;
    let opened = OpenedLocks::open(&request.locks)?;
    let purpose = request.config.policy.purpose;
    if purpose == Purpose::Start {
        warn_of_private_folder(opened.lock_set.state_dir());
    }
    run_check(request, &cancellation)?;
    let poller = match cancellation {
        Cancellation::Signals => Poller::for_signals().map_err(cannot_scan)?,
        Cancellation::Program(poller) => poller,
    };
    machine.poller = Some(&poller);
    machine.requests.purpose = purpose;
    // After signals are blocked, so that the request's thread does not receive any.
    let preflight = match purpose {
        Purpose::Start => {
            Preflight::begin(&request.config.settings.telegram, request.tokens.mine.as_ref())
        }
        Purpose::Stop => None,
    };
    let acquired = acquire_locks(request, &mut machine, opened, preflight, observer)?;
    let (watch, cleanup) = machine.into_watch_and_cleanup();
    Ok(AcquiredStart { acquired, poller, watch, cleanup })
}

fn warn_of_private_folder(state_dir: &StateDir) {
    if let Some(private) = private_folder(state_dir.folder().path()) {
        warn!("{}; {}", private.problem(), private.hint());
    }
}

/// Runs `[check]`, which may create the script that COMMAND names.
fn run_check(request: &StartRequest, cancellation: &Cancellation) -> Result<(), Error> {
    let Some(check) = request.check() else { return Ok(()) };
    check_command::run(check, cancellation)?;
    request.command.as_ref().map_or(Ok(()), Command::require_script)
}

/// Makes attempts until one succeeds; reopens replaced locks. After an error nothing is left
/// behind.
pub fn acquire_locks(
    request: &StartRequest,
    host: &mut dyn StartHost,
    mut opened: OpenedLocks,
    mut preflight: Option<Preflight>,
    observer: &mut dyn Observer,
) -> Result<AcquiredLocks, NotStarted> {
    let began = host.now();
    let mut progress = AttemptState::default();
    for _ in 0..MAX_REPLACEMENTS {
        let OpenedLocks { lock_set, files, ticket } = opened;
        let first_lock = lock_set.open_first_lock()?;
        host.watch_state_dir(Arc::clone(lock_set.state_dir()), &lock_set.folders(), first_lock);
        debug!(ticket = ticket.0, "drew ticket {ticket}");
        let record = request.record(ticket, &files, host.host_process());
        if let Some(record) = &record {
            lock_set.state_dir().require_room_for(record)?;
        }
        let attempt = Attempt {
            host: &mut *host,
            lock_set: &lock_set,
            policy: &request.config.policy,
            on_young_process: request.on_young_process,
            files,
            record: record.as_ref(),
            preflight: preflight.as_mut(),
            progress: &mut progress,
            observer: &mut *observer,
        };
        let result = attempt.run();
        let history = HistoryWriter::new(host.host_process().clone(), ticket);
        match result {
            Ok(HeldInstance { locks, announcement, mutexes }) => {
                let locks = HeldLocks::new(lock_set, locks, announcement);
                if record.is_none() {
                    history.cleared(locks.state_dir(), std::mem::take(&mut progress.ended));
                }
                return Ok(AcquiredLocks {
                    locks,
                    record,
                    mutexes,
                    follow_up: progress.follow_up(),
                    ended: progress.ended,
                    took: host.now().saturating_sub(began),
                });
            }
            Err(NotStarted::Replaced) => {
                lock_set.state_dir().remove_record(ticket);
                opened = OpenedLocks::open(&request.locks)?;
            }
            Err(mut not_started) => {
                if !progress.ended.is_empty() {
                    not_started = not_started.after_ending_others();
                }
                let state_dir = lock_set.state_dir();
                if record.is_some() {
                    state_dir.remove_record(ticket);
                    history.given_up(state_dir, progress.ended, (request.give_up)(&not_started));
                } else {
                    history.cleared(state_dir, progress.ended);
                }
                return Err(not_started);
            }
        }
    }
    Err(NotStarted::Replaced)
}
