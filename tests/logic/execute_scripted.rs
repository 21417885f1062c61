//! Executes plans on a scripted machine: exactly the planned steps are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use crate::fixture::{NOT_COMPARED, caller};
use monopoll::internals::engine::action::{AfterWait, OnConflict, SameToken};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact;
use monopoll::internals::engine::ladder::{AfterGraceful, Step, StopOptions, WaitLimit};
use monopoll::internals::engine::likeness::CommandLikeness;
use monopoll::internals::engine::pattern::{CmdlinePattern, ContainerLimit, Pattern, UserLimit};
use monopoll::internals::engine::plan::Plan;
use monopoll::internals::engine::policy::{MatchEntry, Policy, Purpose, Timeouts};
use monopoll::internals::engine::process::{Process, ProcessId, Relation, Role, RunState, User};
use monopoll::internals::engine::reason::Verdict;
use monopoll::internals::engine::respawn::EarlierRounds;
use monopoll::internals::engine::signal::{Signal, SignalResult, SignalToSend};
use monopoll::internals::engine::signal_sequence::{GiveUpReason, JobState, Member};
use monopoll::internals::engine::snapshot::{Caller, GuardView, LockState, LockView, Snapshot};
use monopoll::internals::engine::takeover_limit::TakeoverHistory;
use monopoll::internals::engine::ticket::Ticket;
use monopoll::internals::sys::wake::Interrupted;
use monopoll::internals::terminate::execute::{
    ExecuteError, NotEnded, TerminateEvent, TerminateLimits, execute,
};
use monopoll::internals::terminate::process_control::{AskOutcome, ProcessControl};

const SECOND: Duration = Duration::from_secs(1);

/// A process of the script.
#[derive(Debug, Clone)]
struct Actor {
    parent: u32,
    job_state: JobState,
    /// The time from SIGTERM to its end; `None` if it ignores SIGTERM.
    dies_after: Option<Duration>,
    /// True if even SIGKILL has no effect, because it is stuck in the kernel.
    hangs: bool,
    ends_at: Option<Duration>,
    /// True if a SIGTERM is pending because the process is stopped.
    pending: bool,
}

impl Actor {
    fn new(parent: u32, dies_after: Option<Duration>) -> Actor {
        Actor {
            parent,
            job_state: JobState::Running,
            dies_after,
            hangs: false,
            ends_at: None,
            pending: false,
        }
    }
}

/// A machine whose clock moves only in `sleep`.
#[derive(Debug, Default)]
struct Script {
    now: Duration,
    actors: BTreeMap<ProcessId, Actor>,
    denied: BTreeSet<ProcessId>,
    answer: Option<AskOutcome>,
    /// The time until a requested guard has ended its tree; `None` if it does not.
    guard_ends_after: Option<Duration>,
    /// A requested guard is stopped after its answer, and ends its tree once it is continued.
    guard_stops: bool,
    interrupt_at: Option<Duration>,
    /// The end of each sleep.
    woken: Vec<Duration>,
    sent: Vec<(ProcessId, SignalToSend)>,
    asked: usize,
}

