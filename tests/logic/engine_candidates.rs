//! The candidates: S5, S6, the same command, the token, nested candidates.

use std::path::PathBuf;
use std::time::Duration;

use crate::fixture::*;

use monopoll::internals::engine::action::{Action, OnConflict, SameToken};
use monopoll::internals::engine::counter_evidence::{AnotherBot, Doubt};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::evidence::Evidence;
use monopoll::internals::engine::fact::Fact::{self, Known, Unknown};
use monopoll::internals::engine::instance::{BotId, NameSource};
use monopoll::internals::engine::likeness::CommandDoubt;
use monopoll::internals::engine::pattern::{ContainerLimit, PathPattern, Pattern, UserLimit};
use monopoll::internals::engine::plan::{DecidedBy, Plan};
use monopoll::internals::engine::policy::{Conditions, MatchEntry, Policy};
use monopoll::internals::engine::process::{GuardedInstance, OtherGuard, Process, Relation, Role};
use monopoll::internals::engine::reason::{RefusalCause, RefusalKind, Verdict};
use monopoll::internals::engine::shield::Shield;
use monopoll::internals::engine::snapshot::{Caller, GuardView, LockState, Snapshot};

const POLICY_REFUSAL: Verdict = Verdict::Refuse(RefusalKind::Policy);

fn graceful() -> Policy {
    policy(OnConflict::Graceful)
}

fn with_entry(entry: MatchEntry) -> Policy {
    Policy { matches: vec![entry], ..graceful() }
}

fn shields(plan: &Plan) -> Vec<(u32, Shield)> {
    plan.shielded.iter().map(|it| (it.process.id.pid, it.shield.clone())).collect()
}

fn suspects(plan: &Plan) -> Vec<u32> {
    plan.suspects.iter().map(|it| it.id.pid).collect()
}

/// Returns a living guard of another instance above a process.
fn below(instance: &str, name_source: NameSource) -> Fact<Option<OtherGuard>> {
    let (instance, process) = (instance.to_owned(), process(4).id);
    let guards = GuardedInstance::Another;
    Known(Some(OtherGuard { instance, name_source, process, guards }))
}

/// Changes a process.
type Change = fn(Process) -> Process;

/// Changes that shield a process unconditionally.
fn absolute() -> Vec<(Change, Shield)> {
    vec![
        (|it| Process { relation: Known(Relation::Myself), ..it }, Shield::Myself),
        (|it| Process { relation: Known(Relation::Ancestor), ..it }, Shield::Ancestor),
        (|it| Process { relation: Known(Relation::Descendant), ..it }, Shield::Descendant),
        (|it| Process { relation: Known(Relation::Init), ..it }, Shield::Init),
        (|it| Process { relation: Known(Relation::Kernel), ..it }, Shield::Kernel),
        (
            |it| Process { tokens: ANOTHER_BOTS, ..it },
            Shield::AnotherBot(AnotherBot::Token(BotId(9))),
        ),
    ]
}

#[test]
fn without_match_entries_the_same_command_is_a_candidate() {
    let plan = plan(
        &graceful(),
        vec![same_command(5), process(6), Process { likeness: Unknown, ..process(7) }],
    );
    assert_eq!(only(&plan).evidence, [Evidence::Command]);
    assert_eq!(pids(only(&plan)), [5]);
}

#[test]
fn a_process_that_blocks_its_readers_is_in_doubt_if_it_may_run_my_command() {
    let in_doubt = Some(RefusalCause::InDoubt(Doubt::BlocksReads));
    for (blocks_reads, may_be_spawned, refusal) in [
        (true, Known(true), in_doubt),
        (true, Known(false), None),
        (true, Unknown, None),
        (false, Known(true), None),
    ] {
        let blocked = Process { args: Unknown, likeness: Unknown, ..process(5) };
        let blocked = Process { blocks_reads, may_be_spawned, ..blocked };
        let plan = plan(&graceful(), vec![blocked]);
        let found = plan.conflicts.first().and_then(|found| found.refusal.clone());
        assert_eq!(found, refusal, "{blocks_reads} {may_be_spawned:?}");
        assert_eq!(plan.conflicts.len(), usize::from(refusal.is_some()));
    }
}

#[test]
fn match_entries_add_to_the_same_command() {
    let plan = plan(&with_entry(entry("other")), vec![same_command(5)]);
    assert_eq!(only(&plan).evidence, [Evidence::Command]);
}

