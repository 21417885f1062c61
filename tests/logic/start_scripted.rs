//! Starts on a scripted machine: lock files and state directories are real, processes are scripted,
//! and the clock moves only while the start sleeps.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use tempfile::TempDir;

use monopoll::internals::engine::fact::Fact::Known;
use monopoll::internals::engine::ladder::{StopMode, StopOptions};
use monopoll::internals::engine::policy::Purpose;
use monopoll::internals::engine::process::{Process, ProcessId};
use monopoll::internals::engine::reason::{RefusalCause, RefusalKind};
use monopoll::internals::engine::signal::{Signal, SignalResult, SignalToSend};
use monopoll::internals::engine::signal_sequence::{JobState, Member};
use monopoll::internals::engine::snapshot::{GuardView, LockState, LockView, Snapshot};
use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::engine::token::OwnTokens;
use monopoll::internals::guard::lock_set::OpenedLocks;
use monopoll::internals::guard::not_started::{NotStarted, StartRefusal};
use monopoll::internals::guard::start::{AcquiredLocks, acquire_locks};
use monopoll::internals::guard::start_event::{Observer, StartEvent};
use monopoll::internals::guard::start_request::{OnYoungProcess, OwnPrograms, StartRequest};
use monopoll::internals::scan::command::Command;
use monopoll::internals::scan::lock_views::{DisplacedOwner, LockProbe};
use monopoll::internals::scan::scan_request::{ScanScope, StartState};
use monopoll::internals::state::end_request::{Asker, Request};
use monopoll::internals::state::history_event::{GiveUp, GiveUpCause, HistoryEventKind};
use monopoll::internals::state::lock_file::{HeldLock, LockFile};
use monopoll::internals::state::lock_folder::LockFolder;
use monopoll::internals::state::record::{HostProcess, Record, RecordStage};
use monopoll::internals::state::state_dir::StateDir;
use monopoll::internals::sys::machine::poll::Poller;
use monopoll::internals::sys::machine::process_handle::ProcessHandle;
use monopoll::internals::sys::wake::{Interrupted, SleepEnd};
use monopoll::internals::terminate::execute::NotEnded;
use monopoll::internals::terminate::process_control::{AskOutcome, ProcessControl, StartHost};
use monopoll::{Config, Sources};

use crate::fixture::{self, guard, guard_process, same_command};

const SECOND: Duration = Duration::from_secs(1);

/// A process of the script.
struct Actor {
    process: Process,
    /// The time from SIGTERM to its end; `None` if it ignores SIGTERM.
    ends_after: Option<Duration>,
    begins_at: Duration,
    ends_at: Duration,
    guard: Option<GuardView>,
}

impl Actor {
    fn new(process: Process) -> Actor {
        Actor {
            process,
            ends_after: Some(SECOND),
            begins_at: Duration::ZERO,
            ends_at: Duration::MAX,
            guard: None,
        }
    }

    /// Returns a guard that ends its tree one second after a request.
    fn guard(pid: u32, ticket: u64) -> Actor {
        let view = guard(Some(pid), Some(ticket));
        Actor { guard: Some(view), ..Actor::new(guard_process(pid)) }
    }

    fn lives_at(&self, now: Duration) -> bool {
        self.begins_at <= now && now < self.ends_at
    }
}

/// A scripted event on the machine.
type Incident = (Duration, Box<dyn FnMut()>);

struct Script {
    now: Cell<Duration>,
    me: HostProcess,
    actors: Vec<Actor>,
    incidents: Vec<Incident>,
    interrupt_at: Duration,
    answer: AskOutcome,
    displaced: DisplacedOwner,
    sent: Vec<(u32, SignalToSend)>,
    asked: Vec<u32>,
    scopes: Vec<ScanScope>,
    /// A process, and the scan that misses it, from 1.
    missed: Option<(u32, usize)>,
    /// The process that what was signaled may have started at its end.
    late: Option<u32>,
}