impl Script {
    fn bury(&mut self) {
        let now = self.now;
        let dead: Vec<ProcessId> = self
            .actors
            .iter()
            .filter(|(_, actor)| actor.ends_at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in dead {
            self.actors.remove(&id);
            for orphan in self.actors.values_mut().filter(|actor| actor.parent == id.pid) {
                orphan.parent = 1;
            }
        }
    }
}

impl ProcessControl for Script {
    fn now(&self) -> Duration {
        self.now
    }

    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member> {
        self.bury();
        let mut family: BTreeSet<ProcessId> =
            known.iter().copied().filter(|id| self.actors.contains_key(id)).collect();
        loop {
            let pids: BTreeSet<u32> = family.iter().map(|id| id.pid).collect();
            let before = family.len();
            family.extend(
                self.actors
                    .iter()
                    .filter(|(_, actor)| pids.contains(&actor.parent))
                    .map(|(id, _)| *id),
            );
            if family.len() == before {
                break;
            }
        }
        family
            .into_iter()
            .map(|id| Member {
                id,
                parent: self.actors[&id].parent,
                job_state: self.actors[&id].job_state,
            })
            .collect()
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        if self.denied.contains(&to) {
            return SignalResult::Denied;
        }
        let now = self.now;
        let Some(actor) = self.actors.get_mut(&to) else { return SignalResult::Gone };
        self.sent.push((to, signal));
        let hear = |actor: &mut Actor| {
            if let Some(after) = actor.dies_after {
                actor.ends_at = Some(actor.ends_at.map_or(now + after, |at| at.min(now + after)));
            }
        };
        match signal {
            SignalToSend::Kill if !actor.hangs => actor.ends_at = Some(now),
            SignalToSend::Kill => {}
            SignalToSend::Continue => {
                actor.job_state = JobState::Running;
                if std::mem::take(&mut actor.pending) {
                    hear(actor);
                }
            }
            SignalToSend::Signal(_) if actor.job_state == JobState::Stopped => actor.pending = true,
            SignalToSend::Signal(_) => hear(actor),
        }
        SignalResult::Delivered
    }

    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted> {
        let ends =
            ends_of.iter().filter_map(|id| self.actors.get(id)).filter_map(|actor| actor.ends_at);
        let next = ends.chain([until]).min().unwrap_or(until);
        if let Some(at) = self.interrupt_at
            && at <= next
        {
            return Err(Interrupted(2));
        }
        assert!(next < Duration::MAX, "nothing would ever wake this start");
        self.now = self.now.max(next);
        self.woken.push(self.now);
        self.bury();
        Ok(())
    }

    fn ask(&mut self, _: &GuardView, _: StopOptions) -> Result<AskOutcome, Interrupted> {
        self.asked += 1;
        let answer = self.answer.unwrap_or(AskOutcome::NoAnswer);
        match (answer, self.guard_ends_after) {
            (AskOutcome::Acknowledged, Some(after)) => {
                let at = self.now + after;
                self.actors.values_mut().for_each(|actor| actor.ends_at = Some(at));
            }
            (AskOutcome::Acknowledged, None) if self.guard_stops => {
                for actor in self.actors.values_mut() {
                    (actor.job_state, actor.pending) = (JobState::Stopped, true);
                }
            }
            (AskOutcome::Acknowledged, None) | (AskOutcome::NotAsked(_), _) => {}
            (AskOutcome::NoAnswer, _) => self.now += 2 * SECOND,
        }
        Ok(answer)
    }

    fn has_signed_off(&mut self, _lock: Option<&Path>) -> bool {
        self.actors.is_empty()
    }

    fn has_left(&mut self, _lock: Option<&Path>) -> bool {
        self.actors.is_empty()
    }
}

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start: u64::from(pid) * 10 }
}

fn me() -> User {
    User { id: "1000".into(), name: "bot".into() }
}

fn process(pid: u32, parent: u32, args: &str) -> Process {
    Process {
        id: id(pid),
        parent: Fact::Known(parent),
        name: Fact::Known("python3".into()),
        args: Fact::Known(args.split(' ').map(str::to_owned).collect()),
        user: Fact::Known(me()),
        container: Fact::Known(None),
        state: Fact::Known(RunState::Sleeping),
        age: Fact::Known(SECOND),
        managed_by: Fact::Known(None),
        launchers: Fact::Known(Vec::new()),
        orphaned: Fact::Known(false),
        holds_lock: Fact::Known(false),
        tokens: NOT_COMPARED,
        other_variable: Fact::Known(None),
        command_doubt: Fact::Known(None),
        guard: Fact::Known(None),
        restarts: Fact::Known(false),
        same_program: Fact::Known(true),
        likeness: Fact::Known(CommandLikeness::Different),
        relation: Fact::Known(Relation::None),
        role: Role::Program,
        env_file_bot: Fact::Known(None),
        ..Process::default()
    }
}