#[test]
fn every_matching_entry_is_named() {
    let policy = Policy {
        matches: vec![entry("nothing"), entry("main"), entry(r"python3 main\.py")],
        ..graceful()
    };
    assert_eq!(
        only(&plan(&policy, vec![process(5)])).evidence,
        [Evidence::Match(1), Evidence::Match(2)]
    );
}

#[test]
fn a_match_entry_needs_all_of_its_fields() {
    let path = |glob| Some(PathPattern::new(glob).unwrap());
    let full = || Pattern { exe: path("/usr/bin/*"), cwd: path("/srv"), ..named("python3?") };
    let cases: [(Pattern, Change, bool); 6] = [
        (full(), |it| it, true),
        (full(), |it| Process { name: Known("python".to_owned()), ..it }, true),
        (full(), |it| Process { name: Known("perl".to_owned()), ..it }, false),
        (full(), |it| Process { exe: Known(PathBuf::from("/opt/python3")), ..it }, false),
        (full(), |it| Process { cwd: Known(PathBuf::from("/home")), ..it }, false),
        (full(), |it| Process { cwd: Unknown, ..it }, false),
    ];
    for (index, (pattern, change, expected)) in cases.into_iter().enumerate() {
        let policy = with_entry(MatchEntry { pattern, ..entry("") });
        assert_eq!(
            plan(&policy, vec![change(process(5))]).conflicts.len() == 1,
            expected,
            "case {index}"
        );
    }
}

#[test]
fn a_shielded_process_that_only_matches_is_listed_and_left_alone() {
    for (change, shield) in absolute() {
        for policy in [graceful(), with_entry(entry("main"))] {
            let plan = plan(&policy, vec![change(same_command(5))]);
            assert_eq!(plan.verdict(), Verdict::Clear, "{shield:?}");
            assert_eq!(shields(&plan), [(5, shield.clone())]);
        }
    }
}

#[test]
fn a_shielded_process_is_listed_whoever_owns_it() {
    for user in [Known(user("bot")), Unknown] {
        let shell = Process { relation: Known(Relation::Ancestor), user, ..same_command(5) };
        let plan = plan(&graceful(), vec![shell]);
        assert_eq!((plan.verdict(), shields(&plan)), (Verdict::Clear, vec![(5, Shield::Ancestor)]));
    }
}

#[test]
fn a_shielded_process_that_has_the_lock_means_refuse() {
    for (change, shield) in absolute() {
        for on_conflict in [OnConflict::Graceful, OnConflict::Force, OnConflict::Wait] {
            let holder = Process { holds_lock: Known(true), ..change(process(5)) };
            let plan = plan(&policy(on_conflict), vec![holder]);
            assert_eq!(plan.verdict(), POLICY_REFUSAL, "{shield:?}");
            assert_eq!(only(&plan).decided_by, DecidedBy::SafetyRule);
            assert_eq!(decisive_shield(&plan), &shield);
        }
    }
}

#[test]
fn a_shield_below_a_candidate_protects_the_whole_tree() {
    for (change, shield) in absolute() {
        let plan = plan(&graceful(), vec![same_command(5), change(child_of(5, process(6)))]);
        assert_eq!(
            (plan.verdict(), only(&plan).action),
            (POLICY_REFUSAL, Action::Refuse),
            "{shield:?}"
        );
        assert_eq!(decisive_shield(&plan), &shield);
    }
}

#[test]
fn another_bot_below_a_program_that_only_an_entry_found_protects_the_whole_tree() {
    let changes: [Change; 2] = [
        |it| Process { other_variable: Known(Some("BOT_PROFILE".to_owned())), ..it },
        |it| Process {
            command_doubt: Known(Some(CommandDoubt::Option("--env-file".to_owned()))),
            ..it
        },
    ];
    for change in changes {
        let verdict = |root: Process| {
            let shell = child_of(5, Process { args: Known(Vec::new()), ..process(6) });
            let bot = Process { args: Known(Vec::new()), ..change(child_of(6, process(7))) };
            plan(&with_entry(entry("main")), vec![root, shell, bot]).verdict()
        };
        assert_eq!(verdict(process(5)), POLICY_REFUSAL);
        // This bot may have started any program.
        assert_eq!(verdict(same_command(5)), Verdict::Act);
        let with_other_arguments = Process { same_program: Known(true), ..process(5) };
        assert_eq!(verdict(with_other_arguments), Verdict::Act);
        assert_eq!(verdict(Process { tokens: MINE, ..process(5) }), Verdict::Act);
    }
}