impl Script {
    fn new(actors: Vec<Actor>) -> Script {
        let process = ProcessId { pid: fixture::MY_PID, start: 7 };
        Script {
            now: Cell::new(SECOND),
            me: HostProcess { boot: "this-boot".to_owned(), pid_namespace: 1, process },
            actors,
            incidents: Vec::new(),
            interrupt_at: Duration::MAX,
            answer: AskOutcome::Acknowledged,
            displaced: DisplacedOwner::Gone,
            sent: Vec::new(),
            asked: Vec::new(),
            scopes: Vec::new(),
            missed: None,
            late: None,
        }
    }

    fn living_actors(&self) -> impl Iterator<Item = &Actor> {
        self.actors.iter().filter(|actor| actor.lives_at(self.now.get()))
    }

    fn is_alive(&self, id: ProcessId) -> bool {
        self.living_actors().any(|actor| actor.process.id == id)
    }

    /// Advances the clock to the next event, at most to `until`.
    fn pass_time(&self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted> {
        let now = self.now.get();
        let ends = self.living_actors().filter(|actor| ends_of.contains(&actor.process.id));
        let incidents = self.incidents.iter().map(|(at, _)| *at).filter(|at| *at > now);
        let next = ends.map(|actor| actor.ends_at).chain(incidents).chain([until]).min();
        let next = next.unwrap_or(until);
        if self.interrupt_at <= next {
            return Err(Interrupted(15));
        }
        assert!(next < Duration::MAX, "nothing would ever wake this start");
        self.now.set(next.max(now));
        Ok(())
    }

    fn let_things_happen(&mut self) {
        let now = self.now.get();
        for (at, happens) in &mut self.incidents {
            if *at <= now {
                happens();
                *at = Duration::MAX;
            }
        }
    }

    fn end(&mut self, id: ProcessId, at: Duration) {
        for actor in self.actors.iter_mut().filter(|actor| actor.process.id == id) {
            actor.ends_at = actor.ends_at.min(at);
        }
    }
}

impl ProcessControl for Script {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member> {
        let known = known.iter().filter(|id| self.is_alive(**id));
        known.map(|id| Member { id: *id, parent: 1, job_state: JobState::Running }).collect()
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        let now = self.now.get();
        let Some(actor) = self.living_actors().find(|actor| actor.process.id == to) else {
            return SignalResult::Gone;
        };
        let end = match signal {
            SignalToSend::Kill => Some(Duration::ZERO),
            SignalToSend::Signal(_) => actor.ends_after,
            SignalToSend::Continue => None,
        };
        self.sent.push((to.pid, signal));
        if let Some(after) = end {
            self.end(to, now + after);
        }
        SignalResult::Delivered
    }

    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted> {
        self.pass_time(ends_of, until)?;
        self.let_things_happen();
        Ok(())
    }

    fn ask(&mut self, guard: &GuardView, _: StopOptions) -> Result<AskOutcome, Interrupted> {
        let id = guard.process.unwrap();
        self.asked.push(id.pid);
        if self.answer == AskOutcome::Acknowledged {
            self.end(id, self.now.get() + SECOND);
        }
        Ok(self.answer)
    }

    fn has_signed_off(&mut self, _lock: Option<&Path>) -> bool {
        self.living_actors().all(|actor| !self.asked.contains(&actor.process.id.pid))
    }

    fn has_left(&mut self, lock: Option<&Path>) -> bool {
        self.has_signed_off(lock)
    }
}

impl StartHost for Script {
    fn host_process(&self) -> &HostProcess {
        &self.me
    }

    fn poller(&self) -> Option<&Poller> {
        None
    }

