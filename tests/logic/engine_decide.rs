//! The decision about all conflicts: S4, S6, S7, S8, S11, S13, and the limits.

use std::time::Duration;

use crate::fixture::*;
use regex::Regex;

use monopoll::internals::engine::action::{Action, AfterWait, OnConflict};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact::{self, Known, Unknown};
use monopoll::internals::engine::ladder::{
    AfterGraceful, Ladder, Step, StopMode, StopOptions, WaitLimit,
};
use monopoll::internals::engine::managed_by::{ManagedBy, Watcher};
use monopoll::internals::engine::pattern::{ContainerLimit, UserLimit};
use monopoll::internals::engine::plan::{DecidedBy, Plan};
use monopoll::internals::engine::policy::{Conditions, MatchEntry, Policy, Timeouts};
use monopoll::internals::engine::process::{Launcher, Process, RunState};
use monopoll::internals::engine::reason::{RefusalCause, RefusalKind, RefusalReason, Verdict};
use monopoll::internals::engine::respawn::EarlierRounds;
use monopoll::internals::engine::shield::Shield;
use monopoll::internals::engine::signal::{Signal, SignalToSend};
use monopoll::internals::engine::snapshot::{Caller, LockState, SignalSupport, Snapshot};
use monopoll::internals::engine::ticket::Ticket;

const GRACEFUL: Duration = Duration::from_secs(30);
const FORCE: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_mins(1);
const ASK: Step = Step::Ask { timeout: GRACEFUL };
const TERM: Step =
    Step::Signal { signal: SignalToSend::Signal(Signal::SigTerm), timeout: GRACEFUL };
const KILL: Step = Step::Signal { signal: SignalToSend::Kill, timeout: FORCE };
const WAIT: Step = Step::Wait { limit: WaitLimit::For(MINUTE) };
const POLICY_REFUSAL: Verdict = Verdict::Refuse(RefusalKind::Policy);

const EVERY: [OnConflict; 4] =
    [OnConflict::Refuse, OnConflict::Graceful, OnConflict::Force, OnConflict::Wait];

fn waiting(wait: WaitLimit, after_wait: AfterWait) -> Policy {
    let base = policy(OnConflict::Wait);
    Policy { timeouts: Timeouts { wait, ..base.timeouts }, after_wait, ..base }
}

fn holder(pid: u32) -> Process {
    Process { holds_lock: Known(true), ..process(pid) }
}

fn unknown_holder() -> Snapshot {
    Snapshot { locks: vec![lock(LockState::Held(Vec::new()))], ..snapshot(Vec::new()) }
}

fn elsewhere(ticket: Option<u64>) -> Snapshot {
    Snapshot { guards: vec![guard(None, ticket)], ..unknown_holder() }
}

fn steps(plan: &Plan) -> Vec<Step> {
    only(plan).ladder.steps()
}

fn with_rules(rules: Vec<monopoll::internals::engine::policy::Rule>) -> Policy {
    Policy { rules, ..policy(OnConflict::Graceful) }
}

#[test]
fn without_conflicts_the_verdict_is_clear() {
    for on_conflict in EVERY {
        for state in [LockState::Free, LockState::Mine] {
            let plan = decide(
                &policy(on_conflict),
                &Snapshot { locks: vec![lock(state)], ..snapshot(vec![process(5)]) },
            );
            assert_eq!(
                (plan.verdict(), plan.conflicts.len(), plan.deadline()),
                (Verdict::Clear, 0, Some(Duration::ZERO))
            );
        }
    }
}

#[test]
fn each_action_has_its_verdict_and_its_steps() {
    for (on_conflict, guarded_steps, stranger_steps, verdict) in [
        (OnConflict::Refuse, vec![], vec![], POLICY_REFUSAL),
        (OnConflict::Graceful, vec![ASK, TERM, KILL], vec![TERM, KILL], Verdict::Act),
        (OnConflict::Force, vec![Step::Ask { timeout: FORCE }, KILL], vec![KILL], Verdict::Act),
        (OnConflict::Wait, vec![WAIT], vec![WAIT], Verdict::Wait),
    ] {
        let guarded = decide(&policy(on_conflict), &guarded(Some(7)));
        let stranger = plan(&policy(on_conflict), vec![same_command(5)]);
        assert_eq!((guarded.verdict(), steps(&guarded)), (verdict, guarded_steps));
        assert_eq!((stranger.verdict(), steps(&stranger)), (verdict, stranger_steps));
    }
}

#[test]
fn the_steps_are_as_configured() {
    let base = policy(OnConflict::Graceful);
    let patient = Timeouts { graceful: MINUTE, force: GRACEFUL, ..base.timeouts };
    let plan =
        plan(&Policy { signal: Signal::SigInt, timeouts: patient, ..base }, vec![same_command(5)]);
    let int = Step::Signal { signal: SignalToSend::Signal(Signal::SigInt), timeout: MINUTE };
    assert_eq!(steps(&plan), [int, Step::Signal { signal: SignalToSend::Kill, timeout: GRACEFUL }]);
}