#[test]
fn a_launcher_of_another_bot_is_another_bots_unless_it_has_this_bots_token() {
    let command_doubt = Known(Some(CommandDoubt::Option("--env-file".to_owned())));
    let launcher = || Process { command_doubt: command_doubt.clone(), ..same_command(5) };
    let child = |pid, tokens| Process { tokens, ..child_of(5, same_command(pid)) };
    let others = vec![launcher(), child(6, ANOTHER_BOTS)];
    let plan_of = |processes| plan(&graceful(), processes);
    let left_alone = plan_of(others.clone());
    assert_eq!(left_alone.verdict(), Verdict::Clear, "{left_alone:#?}");
    let shielded: Vec<u32> = left_alone.shielded.iter().map(|it| it.process.id.pid).collect();
    assert!(shielded.contains(&5), "{shielded:?}");
    // An entry of the user finds it in any case.
    let by_entry = plan(&with_entry(entry("main")), others);
    assert!(matches!(by_entry.verdict(), Verdict::Refuse(_)), "{by_entry:#?}");
    let refused = [
        vec![launcher(), child(6, ANOTHER_BOTS), child(7, MINE)],
        vec![launcher(), child(6, TWO_BOTS)],
        vec![same_command(5), child(6, ANOTHER_BOTS)],
        vec![launcher()],
        vec![Process { holds_lock: Known(true), ..launcher() }, child(6, ANOTHER_BOTS)],
    ];
    for processes in refused {
        let plan = plan_of(processes);
        assert!(matches!(plan.verdict(), Verdict::Refuse(_)), "{plan:#?}");
    }
}

#[test]
fn doubt_about_a_member_counts_unless_this_bot_may_have_started_such_a_program() {
    let refuses: [(usize, Change, Doubt); 4] = [
        (1, |it| Process { tokens: TWO_BOTS, ..it }, Doubt::AlsoAnotherToken(BotId(9))),
        (0, |it| Process { tokens: ANOTHER_BOTS, ..it }, Doubt::NoTokenOfMine(BotId(9))),
        (1, |it| Process { tokens: UNREADABLE, ..it }, Doubt::UnreadableEnvironment),
        (1, |it| Process { blocks_reads: true, ..it }, Doubt::BlocksReads),
    ];
    let is_harmless: [(usize, Change); 4] = [
        (1, |it| Process { guard: below("main.py", NameSource::Given), ..it }),
        (1, |it| Process { other_variable: Known(Some("BOT_PROFILE".to_owned())), ..it }),
        (1, |it| Process { command_doubt: Known(Some(CommandDoubt::Modules)), ..it }),
        (2, |it| it),
    ];
    let refusal = |bots, change: Change| {
        let name_source = NameSource::Command;
        let snapshot = snapshot(vec![same_command(5), change(child_of(5, process(6)))]);
        let me = Caller { bots, name_source, ..caller() };
        let plan = decide(&graceful(), &Snapshot { me, ..snapshot });
        only(&plan).refusal.clone()
    };
    for (bots, change, doubt) in refuses {
        assert_eq!(refusal(bots, change), Some(RefusalCause::InDoubt(doubt)));
    }
    for (bots, change) in is_harmless {
        assert_eq!(refusal(bots, change), None, "{:#?}", change(process(6)));
    }
}

#[test]
fn a_process_that_may_be_shielded_is_refused_and_not_killed() {
    let doubts: [(Change, Shield, RefusalKind); 3] = [
        (|it| Process { relation: Unknown, ..it }, Shield::UnknownRelation, RefusalKind::Policy),
        (|it| Process { user: Unknown, ..it }, Shield::UnknownUser, RefusalKind::Permission),
        (|it| Process { container: Unknown, ..it }, Shield::UnknownContainer, RefusalKind::Policy),
    ];
    for (change, shield, refusal) in doubts {
        let plan = plan(&with_entry(entry("main")), vec![change(process(5))]);
        assert_eq!(plan.verdict(), Verdict::Refuse(refusal), "{shield:?}");
        assert_eq!(only(&plan).evidence, [Evidence::Match(0)]);
        assert_eq!(decisive_shield(&plan), &shield);
    }
}

#[test]
fn two_unknown_facts_do_not_allow_a_start() {
    for (first, second) in
        [(Unknown, Known(user("bot"))), (Unknown, Unknown), (Known(Relation::None), Unknown)]
    {
        let doubtful =
            Process { relation: first, user: second, tokens: UNREADABLE, ..same_command(5) };
        let verdict = plan(&graceful(), vec![doubtful]).verdict();
        assert!(matches!(verdict, Verdict::Refuse(_)), "{first:?} {verdict:?}");
    }
}

