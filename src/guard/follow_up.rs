//! Scans again for a while after a start: for what may come back after a takeover (S13), and for
//! suspects that turn out to poll.
//!
//! A separate thread does this, and only if there is something to look for, because the guard has
//! to forward signals and answer requests.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tracing::{debug, warn};

use crate::engine::decide::decide;
use crate::engine::fact::Fact;
use crate::engine::plan::Plan;
use crate::engine::policy::Policy;
use crate::engine::process::{Launcher, ProcessId, Relation};
use crate::engine::reason::{RefusalCause, Verdict};
use crate::engine::respawn::EarlierRounds;
use crate::engine::snapshot::Snapshot;
use crate::engine::ticket::Ticket;
use crate::guard::copy_scans::{CopyScans, TIMES};
use crate::guard::follow_up_event::{FollowUpEvent, OnFollowUp, Reporter};
use crate::guard::history_writer::{EndedLog, HistoryWriter};
use crate::guard::lock_monitor::LockMonitor;
use crate::guard::second_copy::CopyAlarm;
use crate::guard::start_request::StartRequest;
use crate::scan::scan_request::{ScanRequest, ScanScope, StartState};
use crate::sys::clock;
use crate::terminate::execute::{self, TerminateLimits};
use crate::terminate::process_control::{ProcessControl, StartHost};
use crate::terminate::real_host::RealHost;

/// The processes to look for after a start.
#[derive(Debug, Clone, Default)]
pub struct FollowUp {
    /// What the start has ended.
    pub(super) rounds: EarlierRounds,
    pub(super) suspects: BTreeSet<ProcessId>,
}

/// The scans after a start. The scanning thread ends on drop.
pub(crate) struct FollowUpScans {
    _stop: Option<mpsc::Sender<()>>,
    pub(crate) copies: Option<CopyScans>,
}

impl FollowUp {
    /// Begins the scans; `None` if there is nothing to look for. With an alarm, COMMAND is a child
    /// of this guard.
    pub(super) fn begin(
        self,
        request: &StartRequest,
        monitor: &LockMonitor,
        alarm: Option<CopyAlarm>,
        on_event: OnFollowUp,
    ) -> Option<FollowUpScans> {
        let record = &monitor.record;
        let on_event = Arc::new(Mutex::new(on_event));
        let reporter = || Reporter {
            on_event: Arc::clone(&on_event),
            state_dir: Arc::clone(monitor.locks.state_dir()),
            history: HistoryWriter::new(record.holder.clone(), record.ticket),
        };
        let copies = alarm.and_then(|alarm| {
            let (rounds, suspects) = (self.rounds.clone(), self.suspects.clone());
            CopyScans::new(request, rounds, suspects, alarm, record.ticket, reporter())
        });
        if self.rounds.launchers.is_empty() && self.suspects.is_empty() {
            return copies.map(|it| FollowUpScans { _stop: None, copies: Some(it) });
        }
        let (stop, stopped) = mpsc::channel();
        let mut scans = Scans {
            policy: request.config.policy.clone(),
            ticket: record.ticket,
            rounds: EarlierRounds { launchers: self.rounds.launchers, ..EarlierRounds::default() },
            suspects: self.suspects,
            reporter: reporter(),
        };
        let scan_request = request.scan_request();
        let run = move || scans.run(scan_request, &stopped);
        match thread::Builder::new().name("follow up".to_owned()).spawn(run) {
            Ok(_) => Some(FollowUpScans { _stop: Some(stop), copies }),
            Err(error) => {
                warn!("cannot scan again after this start: no thread ({error})");
                copies.map(|it| FollowUpScans { _stop: None, copies: Some(it) })
            }
        }
    }
}

struct Scans {
    policy: Policy,
    ticket: Ticket,
    rounds: EarlierRounds,
    suspects: BTreeSet<ProcessId>,
    reporter: Reporter,
}

impl Scans {
    fn run(&mut self, request: ScanRequest, stopped: &mpsc::Receiver<()>) {
        let began = clock::monotonic();
        let mut request = Some(request);
        let mut machine = None;
        for time in TIMES {
            let pause = began.saturating_add(time).saturating_sub(clock::monotonic());
            if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            if let Some(request) = request.take() {
                machine = RealHost::new(request).ok();
            }
            let Some(machine) = &mut machine else { return };
            self.scan(machine);
            if self.rounds.launchers.is_empty() && self.suspects.is_empty() {
                return;
            }
        }
    }

    fn scan(&mut self, machine: &mut RealHost<'_>) {
        let state = StartState {
            ticket: Some(self.ticket),
            rounds: self.rounds.clone(),
            ..StartState::default()
        };
        let snapshot = machine.snapshot(&[], None, &state, ScanScope::All);
        machine.end_threads();
        let mut snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => return debug!("cannot scan again: {error}"),
        };
        self.report_suspects(&snapshot);
        keep_returned(&mut snapshot, &self.rounds.launchers);
        let plan = decide(&self.policy, &snapshot);
        match plan.verdict() {
            Verdict::Act => self.act(machine, &plan),
            Verdict::Refuse(_) if comes_back(&plan) => {
                self.reporter.alert(&FollowUpEvent::ComesBack(&plan));
                self.rounds.launchers.clear();
            }
            Verdict::Refuse(_) | Verdict::Wait | Verdict::Clear => {}
        }
    }

    /// Reports suspects that are now connected. They are not ended, because they may be workers of
    /// the bot.
    fn report_suspects(&mut self, snapshot: &Snapshot) {
        for process in &snapshot.processes {
            if process.connected == Fact::Known(true) && self.suspects.remove(&process.id) {
                self.reporter.alert(&FollowUpEvent::Connected(process));
            }
        }
    }

    /// Ends what came back, unless another start is in progress, which will decide itself.
    fn act(&mut self, machine: &mut RealHost<'_>, plan: &Plan) {
        let Reporter { state_dir, history, .. } = &self.reporter;
        let mutex = state_dir.start_mutex().ok();
        let Some(_mutex) = mutex.and_then(|mutex| mutex.wait(Duration::ZERO).ok().flatten()) else {
            return;
        };
        self.reporter.tell(&FollowUpEvent::Ending(plan));
        let mut ended = EndedLog::begin(machine.now());
        let limits = TerminateLimits { until: Duration::MAX, reminder_interval: Duration::MAX };
        let outcome = execute::execute(machine, plan, limits, &mut |event| {
            ended.note(event);
            self.reporter.tell(&FollowUpEvent::Terminate(event));
        });
        if outcome.is_ok() {
            self.rounds.ended_unguarded += 1;
        }
        history.ended_again(state_dir, ended.conflicts(plan));
    }
}

/// Keeps what runs below the launchers of ended conflicts, except this guard's own tree.
fn keep_returned(snapshot: &mut Snapshot, launchers: &BTreeSet<ProcessId>) {
    let is_below = |launcher: &Launcher| launchers.contains(&launcher.id);
    snapshot.processes.retain(|process| {
        !matches!(process.relation, Fact::Known(Relation::Myself | Relation::Descendant))
            && process.launchers.known().is_some_and(|above| above.iter().any(is_below))
    });
    snapshot.guards.clear();
    snapshot.other_guards.clear();
}

fn comes_back(plan: &Plan) -> bool {
    let causes = plan.conflicts.iter().filter_map(|conflict| conflict.refusal.as_ref());
    causes.into_iter().any(|cause| matches!(cause, RefusalCause::ComesBack { .. }))
}