#[test]
fn without_escalation_there_is_no_kill() {
    let policy = Policy { escalation: AfterGraceful::Refuse, ..policy(OnConflict::Graceful) };
    assert_eq!(steps(&decide(&policy, &guarded(Some(7)))), [ASK, TERM]);
}

#[test]
fn what_comes_after_waiting_is_planned_with_it() {
    for (after, expected) in [
        (AfterWait::Refuse, vec![WAIT]),
        (AfterWait::Graceful, vec![WAIT, ASK, TERM, KILL]),
        (AfterWait::Force, vec![WAIT, Step::Ask { timeout: FORCE }, KILL]),
    ] {
        let plan = decide(&waiting(WaitLimit::For(MINUTE), after), &guarded(Some(7)));
        assert_eq!((plan.verdict(), steps(&plan)), (Verdict::Wait, expected));
    }
}

#[test]
fn waiting_forever_has_no_next_action() {
    for waited in [Duration::ZERO, 1000 * MINUTE] {
        let plan = decide(
            &waiting(WaitLimit::Forever, AfterWait::Force),
            &Snapshot { waited, ..guarded(Some(7)) },
        );
        assert_eq!(
            (plan.verdict(), steps(&plan)),
            (Verdict::Wait, vec![Step::Wait { limit: WaitLimit::Forever }])
        );
        assert_eq!(plan.deadline(), None);
    }
}

#[test]
fn a_wait_ends_exactly_at_its_limit() {
    let just_before = MINUTE.saturating_sub(Duration::from_millis(1));
    for (limit, waited, verdict) in [
        (WaitLimit::For(MINUTE), just_before, Verdict::Wait),
        (WaitLimit::For(MINUTE), MINUTE, Verdict::Act),
        (WaitLimit::For(Duration::ZERO), Duration::ZERO, Verdict::Act),
    ] {
        let plan =
            decide(&waiting(limit, AfterWait::Graceful), &Snapshot { waited, ..guarded(Some(7)) });
        assert_eq!(plan.verdict(), verdict);
    }
}

#[test]
fn after_wait_decides_when_the_wait_is_over() {
    for (after, verdict) in [
        (AfterWait::Refuse, POLICY_REFUSAL),
        (AfterWait::Graceful, Verdict::Act),
        (AfterWait::Force, Verdict::Act),
    ] {
        let plan = decide(
            &waiting(WaitLimit::For(MINUTE), after),
            &Snapshot { waited: MINUTE, ..guarded(Some(7)) },
        );
        assert_eq!((plan.verdict(), only(&plan).action), (verdict, after.into()));
        let cause = only(&plan).refusal.as_ref();
        let waited = RefusalCause::WaitedTooLong(WaitLimit::For(MINUTE));
        assert_eq!(cause, (after == AfterWait::Refuse).then_some(&waited));
    }
}

#[test]
fn only_a_wait_is_followed_by_after_wait() {
    let base = policy(OnConflict::Refuse);
    let plan = decide(
        &Policy { after_wait: AfterWait::Force, ..base },
        &Snapshot { waited: 1000 * MINUTE, ..guarded(Some(7)) },
    );
    assert_eq!(plan.verdict(), POLICY_REFUSAL);
    assert_eq!(cause(&plan), &RefusalCause::PolicyRefuses);
}

#[test]
fn a_start_gives_way_to_a_newer_guard_only_where_it_would_have_ended_it() {
    let superseded = Verdict::Refuse(RefusalKind::Superseded);
    let me = |ticket: Option<u64>| Caller { ticket: ticket.map(Ticket), ..snapshot(Vec::new()).me };
    for (theirs, mine, on_conflict, verdict) in [
        (Some(51), Some(50), OnConflict::Graceful, superseded),
        (Some(51), Some(50), OnConflict::Force, superseded),
        (Some(51), Some(50), OnConflict::Refuse, POLICY_REFUSAL),
        (Some(51), Some(50), OnConflict::Wait, Verdict::Wait),
        (Some(49), Some(50), OnConflict::Graceful, Verdict::Act),
        (Some(50), Some(50), OnConflict::Graceful, Verdict::Act),
        (None, Some(50), OnConflict::Graceful, Verdict::Act),
        (Some(51), None, OnConflict::Graceful, Verdict::Act),
    ] {
        for snapshot in [guarded(theirs), elsewhere(theirs)] {
            let plan = decide(&policy(on_conflict), &Snapshot { me: me(mine), ..snapshot });
            assert_eq!(plan.verdict(), verdict, "{theirs:?} {mine:?} {on_conflict:?}");
        }
    }
}

#[test]
fn without_signals_graceful_works_for_guards_only() {
    let me = || Caller { signal_support: SignalSupport::KillAlone, ..snapshot(Vec::new()).me };
    let permission = Verdict::Refuse(RefusalKind::Permission);
    for (on_conflict, stranger, guard) in [
        (OnConflict::Graceful, permission, Verdict::Act),
        (OnConflict::Force, Verdict::Act, Verdict::Act),
        (OnConflict::Wait, Verdict::Wait, Verdict::Wait),
        (OnConflict::Refuse, POLICY_REFUSAL, POLICY_REFUSAL),
    ] {
        let verdict =
            |seen: Snapshot| decide(&policy(on_conflict), &Snapshot { me: me(), ..seen }).verdict();
        assert_eq!(
            (verdict(snapshot(vec![same_command(5)])), verdict(guarded(Some(7)))),
            (stranger, guard),
            "{on_conflict:?}"
        );
    }
}