#[test]
fn a_match_entry_reaches_other_users_and_containers_only_if_it_says_so() {
    let foreign = || Process { user: Known(user("deploy")), ..process(5) };
    let boxed = || Process { container: Known(Some("c0ffee".to_owned())), ..process(5) };
    let other_user = || vec![(5, Shield::OtherUser("deploy".to_owned()))];
    let other_box = || vec![(5, Shield::OtherContainer("c0ffee".to_owned()))];
    for (entry, process, shielded) in [
        (entry("main"), foreign(), other_user()),
        (
            MatchEntry { user: UserLimit::Named("bot".to_owned()), ..entry("main") },
            foreign(),
            other_user(),
        ),
        (
            MatchEntry { user: UserLimit::Named("deploy".to_owned()), ..entry("main") },
            foreign(),
            vec![],
        ),
        (
            MatchEntry { user: UserLimit::Named("id-deploy".to_owned()), ..entry("main") },
            foreign(),
            vec![],
        ),
        (MatchEntry { user: UserLimit::Any, ..entry("main") }, foreign(), vec![]),
        (entry("main"), boxed(), other_box()),
        (MatchEntry { container: ContainerLimit::Any, ..entry("main") }, boxed(), vec![]),
    ] {
        let shown = format!("{entry:?}");
        let mut snapshot = snapshot(vec![process]);
        snapshot.me.privileged = true;
        let plan = decide(&with_entry(entry), &snapshot);
        assert_eq!(plan.verdict() == Verdict::Act, shielded.is_empty(), "{shown}");
        assert_eq!(shields(&plan), shielded, "{shown}");
    }
}

#[test]
fn a_second_match_entry_may_reach_further_than_the_first() {
    let policy = Policy {
        matches: vec![entry("main"), MatchEntry { user: UserLimit::Any, ..entry("main") }],
        ..graceful()
    };
    let mut snapshot = snapshot(vec![Process { user: Known(user("deploy")), ..process(5) }]);
    snapshot.me.privileged = true;
    let plan = decide(&policy, &snapshot);
    assert_eq!(
        (plan.verdict(), only(&plan).evidence.clone()),
        (Verdict::Act, vec![Evidence::Match(1)])
    );
}

#[test]
fn a_holder_is_a_candidate_in_any_user_and_container() {
    let holder = Process {
        holds_lock: Known(true),
        user: Known(user("deploy")),
        container: Known(Some("c0ffee".to_owned())),
        ..process(5)
    };
    let mut snapshot = snapshot(vec![holder]);
    assert_eq!(decide(&graceful(), &snapshot).verdict(), Verdict::Refuse(RefusalKind::Permission));
    snapshot.me.privileged = true;
    assert_eq!(decide(&graceful(), &snapshot).verdict(), Verdict::Act);
}

#[test]
fn the_token_counts_only_where_it_was_given_to_the_process_itself() {
    let own = |it| Process { same_program: Known(true), ..it };
    let with = |tokens, it| Process { tokens, ..it };
    let cases = [
        ("command line", with(MINE, process(5)), Verdict::Refuse(RefusalKind::Policy), false),
        ("environment", with(INHERITED, process(5)), Verdict::Clear, true),
        (
            "environment of an unknown program",
            Process { same_program: Unknown, ..with(INHERITED, process(5)) },
            Verdict::Clear,
            true,
        ),
        (
            "environment of my program",
            own(with(INHERITED, process(5))),
            Verdict::Refuse(RefusalKind::Policy),
            false,
        ),
        (
            "my ancestor",
            Process { relation: Known(Relation::Ancestor), ..with(MINE, process(5)) },
            Verdict::Clear,
            false,
        ),
        (
            "my descendant",
            Process { relation: Known(Relation::Descendant), ..own(with(INHERITED, process(5))) },
            Verdict::Clear,
            false,
        ),
        (
            "myself",
            Process { relation: Known(Relation::Myself), ..with(MINE, process(5)) },
            Verdict::Clear,
            false,
        ),
        ("another bot's", with(ANOTHER_BOTS, own(process(5))), Verdict::Clear, false),
        ("none", with(NO_TOKEN, own(process(5))), Verdict::Clear, false),
        ("unreadable", Process { tokens: UNREADABLE, ..own(process(5)) }, Verdict::Clear, false),
        (
            "a monopoll's",
            Process { role: Role::Monopoll, ..with(MINE, process(5)) },
            Verdict::Clear,
            false,
        ),
    ];
    for (name, process, verdict, suspect) in cases {
        let plan = plan(&graceful(), vec![process]);
        assert_eq!(plan.verdict(), verdict, "{name}");
        assert_eq!(suspects(&plan) == [5], suspect, "{name}");
    }
}

