//! One attempt to start: scan → decide → act → take the locks → scan again → start.
//!
//! The start mutex is held from the first scan until the child runs, but not while waiting. Locks
//! are only taken under this mutex, so two starts never signal the same conflict twice, and a
//! waiter never takes a lock that another start has cleared.

mod acquire_locks;
mod start_mutex;
mod wait;

use std::collections::BTreeSet;
use std::time::Duration;

use acquire_locks::{RecordState, require_in_place};
use start_mutex::{FinalVerdicts, MutexOutcome, StartMutex};

use crate::engine::decide::decide;
use crate::engine::evidence::Evidence;
use crate::engine::plan::{NearMiss, Plan};
use crate::engine::policy::Policy;
use crate::engine::process::{Process, ProcessId};
use crate::engine::reason::Verdict;
use crate::engine::snapshot::Snapshot;
use crate::guard::attempt_state::AttemptState;
use crate::guard::history_writer::EndedLog;
use crate::guard::lock_set::{LockHandles, LockSet};
use crate::guard::not_started::{NotStarted, StartRefusal};
use crate::guard::start_deadlines::{deadline, first_scan_timeout};
use crate::guard::start_event::{Observer, StartEvent};
use crate::guard::start_request::OnYoungProcess;
use crate::scan::announcement::Announcement;
use crate::scan::env_marker::EnvMarker;
use crate::scan::scan_request::{ScanScope, StartState};
use crate::state::lock_file::{HeldLock, LockFile};
use crate::state::record::Record;
use crate::sys::file_mutex::FileMutex;
use crate::sys::machine::poll::Poller;
use crate::telegram::{Preflight, WebhookRemoval};
use crate::terminate::execute::{self, ExecuteError, NotEnded, TerminateLimits};
use crate::terminate::process_control::StartHost;

/// A plan older than this is not carried out.
const OUTDATED: Duration = Duration::from_millis(50);

/// A process that becomes a start does so within this time.
const YOUNG: Duration = Duration::from_secs(3);

/// The interval of scans while a young process may become a start.
const RESCAN_INTERVAL: Duration = Duration::from_millis(25);

/// The result of a successful attempt.
pub(super) struct HeldInstance {
    pub(super) locks: Vec<HeldLock>,
    pub(super) announcement: Option<Announcement>,
    pub(super) mutexes: StartMutexes,
}

pub(super) struct StartMutexes {
    /// Held until the child runs.
    _start: StartMutex,
    /// Held by the first start that waits for a guard. Released after the start mutex.
    _queue: Option<FileMutex>,
}

pub(super) struct Attempt<'a> {
    pub(super) host: &'a mut dyn StartHost,
    pub(super) lock_set: &'a LockSet,
    pub(super) policy: &'a Policy,
    pub(super) on_young_process: OnYoungProcess,
    pub(super) files: Vec<LockFile>,
    /// The record to write once the locks are held. `None` for a stop, which starts nothing and
    /// counts as newer than every guard.
    pub(super) record: Option<&'a Record>,
    pub(super) preflight: Option<&'a mut Preflight>,
    pub(super) progress: &'a mut AttemptState,
    pub(super) observer: &'a mut dyn Observer,
}