#[test]
fn after_waiting_for_a_newer_guard_the_start_gives_way() {
    for (after, refusal) in
        [(AfterWait::Graceful, RefusalKind::Superseded), (AfterWait::Refuse, RefusalKind::Policy)]
    {
        let snapshot = Snapshot { waited: MINUTE, ..guarded(Some(51)) };
        assert_eq!(
            decide(&waiting(WaitLimit::For(MINUTE), after), &snapshot).verdict(),
            Verdict::Refuse(refusal)
        );
    }
}

#[test]
fn a_guard_in_another_pid_namespace_can_only_be_asked() {
    let plan = decide(&policy(OnConflict::Graceful), &elsewhere(Some(7)));
    assert_eq!(
        (plan.verdict(), steps(&plan), plan.deadline()),
        (Verdict::Act, vec![ASK], Some(GRACEFUL))
    );
    let plan = decide(&waiting(WaitLimit::For(MINUTE), AfterWait::Graceful), &elsewhere(Some(7)));
    assert_eq!((steps(&plan), plan.deadline()), (vec![WAIT, ASK], Some(MINUTE + GRACEFUL)));
}

#[test]
fn an_unknown_holder_can_only_be_waited_for() {
    for state in [LockState::Held(Vec::new()), LockState::Held(vec![4711]), LockState::Unknown] {
        for (on_conflict, verdict) in [
            (OnConflict::Refuse, POLICY_REFUSAL),
            (OnConflict::Graceful, POLICY_REFUSAL),
            (OnConflict::Force, POLICY_REFUSAL),
            (OnConflict::Wait, Verdict::Wait),
        ] {
            let plan = decide(
                &policy(on_conflict),
                &Snapshot { locks: vec![lock(state.clone())], ..snapshot(vec![process(5)]) },
            );
            assert_eq!(plan.verdict(), verdict, "{state:?}");
            assert!(
                only(&plan).holds_lock()
                    && only(&plan).root.is_none()
                    && only(&plan).guard.is_none()
            );
        }
    }
    let waited = Snapshot { waited: MINUTE, ..unknown_holder() };
    assert_eq!(
        decide(&waiting(WaitLimit::For(MINUTE), AfterWait::Force), &waited).verdict(),
        POLICY_REFUSAL
    );
}

#[test]
fn an_unknown_holder_of_a_second_lock_counts_next_to_a_known_one() {
    let base = guarded(Some(7));
    let locks = vec![base.locks[0].clone(), lock(LockState::Held(Vec::new()))];
    let plan = decide(&policy(OnConflict::Graceful), &Snapshot { locks, ..base });
    assert_eq!((plan.verdict(), plan.conflicts.len()), (POLICY_REFUSAL, 2));
}

#[test]
fn rules_see_only_the_lock_of_an_unknown_holder() {
    let by_lock = |action| {
        rule("holders", action, Conditions { holds_lock: Some(true), ..Conditions::default() })
    };
    assert_eq!(
        decide(&with_rules(vec![by_lock(Action::Wait)]), &unknown_holder()).verdict(),
        Verdict::Wait
    );
    assert_eq!(
        decide(&with_rules(vec![by_lock(Action::Ignore)]), &unknown_holder()).verdict(),
        POLICY_REFUSAL
    );
}

#[test]
fn one_refusal_touches_no_process() {
    let rules = vec![rule(
        "not that one",
        Action::Refuse,
        Conditions { orphaned: Some(true), ..Conditions::default() },
    )];
    let plan = plan(
        &with_rules(rules),
        vec![
            same_command(5),
            Process { orphaned: Known(true), ..same_command(6) },
            same_command(7),
        ],
    );
    assert_eq!(plan.verdict(), POLICY_REFUSAL);
    assert_eq!(
        reason(&plan),
        "`python3 main.py` (pid 6) is already running, and rule `not that one` says refuse"
    );
    assert_eq!(
        plan.conflicts.iter().map(|it| it.action).collect::<Vec<_>>(),
        [Action::Graceful, Action::Refuse, Action::Graceful]
    );
    assert!(plan.conflicts.iter().all(|it| it.ladder == Ladder::Nothing));
    assert_eq!(
        (plan.conflicts_to_end().count(), plan.waits().count(), plan.deadline()),
        (0, 0, Some(Duration::ZERO))
    );
}

#[test]
fn waits_come_before_ends() {
    let rules = vec![rule(
        "that one first",
        Action::Wait,
        Conditions { orphaned: Some(true), ..Conditions::default() },
    )];
    let plan = plan(
        &with_rules(rules),
        vec![same_command(5), Process { orphaned: Known(true), ..same_command(6) }],
    );
    assert_eq!(plan.verdict(), Verdict::Wait);
    assert_eq!((plan.waits().count(), plan.conflicts_to_end().count()), (1, 1));
    assert_eq!(plan.deadline(), Some(MINUTE + GRACEFUL + FORCE));
    assert_eq!(reason(&plan), "waits for 1 conflict to end, then ends 1 conflict");
}

