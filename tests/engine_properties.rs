//! What holds for every policy and everything that can be seen. The domains are small, so that things collide.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod fixture;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use fixture::*;
use monopoll::engine::{
    action::{Action, AfterWait, OnConflict, SameToken},
    decide::decide,
    fact::Fact::{self, Known, Unknown},
    instance::BotId,
    pattern::{ContainerLimit, PathPattern, Pattern, UserLimit},
    plan::{Conflict, Plan, Verdict},
    policy::{Conditions, Escalate, MatchEntry, Patience, Policy, Rule, Timeouts},
    shield,
    snapshot::{CarriedToken, GuardView, Kin, LockState, ManagedBy, Me, Process, ProcessId, Reach, Role, RunState, Snapshot},
    takeover::{History, Ticket, Try, TryKind},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use regex::Regex;

const PIDS: std::ops::Range<u32> = 2..9;

fn fact<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Fact<T>> {
    prop_oneof![8 => select(values).prop_map(Known), 1 => Just(Unknown)]
}

fn token() -> impl Strategy<Value = Fact<CarriedToken>> {
    prop_oneof![
        6 => Just(Known(CarriedToken::None)),
        2 => Just(Known(MINE)),
        2 => Just(Known(INHERITED)),
        1 => Just(Known(CarriedToken::NotLookedFor)),
        1 => Just(Known(CarriedToken::Other(BotId(9)))),
        1 => Just(Unknown),
    ]
}

fn kin() -> impl Strategy<Value = Fact<Kin>> {
    let some = select(vec![Kin::Myself, Kin::Ancestor, Kin::Descendant, Kin::Init, Kin::Kernel]);
    prop_oneof![12 => Just(Known(Kin::None)), 2 => some.prop_map(Known), 1 => Just(Unknown)]
}

fn looks() -> impl Strategy<Value = Process> {
    let text = |values: &[&str]| fact(values.iter().map(|it| (*it).to_owned()).collect());
    let paths = |values: &[&str]| fact(values.iter().map(PathBuf::from).collect());
    let args = fact(vec![vec!["python3".to_owned(), "main.py".to_owned()], vec!["node".to_owned()], vec![]]);
    (text(&["python3", "node"]), args, paths(&["/usr/bin/python3", "/opt/node"]), paths(&["/srv/bot", "/"]))
        .prop_map(|(name, args, exe, cwd)| Process { name, args, exe, cwd, ..process(0) })
}

fn some_process() -> impl Strategy<Value = Process> {
    let managers = fact(vec![None, None, Some(ManagedBy::Pm2(None))]);
    let state = fact(vec![RunState::Sleeping, RunState::Stopped]);
    let age = fact(vec![Duration::ZERO, Duration::from_mins(1)]);
    let role = prop_oneof![6 => Just(Role::Program), 1 => Just(Role::Monopoll)];
    let parent = prop_oneof![16 => (1..9_u32).prop_map(Known), 1 => Just(Unknown)];
    let place = (parent, fact(vec![user("bot"), user("bot"), user("deploy")]), fact(vec![None, None, Some("c0ffee".to_owned())]));
    let being = (state, age, managers, fact(vec![false, true]));
    let relation = (fact(vec![false, false, true]), token(), fact(vec![false, true]), fact(vec![false, true]), kin(), role);
    (looks(), place, being, relation, 0..3_u64).prop_map(|(looks, place, being, relation, start)| {
        let (parent, user, container) = place;
        let (state, age, managed_by, orphaned) = being;
        let (holds_lock, token, own_program, twin, kin, role) = relation;
        let id = ProcessId { pid: 0, start };
        Process { id, parent, user, container, state, age, managed_by, orphaned, holds_lock, token, own_program, twin, kin, role, ..looks }
    })
}

fn processes() -> impl Strategy<Value = Vec<Process>> {
    vec(option::weighted(0.6, some_process()), PIDS.len()).prop_map(|rows| {
        let row = |(pid, process): (u32, Option<Process>)| {
            let process = process?;
            Some(Process { id: ProcessId { pid, ..process.id }, ..process })
        };
        PIDS.zip(rows).filter_map(row).collect()
    })
}

fn lock_state() -> impl Strategy<Value = LockState> {
    prop_oneof![
        3 => Just(LockState::Free),
        1 => Just(LockState::Mine),
        3 => vec(PIDS, 0..3).prop_map(LockState::Held),
        1 => Just(LockState::Unknown),
    ]
}

/// Where a guard's record says it is: nowhere that can be seen, or at the process with this index.
type Record = (Option<usize>, Option<u64>);

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let kind = prop_oneof![3 => Just(TryKind::Done), 1 => Just(TryKind::RefusedByLimit)];
    let one =
        (0..120_u64, 0..9_u64, kind).prop_map(|(ago, ticket, kind)| Try { ago: Duration::from_secs(ago), ticket: Ticket(ticket), kind });
    vec(one, 0..8)
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let ticket = || option::weighted(0.8, 0..9_u64);
    let record = (option::weighted(0.8, 0..7_usize), ticket());
    (processes(), vec(lock_state(), 1..3), vec(record, 0..3), any::<bool>(), ticket(), 0..3_u64, (0..4_u32, tries())).prop_map(
        |(processes, locks, records, privileged, ticket, minutes, (rounds, tries))| {
            let view = |(at, ticket): Record| GuardView {
                process: at.and_then(|at| processes.get(at)).map(|process| process.id),
                ..guard(None, ticket)
            };
            let guards = records.into_iter().map(view).collect();
            let me = Me { pid: MY_PID, user: user("bot"), privileged, reach: Reach::Signals, ticket: ticket.map(Ticket) };
            let locks = locks.into_iter().map(lock).collect();
            let waited = Duration::from_mins(minutes);
            Snapshot { me, locks, guards, processes, waited, history: History { rounds, tries, ..History::default() } }
        },
    )
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let path = |glob: &str| PathPattern::new(glob).unwrap();
    select(vec![
        named("python3"),
        named(".*"),
        entry("main").pattern,
        Pattern { cwd: Some(path("/srv")), ..Pattern::default() },
        Pattern { exe: Some(path("/usr/bin/*")), ..entry("main").pattern },
    ])
}