    fn snapshot(
        &mut self,
        locks: &[LockProbe<'_>],
        _: Option<&StateDir>,
        state: &StartState,
        scope: ScanScope,
    ) -> io::Result<Snapshot> {
        self.let_things_happen();
        self.scopes.push(scope);
        let scan = self.scopes.len();
        let is_seen = |process: &Process| self.missed != Some((process.id.pid, scan));
        let processes: Vec<Process> =
            self.living_actors().map(|actor| actor.process.clone()).filter(is_seen).collect();
        let holders: Vec<u32> = processes
            .iter()
            .filter(|process| process.holds_lock == Known(true))
            .map(|process| process.id.pid)
            .collect();
        let lock = |probe: &LockProbe<'_>| match probe {
            LockProbe::Mine(lock) => {
                LockView { path: lock.path().to_owned(), state: LockState::Mine }
            }
            LockProbe::Missing(path) => {
                LockView { path: path.to_path_buf(), state: LockState::Free }
            }
            LockProbe::Open(lock) | LockProbe::Taken(lock) => {
                let state = if holders.is_empty() {
                    LockState::Free
                } else {
                    LockState::Held(holders.clone())
                };
                LockView { path: lock.path().to_owned(), state }
            }
        };
        let mut snapshot = fixture::snapshot(processes.clone());
        snapshot.locks = locks.iter().map(lock).collect();
        snapshot.guards = self.living_actors().filter_map(|actor| actor.guard.clone()).collect();
        snapshot.me.ticket = state.ticket;
        snapshot.waited = state.waited;
        snapshot.rounds = state.rounds.clone();
        Ok(snapshot)
    }

    fn snapshot_of_guard(
        &self,
        _: &Path,
        _: &Record,
        _: &StartState,
    ) -> Option<(Snapshot, Option<ProcessHandle>)> {
        None
    }

    fn started_at_end(&mut self) -> io::Result<Option<ProcessId>> {
        let late = self.living_actors().find(|actor| self.late == Some(actor.process.id.pid));
        Ok(late.map(|actor| actor.process.id))
    }

    fn displaced_by(&self, _: &Record, _: &[HeldLock]) -> DisplacedOwner {
        self.displaced
    }

    fn watch_state_dir(&mut self, _: Arc<StateDir>, _: &[&Path], _: Option<LockFile>) {}

    fn watch_locks(&mut self, _: &[LockFile], _: &BTreeSet<ProcessId>) -> bool {
        true
    }

    fn notices_closes(&self) -> bool {
        true
    }

    fn is_free(&self, _: &LockFile) -> bool {
        self.living_actors().all(|actor| actor.process.holds_lock != Known(true))
    }

    fn watch_process(&mut self, _: ProcessHandle) {}

    fn retain_living(&self, processes: &mut BTreeSet<ProcessId>) {
        processes.retain(|id| self.is_alive(*id));
    }