#[test]
fn a_candidate_by_the_token_alone_follows_same_token() {
    let rule_on_token = || {
        vec![rule(
            "pollers go",
            Action::Force,
            Conditions { same_token: Some(true), ..Conditions::default() },
        )]
    };
    let rule_on_all = || vec![rule("all go", Action::Force, Conditions::default())];
    let cases = [
        (SameToken::Refuse, vec![], Some((Action::Refuse, DecidedBy::SameToken))),
        (
            SameToken::Refuse,
            rule_on_all(),
            Some((Action::Force, DecidedBy::Rule("all go".to_owned()))),
        ),
        (
            SameToken::Refuse,
            rule_on_token(),
            Some((Action::Force, DecidedBy::Rule("pollers go".to_owned()))),
        ),
        (SameToken::Act, vec![], Some((Action::Graceful, DecidedBy::OnConflict))),
        (
            SameToken::Act,
            rule_on_all(),
            Some((Action::Force, DecidedBy::Rule("all go".to_owned()))),
        ),
        (SameToken::Warn, rule_on_token(), None),
        (SameToken::Off, rule_on_token(), None),
    ];
    for (same_token, rules, expected) in cases {
        let shown = format!("{same_token:?} {rules:?}");
        let plan = plan(
            &Policy { same_token, rules, ..graceful() },
            vec![Process { tokens: MINE, ..process(5) }],
        );
        let found = plan.conflicts.first().map(|it| (it.action, it.decided_by.clone()));
        assert_eq!(found, expected, "{shown}");
        assert_eq!(suspects(&plan) == [5], same_token == SameToken::Warn, "{shown}");
    }
}

#[test]
fn the_token_counts_and_not_a_script_that_does_not_say_in_full_what_it_starts() {
    let doubt = CommandDoubt::UnclearScript;
    let process =
        Process { tokens: MINE, command_doubt: Known(Some(doubt.clone())), ..same_command(5) };
    let policy = |same_token| Policy { same_token, ..graceful() };
    for (same_token, expected) in [
        (SameToken::Refuse, (Action::Refuse, DecidedBy::SameToken)),
        (SameToken::Act, (Action::Graceful, DecidedBy::OnConflict)),
    ] {
        let plan = plan(&policy(same_token), vec![process.clone()]);
        assert_eq!(only(&plan).evidence, [Evidence::Token]);
        assert_eq!((only(&plan).action, only(&plan).decided_by.clone()), expected);
    }
    // Where the token proves nothing, the doubt stays.
    for same_token in [SameToken::Warn, SameToken::Off] {
        let plan = plan(&policy(same_token), vec![process.clone()]);
        let in_doubt = RefusalCause::InDoubt(Doubt::Command(doubt.clone()));
        assert_eq!(only(&plan).evidence, [Evidence::Command]);
        assert_eq!(cause(&plan), &in_doubt);
    }
}

#[test]
fn a_candidate_by_more_than_the_token_does_not_follow_same_token() {
    let holder = Process { tokens: MINE, holds_lock: Known(true), ..process(5) };
    let same_command = Process { tokens: MINE, ..same_command(5) };
    for (process, evidence) in [
        (holder, [Evidence::Lock, Evidence::Token]),
        (same_command, [Evidence::Command, Evidence::Token]),
    ] {
        let plan = plan(&graceful(), vec![process]);
        assert_eq!(
            (only(&plan).action, only(&plan).evidence.clone()),
            (Action::Graceful, evidence.to_vec())
        );
    }
}

#[test]
fn the_token_in_a_foreign_process_refuses_and_never_ends_it() {
    let act = Policy { same_token: SameToken::Act, ..graceful() };
    for (process, refusal) in [
        (Process { user: Known(user("deploy")), ..process(5) }, RefusalKind::Permission),
        (
            Process { container: Known(Some("c0ffee".to_owned())), ..process(5) },
            RefusalKind::Policy,
        ),
        (Process { relation: Known(Relation::Init), ..process(5) }, RefusalKind::Policy),
    ] {
        let plan = plan(&act, vec![Process { tokens: MINE, ..process }]);
        assert_eq!(
            (plan.verdict(), only(&plan).evidence.clone()),
            (Verdict::Refuse(refusal), vec![Evidence::Token])
        );
    }
}