#[test]
fn the_most_severe_refusal_gives_the_exit_status() {
    let foreign = Process { user: Known(user("deploy")), ..holder(6) };
    let newer = Snapshot {
        guards: vec![guard(Some(10), Some(51))],
        ..snapshot(vec![guard_process(10), foreign])
    };
    assert_eq!(
        decide(&policy(OnConflict::Graceful), &newer).verdict(),
        Verdict::Refuse(RefusalKind::Permission)
    );
    let locks = vec![newer.locks[0].clone(), lock(LockState::Unknown)];
    assert_eq!(
        decide(&policy(OnConflict::Graceful), &Snapshot { locks, ..newer }).verdict(),
        POLICY_REFUSAL
    );
}

#[test]
fn ignore_allows_an_unguarded_process_and_never_a_holder() {
    let policy = with_rules(vec![rule("let it be", Action::Ignore, Conditions::default())]);
    let beside = plan(&policy, vec![same_command(5)]);
    assert_eq!(
        (beside.verdict(), only(&beside).action, steps(&beside)),
        (Verdict::Clear, Action::Ignore, vec![])
    );
    for snapshot in
        [guarded(Some(7)), elsewhere(Some(7)), unknown_holder(), snapshot(vec![holder(5)])]
    {
        let plan = decide(&policy, &snapshot);
        assert_eq!(
            (plan.verdict(), only(&plan).decided_by.clone()),
            (POLICY_REFUSAL, DecidedBy::SafetyRule)
        );
        assert_eq!(cause(&plan), &RefusalCause::HolderIgnored);
    }
}

#[test]
fn too_many_conflicts_are_refused_and_ignored_ones_are_not_counted() {
    let two = Policy { max_targets: 2, ..policy(OnConflict::Graceful) };
    assert_eq!(plan(&two, vec![same_command(5), same_command(6)]).verdict(), Verdict::Act);
    let many = plan(&two, vec![same_command(5), same_command(6), same_command(7)]);
    assert_eq!(many.verdict(), POLICY_REFUSAL);
    let too_many = RefusalReason::TooManyConflicts { conflicts: 3, allowed: 2 };
    assert_eq!(many.refusal, Some(too_many));
    assert!(many.conflicts.iter().all(|it| it.ladder == Ladder::Nothing));
    let rules = vec![rule(
        "let it be",
        Action::Ignore,
        Conditions { orphaned: Some(true), ..Conditions::default() },
    )];
    let ignored = plan(
        &Policy { rules, ..two },
        vec![
            same_command(5),
            same_command(6),
            Process { orphaned: Known(true), ..same_command(7) },
        ],
    );
    assert_eq!(ignored.verdict(), Verdict::Act);
}

#[test]
fn a_process_that_may_not_be_signaled_refuses_with_the_permission_status() {
    let reach =
        MatchEntry { user: UserLimit::Any, container: ContainerLimit::Any, ..entry("main") };
    let policy = |on_conflict| Policy { matches: vec![reach.clone()], ..policy(on_conflict) };
    let foreign = |pid| Process { user: Known(user("deploy")), ..process(pid) };
    let below =
        vec![process(5), child_of(5, Process { name: Known("sudo".to_owned()), ..foreign(6) })];
    for processes in [vec![foreign(5)], below] {
        let mut snapshot = snapshot(processes);
        let plan = decide(&policy(OnConflict::Graceful), &snapshot);
        assert_eq!(plan.verdict(), Verdict::Refuse(RefusalKind::Permission));
        let RefusalCause::NotPermitted { owner, .. } = cause(&plan) else { panic!("{plan:?}") };
        assert_eq!(owner.as_deref(), Some("deploy"), "{plan:?}");
        // Waiting and refusing need no permission to signal.
        assert_eq!(decide(&policy(OnConflict::Wait), &snapshot).verdict(), Verdict::Wait);
        assert_eq!(decide(&policy(OnConflict::Refuse), &snapshot).verdict(), POLICY_REFUSAL);
        snapshot.me.privileged = true;
        assert_eq!(decide(&policy(OnConflict::Graceful), &snapshot).verdict(), Verdict::Act);
    }
}

#[test]
fn a_process_of_an_unknown_user_may_not_be_signaled() {
    let plan = plan(
        &policy(OnConflict::Graceful),
        vec![same_command(5), child_of(5, Process { user: Unknown, ..process(6) })],
    );
    assert_eq!(plan.verdict(), Verdict::Refuse(RefusalKind::Permission));
    assert_eq!(decisive_shield(&plan), &Shield::UnknownUser);
}

#[test]
fn a_guard_is_asked_and_needs_no_permission() {
    let mut snapshot = guarded(Some(7));
    for process in &mut snapshot.processes {
        process.user = Known(user("deploy"));
    }
    assert_eq!(decide(&policy(OnConflict::Graceful), &snapshot).verdict(), Verdict::Act);
}