fn user_limit() -> impl Strategy<Value = UserLimit> {
    select(vec![UserLimit::Same, UserLimit::Any, UserLimit::Named("deploy".to_owned())])
}

fn match_entry() -> impl Strategy<Value = MatchEntry> {
    (pattern(), user_limit(), container_limit()).prop_map(|(pattern, user, container)| MatchEntry { pattern, user, container })
}

fn container_limit() -> impl Strategy<Value = ContainerLimit> {
    select(vec![ContainerLimit::Same, ContainerLimit::Any])
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let flag = || option::weighted(0.2, any::<bool>());
    let limits = (option::weighted(0.2, user_limit()), option::weighted(0.2, container_limit()));
    let being = (
        option::weighted(0.2, Just(RunState::Stopped)),
        option::weighted(0.2, Just(Duration::from_mins(1))),
        option::weighted(0.2, Just(Duration::from_mins(1))),
        option::weighted(0.2, Just(Regex::new("pm2").unwrap())),
    );
    (option::weighted(0.3, pattern()), limits, (flag(), flag(), flag(), flag()), being).prop_map(
        |(pattern, (user, container), (holds_lock, same_token, orphaned, local), (state, older_than, younger_than, managed_by))| {
            Conditions {
                pattern: pattern.unwrap_or_default(),
                user,
                container,
                holds_lock,
                same_token,
                orphaned,
                state,
                older_than,
                younger_than,
                managed_by,
                local,
            }
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let action = select(vec![Action::Refuse, Action::Graceful, Action::Force, Action::Wait, Action::Ignore]);
    vec((action, conditions()).prop_map(|(action, when)| rule("it", action, when)), 0..4)
}

fn policies() -> impl Strategy<Value = Policy> {
    let on_conflict = prop_oneof![
        1 => Just(OnConflict::Refuse),
        4 => Just(OnConflict::Graceful),
        2 => Just(OnConflict::Force),
        2 => Just(OnConflict::Wait)
    ];
    let after_wait = select(vec![AfterWait::Refuse, AfterWait::Graceful, AfterWait::Force]);
    let same_token = select(vec![SameToken::Refuse, SameToken::Act, SameToken::Act, SameToken::Warn, SameToken::Off]);
    let wait = select(vec![Patience::Forever, Patience::For(Duration::ZERO), Patience::For(Duration::from_mins(1))]);
    let escalation = select(vec![Escalate::Kill, Escalate::Refuse]);
    (on_conflict, after_wait, same_token, vec(match_entry(), 0..3), rules(), wait, escalation, 1..7_usize).prop_map(
        |(on_conflict, after_wait, same_token, matches, rules, wait, escalation, max_targets)| {
            let base = policy(on_conflict);
            let timeouts = Timeouts { wait, ..base.timeouts };
            Policy { after_wait, same_token, matches, rules, timeouts, escalation, max_targets, ..base }
        },
    )
}

/// Forgets one fact.
type Hide = fn(&mut Process);

/// Each fact of a process, by name.
const FACTS: [(&str, Hide); 17] = [
    ("parent", |it| it.parent = Unknown),
    ("name", |it| it.name = Unknown),
    ("args", |it| it.args = Unknown),
    ("exe", |it| it.exe = Unknown),
    ("cwd", |it| it.cwd = Unknown),
    ("user", |it| it.user = Unknown),
    ("container", |it| it.container = Unknown),
    ("state", |it| it.state = Unknown),
    ("age", |it| it.age = Unknown),
    ("managed_by", |it| it.managed_by = Unknown),
    ("launchers", |it| it.launchers = Unknown),
    ("orphaned", |it| it.orphaned = Unknown),
    ("holds_lock", |it| it.holds_lock = Unknown),
    ("token", |it| it.token = Unknown),
    ("own_program", |it| it.own_program = Unknown),
    ("twin", |it| it.twin = Unknown),
    ("kin", |it| it.kin = Unknown),
];

/// Those that make a process a candidate; the others only say what is done about one.
const FINDING: [&str; 8] = ["name", "args", "exe", "cwd", "holds_lock", "token", "own_program", "twin"];

fn planned_kills(plan: &Plan) -> impl Iterator<Item = &Conflict> {
    plan.conflicts.iter().filter(|conflict| conflict.action.kills())
}

fn pids_of<'a>(conflicts: impl Iterator<Item = &'a Conflict>) -> BTreeSet<u32> {
    conflicts.flat_map(pids).collect()
}

fn root_pid(conflict: &Conflict) -> Option<u32> {
    conflict.root.as_ref().map(|root| root.id.pid)
}

/// Whether `pid` was judged below `outer` before, and `outer` is nobody's business any more.
fn was_below(before: &Plan, after: &Plan, outer: u32, pid: u32) -> bool {
    let below = before.conflicts.iter().any(|it| root_pid(it) == Some(outer) && pid != outer && pids(it).contains(&pid));
    below && !after.conflicts.iter().any(|it| root_pid(it) == Some(outer))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_refusal_plans_no_step(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        let refused = matches!(plan.verdict, Verdict::Refuse(_));
        if refused {
            prop_assert!(plan.conflicts.iter().all(|it| it.steps.is_empty()));
            prop_assert_eq!((plan.kills().count(), plan.waits().count(), plan.deadline()), (0, 0, Some(Duration::ZERO)));
        }
        for conflict in &plan.conflicts {
            prop_assert_eq!(conflict.refusal.is_some(), conflict.action == Action::Refuse);
            prop_assert_eq!(conflict.steps.is_empty(), refused || matches!(conflict.action, Action::Refuse | Action::Ignore));
        }
    }

    #[test]
    fn the_verdict_is_what_the_actions_add_up_to(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        let has = |is: fn(Action) -> bool| plan.conflicts.iter().any(|it| is(it.action));
        let in_the_way = plan.conflicts.iter().filter(|it| it.action != Action::Ignore).count();
        let would_act = !has(|it| it == Action::Wait) && has(Action::kills);
        let stormy = would_act && snapshot.history.is_stormy(snapshot.me.ticket, policy.max_takeovers, policy.takeover_window);
        let refused = has(|it| it == Action::Refuse) || in_the_way > policy.max_targets || stormy;
        prop_assert_eq!(matches!(plan.verdict, Verdict::Refuse(_)), refused);
        prop_assert_eq!(plan.verdict == Verdict::Wait, !refused && has(|it| it == Action::Wait));
        prop_assert_eq!(plan.verdict == Verdict::Act, !refused && !has(|it| it == Action::Wait) && has(Action::kills));
        prop_assert_eq!(plan.verdict == Verdict::Clear, in_the_way == 0);
    }

    #[test]
    fn nobody_is_started_beside_a_holder(policy in policies(), snapshot in snapshots()) {
        let taken = snapshot.locks.iter().any(|lock| match &lock.state {
            LockState::Free | LockState::Mine => false,
            LockState::Held(_) | LockState::Unknown => true,
        });
        let held = taken || !snapshot.guards.is_empty() || snapshot.processes.iter().any(|it| it.holds_lock == Known(true));
        let plan = decide(&policy, &snapshot);
        if held {
            prop_assert_ne!(plan.verdict, Verdict::Clear);
            prop_assert!(plan.conflicts.iter().any(Conflict::holds_lock));
        }
        prop_assert!(plan.conflicts.iter().all(|it| !(it.holds_lock() && it.action == Action::Ignore)));
    }

    #[test]
    fn nobody_shielded_is_ever_ended(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        for conflict in planned_kills(&plan) {
            for process in conflict.processes() {
                prop_assert_eq!(process.kin, Known(Kin::None));
                prop_assert!(!matches!(process.token, Unknown | Known(CarriedToken::Other(_))));
                prop_assert!(conflict.guard.is_some() || shield::may_signal(process, &snapshot.me));
            }
        }
    }

    #[test]
    fn a_newer_guard_is_never_ended(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        let Some(mine) = snapshot.me.ticket else { return Ok(()) };
        for conflict in planned_kills(&plan) {
            prop_assert!(conflict.guard.as_ref().and_then(|guard| guard.ticket).is_none_or(|theirs| theirs <= mine));
        }
    }

    #[test]
    fn nobody_is_in_two_conflicts_unless_below_a_guard(policy in policies(), snapshot in snapshots()) {
        let plan = decide(&policy, &snapshot);
        let strangers = plan.conflicts.iter().filter(|it| it.guard.is_none());
        let all: Vec<u32> = strangers.flat_map(pids).collect();
        prop_assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len());
        let in_conflict: BTreeSet<u32> = pids_of(plan.conflicts.iter());
        prop_assert!(plan.suspects.iter().all(|it| !in_conflict.contains(&it.process.id.pid)));
    }

    #[test]
    fn hiding_a_fact_never_adds_a_kill(policy in policies(), snapshot in snapshots()) {
        let before = decide(&policy, &snapshot);
        let killed = pids_of(planned_kills(&before));
        for index in 0..snapshot.processes.len() {
            for (name, hide) in FACTS {
                let mut dim = snapshot.clone();
                hide(&mut dim.processes[index]);
                let hidden = dim.processes[index].id.pid;
                let after = decide(&policy, &dim);
                for pid in pids_of(after.kills()).difference(&killed) {
                    // Without what made the outer one a candidate, the inner one is judged for itself.
                    let freed = FINDING.contains(&name) && was_below(&before, &after, hidden, *pid);
                    prop_assert!(freed, "pid {pid} is ended once {name} of {hidden} is hidden: {after:#?}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_table_does_not_matter(policy in policies(), (snapshot, order) in snapshots().prop_flat_map(|snapshot| {
        let order = Just(snapshot.processes.clone()).prop_shuffle();
        (Just(snapshot), order)
    })) {
        let shuffled = Snapshot { processes: order, ..snapshot.clone() };
        prop_assert_eq!(format!("{:?}", decide(&policy, &snapshot)), format!("{:?}", decide(&policy, &shuffled)));
    }
}