impl Attempt<'_> {
    pub(super) fn run(mut self) -> Result<HeldInstance, NotStarted> {
        let outcome = self.acquire();
        // After the folder was removed, any other error only follows from that.
        if matches!(outcome, Err(NotStarted::Failed(_))) && !self.lock_set.is_in_place() {
            Err(NotStarted::Replaced)
        } else {
            outcome
        }
    }

    fn acquire(&mut self) -> Result<HeldInstance, NotStarted> {
        let first =
            first_scan_timeout(self.policy).map(|time| self.host.now().saturating_add(time));
        let until = self.progress.until.or(first);
        let mut start_mutex = match self.take_start_mutex(until, FinalVerdicts::Refuse)? {
            MutexOutcome::Held(start_mutex) => start_mutex,
            MutexOutcome::DecidedByGuard(plan) => return Err(plan.into()),
        };
        let mut locks = LockHandles::Open(std::mem::take(&mut self.files), None);
        let mut announcement = None;
        let mut clear_scans = 0;
        let mut listed = None;
        loop {
            // Trying a lock is more reliable than the kernel's list. Acquired locks are kept unless
            // the plan refuses or waits.
            locks = self.take_locks(locks)?;
            if let LockHandles::Held(held) = &locks {
                // Before it is known that no other start has created a new lock file: a later one
                // finds the announcement.
                if announcement.is_none() {
                    announcement = self.announce();
                }
                require_in_place(held)?;
                if let Some(at) = self.progress.rescan_at.take() {
                    self.wait_for_respawn(at, held)?;
                }
            }
            let scanned_at = self.host.now();
            // The first scan also finds what is only listed, which is reported once the start goes
            // through.
            let scope = if listed.is_some() { ScanScope::Conflicts } else { ScanScope::All };
            let snapshot = self.scan(&locks, scope)?;
            if let LockHandles::Held(held) = &locks
                && self.belong_to_a_guard(held, &snapshot)
            {
                announcement = None;
                locks = self.give_back_to_guard(locks)?;
                clear_scans = 0;
                continue;
            }
            let mut plan = self.decide(&snapshot, &mut listed, scanned_at);
            if self.wait_for_young_processes(&plan)? == Freshness::Outdated {
                // Until it becomes a start, a young process may be listed, too.
                listed = None;
                continue;
            }
            if self.ask_telegram(&mut plan, scanned_at)? == Freshness::Outdated {
                continue;
            }
            match plan.verdict() {
                Verdict::Refuse(_) => return Err(Box::new(plan).into()),
                Verdict::Wait => {
                    announcement = None;
                    let files = locks.release()?;
                    drop(start_mutex);
                    start_mutex = self.wait(plan, &files)?;
                    locks = LockHandles::Open(files, None);
                    clear_scans = 0;
                }
                Verdict::Act => {
                    self.act(&plan, &snapshot)?;
                    // What was ended is gone, so the next scan sees what it has started.
                    clear_scans = 1;
                }
                Verdict::Clear => match locks {
                    // One scan can miss a bot that starts another one and ends meanwhile. The
                    // second one, with the locks held, proves that no conflict has appeared.
                    LockHandles::Held(held) if clear_scans > 0 => {
                        if let Some(process) = self.host.started_at_end()? {
                            self.wait_for_end(process)?;
                            locks = LockHandles::Held(held);
                            continue;
                        }
                        if self.finish(&held, &plan)? == Freshness::Fresh {
                            let queue = self.progress.queue.take();
                            let mutexes = StartMutexes { _start: start_mutex, _queue: queue };
                            return Ok(HeldInstance { locks: held, announcement, mutexes });
                        }
                        locks = LockHandles::Held(held);
                    }
                    LockHandles::Held(_) | LockHandles::Open(..) => clear_scans += 1,
                },
            }
        }
    }

    /// Announces this start, unless it is a stop, which starts nothing.
    fn announce(&self) -> Option<Announcement> {
        let record = self.record?;
        Announcement::new(&EnvMarker {
            instance: record.instance.clone(),
            ticket: record.ticket,
            guard: record.holder.process,
            lock: self.lock_set.first_lock_path()?,
        })
    }

    /// Decides on the snapshot, and keeps the processes that the first scan listed.
    fn decide(
        &mut self,
        snapshot: &Snapshot,
        listed: &mut Option<ListedProcesses>,
        scanned_at: Duration,
    ) -> Plan {
        let mut plan = decide(self.policy, snapshot);
        let took = self.host.now().saturating_sub(scanned_at);
        self.observer.on_event(&StartEvent::Scanned { snapshot, plan: &plan, took });
        let listed = listed.get_or_insert_with(|| ListedProcesses {
            suspects: plan.suspects.clone(),
            near_misses: plan.near_misses.clone(),
        });
        plan.suspects.clone_from(&listed.suspects);
        plan.near_misses.clone_from(&listed.near_misses);
        plan
    }

    /// Waits for the end of a process that a conflict may have started at its end.
    fn wait_for_end(&mut self, process: ProcessId) -> Result<(), NotStarted> {
        let until = self.progress.until.unwrap_or_default();
        let mut living = BTreeSet::from([process]);
        loop {
            self.host.retain_living(&mut living);
            if living.is_empty() {
                return Ok(());
            }
            if self.host.now() >= until {
                let why = NotEnded::StartedAtEnd { pid: process.pid };
                let refusal = StartRefusal::NotEnded { why, process: None };
                return Err(NotStarted::Refused(refusal));
            }
            self.host.sleep(&living, until)?;
        }
    }

    /// Sleeps for a moment if the plan is about processes that may be about to become starts. Not
    /// longer than that takes in all: a bot that is restarted again and again is always young.
    fn wait_for_young_processes(&mut self, plan: &Plan) -> Result<Freshness, NotStarted> {
        let young = match self.on_young_process {
            OnYoungProcess::Decide => return Ok(Freshness::Fresh),
            OnYoungProcess::Rescan => young_processes(plan),
        };
        let now = self.host.now();
        let deadline = *self.progress.young_until.get_or_insert(now.saturating_add(YOUNG));
        if young.is_empty() || now >= deadline {
            return Ok(Freshness::Fresh);
        }
        // Nothing wakes a process when another one executes a program.
        self.host.sleep(&young, now.saturating_add(RESCAN_INTERVAL))?;
        Ok(Freshness::Outdated)
    }

    /// Finishes the start with the locks held, unless doing so outdates the plan.
    fn finish(&mut self, held: &[HeldLock], plan: &Plan) -> Result<Freshness, NotStarted> {
        if self.finish_with_telegram()? == Freshness::Outdated
            || self.write_record(held)? == RecordState::Contested
        {
            return Ok(Freshness::Outdated);
        }
        require_in_place(held)?;
        // A Ctrl-C that arrived before COMMAND exists did not reach it.
        if let Some(interrupted) = self.host.poller().and_then(Poller::interruption) {
            return Err(interrupted.into());
        }
        held.iter().for_each(HeldLock::mark_used);
        self.progress.suspects = plan.suspects.iter().map(|suspect| suspect.id).collect();
        self.observer.on_event(&StartEvent::Clear(plan));
        Ok(Freshness::Fresh)
    }

    /// Refuses the plan if Telegram's answer requires that. Skips waiting for the answer if the
    /// plan is already refused.
    fn ask_telegram(
        &mut self,
        plan: &mut Plan,
        scanned_at: Duration,
    ) -> Result<Freshness, NotStarted> {
        let Some(preflight) = self.preflight.as_deref_mut().filter(|_| plan.refusal.is_none())
        else {
            return Ok(Freshness::Fresh);
        };
        let is_new = !preflight.has_answer();
        match preflight.refusal(self.host.poller())? {
            Some(objection) => plan.refuse(objection),
            None if is_new && self.host.now().saturating_sub(scanned_at) >= OUTDATED => {
                return Ok(Freshness::Outdated);
            }
            None => {}
        }
        Ok(Freshness::Fresh)
    }

    /// Sends the last request to Telegram while the locks are held.
    fn finish_with_telegram(&mut self) -> Result<Freshness, NotStarted> {
        let Some(preflight) = self.preflight.as_deref_mut() else {
            return Ok(Freshness::Fresh);
        };
        match preflight.delete_webhook(self.host.poller())? {
            WebhookRemoval::NotTried => Ok(Freshness::Fresh),
            WebhookRemoval::Tried => Ok(Freshness::Outdated),
        }
    }

    pub(super) fn state(&self) -> StartState {
        let waited = self
            .progress
            .waiting_since
            .map_or(Duration::ZERO, |since| self.host.now().saturating_sub(since));
        StartState {
            ticket: self.record.map(|record| record.ticket),
            waited,
            rounds: self.progress.rounds.clone(),
        }
    }

    fn scan(&mut self, locks: &LockHandles, scope: ScanScope) -> Result<Snapshot, NotStarted> {
        let state = self.state();
        let state_dir = self.lock_set.state_dir();
        let mut snapshot = self.host.snapshot(&locks.probes(), Some(state_dir), &state, scope)?;
        if matches!(locks, LockHandles::Open(..))
            || !(snapshot.processes.is_empty() && snapshot.guards.is_empty())
        {
            // Without processes there is no conflict, and the history is not needed.
            snapshot.history.attempts = state_dir.takeover_attempts(self.host.host_process());
        }
        Ok(snapshot)
    }

    fn act(&mut self, plan: &Plan, snapshot: &Snapshot) -> Result<(), NotStarted> {
        let now = self.host.now();
        let until = *self.progress.until.get_or_insert_with(|| deadline(plan, now));
        self.observer.on_event(&StartEvent::Acting(plan));
        let limits = TerminateLimits { until, reminder_interval: self.observer.interval() };
        let mut ended = EndedLog::begin(now);
        let observer = &mut *self.observer;
        let mut on_event = |event| {
            ended.note(event);
            observer.on_event(&StartEvent::Terminate(event));
        };
        let outcome = execute::execute(self.host, plan, limits, &mut on_event);
        self.progress.ended.extend(ended.conflicts(plan));
        match outcome {
            Ok(()) => {}
            // No guard reads requests in a removed folder.
            Err(ExecuteError::NotEnded(NotEnded::NotAsked { .. }))
                if !self.lock_set.is_in_place() =>
            {
                return Err(NotStarted::Replaced);
            }
            Err(ExecuteError::NotEnded(why)) => {
                return Err(NotStarted::Refused(StartRefusal::not_ended(why, plan)));
            }
            Err(ExecuteError::Interrupted(interrupted)) => return Err(interrupted.into()),
        }
        self.progress.record_ended(plan, snapshot, self.host.now());
        Ok(())
    }
}

/// Returns the unguarded processes that run the same command and have just begun.
fn young_processes(plan: &Plan) -> BTreeSet<ProcessId> {
    let unguarded = plan.conflicts.iter().filter(|conflict| {
        conflict.guard.is_none() && conflict.evidence.contains(&Evidence::Command)
    });
    let is_young = |process: &&Process| process.age.known().is_some_and(|age| *age < YOUNG);
    let roots = unguarded.filter_map(|conflict| conflict.root.as_ref());
    roots.filter(is_young).map(|process| process.id).collect()
}

/// The processes that a start lists but does not touch.
struct ListedProcesses {
    suspects: Vec<Process>,
    near_misses: Vec<NearMiss>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Fresh,
    Outdated,
}