#[test]
fn a_tree_with_an_unknown_parent_is_not_ended() {
    let adrift = Process { parent: Unknown, ..process(6) };
    for (on_conflict, verdict) in [
        (OnConflict::Graceful, POLICY_REFUSAL),
        (OnConflict::Force, POLICY_REFUSAL),
        (OnConflict::Wait, Verdict::Wait),
    ] {
        let plan = plan(&policy(on_conflict), vec![same_command(5), adrift.clone()]);
        assert_eq!(plan.verdict(), verdict);
        if verdict == POLICY_REFUSAL {
            assert_eq!(cause(&plan), &RefusalCause::ParentUnknown { pid: 6 });
        }
    }
}

#[test]
fn a_respawned_conflict_is_ended_twice_and_then_refused() {
    let managed = |by| Process { managed_by: by, ..same_command(5) };
    let systemd = Known(Some(ManagedBy::Systemd("bot.service".to_owned())));
    for (rounds, by, verdict, says) in [
        (0, systemd.clone(), Verdict::Act, "ends 1 conflict first"),
        (1, systemd.clone(), Verdict::Act, "ends 1 conflict first"),
        (
            2,
            systemd.clone(),
            POLICY_REFUSAL,
            "systemd:bot.service restarts it; stop it for good with `systemctl stop bot.service`",
        ),
        (3, Known(None), POLICY_REFUSAL, "another process restarts it, such as a loop"),
        (2, Unknown, POLICY_REFUSAL, "another process restarts it, such as a loop"),
    ] {
        let plan = decide(
            &policy(OnConflict::Graceful),
            &Snapshot {
                rounds: EarlierRounds { ended_unguarded: rounds, ..EarlierRounds::default() },
                ..snapshot(vec![managed(by)])
            },
        );
        assert_eq!(plan.verdict(), verdict, "{rounds}");
        assert!(reason(&plan).contains(says), "{}", reason(&plan));
    }
    let guarded = Snapshot {
        rounds: EarlierRounds { ended_unguarded: 9, ..EarlierRounds::default() },
        ..guarded(Some(7))
    };
    assert_eq!(decide(&policy(OnConflict::Graceful), &guarded).verdict(), Verdict::Act);
}

#[test]
fn a_respawned_conflict_below_a_launcher_names_the_launcher() {
    let launcher =
        |pid: u32, command: &str| Launcher { id: process(pid).id, command: command.to_owned() };
    let above = || {
        vec![
            launcher(8, "sh -c 'python3 main.py'"),
            launcher(7, "nodemon main.py"),
            launcher(6, "bash"),
        ]
    };
    let after = |launchers: &[u32]| EarlierRounds {
        ended_unguarded: 2,
        launchers: launchers.iter().map(|pid| process(*pid).id).collect(),
        ..EarlierRounds::default()
    };
    for (launchers, managed_by, rounds, says) in [
        // The shell is new each time; the launcher is the process that was already there.
        (
            Known(above()),
            Known(None),
            after(&[5, 7, 6]),
            "`nodemon main.py` (pid 7) restarts it; end that first, where it was started, then \
             start the bot again",
        ),
        (
            Known(above()),
            Known(None),
            after(&[8]),
            "`sh -c 'python3 main.py'` (pid 8) restarts it; end that first (`kill 8`), then start \
             the bot again",
        ),
        (
            Known(above()),
            Known(None),
            after(&[]),
            "another process restarts it, such as a loop or a service manager; find that and end \
             it first, then start the bot again",
        ),
        (
            Known(Vec::new()),
            Known(None),
            after(&[7]),
            "another process restarts it, such as a loop or a service manager; find that and end \
             it first, then start the bot again",
        ),
        (
            Unknown,
            Unknown,
            after(&[7]),
            "another process restarts it, such as a loop or a service manager; find that and end \
             it first, then start the bot again",
        ),
        (
            Known(above()),
            Known(Some(ManagedBy::Supervisord(None))),
            after(&[7]),
            "supervisord restarts it; stop it for good with",
        ),
    ] {
        let bot = Process { launchers, managed_by, ..same_command(5) };
        let plan =
            decide(&policy(OnConflict::Graceful), &Snapshot { rounds, ..snapshot(vec![bot]) });
        assert_eq!(plan.verdict(), POLICY_REFUSAL);
        assert!(reason(&plan).contains(says), "{}", reason(&plan));
    }
}

/// Returns a process that this manager restarts, as far as `restarts` tells.
fn managed(by: ManagedBy, restarts: Fact<bool>, process: Process) -> Process {
    Process { managed_by: Known(Some(by)), restarts, ..process }
}

fn systemd() -> ManagedBy {
    ManagedBy::Systemd("bot.service".to_owned())
}