fn policy(on_conflict: OnConflict, escalation: AfterGraceful) -> Policy {
    let pattern = Pattern { cmdline: CmdlinePattern::new("main.py").ok(), ..Pattern::default() };
    Policy {
        purpose: Purpose::Start,
        on_conflict,
        after_wait: AfterWait::Refuse,
        same_token: SameToken::Refuse,
        matches: vec![MatchEntry {
            pattern,
            user: UserLimit::Same,
            container: ContainerLimit::Same,
        }],
        rules: Vec::new(),
        timeouts: Timeouts {
            wait: WaitLimit::For(60 * SECOND),
            graceful: 30 * SECOND,
            force: 5 * SECOND,
        },
        signal: Signal::SigTerm,
        escalation,
        max_targets: 5,
        max_takeovers: 5,
        takeover_window: 60 * SECOND,
    }
}

fn snapshot(processes: Vec<Process>, guard: Option<GuardView>) -> Snapshot {
    let held = guard.as_ref().and_then(|guard| guard.process).map(|id| id.pid);
    let state = held.map_or(LockState::Free, |pid| LockState::Held(vec![pid]));
    Snapshot {
        me: Caller { pid: 999, user: me(), ticket: Some(Ticket(9)), ..caller() },
        locks: vec![LockView { path: "/run/monopoll/bot.lock".into(), state }],
        guards: guard.into_iter().collect(),
        other_guards: Vec::new(),
        processes,
        waited: Duration::ZERO,
        rounds: EarlierRounds::default(),
        history: TakeoverHistory::default(),
    }
}

fn guard_with(pid: u32) -> GuardView {
    GuardView {
        process: Some(id(pid)),
        ticket: Some(Ticket(3)),
        command: "python3 main.py".into(),
        user: "bot".into(),
        host: "here".into(),
        since: 0,
        other_lock: None,
    }
}

fn carry_out(script: &mut Script, plan: &Plan) -> (Result<(), ExecuteError>, Vec<TerminateEvent>) {
    let mut events = Vec::new();
    let timing = TerminateLimits {
        until: plan.deadline().map_or(Duration::MAX, |time| script.now + time),
        reminder_interval: Duration::MAX,
    };
    let outcome = execute(script, plan, timing, &mut |event| events.push(event));
    (outcome, events)
}

#[test]
fn a_guard_that_ended_during_the_scan_is_named_by_its_pid() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let plan = decide(&policy, &snapshot(Vec::new(), Some(guard_with(10))));
    assert!(plan.conflicts[0].root.is_none());
    let mut script = Script { answer: Some(AskOutcome::Acknowledged), ..Script::default() };
    let (outcome, events) = carry_out(&mut script, &plan);
    assert_eq!(outcome, Ok(()));
    let pid = Some(10);
    let expected =
        [TerminateEvent::Asked(pid), TerminateEvent::Acknowledged(pid), TerminateEvent::Ended(pid)];
    assert_eq!(events, expected);
    assert_eq!(plan.conflicts[0].pid(), pid);
    let mut silent = Script { answer: Some(AskOutcome::NoAnswer), ..Script::default() };
    let (outcome, _) = carry_out(&mut silent, &plan);
    let Err(ExecuteError::NotEnded(why)) = outcome else { panic!("{outcome:?}") };
    let text = monopoll::internals::report::reasons::not_ended(why, None);
    assert!(text.starts_with("the guard (pid 10) did not answer"), "{text}");
}

/// Returns the steps taken against the root of the only conflict, in the words of the plan.
fn steps_done(events: &[TerminateEvent], root: u32) -> Vec<&'static str> {
    let word = |event: &TerminateEvent| match event {
        TerminateEvent::Asked(_) => Some("ask"),
        TerminateEvent::Sent(to, signal) if to.pid == root && *signal != SignalToSend::Continue => {
            Some(signal.name())
        }
        TerminateEvent::Sent(..)
        | TerminateEvent::Acknowledged(_)
        | TerminateEvent::Ended(_)
        | TerminateEvent::Reminder => None,
    };
    events.iter().filter_map(word).collect()
}