#[test]
fn the_permission_status_is_used_only_where_permission_is_the_reason() {
    for user in [Known(user("deploy")), Unknown] {
        let mut snapshot = snapshot(vec![Process { tokens: MINE, user, ..process(5) }]);
        for (privileged, refusal) in [(false, RefusalKind::Permission), (true, RefusalKind::Policy)]
        {
            snapshot.me.privileged = privileged;
            let plan = decide(&Policy { same_token: SameToken::Act, ..graceful() }, &snapshot);
            assert_eq!(plan.verdict(), Verdict::Refuse(refusal));
        }
    }
}

#[test]
fn a_suspect_within_a_conflict_is_not_listed_twice() {
    let inheritor = |pid, parent| child_of(parent, Process { tokens: INHERITED, ..process(pid) });
    let plan = plan(&graceful(), vec![same_command(5), inheritor(6, 5), inheritor(7, 1)]);
    assert_eq!((pids(only(&plan)), suspects(&plan)), (vec![5, 6], vec![7]));
}

#[test]
fn nested_candidates_are_one_conflict_with_all_their_reasons() {
    let plan = plan(
        &Policy { max_targets: 1, ..graceful() },
        vec![
            child_of(6, Process { holds_lock: Known(true), ..process(7) }),
            same_command(5),
            child_of(5, process(6)),
            child_of(7, same_command(8)),
        ],
    );
    assert_eq!(plan.verdict(), Verdict::Act);
    assert_eq!(
        (pids(only(&plan)), only(&plan).evidence.clone()),
        (vec![5, 6, 7, 8], vec![Evidence::Lock, Evidence::Command])
    );
}

#[test]
fn separate_candidates_are_judged_oldest_first() {
    let young = Process {
        id: monopoll::internals::engine::process::ProcessId { pid: 5, start: 900 },
        ..same_command(5)
    };
    let plan = plan(&graceful(), vec![young, same_command(6)]);
    let roots: Vec<Vec<u32>> = plan.conflicts.iter().map(pids).collect();
    assert_eq!(roots, [[6], [5]]);
}

#[test]
fn a_cycle_of_parents_loses_no_process_and_ends_none() {
    for processes in [
        vec![child_of(6, same_command(5)), child_of(5, same_command(6))],
        vec![child_of(5, same_command(5))],
        vec![child_of(7, same_command(5)), child_of(5, process(6)), child_of(6, same_command(7))],
    ] {
        let everyone = processes.len();
        let plan = plan(&graceful(), processes);
        assert_eq!((plan.verdict(), pids(only(&plan)).len()), (POLICY_REFUSAL, everyone));
        assert!(matches!(cause(&plan), RefusalCause::ParentsInCircle { .. }), "{plan:?}");
    }
}

#[test]
fn a_guard_below_a_candidate_is_its_own_conflict_and_protects_its_ancestors() {
    let inner = child_of(5, guard_process(10));
    let guards = vec![guard(Some(10), Some(7))];
    let plan = decide(
        &graceful(),
        &Snapshot {
            guards,
            ..snapshot(vec![same_command(5), inner, child_of(10, same_command(11))])
        },
    );
    let found: Vec<(Vec<u32>, Action)> =
        plan.conflicts.iter().map(|it| (pids(it), it.action)).collect();
    assert_eq!(found, [(vec![5, 10, 11], Action::Refuse), (vec![10, 11], Action::Graceful)]);
    assert_eq!(plan.verdict(), POLICY_REFUSAL);
}

#[test]
fn a_start_in_progress_below_a_candidate_is_not_ended_with_it() {
    let start = child_of(5, Process { role: Role::Monopoll, ..process(6) });
    let plan = plan(&graceful(), vec![same_command(5), start]);
    assert_eq!(plan.verdict(), POLICY_REFUSAL);
    assert_eq!(cause(&plan), &RefusalCause::MonopollInTree { pid: 6 });
}