#[test]
fn what_a_manager_would_restart_is_not_ended() {
    let watcher = |pid| ManagedBy::Watcher(Watcher { name: "nodemon", pid });
    let bot = || same_command(5);
    let member = || child_of(5, process(6));
    let unknown = || Process { managed_by: Unknown, restarts: Unknown, ..bot() };
    for (processes, manager) in [
        (vec![managed(systemd(), Known(true), bot())], Some(systemd())),
        (vec![managed(systemd(), Unknown, bot())], Some(systemd())),
        (vec![managed(systemd(), Known(false), bot())], None),
        (vec![unknown()], None),
        (vec![bot(), managed(systemd(), Known(true), member())], Some(systemd())),
        (vec![bot(), managed(systemd(), Known(false), member())], None),
        // What is unknown about the root hides no manager of a member.
        (vec![unknown(), managed(systemd(), Known(true), member())], Some(systemd())),
        // A watcher in the tree ends with it; one above the tree does not.
        (vec![bot(), managed(watcher(5), Known(true), member())], None),
        (vec![managed(watcher(4), Known(true), bot()), member()], Some(watcher(4))),
    ] {
        let supervised = manager.map(RefusalCause::Supervised);
        for on_conflict in [OnConflict::Graceful, OnConflict::Force] {
            let plan = plan(&policy(on_conflict), processes.clone());
            let found = only(&plan);
            assert_eq!(found.refusal, supervised, "{processes:#?}");
            assert_eq!(found.decided_by == DecidedBy::Supervised, supervised.is_some());
        }
        // What could not be ended after a wait is not planned to be.
        let wait = waiting(WaitLimit::For(MINUTE), AfterWait::Graceful);
        let expected = if supervised.is_some() { vec![WAIT] } else { vec![WAIT, TERM, KILL] };
        assert_eq!(steps(&plan(&wait, processes.clone())), expected, "{processes:#?}");
    }
}

#[test]
fn what_a_manager_would_restart_is_ended_by_its_guard_or_a_rule_that_names_the_manager() {
    let base = guarded(Some(7));
    let restarted = |it| managed(systemd(), Known(true), it);
    let processes = base.processes.iter().cloned().map(restarted).collect();
    let guarded = Snapshot { processes, ..base };
    assert_eq!(decide(&policy(OnConflict::Graceful), &guarded).verdict(), Verdict::Act);
    let by_rule = |when| {
        let policy = with_rules(vec![rule("it", Action::Force, when)]);
        plan(&policy, vec![restarted(same_command(5))]).verdict()
    };
    assert_eq!(by_rule(Conditions::default()), POLICY_REFUSAL);
    let managed_by = Some(Regex::new("systemd").unwrap());
    assert_eq!(by_rule(Conditions { managed_by, ..Conditions::default() }), Verdict::Act);
}

#[test]
fn the_first_matching_rule_decides() {
    let orphans = || Conditions { orphaned: Some(true), ..Conditions::default() };
    let all = Conditions::default;
    let rules = vec![
        rule("never", Action::Force, orphans()),
        rule("first", Action::Wait, all()),
        rule("second", Action::Refuse, all()),
    ];
    let plan = plan(&with_rules(rules), vec![same_command(5)]);
    assert_eq!(
        (only(&plan).action, only(&plan).decided_by.clone()),
        (Action::Wait, DecidedBy::Rule("first".to_owned()))
    );
}

/// A condition with processes for which it holds, does not hold, and is unknown.
type Case = (Conditions, Process, Process, Option<Process>);

fn conditions() -> Vec<Case> {
    let none = Conditions::default;
    let bot = || same_command(5);
    let managed = || Process {
        managed_by: Known(Some(ManagedBy::Systemd("bot.service".to_owned()))),
        ..bot()
    };
    let minutes = |n: u32| Process { age: Known(n * MINUTE), ..bot() };
    vec![
        (
            Conditions { pattern: named("python3"), ..none() },
            bot(),
            Process { name: Known("node".to_owned()), ..bot() },
            Some(Process { name: Unknown, ..bot() }),
        ),
        (
            Conditions { state: Some(RunState::Stopped), ..none() },
            Process { state: Known(RunState::Stopped), ..bot() },
            bot(),
            Some(Process { state: Unknown, ..bot() }),
        ),
        (
            Conditions { orphaned: Some(false), ..none() },
            bot(),
            Process { orphaned: Known(true), ..bot() },
            Some(Process { orphaned: Unknown, ..bot() }),
        ),
        (
            Conditions { older_than: Some(2 * MINUTE), ..none() },
            minutes(2),
            minutes(1),
            Some(Process { age: Unknown, ..bot() }),
        ),
        (
            Conditions { younger_than: Some(2 * MINUTE), ..none() },
            minutes(1),
            minutes(2),
            Some(Process { age: Unknown, ..bot() }),
        ),
        (
            Conditions { managed_by: Some(Regex::new("^systemd:").unwrap()), ..none() },
            managed(),
            bot(),
            Some(Process { managed_by: Unknown, ..bot() }),
        ),
        (
            Conditions { holds_lock: Some(false), ..none() },
            bot(),
            Process { holds_lock: Known(true), ..bot() },
            Some(Process { holds_lock: Unknown, ..bot() }),
        ),
        (
            Conditions { same_token: Some(true), ..none() },
            Process { tokens: MINE, ..bot() },
            bot(),
            None,
        ),
        (
            Conditions { same_token: Some(false), ..none() },
            bot(),
            Process { tokens: MINE, ..bot() },
            None,
        ),
        (
            Conditions { user: Some(UserLimit::Same), ..none() },
            bot(),
            Process { user: Known(user("deploy")), holds_lock: Known(true), ..bot() },
            None,
        ),
        (
            Conditions { container: Some(ContainerLimit::Same), ..none() },
            bot(),
            Process {
                container: Known(Some("c0ffee".to_owned())),
                holds_lock: Known(true),
                ..bot()
            },
            None,
        ),
        (Conditions { local: Some(true), ..none() }, bot(), bot(), None),
    ]
}