fn steps_planned(plan: &Plan) -> Vec<&'static str> {
    let word = |step: Step| match step {
        Step::Ask { .. } => "ask",
        Step::Signal { signal, .. } => signal.name(),
        Step::Wait { .. } => "wait",
    };
    plan.conflicts.iter().flat_map(|conflict| conflict.ladder.steps()).map(word).collect()
}

#[test]
fn the_steps_of_a_dry_run_are_carried_out_on_a_process_that_resists_them_all() {
    for on_conflict in [OnConflict::Graceful, OnConflict::Force] {
        for escalation in [AfterGraceful::Kill, AfterGraceful::Refuse] {
            for guarded in [false, true] {
                let policy = policy(on_conflict, escalation);
                let guard = guarded.then(|| guard_with(10));
                let plan =
                    decide(&policy, &snapshot(vec![process(10, 5, "python3 main.py")], guard));
                assert_eq!(plan.verdict(), Verdict::Act);
                let mut script = Script {
                    actors: BTreeMap::from([(id(10), Actor::new(5, None))]),
                    ..Script::default()
                };
                let (outcome, events) = carry_out(&mut script, &plan);
                assert_eq!(
                    steps_done(&events, 10),
                    steps_planned(&plan),
                    "{on_conflict:?} {escalation:?} guarded: {guarded}"
                );
                let survives =
                    on_conflict == OnConflict::Graceful && escalation == AfterGraceful::Refuse;
                assert_eq!(outcome == Ok(()), !survives, "{outcome:?}");
                assert_eq!(script.actors.is_empty(), !survives);
            }
        }
    }
}

#[test]
fn a_guard_that_answered_is_never_signaled() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let mut child = process(11, 10, "python3 main.py");
    child.holds_lock = Fact::Known(true);
    let plan = decide(
        &policy,
        &snapshot(vec![process(10, 5, "monopoll run"), child], Some(guard_with(10))),
    );
    let mut script = Script {
        actors: BTreeMap::from([(id(10), Actor::new(5, None)), (id(11), Actor::new(10, None))]),
        answer: Some(AskOutcome::Acknowledged),
        guard_ends_after: Some(20 * SECOND),
        ..Script::default()
    };
    let (outcome, _) = carry_out(&mut script, &plan);
    assert_eq!((outcome, script.asked, script.sent), (Ok(()), 1, vec![]));
}

#[test]
fn a_process_started_while_a_guard_drained_is_waited_for_even_if_that_guard_is_killed() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let mut bot = process(11, 10, "python3 main.py");
    bot.holds_lock = Fact::Known(true);
    let plan =
        decide(&policy, &snapshot(vec![process(10, 5, "monopoll run"), bot], Some(guard_with(10))));
    let ends_at =
        |at: u32, parent: u32| Actor { ends_at: Some(at * SECOND), ..Actor::new(parent, None) };
    // The bot ends first and leaves behind a helper that the plan does not include.
    let actors = BTreeMap::from([
        (id(10), ends_at(2, 5)),
        (id(11), ends_at(1, 10)),
        (id(12), ends_at(5, 10)),
    ]);
    let mut script = Script { actors, answer: Some(AskOutcome::Acknowledged), ..Script::default() };
    let (outcome, _) = carry_out(&mut script, &plan);
    assert_eq!((outcome, script.now, script.sent), (Ok(()), 5 * SECOND, vec![]));
}

#[test]
fn a_guard_that_cannot_be_asked_is_not_signaled_instead() {
    for on_conflict in [OnConflict::Graceful, OnConflict::Force] {
        let policy = policy(on_conflict, AfterGraceful::Kill);
        let plan =
            decide(&policy, &snapshot(vec![process(10, 5, "monopoll run")], Some(guard_with(10))));
        let mut script = Script {
            actors: BTreeMap::from([(id(10), Actor::new(5, None))]),
            answer: Some(AskOutcome::NotAsked(std::io::ErrorKind::StorageFull)),
            ..Script::default()
        };
        let (outcome, _) = carry_out(&mut script, &plan);
        assert!(
            matches!(
                outcome,
                Err(ExecuteError::NotEnded(NotEnded::NotAsked { guard: Some(10), .. }))
            ),
            "{outcome:?}"
        );
        assert_eq!((script.asked, script.sent), (1, vec![]));
    }
}