#[test]
fn a_guard_is_found_by_its_lock_and_never_by_a_pattern() {
    let monopoll = Process { role: Role::Monopoll, tokens: MINE, ..same_command(5) };
    for policy in [graceful(), with_entry(entry("main"))] {
        assert_eq!(plan(&policy, vec![monopoll.clone()]).verdict(), Verdict::Clear);
    }
    let holder = Process { holds_lock: Known(true), ..monopoll };
    assert_eq!(only(&plan(&graceful(), vec![holder])).evidence, [Evidence::Lock]);
}

#[test]
fn a_holder_is_recognized_by_any_of_three_signs() {
    let by_descriptor = Snapshot {
        locks: vec![lock(LockState::Free)],
        ..snapshot(vec![Process { holds_lock: Known(true), ..process(5) }])
    };
    let by_list = Snapshot {
        locks: vec![lock(LockState::Held(vec![5]))],
        ..snapshot(vec![Process { holds_lock: Unknown, ..process(5) }])
    };
    let by_record =
        Snapshot { guards: vec![guard(Some(5), Some(7))], ..snapshot(vec![process(5)]) };
    for snapshot in [by_descriptor, by_list, by_record] {
        let plan = decide(&policy(OnConflict::Refuse), &snapshot);
        assert_eq!(
            (only(&plan).evidence.clone(), pids(only(&plan))),
            (vec![Evidence::Lock], vec![5])
        );
    }
}

#[test]
fn the_mark_of_my_guard_counts_unless_another_user_may_have_forged_it() {
    let mine = |user| {
        let mark = OtherGuard {
            instance: "voice-insight".to_owned(),
            name_source: NameSource::Given,
            process: process(4).id,
            guards: GuardedInstance::Mine,
        };
        Process { guard: Known(Some(mark)), user, ..process(5) }
    };
    let (me, deploy) = (Known(user("bot")), Known(user("deploy")));
    let holds_lock = Known(true);
    for (process, expected) in [
        (mine(me.clone()), Some(Verdict::Act)),
        (mine(deploy.clone()), None),
        // It may be another user's, so the start is refused and nothing is ended.
        (mine(Unknown), Some(POLICY_REFUSAL)),
        (Process { holds_lock, ..mine(deploy) }, Some(Verdict::Act)),
        (Process { holds_lock, ..mine(Unknown) }, Some(Verdict::Act)),
        (Process { guard: below("a-1", NameSource::Command), ..mine(me) }, None),
    ] {
        let mut snapshot = snapshot(vec![process]);
        snapshot.me.privileged = true;
        let plan = decide(&graceful(), &snapshot);
        let found = plan.conflicts.first().map(|found| {
            assert_eq!(found.evidence, [Evidence::Lock]);
            plan.verdict()
        });
        assert_eq!(found, expected, "{plan:#?}");
    }
}

#[test]
fn a_guard_missing_from_the_process_table_is_still_a_conflict() {
    let recycled = Process {
        id: monopoll::internals::engine::process::ProcessId { pid: 10, start: 1 },
        ..process(10)
    };
    for processes in [vec![], vec![recycled]] {
        let guards = vec![guard(Some(10), Some(7))];
        let plan = decide(&policy(OnConflict::Refuse), &Snapshot { guards, ..snapshot(processes) });
        assert_eq!(
            (plan.verdict(), only(&plan).root.is_none(), only(&plan).guard.is_some()),
            (POLICY_REFUSAL, true, true)
        );
    }
}

#[test]
fn a_process_that_released_the_instance_is_a_candidate_only_while_it_holds_the_lock() {
    for holds_lock in [false, true] {
        let process = Process { holds_lock: Known(holds_lock), ..same_command(5) };
        let released = [process.id].into();
        let mut snapshot = snapshot(vec![process]);
        snapshot.rounds.released = released;
        let plan = decide(&graceful(), &snapshot);
        assert_eq!(plan.conflicts.len(), usize::from(holds_lock));
    }
}

#[test]
fn ancestors_and_descendants_with_the_token_are_no_suspects() {
    let carrier = |pid, relation| Process {
        tokens: INHERITED,
        relation: Known(relation),
        same_program: Known(false),
        ..process(pid)
    };
    let relations = [Relation::None, Relation::Ancestor, Relation::Descendant].into_iter().zip(5..);
    let plan = plan(&graceful(), relations.map(|(relation, pid)| carrier(pid, relation)).collect());
    assert_eq!(suspects(&plan), [5]);
}