#[test]
fn a_rule_that_kills_does_not_match_on_an_unknown_fact_and_any_other_refuses() {
    for (index, (when, holds, fails, unknown)) in conditions().into_iter().enumerate() {
        let decided = |action, process: Process| {
            let mut snapshot = snapshot(vec![process]);
            snapshot.me.privileged = true;
            let base = Policy { on_conflict: OnConflict::Graceful, ..policy(OnConflict::Graceful) };
            decide(&Policy { rules: vec![rule("it", action, when.clone())], ..base }, &snapshot)
        };
        let by_rule = DecidedBy::Rule("it".to_owned());
        assert_eq!(only(&decided(Action::Force, holds)).decided_by, by_rule, "case {index}");
        if when.local.is_none() {
            assert_eq!(
                only(&decided(Action::Force, fails)).decided_by,
                DecidedBy::OnConflict,
                "case {index}"
            );
        }
        let Some(unknown) = unknown else { continue };
        for action in [Action::Force, Action::Graceful] {
            assert_eq!(
                only(&decided(action, unknown.clone())).decided_by,
                DecidedBy::OnConflict,
                "case {index}"
            );
        }
        for action in [Action::Refuse, Action::Wait, Action::Ignore] {
            let plan = decided(action, unknown.clone());
            assert_eq!(
                (plan.verdict(), only(&plan).decided_by.clone()),
                (POLICY_REFUSAL, by_rule.clone()),
                "case {index}"
            );
            assert_eq!(cause(&plan), &RefusalCause::UndecidableRule);
        }
    }
}

#[test]
fn a_condition_about_another_host_never_matches() {
    let rules = vec![rule(
        "far away",
        Action::Force,
        Conditions { local: Some(false), ..Conditions::default() },
    )];
    assert_eq!(
        only(&plan(&with_rules(rules), vec![same_command(5)])).decided_by,
        DecidedBy::OnConflict
    );
}

#[test]
fn the_root_is_judged_by_the_facts_of_its_whole_tree() {
    let by = |when| with_rules(vec![rule("it", Action::Wait, when)]);
    let on_lock = || Conditions { holds_lock: Some(true), ..Conditions::default() };
    let on_token = || Conditions { same_token: Some(true), ..Conditions::default() };
    let on_connected = || Conditions { connected: Some(true), ..Conditions::default() };
    let below = |process: Process| vec![same_command(5), child_of(5, process)];
    let connected = |root, member| {
        let member = child_of(5, Process { connected: member, ..process(6) });
        vec![Process { connected: root, ..same_command(5) }, member]
    };
    for (when, tree, verdict) in [
        (on_lock(), below(holder(6)), Verdict::Wait),
        (on_lock(), below(process(6)), Verdict::Act),
        (on_lock(), below(Process { holds_lock: Unknown, ..process(6) }), POLICY_REFUSAL),
        (on_token(), below(Process { tokens: INHERITED, ..process(6) }), Verdict::Wait),
        (on_token(), below(process(6)), Verdict::Act),
        (on_connected(), connected(Known(true), Known(false)), Verdict::Wait),
        (on_connected(), connected(Known(false), Known(true)), Verdict::Wait),
        (on_connected(), connected(Unknown, Known(true)), Verdict::Wait),
        (on_connected(), connected(Known(false), Known(false)), Verdict::Act),
        (on_connected(), connected(Known(false), Unknown), POLICY_REFUSAL),
    ] {
        let shown = format!("{when:?}");
        assert_eq!(plan(&by(when), tree).verdict(), verdict, "{shown}");
    }
}

#[test]
fn the_reason_names_the_evidence_of_the_conflict() {
    let refuse = policy(OnConflict::Refuse);
    for (plan, says) in [
        (
            decide(&refuse, &guarded(Some(7))),
            "the guard of `python3 main.py` (pid 10) holds the lock, and `on_conflict` says refuse",
        ),
        (
            decide(&refuse, &elsewhere(None)),
            "the guard of `python3 main.py` in another PID namespace (host web-1) holds the lock, \
                and `on_conflict` says refuse",
        ),
        (
            decide(&refuse, &unknown_holder()),
            "an unknown process holds the lock, and `on_conflict` says refuse",
        ),
        (
            plan(&refuse, vec![same_command(5)]),
            "`python3 main.py` (pid 5) is already running, and `on_conflict` says refuse",
        ),
        (
            plan(&refuse, vec![Process { name: Unknown, ..same_command(5) }]),
            "`python3 main.py` (pid 5) is already running, and `on_conflict` says refuse",
        ),
        (
            plan(&refuse, vec![Process { tokens: MINE, ..process(5) }]),
            "`python3 main.py` (pid 5) carries the same bot token and is found only by it, so \
             `same_token` (refuse) applies instead of `on_conflict`",
        ),
        (
            plan(&policy(OnConflict::Force), vec![same_command(5), same_command(6)]),
            "ends 2 conflicts first",
        ),
        (plan(&policy(OnConflict::Wait), vec![same_command(5)]), "waits for 1 conflict to end"),
        (
            decide(&policy(OnConflict::Graceful), &guarded(Some(51))),
            "superseded: the guard of `python3 main.py` (pid 10) is a newer start",
        ),
        (
            decide(&policy(OnConflict::Graceful), &unknown_holder()),
            "the lock is held, but its holder cannot be identified",
        ),
        (plan(&refuse, vec![]), "no conflicts"),
    ] {
        assert_eq!(reason(&plan), says);
    }
}

