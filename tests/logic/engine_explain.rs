//! An explanation always agrees with the plan.

use std::time::Duration;

use crate::fixture::*;
use crate::generators::{policies, snapshots};
use proptest::prelude::*;

use monopoll::internals::engine::action::{Action, AfterWait, OnConflict, SameToken};
use monopoll::internals::engine::command_parts::CommandMatch;
use monopoll::internals::engine::counter_evidence::{AnotherBot, CounterEvidence};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::evidence::{Evidence, TokenEvidence};
use monopoll::internals::engine::explain::{
    Classification, Explanation, Objection, ShieldKind, ShieldVerdict, explain,
};
use monopoll::internals::engine::fact::Fact::Known;
use monopoll::internals::engine::fact::Truth;
use monopoll::internals::engine::instance::BotId;
use monopoll::internals::engine::ladder::WaitLimit;
use monopoll::internals::engine::likeness::{CommandDoubt, ComparedCommand};
use monopoll::internals::engine::pattern::{ContainerLimit, UserLimit};
use monopoll::internals::engine::plan::{Conflict, DecidedBy, Plan};
use monopoll::internals::engine::policy::{Conditions, MatchEntry, Policy, Rule, Timeouts};
use monopoll::internals::engine::process::{Process, Relation, Role};
use monopoll::internals::engine::respawn::EarlierRounds;
use monopoll::internals::engine::rules::RuleOutcome;
use monopoll::internals::engine::shield::Shield;
use monopoll::internals::engine::snapshot::{LockState, LockView, Snapshot};
use monopoll::internals::report::explain_sentence;

/// `python3 main.py` in `/srv/bot`.
fn likeness() -> CommandMatch {
    CommandMatch { program: "/srv/bot/main.py".into(), args: Vec::new(), cwd: "/srv/bot".into() }
}

/// Inspects the explanation of one process.
#[track_caller]
fn about<T>(
    policy: &Policy,
    snapshot: &Snapshot,
    pid: u32,
    inspect: impl FnOnce(&Explanation<'_>) -> T,
) -> T {
    let plan = decide(policy, snapshot);
    let likeness = likeness();
    inspect(&explain(policy, snapshot, &plan, pid, Some(&likeness)).unwrap())
}

#[track_caller]
fn says(policy: &Policy, snapshot: &Snapshot, pid: u32, expected: &str) {
    assert_eq!(about(policy, snapshot, pid, explain_sentence::sentence), expected);
}

fn matching(matches: Vec<MatchEntry>, on_conflict: OnConflict) -> Policy {
    Policy { matches, ..policy(on_conflict) }
}

fn ruled(rules: Vec<Rule>) -> Policy {
    Policy { rules, ..policy(OnConflict::Refuse) }
}

fn orphans() -> Conditions {
    Conditions { orphaned: Some(true), ..Conditions::default() }
}

/// Returns the rule that is said to have decided.
fn decider<'a>(it: &'a Explanation<'_>) -> Option<(&'a str, Action, RuleOutcome, Truth)> {
    let rule = it.rules.iter().find(|rule| rule.outcome.is_final())?;
    Some((&rule.rule.name, rule.rule.action, rule.outcome, rule.holds()))
}