#[test]
fn a_stopped_guard_gets_sigcont_with_the_request() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let plan =
        decide(&policy, &snapshot(vec![process(10, 5, "monopoll run")], Some(guard_with(10))));
    let stopped = Actor { job_state: JobState::Stopped, ..Actor::new(5, None) };
    let mut script = Script {
        actors: BTreeMap::from([(id(10), stopped)]),
        answer: Some(AskOutcome::Acknowledged),
        guard_ends_after: Some(SECOND),
        ..Script::default()
    };
    assert_eq!(carry_out(&mut script, &plan).0, Ok(()));
    assert_eq!(script.sent, [(id(10), SignalToSend::Continue)]);
}

#[test]
fn a_guard_that_is_stopped_after_its_answer_gets_sigcont_while_it_can_still_end_its_tree() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let plan =
        decide(&policy, &snapshot(vec![process(10, 5, "monopoll run")], Some(guard_with(10))));
    let mut script = Script {
        actors: BTreeMap::from([(id(10), Actor::new(5, Some(SECOND)))]),
        answer: Some(AskOutcome::Acknowledged),
        guard_stops: true,
        ..Script::default()
    };
    let end = plan.deadline().unwrap() / 2 + SECOND;
    assert_eq!((carry_out(&mut script, &plan).0, script.now), (Ok(()), end));
    assert_eq!(script.sent, [(id(10), SignalToSend::Continue)]);
}

#[test]
fn a_guard_that_answered_and_does_not_end_is_a_refusal_after_its_time() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let plan =
        decide(&policy, &snapshot(vec![process(10, 5, "monopoll run")], Some(guard_with(10))));
    let mut script = Script {
        actors: BTreeMap::from([(id(10), Actor::new(5, None))]),
        answer: Some(AskOutcome::Acknowledged),
        ..Script::default()
    };
    let (outcome, _) = carry_out(&mut script, &plan);
    assert_eq!(outcome, Err(NotEnded::OutOfTime.into()));
    assert_eq!((script.sent, script.now), (vec![], 35 * SECOND));
}

#[test]
fn progress_is_reported_at_each_interval_without_extra_wakeups() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let plan = decide(&policy, &snapshot(vec![process(10, 5, "python3 main.py")], None));
    let run_with = |beat: Duration| {
        let mut script =
            Script { actors: BTreeMap::from([(id(10), Actor::new(5, None))]), ..Script::default() };
        let mut events = Vec::new();
        let timing = TerminateLimits { until: 60 * SECOND, reminder_interval: beat };
        assert_eq!(execute(&mut script, &plan, timing, &mut |event| events.push(event)), Ok(()));
        (events, script.woken)
    };
    let (sent, killed) = (
        TerminateEvent::Sent(id(10), SignalToSend::Signal(Signal::SigTerm)),
        TerminateEvent::Sent(id(10), SignalToSend::Kill),
    );
    let (events, woken) = run_with(10 * SECOND);
    // The signal also shows that there is progress.
    assert_eq!(
        events,
        [
            sent,
            TerminateEvent::Reminder,
            TerminateEvent::Reminder,
            killed,
            TerminateEvent::Ended(Some(10))
        ]
    );
    assert_eq!(woken, [10, 20, 30, 30].map(|seconds| seconds * SECOND));
    assert_eq!(
        run_with(SECOND).0.iter().filter(|event| **event == TerminateEvent::Reminder).count(),
        29
    );
    assert_eq!(
        run_with(Duration::MAX),
        (vec![sent, killed, TerminateEvent::Ended(Some(10))], vec![30 * SECOND, 30 * SECOND])
    );
}