    fn sleep_on_locks(
        &self,
        ends_of: &BTreeSet<ProcessId>,
        until: Duration,
    ) -> Result<SleepEnd, Interrupted> {
        self.pass_time(ends_of, until)?;
        Ok(SleepEnd::Otherwise)
    }
}

/// The events of a start, one word each.
#[derive(Default)]
struct EventLog(Vec<&'static str>);

impl Observer for EventLog {
    fn interval(&self) -> Duration {
        10 * SECOND
    }

    fn on_event(&mut self, event: &StartEvent<'_>) {
        self.0.push(match event {
            StartEvent::Scanned { .. } | StartEvent::Terminate(_) => return,
            StartEvent::Queued => "queued",
            StartEvent::Waiting(_) => "waiting",
            StartEvent::Acting(_) => "acting",
            StartEvent::Reminder => "still",
            StartEvent::Clear(_) => "clear",
        });
    }
}

/// The lock folder and configuration of one test.
struct Scene {
    folder: TempDir,
    request: StartRequest,
}

fn give_up(not_started: &NotStarted) -> GiveUp {
    let cause = match not_started {
        NotStarted::Refused(_) => GiveUpCause::Policy,
        NotStarted::Superseded => GiveUpCause::Superseded,
        NotStarted::Interrupted(_) => GiveUpCause::Interrupted,
        NotStarted::Replaced | NotStarted::Failed(_) => GiveUpCause::Failed,
    };
    GiveUp { cause, why: "as the test says".to_owned() }
}

impl Scene {
    fn new(settings: &[&str]) -> Scene {
        let folder = tempfile::Builder::new().prefix("monopoll-").tempdir().unwrap();
        let lock = folder.path().join("locks/x.lock");
        let set = [format!("lock.paths=['{}']", lock.display()), "instance=x".to_owned()];
        let set = set.into_iter().chain(settings.iter().map(|set| (*set).to_owned())).collect();
        let cwd = folder.path().to_owned();
        let config = Config::load(&Sources { set, cwd: cwd.clone(), ..Sources::default() });
        let command = Command::find(vec!["sh".into()], cwd).unwrap();
        let request = StartRequest {
            config: config.unwrap(),
            instance: "x".parse().unwrap(),
            command: Some(command),
            tokens: OwnTokens::default(),
            user: fixture::user("bot"),
            locks: vec![lock],
            programs: OwnPrograms::default(),
            give_up,
            on_young_process: OnYoungProcess::Decide,
        };
        Scene { folder, request }
    }

    fn locks(&self) -> PathBuf {
        self.folder.path().join("locks")
    }

    fn start(&self, script: &mut Script) -> (Result<AcquiredLocks, NotStarted>, Vec<&'static str>) {
        let mut events = EventLog::default();
        let opened = OpenedLocks::open(&self.request.locks).unwrap();
        let result = acquire_locks(&self.request, script, opened, None, &mut events);
        (result, events.0)
    }

    fn state_dir(&self) -> StateDir {
        let folder = LockFolder::open_existing(&self.locks());
        StateDir::new(folder.unwrap().unwrap().into(), "x.lock")
    }

    fn lock_is_free(&self) -> bool {
        let folder = LockFolder::open_existing(&self.locks());
        let file = LockFile::open_or_create(&folder.unwrap().unwrap(), "x.lock").unwrap();
        file.try_lock().unwrap().is_ok()
    }

    fn history(&self) -> Vec<HistoryEventKind> {
        self.state_dir().history().into_iter().map(|event| event.kind).collect()
    }

    /// Checks that a failed start leaves nothing behind.
    #[track_caller]
    fn assert_nothing_left(&self) {
        assert!(self.lock_is_free());
        assert_eq!(self.state_dir().record(), None);
    }
}

const TERM: SignalToSend = SignalToSend::Signal(Signal::SigTerm);

#[track_caller]
fn refusal(result: Result<AcquiredLocks, NotStarted>) -> StartRefusal {
    match result {
        Err(NotStarted::Refused(refusal)) => refusal,
        Err(other) => panic!("not refused: {other:?}"),
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn without_a_conflict_it_scans_twice_and_holds_lock_and_record() {
    let scene = Scene::new(&[]);
    let mut script = Script::new(Vec::new());
    let (result, events) = scene.start(&mut script);
    let acquired = result.unwrap();
    assert_eq!(events, ["clear"]);
    assert_eq!(script.scopes, [ScanScope::All, ScanScope::Conflicts]);
    assert!(!scene.lock_is_free());
    let record = scene.state_dir().record().unwrap();
    assert_eq!((record.stage, Some(&record)), (RecordStage::Starting, acquired.record.as_ref()));
    drop(acquired);
    assert!(scene.lock_is_free());
}

#[test]
fn a_refusal_signals_nothing_and_leaves_nothing_but_a_line_in_the_history() {
    let scene = Scene::new(&["on_conflict=refuse"]);
    let mut script = Script::new(vec![Actor::new(same_command(5))]);
    let (result, events) = scene.start(&mut script);
    let refusal = refusal(result);
    assert_eq!(refusal.kind(), RefusalKind::Policy);
    assert_eq!(
        NotStarted::Refused(refusal).plan().unwrap().conflicts[0].root.as_ref().unwrap().id.pid,
        5
    );
    assert!(events.is_empty() && script.sent.is_empty());
    scene.assert_nothing_left();
    assert!(matches!(
        scene.history()[..],
        [HistoryEventKind::Refusal { cause: GiveUpCause::Policy, .. }]
    ));
}

#[test]
fn graceful_starts_when_the_conflict_has_ended_and_sends_no_sigkill() {
    let scene = Scene::new(&["on_conflict=graceful"]);
    let bot = Actor { ends_after: Some(3 * SECOND), ..Actor::new(same_command(5)) };
    let mut script = Script::new(vec![bot]);
    let (result, events) = scene.start(&mut script);
    let acquired = result.unwrap();
    assert_eq!(events, ["acting", "clear"]);
    assert_eq!(script.sent, [(5, TERM)]);
    assert!(acquired.took >= 3 * SECOND && acquired.took < 4 * SECOND, "{:?}", acquired.took);
    assert_eq!(acquired.ended.iter().map(|it| it.from_pid).collect::<Vec<_>>(), [Some(5)]);
}

#[test]
fn a_conflict_that_ignores_sigterm_gets_sigkill_when_its_time_is_over() {
    let scene = Scene::new(&["on_conflict=graceful", "timeouts.graceful=7s"]);
    let mut script = Script::new(vec![Actor { ends_after: None, ..Actor::new(same_command(5)) }]);
    let (result, _) = scene.start(&mut script);
    let acquired = result.unwrap();
    assert_eq!(script.sent, [(5, TERM), (5, SignalToSend::Kill)]);
    assert!(acquired.took >= 7 * SECOND, "{:?}", acquired.took);
}

#[test]
fn without_escalation_a_conflict_that_outlives_graceful_refuses_the_start() {
    let scene = Scene::new(&["on_conflict=graceful", "kill.escalate=false"]);
    let mut script = Script::new(vec![Actor { ends_after: None, ..Actor::new(same_command(5)) }]);
    let (result, _) = scene.start(&mut script);
    assert!(matches!(refusal(result), StartRefusal::NotEnded { .. }));
    assert_eq!(script.sent, [(5, TERM)]);
    scene.assert_nothing_left();
}

#[test]
fn what_a_conflict_started_at_its_end_is_waited_for_and_refuses_the_start_if_it_stays() {
    for (ends_at, starts) in [(6 * SECOND, true), (Duration::MAX, false)] {
        let scene = Scene::new(&["on_conflict=graceful"]);
        let late = Actor { begins_at: 2 * SECOND, ends_at, ..Actor::new(fixture::process(6)) };
        let mut script = Script::new(vec![Actor::new(same_command(5)), late]);
        script.late = Some(6);
        let (result, _) = scene.start(&mut script);
        assert_eq!(script.sent, [(5, TERM)]);
        if starts {
            assert!(result.unwrap().took >= 5 * SECOND);
            continue;
        }
        let refusal = refusal(result);
        let StartRefusal::NotEnded { why, .. } = &refusal else { panic!("{refusal:?}") };
        assert_eq!(*why, NotEnded::StartedAtEnd { pid: 6 });
        scene.assert_nothing_left();
    }
}

#[test]
fn a_newcomer_in_the_second_scan_is_decided_again() {
    let scene = Scene::new(&["on_conflict=graceful"]);
    let newcomer = Actor { begins_at: 2 * SECOND, ..Actor::new(same_command(6)) };
    let mut script = Script::new(vec![Actor::new(same_command(5)), newcomer]);
    let (result, events) = scene.start(&mut script);
    assert!(result.is_ok());
    assert_eq!(script.sent, [(5, TERM), (6, TERM)]);
    assert_eq!(events, ["acting", "acting", "clear"]);
}

#[test]
fn what_comes_back_after_the_second_round_refuses_the_start() {
    let scene = Scene::new(&["on_conflict=graceful"]);
    // A loop with pid 40 starts each process when the previous one has ended.
    let again = |pid: u32, begins: u32| Actor {
        begins_at: begins * SECOND,
        process: fixture::child_of(40, same_command(pid)),
        ..Actor::new(same_command(pid))
    };
    let mut script = Script::new(vec![again(5, 0), again(6, 2), again(7, 3)]);
    let (result, _) = scene.start(&mut script);
    let refusal = refusal(result);
    let not_started = NotStarted::Refused(refusal);
    let cause = fixture::cause(not_started.plan().unwrap());
    assert!(matches!(cause, RefusalCause::ComesBack { .. }), "{cause:?}");
    assert_eq!(script.sent, [(5, TERM), (6, TERM)]);
    scene.assert_nothing_left();
}

#[test]
fn a_wait_starts_when_the_holder_ends_by_itself() {
    let scene = Scene::new(&["on_conflict=wait", "timeouts.wait=60s"]);
    let holder = Process { holds_lock: Known(true), ..same_command(5) };
    let mut script = Script::new(vec![Actor { ends_at: 31 * SECOND, ..Actor::new(holder) }]);
    let (result, events) = scene.start(&mut script);
    assert!(result.is_ok() && script.sent.is_empty());
    assert_eq!(events, ["waiting", "still", "still", "clear"]);
    assert_eq!(script.now.get(), 31 * SECOND);
}

#[test]
fn a_successor_that_the_scan_after_a_wait_misses_is_found_by_the_next_one() {
    let scene = Scene::new(&["on_conflict=wait", "timeouts.wait=60s"]);
    let first = Actor { ends_at: 31 * SECOND, ..Actor::new(same_command(5)) };
    let (begins_at, ends_at) = (31 * SECOND, 40 * SECOND);
    let successor = Actor { begins_at, ends_at, ..Actor::new(same_command(6)) };
    let mut script = Script::new(vec![first, successor]);
    script.missed = Some((6, 2));
    let (result, _) = scene.start(&mut script);
    assert!(result.is_ok());
    assert_eq!(script.now.get(), 40 * SECOND);
}

#[test]
fn a_wait_that_runs_out_does_what_after_wait_says() {
    for (after_wait, expected) in [("refuse", None), ("graceful", Some(TERM))] {
        let scene = Scene::new(&[
            "on_conflict=wait",
            "timeouts.wait=20s",
            &format!("after_wait={after_wait}"),
        ]);
        let mut script = Script::new(vec![Actor::new(same_command(5))]);
        let (result, _) = scene.start(&mut script);
        assert_eq!(result.is_ok(), expected.is_some());
        let sent: Vec<_> = script.sent.iter().map(|(_, signal)| *signal).collect();
        assert_eq!(sent, expected.into_iter().collect::<Vec<_>>());
        assert!(script.now.get() >= 21 * SECOND);
    }
}

#[test]
fn a_signal_ends_a_wait_and_leaves_nothing_behind() {
    let scene = Scene::new(&["on_conflict=wait"]);
    let mut script = Script::new(vec![Actor::new(same_command(5))]);
    script.interrupt_at = 9 * SECOND;
    let (result, _) = scene.start(&mut script);
    assert!(matches!(result, Err(NotStarted::Interrupted(15))));
    scene.assert_nothing_left();
    assert!(matches!(
        scene.history()[..],
        [HistoryEventKind::Refusal { cause: GiveUpCause::Interrupted, .. }]
    ));
}

#[test]
fn a_guard_is_asked_and_not_signaled() {
    let scene = Scene::new(&["on_conflict=graceful"]);
    let mut script = Script::new(vec![Actor::guard(5, 0)]);
    let (result, _) = scene.start(&mut script);
    assert!(result.is_ok());
    assert_eq!((script.asked, script.sent), (vec![5], Vec::new()));
}

#[test]
fn a_guard_that_does_not_answer_is_signaled_like_any_other() {
    let scene = Scene::new(&["on_conflict=graceful"]);
    let mut script = Script::new(vec![Actor::guard(5, 0)]);
    script.answer = AskOutcome::NoAnswer;
    let (result, _) = scene.start(&mut script);
    assert!(result.is_ok());
    assert_eq!((script.asked, script.sent), (vec![5], vec![(5, TERM)]));
}

#[test]
fn a_guard_that_cannot_be_asked_refuses_the_start() {
    let scene = Scene::new(&["on_conflict=graceful"]);
    let mut script = Script::new(vec![Actor::guard(5, 0)]);
    script.answer = AskOutcome::NotAsked(io::ErrorKind::StorageFull);
    let (result, _) = scene.start(&mut script);
    assert!(matches!(refusal(result), StartRefusal::NotEnded { .. }));
    assert!(script.sent.is_empty());
    scene.assert_nothing_left();
}

#[test]
fn a_newer_guard_is_never_ended() {
    for action in ["graceful", "force"] {
        let scene = Scene::new(&[&format!("on_conflict={action}")]);
        let mut script = Script::new(vec![Actor::guard(5, 1_000)]);
        let (result, _) = scene.start(&mut script);
        assert_eq!(refusal(result).kind(), RefusalKind::Superseded);
        assert!(script.sent.is_empty() && script.asked.is_empty());
        scene.assert_nothing_left();
    }
}

#[test]
fn a_folder_that_is_replaced_meanwhile_is_opened_anew() {
    let scene = Scene::new(&["on_conflict=graceful"]);
    let mut script =
        Script::new(vec![Actor { ends_after: Some(9 * SECOND), ..Actor::new(same_command(5)) }]);
    let locks = scene.locks();
    script.incidents.push((
        4 * SECOND,
        Box::new(move || fs::rename(&locks, locks.with_file_name("moved")).unwrap()),
    ));
    let (result, _) = scene.start(&mut script);
    assert!(result.is_ok());
    assert_eq!(script.sent, [(5, TERM)]);
    assert!(!scene.lock_is_free());
    assert_eq!(scene.state_dir().record().unwrap().ticket, Ticket(1));
}

#[test]
fn a_request_that_comes_while_a_respawn_is_awaited_ends_the_start() {
    let scene = Scene::new(&["on_conflict=graceful"]);
    let bot = Actor::new(fixture::child_of(40, same_command(5)));
    let mut script = Script::new(vec![bot]);
    fs::DirBuilder::new().mode(0o700).create(scene.locks()).unwrap();
    let asker = Asker { pid: 77, purpose: Purpose::Start };
    let options = scene.request.config.policy.stop_options(StopMode::Graceful);
    let request = Request::new("newer".to_owned(), Ticket(1), asker, options);
    let to = scene.state_dir();
    script.incidents.push((
        2 * SECOND + Duration::from_millis(100),
        Box::new(move || to.write_request(&request).unwrap()),
    ));
    let (result, _) = scene.start(&mut script);
    assert!(matches!(result, Err(NotStarted::Superseded)), "{:?}", result.err());
    assert!(scene.state_dir().is_acknowledged("newer"));
    scene.assert_nothing_left();
}

#[test]
fn locks_that_a_living_guard_has_lost_are_given_back_once() {
    let scene = Scene::new(&["on_conflict=refuse"]);
    let mut guard = Actor::guard(5, 0);
    guard.process.holds_lock = Known(false);
    guard.ends_at = 2 * SECOND;
    let mut script = Script::new(vec![guard]);
    let (result, _) = scene.start(&mut script);
    assert!(result.is_ok(), "{:?}", result.err());
    assert!(script.now.get() >= 2 * SECOND, "the guard was given a second to take them back");
}