#[test]
fn the_deadline_is_the_longest_wait_plus_the_longest_ladder() {
    for (on_conflict, guarded_for, stranger_for) in [
        (OnConflict::Graceful, GRACEFUL + FORCE, GRACEFUL + FORCE),
        (OnConflict::Force, FORCE, FORCE),
        (OnConflict::Wait, MINUTE, MINUTE),
    ] {
        assert_eq!(decide(&policy(on_conflict), &guarded(Some(7))).deadline(), Some(guarded_for));
        assert_eq!(
            plan(&policy(on_conflict), vec![same_command(5), same_command(6)]).deadline(),
            Some(stranger_for)
        );
    }
}

#[test]
fn a_stop_ends_every_conflict_that_no_rule_forbids_ending() {
    use monopoll::internals::engine::ladder::StopMode;
    use monopoll::internals::engine::policy::Purpose;
    let base =
        Policy { after_wait: AfterWait::Force, max_takeovers: 0, ..policy(OnConflict::Refuse) };
    for (mode, action, on_conflict) in [
        (StopMode::Graceful, Action::Graceful, OnConflict::Graceful),
        (StopMode::Force, Action::Force, OnConflict::Force),
    ] {
        let stop = base.to_stop(mode);
        assert_eq!(
            (stop.purpose, stop.on_conflict, stop.after_wait),
            (Purpose::Stop, on_conflict, AfterWait::Refuse)
        );
        assert_eq!(only(&decide(&stop, &guarded(Some(7)))).action, action);
        for (of_the_rule, expected) in [
            (Action::Refuse, Action::Refuse),
            (Action::Wait, Action::Refuse),
            (Action::Ignore, Action::Ignore),
            (Action::Graceful, action),
            (Action::Force, action),
        ] {
            let stop = Policy {
                rules: vec![rule("x", of_the_rule, Conditions::default())],
                ..base.clone()
            }
            .to_stop(mode);
            assert_eq!(only(&plan(&stop, vec![same_command(5)])).action, expected, "{of_the_rule}");
        }
    }
}

#[test]
fn a_stop_applies_the_rules_in_order_and_assumes_no_more_than_a_start() {
    use monopoll::internals::engine::ladder::StopMode;
    let mine =
        |action, orphaned| rule("x", action, Conditions { orphaned, ..Conditions::default() });
    let stop = |rules| Policy { rules, ..policy(OnConflict::Force) }.to_stop(StopMode::Graceful);
    let before = stop(vec![mine(Action::Force, Some(false)), mine(Action::Refuse, None)]);
    assert_eq!(only(&plan(&before, vec![same_command(5)])).action, Action::Graceful);
    let unreadable = vec![Process { orphaned: Unknown, ..same_command(5) }];
    assert_eq!(
        only(&plan(&before, unreadable.clone())).action,
        Action::Refuse,
        "a rule that kills does not hold on what is unknown"
    );
    let waits = plan(&stop(vec![mine(Action::Wait, Some(true))]), unreadable);
    assert_eq!(
        reason(&waits),
        "rule `x` cannot be decided for `python3 main.py` (pid 5), because `orphaned` is unknown"
    );
    let forbidden = plan(&stop(vec![mine(Action::Wait, None)]), vec![same_command(5)]);
    assert_eq!(
        reason(&forbidden),
        "`python3 main.py` (pid 5) is already running, and rule `x` forbids ending it"
    );
}

#[test]
fn a_later_request_only_shortens_an_earlier_one() {
    let patient = StopOptions {
        mode: StopMode::Graceful,
        signal: Signal::SigInt,
        graceful: GRACEFUL,
        force: MINUTE,
        escalation: AfterGraceful::Refuse,
    };
    let impatient = StopOptions {
        mode: StopMode::Force,
        signal: Signal::SigTerm,
        graceful: FORCE,
        force: FORCE,
        escalation: AfterGraceful::Kill,
    };
    let hastened = StopOptions { signal: patient.signal, ..impatient };
    assert_eq!(patient.hastened_by(impatient), hastened);
    assert_eq!(impatient.hastened_by(patient), impatient);
    assert_eq!(patient.hastened_by(patient), patient);
}