#[test]
fn a_process_stuck_in_the_kernel_is_a_refusal() {
    let policy = policy(OnConflict::Force, AfterGraceful::Kill);
    let plan = decide(&policy, &snapshot(vec![process(10, 5, "python3 main.py")], None));
    let hanging = Actor { hangs: true, ..Actor::new(5, None) };
    let mut script = Script { actors: BTreeMap::from([(id(10), hanging)]), ..Script::default() };
    let (outcome, _) = carry_out(&mut script, &plan);
    let gave_up = NotEnded::GaveUp(GiveUpReason::OutlivedKill(id(10)));
    assert_eq!(outcome, Err(gave_up.into()));
}

#[test]
fn a_denied_signal_is_a_refusal_by_permission() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let plan = decide(&policy, &snapshot(vec![process(10, 5, "python3 main.py")], None));
    let mut script = Script {
        actors: BTreeMap::from([(id(10), Actor::new(5, None))]),
        denied: BTreeSet::from([id(10)]),
        ..Script::default()
    };
    assert_eq!(carry_out(&mut script, &plan).0, Err(NotEnded::Denied { pid: 10 }.into()));
}

#[test]
fn an_interrupted_start_sends_no_more_signals() {
    let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
    let plan = decide(&policy, &snapshot(vec![process(10, 5, "python3 main.py")], None));
    let mut script = Script {
        actors: BTreeMap::from([(id(10), Actor::new(5, None))]),
        interrupt_at: Some(SECOND),
        ..Script::default()
    };
    assert_eq!(carry_out(&mut script, &plan).0, Err(Interrupted(2).into()));
    assert_eq!(script.sent, [(id(10), SignalToSend::Signal(Signal::SigTerm))]);
}

proptest! {
    /// For every tree and any behavior of its members: each gets the signal at most once and
    /// SIGKILL at most once, SIGKILL never before the timeout, and no process outside of the tree
    /// gets a signal.
    #[test]
    fn no_process_is_signaled_twice_and_no_bystander_ever(
        shape in prop::collection::vec(
            (0_usize..6, prop::option::of(0_u64..60), any::<bool>()),
            1..8,
        ),
        stray in prop::option::of(0_u64..60),
    ) {
        let policy = policy(OnConflict::Graceful, AfterGraceful::Kill);
        let mut script = Script::default();
        let mut processes = Vec::new();
        for (index, (above, dies, stopped)) in shape.iter().enumerate() {
            let pid = 10 + u32::try_from(index).unwrap();
            let parent = if index == 0 { 5 } else { 10 + u32::try_from(above % index).unwrap() };
            let mut actor = Actor::new(parent, dies.map(Duration::from_secs));
            if *stopped {
                actor.job_state = JobState::Stopped;
            }
            script.actors.insert(id(pid), actor);
            let command = if index == 0 { "python3 main.py" } else { "worker" };
            processes.push(process(pid, parent, command));
        }
        let bystander = id(70);
        script.actors.insert(bystander, Actor::new(5, stray.map(Duration::from_secs)));
        let plan = decide(&policy, &snapshot(processes, None));
        prop_assert_eq!(plan.verdict(), Verdict::Act);
        let until = Duration::from_secs(100_000);
        let limits = TerminateLimits { until, reminder_interval: Duration::MAX };
        let outcome = execute(&mut script, &plan, limits, &mut |_| {});
        prop_assert_eq!(outcome, Ok(()));
        prop_assert_eq!(script.actors.len(), 1);
        for (to, _) in &script.sent {
            prop_assert_ne!(*to, bystander);
        }
        for signal in [SignalToSend::Signal(Signal::SigTerm), SignalToSend::Kill] {
            let sent = script.sent.iter().filter(|(_, it)| *it == signal);
            let mut targets: Vec<ProcessId> = sent.map(|(to, _)| *to).collect();
            let all = targets.len();
            targets.sort_unstable();
            targets.dedup();
            prop_assert_eq!(targets.len(), all, "{:?} was sent twice", signal);
        }
        // SIGKILL only after the signal.
        for (index, (to, signal)) in script.sent.iter().enumerate() {
            if *signal == SignalToSend::Kill {
                let earlier = (*to, SignalToSend::Signal(Signal::SigTerm));
                prop_assert!(script.sent[..index].contains(&earlier));
            }
        }
    }
}