/// A guard of another lock becomes a conflict through what it runs, not through evidence of its
/// own.
fn is_other_guard(plan: &Plan, process: &Process) -> bool {
    let is_it = |conflict: &&Conflict| conflict.pid() == Some(process.id.pid);
    let guard = plan.conflicts.iter().find(is_it).and_then(|conflict| conflict.guard.as_ref());
    guard.is_some_and(|guard| guard.other_lock.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_explained_outcome_equals_the_plan((policy, snapshot) in (policies(), snapshots())) {
        let plan = decide(&policy, &snapshot);
        for process in snapshot.processes.iter().filter(|it| !is_other_guard(&plan, it)) {
            let pid = process.id.pid;
            let it = explain(&policy, &snapshot, &plan, pid, None).unwrap();
            let of_a_conflict: Vec<_> =
                plan.conflicts.iter().filter(|conflict| pids(conflict).contains(&pid)).collect();
            prop_assert_eq!(it.conflict.is_some(), !of_a_conflict.is_empty());
            let shielded =
                plan.shielded.iter().find(|it| it.process.id.pid == pid).map(|it| &it.shield);
            let suspect = plan.suspects.iter().any(|it| it.id.pid == pid);
            match &it.classification {
                Classification::Candidate { evidence, .. } => {
                    let has_all = |conflict: &Conflict| {
                        evidence.iter().all(|it| conflict.evidence.contains(it))
                    };
                    prop_assert!(of_a_conflict.iter().any(|conflict| has_all(conflict)));
                    prop_assert_eq!((shielded, suspect), (None, false));
                }
                Classification::Shielded(shield) => {
                    // Ending a holder, or the root that another entry matches, ends its members
                    // too.
                    prop_assert!(
                        shielded == Some(shield) || shielded.is_none() && it.conflict.is_some()
                    );
                    prop_assert!(!suspect);
                }
                Classification::Suspect => {
                    prop_assert_eq!((shielded, suspect), (None, it.conflict.is_none()));
                }
                Classification::NearMiss(_) | Classification::Unrelated => {
                    prop_assert_eq!((shielded, suspect), (None, false));
                }
            }
            let root = it.conflict.and_then(|conflict| conflict.root.as_ref());
            let candidate = matches!(it.classification, Classification::Candidate { .. });
            prop_assert!(root.is_none_or(|root| root.id.pid != pid) || candidate);
            // A root, and therefore a guard, is in its own conflict.
            let mut roots = plan.conflicts.iter().filter_map(|conflict| conflict.root.as_ref());
            if roots.any(|root| root.id.pid == pid) {
                prop_assert_eq!(root.map(|root| root.id.pid), Some(pid));
            }
        }
    }

    #[test]
    fn the_explained_reason_is_the_one_that_decided(
        (policy, snapshot) in (policies(), snapshots()),
    ) {
        let rules = policy
            .rules
            .iter()
            .enumerate()
            .map(|(index, rule)| Rule { name: index.to_string(), ..rule.clone() });
        let policy = Policy { rules: rules.collect(), ..policy };
        let plan = decide(&policy, &snapshot);
        for process in &snapshot.processes {
            let it = explain(&policy, &snapshot, &plan, process.id.pid, None).unwrap();
            let decider = decider(&it);
            if let Some((_, action, ruling, holds)) = decider {
                let expected =
                    if ruling == RuleOutcome::Decides { Truth::True } else { Truth::Unknown };
                prop_assert_eq!(holds, expected);
                prop_assert!(ruling == RuleOutcome::Decides || !action.ends_processes());
            }
            let Some(conflict) = it.conflict else { continue };
            match (&conflict.decided_by, decider) {
                (DecidedBy::Rule(name), Some((rule, action, ruling, _))) => {
                    prop_assert_eq!(name, rule);
                    let waited =
                        action == Action::Wait && policy.timeouts.wait.is_over(snapshot.waited);
                    let expected = match (ruling, waited) {
                        (RuleOutcome::Undecidable, _) => Action::Refuse,
                        (_, true) => policy.after_wait.into(),
                        (_, false) => action,
                    };
                    prop_assert_eq!(conflict.action, expected);
                }
                (DecidedBy::Rule(_), None) => {
                    prop_assert!(false, "no rule is said to have decided: {:?}", conflict);
                }
                // A rule may have wanted what a safety rule forbids.
                (DecidedBy::Supervised, _) => prop_assert_eq!(conflict.action, Action::Refuse),
                (DecidedBy::SafetyRule, _) => prop_assert_eq!(conflict.action, Action::Refuse),
                (DecidedBy::OnConflict | DecidedBy::SameToken, decider) => {
                    prop_assert_eq!(decider, None);
                }
            }
        }
    }

    #[test]
    fn each_verdict_is_part_of_the_decision((policy, snapshot) in (policies(), snapshots())) {
        let plan = decide(&policy, &snapshot);
        for process in snapshot.processes.iter().filter(|it| !is_other_guard(&plan, it)) {
            let it = explain(&policy, &snapshot, &plan, process.id.pid, None).unwrap();
            let reached = |entry: &Evidence| match &it.classification {
                Classification::Candidate { evidence, .. } => evidence.contains(entry),
                Classification::Shielded(_)
                | Classification::Suspect
                | Classification::NearMiss(_)
                | Classification::Unrelated => false,
            };
            // A process within the limits of a matching entry is a candidate, unless a shield is
            // unconditional.
            for entry in &it.entries {
                let all = Truth::all(entry.criteria.iter().map(|(_, truth)| *truth));
                prop_assert!(
                    entry.entry == Evidence::Command
                        || (entry.holds() == Truth::True) == (all == Truth::True)
                );
                let is_shielded = it.shields[0].shield.is_some()
                    || matches!(it.against, CounterEvidence::AnotherBot(_));
                prop_assert!(
                    entry.holds() != Truth::True || reached(&entry.entry) || is_shielded
                );
                prop_assert!(entry.holds() != Truth::False || !reached(&entry.entry));
            }
            prop_assert_eq!(it.lock.holds == Truth::True, reached(&Evidence::Lock));
            prop_assert_eq!(it.token == Some(TokenEvidence::Proof), reached(&Evidence::Token));
            let of_any_kind = |shield: &Shield| {
                it.shields.iter().any(|verdict| verdict.shield.as_ref() == Some(shield))
                    || matches!(shield, Shield::AnotherBot(_))
            };
            match &it.classification {
                Classification::Shielded(shield)
                | Classification::Candidate { objection: Some(Objection::Shield(shield)), .. } => {
                    let by_an_entry =
                        it.entries.iter().any(|entry| entry.limit.as_ref() == Some(shield));
                    prop_assert!(of_any_kind(shield) || by_an_entry);
                }
                Classification::Candidate { objection: Some(Objection::Doubt(doubt)), .. } => {
                    prop_assert_eq!(&it.against, &CounterEvidence::Doubt(doubt.clone()));
                }
                Classification::Candidate { objection: None, .. } => {
                    let is_lifted = |verdict: &ShieldVerdict| {
                        verdict.shield.is_none() || verdict.lifted_by.is_some()
                    };
                    prop_assert!(it.shields.iter().all(is_lifted));
                }
                Classification::Suspect
                | Classification::NearMiss(_)
                | Classification::Unrelated => {}
            }
        }
    }
}

#[test]
fn an_unknown_pid_has_no_explanation() {
    let (policy, snapshot) = (policy(OnConflict::Refuse), snapshot(vec![same_command(5)]));
    assert!(explain(&policy, &snapshot, &decide(&policy, &snapshot), 6, None).is_none());
}

#[test]
fn a_candidate_is_explained_with_its_action() {
    let bot = || snapshot(vec![same_command(5)]);
    let why = "it is the same command in the same folder";
    for (on_conflict, fate) in [
        (
            OnConflict::Graceful,
            format!(
                "pid 5 would be ended: {why}, and `on_conflict` says \
            graceful"
            ),
        ),
        (OnConflict::Force, format!("pid 5 would be killed: {why}, and `on_conflict` says force")),
        (
            OnConflict::Wait,
            format!(
                "pid 5 would be waited for: {why}, and `on_conflict` says \
            wait"
            ),
        ),
        (
            OnConflict::Refuse,
            "pid 5 is a conflict, and the start is refused: `python3 main.py` (pid 5) is already \
                running, and `on_conflict` says refuse"
                .to_owned(),
        ),
    ] {
        says(&policy(on_conflict), &bot(), 5, &fate);
    }
    let ignore = ruled(vec![rule("it stays", Action::Ignore, Conditions::default())]);
    says(
        &ignore,
        &bot(),
        5,
        &format!(
            "pid 5 would be ignored, and the new one started next to it: {why}, and rule `it \
                stays` says ignore"
        ),
    );
    let entries = matching(vec![entry("main"), entry("py")], OnConflict::Graceful);
    says(
        &entries,
        &bot(),
        5,
        "pid 5 would be ended: it meets match[0], meets match[1] and is the same command in the \
            same folder, and `on_conflict` says graceful",
    );
}

#[test]
fn a_guard_is_explained_as_asked() {
    for (on_conflict, fate) in
        [(OnConflict::Graceful, "asked to end"), (OnConflict::Force, "asked to end at once")]
    {
        let expected = format!(
            "pid 10 would be {fate}: it holds the lock, and `on_conflict` says {}",
            Action::from(on_conflict)
        );
        says(&policy(on_conflict), &guarded(Some(7)), 10, &expected);
    }
}

#[test]
fn a_member_shares_the_outcome_of_its_tree() {
    let tree = snapshot(vec![same_command(5), child_of(5, process(6))]);
    let graceful = policy(OnConflict::Graceful);
    let expected = "pid 6 would be ended: it is in the tree of pid 5, which is the same command \
        in the same folder, and `on_conflict` says graceful";
    says(&graceful, &tree, 6, expected);
    let refused = "pid 6 is in the tree of pid 5, which is a conflict, and the start is refused: \
        `python3 main.py` (pid 5) is already running, and `on_conflict` says refuse";
    says(&policy(OnConflict::Refuse), &tree, 6, refused);
    about(&graceful, &tree, 6, |it| {
        assert_eq!((&it.classification, it.subject.id.pid), (&Classification::Unrelated, 5));
    });
}

#[test]
fn the_tree_of_a_holder_is_ended_with_it_even_where_its_members_would_be_shielded() {
    let other = Process { user: Known(user("deploy")), ..process(11) };
    let snapshot = Snapshot {
        guards: vec![guard(Some(10), Some(7))],
        ..snapshot(vec![guard_process(10), child_of(10, other)])
    };
    let policy = matching(vec![entry("main.py")], OnConflict::Graceful);
    let expected = "pid 11 would be asked to end: it is in the tree of pid 10, which holds the \
        lock, and `on_conflict` says graceful; \
        alone it would be shielded (another user (deploy)), but the tree of a holder of the lock \
        is ended as a whole";
    says(&policy, &snapshot, 11, expected);
    assert!(
        decide(&policy, &snapshot).shielded.is_empty(),
        "nobody is called untouched who would be ended"
    );
}

#[test]
fn a_process_below_a_nested_guard_belongs_to_that_guard() {
    let guard_below = child_of(5, guard_process(10));
    let processes = vec![
        same_command(5),
        guard_below,
        child_of(10, Process { holds_lock: Known(true), ..process(11) }),
    ];
    let snapshot = Snapshot { guards: vec![guard(Some(10), Some(7))], ..snapshot(processes) };
    let root = |pid| {
        about(&policy(OnConflict::Wait), &snapshot, pid, |it| {
            it.conflict.unwrap().root.as_ref().unwrap().id.pid
        })
    };
    assert_eq!([5, 10, 11].map(root), [5, 10, 10]);
}

#[test]
fn the_decision_about_all_conflicts_is_explained_for_each() {
    let rules = vec![rule("the forgotten may go", Action::Force, orphans())];
    let two = snapshot(vec![Process { orphaned: Known(true), ..same_command(5) }, same_command(6)]);
    let wait = Policy { rules: rules.clone(), ..policy(OnConflict::Wait) };
    let why =
        "it is the same command in the same folder, and rule `the forgotten may go` says force";
    says(
        &wait,
        &two,
        5,
        &format!("pid 5 would be killed once there is nothing left to wait for: {why}"),
    );
    says(
        &wait,
        &two,
        6,
        "pid 6 would be waited for: it is the same command in the same folder, and `on_conflict` \
            says wait",
    );
    let refused = "pid 5 would be killed (rule `the forgotten may go` says force), but the start \
        is refused and nothing is touched: \
        `python3 main.py` (pid 6) is already running, and `on_conflict` says refuse";
    says(&ruled(rules), &two, 5, refused);
}

#[test]
fn a_finished_wait_explains_the_next_action() {
    let base = policy(OnConflict::Wait);
    let timeouts = Timeouts { wait: WaitLimit::For(Duration::ZERO), ..base.timeouts };
    let after = Policy { after_wait: AfterWait::Force, timeouts, ..base };
    let bot = snapshot(vec![same_command(5)]);
    let why = "it is the same command in the same folder";
    says(
        &after,
        &bot,
        5,
        &format!(
            "pid 5 would be killed: {why}, and `on_conflict` says wait, and `after_wait` says \
                force after that"
        ),
    );
    let rules = vec![rule("waiting", Action::Wait, Conditions::default())];
    let by_rule = Policy { on_conflict: OnConflict::Refuse, rules, ..after };
    says(
        &by_rule,
        &bot,
        5,
        &format!(
            "pid 5 would be killed: {why}, and rule `waiting` says wait, and `after_wait` says \
                force after that"
        ),
    );
}

#[test]
fn the_safety_check_has_the_last_word() {
    let comes_back = Snapshot {
        rounds: EarlierRounds { ended_unguarded: 2, ..EarlierRounds::default() },
        ..snapshot(vec![same_command(5)])
    };
    let expected = "pid 5 is a conflict, and the start is refused: `python3 main.py` (pid 5) \
        comes back: another process restarts it, such as a loop or a service manager; find that \
        and end it first, then start the bot again";
    says(&policy(OnConflict::Graceful), &comes_back, 5, expected);
}

#[test]
fn a_shielded_process_is_explained_with_its_shield() {
    let graceful = policy(OnConflict::Graceful);
    let shell = Process { relation: Known(Relation::Ancestor), ..same_command(5) };
    says(
        &graceful,
        &snapshot(vec![shell]),
        5,
        "pid 5 would be a conflict, but is never touched: it started monopoll",
    );
    let foreign = Process { user: Known(user("deploy")), ..same_command(5) };
    says(
        &graceful,
        &snapshot(vec![foreign]),
        5,
        "pid 5 is almost the same command, and is not touched: the same command, run by user \
        deploy",
    );
}

#[test]
fn the_launcher_of_another_bot_is_explained_with_its_shield() {
    let doubt = CommandDoubt::Option("--env-file".to_owned());
    let launcher = Process { command_doubt: Known(Some(doubt)), ..same_command(5) };
    let child = Process { tokens: ANOTHER_BOTS, ..child_of(5, same_command(6)) };
    let snapshot = snapshot(vec![launcher, child]);
    let shield = about(&policy(OnConflict::Graceful), &snapshot, 5, |it| {
        assert!(it.conflict.is_none());
        it.classification.clone()
    });
    let another_bot = AnotherBot::Token(BotId(9));
    assert_eq!(shield, Classification::Shielded(Shield::AnotherBot(another_bot)));
}

#[test]
fn a_suspect_is_explained_with_the_reason_it_is_not_a_candidate() {
    let graceful = policy(OnConflict::Graceful);
    let suspect = |process: Process| snapshot(vec![process]);
    let editor = Process { tokens: INHERITED, ..process(5) };
    let begins = "pid 5 is not touched: it carries this bot's token in its environment";
    let inherited = format!(
        "{begins}, which it may only have inherited, and it does not run COMMAND's program"
    );
    says(&graceful, &suspect(editor.clone()), 5, &inherited);
    let hidden = Process { same_program: unknown(), ..editor };
    let unclear =
        format!("{begins}, which it may only have inherited, and its program cannot be read");
    says(&graceful, &suspect(hidden), 5, &unclear);
    let warned = Policy { same_token: SameToken::Warn, ..graceful };
    let other = Process { tokens: MINE, ..process(5) };
    let expected = "pid 5 is not touched: it carries this bot's token on its \
        command line, and `same_token` says warn";
    says(&warned, &suspect(other), 5, expected);
}

#[test]
fn an_unrelated_process_is_explained_with_the_facts_that_rule_it_out() {
    let graceful = policy(OnConflict::Graceful);
    let no = "does not hold the lock";
    let of =
        |process: Process| snapshot(vec![Process { id: crate::fixture::process(5).id, ..process }]);
    let elsewhere =
        Process { cwd: Known("/srv/other".into()), same_program: Known(true), ..process(5) };
    let place = |what: &str| {
        format!(
            "pid 5 is not recognized as this bot: it is not the same command in the same folder \
            ({what}), \
                {no} and does not carry this bot's token"
        )
    };
    says(&graceful, &of(elsewhere.clone()), 5, &place("another folder"));
    says(&graceful, &of(process(5)), 5, &place("another program"));
    let nothing = Process {
        args: Known(vec!["bash".to_owned()]),
        same_program: Known(false),
        compared: Known(ComparedCommand::default()),
        ..elsewhere.clone()
    };
    says(&graceful, &of(nothing), 5, &place("another program, other arguments and another folder"));

    let two = matching(
        vec![entry("nobody"), MatchEntry { pattern: named("node"), ..entry("x") }],
        OnConflict::Graceful,
    );
    let none = format!(
        "pid 5 is not recognized as this bot: it is not the same command in the same folder \
        (another \
            program), meets no match entry, {no} and does not carry this bot's token"
    );
    says(&two, &of(process(5)), 5, &none);
    let one = matching(vec![entry("nobody")], OnConflict::Graceful);
    let expected = format!(
        "pid 5 is not recognized as this bot: it is not the same command in the same folder \
        (another \
            program), does not meet match[0] (another cmdline), {no} and does not carry this \
            bot's token"
    );
    says(&one, &of(process(5)), 5, &expected);
    let nameless = Process { name: unknown(), ..process(5) };
    let expected = format!(
        "pid 5 is not recognized as this bot: it is not the same command in the same folder \
        (another \
            program), does not meet match[0] (another cmdline), {no} and does not carry this \
            bot's token; \
        whether it meets match[1] is unknown, and unknown facts are not evidence"
    );
    says(&two, &of(nameless), 5, &expected);

    let monopoll = Process { role: Role::Monopoll, ..process(5) };
    let known = "is a monopoll process (identified only by its lock and ticket)";
    says(
        &graceful,
        &of(monopoll),
        5,
        &format!(
            "pid 5 is not recognized as this bot: it {known}, {no} and does not carry this \
            bot's token"
        ),
    );

    let unheard = Process { tokens: NOT_COMPARED, ..elsewhere };
    let init = Process { relation: Known(Relation::Init), ..unheard.clone() };
    let folder = format!(
        "pid 5 is not recognized as this bot: it is not the same command in the same folder \
        (another folder) \
            and {no}"
    );
    says(&graceful, &of(unheard), 5, &folder);
    says(&graceful, &of(init), 5, &format!("{folder}; it would not be touched in any case: PID 1"));
    let others = Process { tokens: ANOTHER_BOTS, ..process(5) };
    let expected = format!(
        "{}; it would not be touched in any case: another bot's process (bot 9)",
        place("another program")
    );
    says(&graceful, &of(others), 5, &expected);
    let off = Policy { same_token: SameToken::Off, ..graceful };
    let carrier = Process { tokens: MINE, ..process(5) };
    let expected = format!(
        "pid 5 is not recognized as this bot: it is not the same command in the same folder \
        (another \
            program), {no} and \
        carries this bot's token, which does not count (`same_token` says off)"
    );
    says(&off, &of(carrier), 5, &expected);
}

#[test]
fn unreadable_facts_are_explained_as_unknown() {
    let dim = Process { id: process(5).id, relation: Known(Relation::None), ..Process::default() };
    let expected = "pid 5 is not recognized as this bot: whether it is the same command in the \
        same folder \
        or holds the lock or carries this bot's token \
        is unknown, and unknown facts are not evidence";
    let graceful = policy(OnConflict::Graceful);
    says(&graceful, &snapshot(vec![dim.clone()]), 5, expected);
    about(&graceful, &snapshot(vec![dim]), 5, |it| {
        assert_eq!(
            (it.lock.holds, it.process.same_token(), it.entries[0].holds()),
            (Truth::Unknown, Truth::Unknown, Truth::Unknown)
        );
        assert_eq!(
            it.shields.each_ref().map(ShieldVerdict::holds),
            [Truth::False, Truth::Unknown, Truth::Unknown]
        );
    });
}

#[test]
fn without_a_command_nothing_is_compared() {
    let (policy, snapshot) = (policy(OnConflict::Graceful), snapshot(vec![process(5)]));
    let plan = decide(&policy, &snapshot);
    let it = explain(&policy, &snapshot, &plan, 5, None).unwrap();
    let expected = "pid 5 is not recognized as this bot: it cannot be compared with COMMAND \
        (none is given), \
        does not hold the lock and does not carry this bot's token";
    assert_eq!(explain_sentence::sentence(&it), expected);
}

#[test]
fn one_differing_part_outweighs_an_unreadable_one() {
    let init = Process {
        args: Known(vec!["/sbin/init".to_owned()]),
        cwd: unknown(),
        same_program: unknown(),
        likeness: unknown(),
        compared: Known(ComparedCommand::default()),
        ..process(5)
    };
    about(&policy(OnConflict::Graceful), &snapshot(vec![init]), 5, |it| {
        assert_eq!(it.entries[0].pattern, Truth::False);
    });
}

#[test]
fn the_first_certain_rule_decides_and_later_rules_are_skipped() {
    let always = Conditions::default;
    let older = Conditions { older_than: Some(Duration::from_hours(1)), ..always() };
    let rules = vec![
        rule("old", Action::Refuse, older),
        rule("unsure", Action::Force, orphans()),
        rule("all", Action::Graceful, always()),
        rule("late", Action::Wait, always()),
    ];
    let unsure = snapshot(vec![Process { orphaned: unknown(), ..same_command(5) }]);
    let rulings = |rules: Vec<Rule>, pid| {
        about(&ruled(rules), &unsure, pid, |it| {
            it.rules.iter().map(|it| it.outcome).collect::<Vec<_>>()
        })
    };
    let expected = [
        RuleOutcome::DoesNotHold,
        RuleOutcome::TooUncertain,
        RuleOutcome::Decides,
        RuleOutcome::NotAsked,
    ];
    assert_eq!(rulings(rules, 5), expected);
    let rules =
        vec![rule("unsure", Action::Ignore, orphans()), rule("all", Action::Graceful, always())];
    assert_eq!(rulings(rules, 5), [RuleOutcome::Undecidable, RuleOutcome::NotAsked]);
}

#[test]
fn the_rules_come_before_same_token() {
    let token = Conditions { same_token: Some(true), ..Conditions::default() };
    let rules = vec![
        rule("all", Action::Graceful, Conditions::default()),
        rule("carriers", Action::Wait, token),
    ];
    let carrier = snapshot(vec![Process { tokens: MINE, ..process(5) }]);
    let rulings = |policy: &Policy| {
        about(policy, &carrier, 5, |it| it.rules.iter().map(|it| it.outcome).collect::<Vec<_>>())
    };
    assert_eq!(rulings(&ruled(rules)), [RuleOutcome::Decides, RuleOutcome::NotAsked]);
}

#[test]
fn rules_that_do_not_apply_explain_what_they_would_decide() {
    let rules = vec![rule("all", Action::Graceful, Conditions::default())];
    about(&ruled(rules), &snapshot(vec![process(5)]), 5, |it| {
        assert_eq!((it.rules[0].outcome, it.conflict.is_none()), (RuleOutcome::Decides, true));
    });
}

#[test]
fn a_match_entry_or_the_lock_lifts_a_shield() {
    let foreign = Process {
        user: Known(user("deploy")),
        container: Known(Some("c0ffee".to_owned())),
        ..same_command(5)
    };
    let lifted = |policy: &Policy, process: Process| {
        about(policy, &snapshot(vec![process]), 5, |it| {
            it.shields.each_ref().map(|verdict| (verdict.kind, verdict.lifted_by))
        })
    };
    let shields = |by| {
        let (user, container) = (ShieldKind::OtherUser, ShieldKind::OtherContainer);
        [(ShieldKind::Relation, None), (user, by), (container, by)]
    };
    let any = MatchEntry { user: UserLimit::Any, container: ContainerLimit::Any, ..entry("main") };
    let entries = |second| matching(vec![entry("main"), second], OnConflict::Graceful);
    assert_eq!(lifted(&entries(any.clone()), foreign.clone()), shields(Some(Evidence::Match(1))));
    assert_eq!(
        lifted(&entries(MatchEntry { pattern: named("node"), ..any }), foreign.clone()),
        shields(None)
    );
    let holder = Process { holds_lock: Known(true), ..foreign };
    assert_eq!(lifted(&policy(OnConflict::Graceful), holder), shields(Some(Evidence::Lock)));
    assert_eq!(lifted(&policy(OnConflict::Graceful), same_command(5)), shields(None));
}

#[test]
fn the_locks_are_named() {
    let states = [
        LockState::Held(vec![5]),
        LockState::Free,
        LockState::Mine,
        LockState::Unknown,
        LockState::Held(vec![99]),
    ];
    let locks: Vec<LockView> = states
        .into_iter()
        .enumerate()
        .map(|(index, state)| LockView { path: format!("/run/{index}").into(), state })
        .collect();
    let snapshot = Snapshot { locks, ..snapshot(vec![process(5), process(6)]) };
    let lock = |pid| {
        about(&policy(OnConflict::Wait), &snapshot, pid, |it| {
            let named = |paths: &[&std::path::Path]| {
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
            };
            (it.lock.holds, named(&it.lock.paths), named(&it.lock.unidentified))
        })
    };
    let taken = vec!["/run/3".to_owned(), "/run/4".to_owned()];
    assert_eq!(lock(5), (Truth::True, vec!["/run/0".to_owned()], taken.clone()));
    assert_eq!(lock(6), (Truth::False, Vec::new(), taken));
}