#[test]
fn an_orphan_with_my_token_counts_only_if_my_command_may_have_spawned_it() {
    let orphan = |connected, age, may_be_spawned| Process {
        tokens: INHERITED,
        orphaned: Known(true),
        connected,
        age: Known(age),
        may_be_spawned,
        ..process(5)
    };
    let (young, old) = (Duration::from_secs(1), Duration::from_mins(1));
    for (connected, age, may_be_spawned, is_found) in [
        (Unknown, old, Known(true), true),
        (Unknown, old, Known(false), false),
        (Unknown, old, Unknown, false),
        (Known(false), young, Known(true), true),
        (Known(false), young, Known(false), false),
        (Known(false), young, Unknown, false),
        (Known(false), old, Known(true), false),
        (Known(true), old, Known(false), true),
    ] {
        let plan = plan(&graceful(), vec![orphan(connected, age, may_be_spawned)]);
        let row = (connected, age, may_be_spawned);
        assert_eq!(plan.conflicts.len(), usize::from(is_found), "{row:?}");
        assert_eq!(suspects(&plan) == [5], !is_found, "{row:?}");
    }
}

#[test]
fn the_same_command_in_doubt_refuses_unless_its_token_or_its_instance_is_mine() {
    let is_mine: [(Change, Verdict); 4] = [
        (|it| it, POLICY_REFUSAL),
        (|it| Process { tokens: MINE, ..it }, Verdict::Act),
        (|it| Process { holds_lock: Known(true), ..it }, Verdict::Act),
        (|it| Process { command_doubt: Unknown, ..it }, Verdict::Refuse(RefusalKind::Permission)),
    ];
    for doubt in [CommandDoubt::Folder, CommandDoubt::Modules] {
        for (change, verdict) in &is_mine {
            let command_doubt = Known(Some(doubt.clone()));
            let process = change(Process { command_doubt, ..same_command(5) });
            let plan = plan(&graceful(), vec![process]);
            assert_eq!(plan.verdict(), *verdict, "{doubt:?}: {plan:#?}");
        }
    }
}

#[test]
fn a_guard_named_by_one_of_several_tokens_must_run_the_same_command() {
    let elsewhere = || Known(PathBuf::from("/srv/other"));
    let here = || Known(PathBuf::from("/srv/bot"));
    let (token, given) = (NameSource::Token, NameSource::Given);
    for (bots, name_source, command, cwd, child, verdict) in [
        (2, token, "python3 main.py", here(), process(11), Verdict::Act),
        (2, token, "python3 main.py", elsewhere(), process(11), POLICY_REFUSAL),
        (2, token, "python3 main.py", Unknown, process(11), POLICY_REFUSAL),
        (2, token, "python3 main.py", elsewhere(), same_command(11), Verdict::Act),
        (2, token, "python3 admin.py", here(), process(11), POLICY_REFUSAL),
        (2, token, "python3 -u main.py", here(), same_command(11), Verdict::Act),
        (2, given, "python3 admin.py", here(), process(11), Verdict::Act),
        (1, token, "python3 admin.py", elsewhere(), process(11), Verdict::Act),
    ] {
        for on_conflict in [OnConflict::Graceful, OnConflict::Force] {
            let record = GuardView { command: command.to_owned(), ..guard(Some(10), Some(1)) };
            let root = Process { cwd: cwd.clone(), ..guard_process(10) };
            let found = vec![root, child_of(10, child.clone())];
            let me = Caller { bots, name_source, ..caller() };
            let snapshot = Snapshot { me, guards: vec![record], ..snapshot(found) };
            let plan = decide(&policy(on_conflict), &snapshot);
            let row = (bots, name_source, command, &cwd);
            assert_eq!(plan.verdict(), verdict, "{row:?}: {plan:#?}");
        }
    }
}

#[test]
fn a_guard_in_another_pid_namespace_must_run_the_same_command_if_it_has_one_of_several_names() {
    let (token, given) = (NameSource::Token, NameSource::Given);
    for (bots, name_source, command, verdict) in [
        (2, token, "python3 main.py", Verdict::Act),
        (2, token, "python3 admin.py", POLICY_REFUSAL),
        (2, given, "python3 admin.py", Verdict::Act),
        (1, token, "python3 admin.py", Verdict::Act),
    ] {
        let record = GuardView { command: command.to_owned(), ..guard(None, Some(1)) };
        let me = Caller { bots, name_source, ..caller() };
        let snapshot = Snapshot { me, guards: vec![record], ..snapshot(Vec::new()) };
        let plan = decide(&graceful(), &snapshot);
        assert_eq!(plan.verdict(), verdict, "{bots} {name_source:?} {command}");
    }
}
