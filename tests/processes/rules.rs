//! Rules, their conditions, and the decision about all conflicts together.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, Start, send, state};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Returns whether a rule with this condition decides about the only conflict.
#[track_caller]
fn holds(stage: &Stage, condition: &str) -> bool {
    let rule = format!("[[rules]]\nname = 'asked'\nwhen = {{ {condition} }}\naction = 'wait'\n");
    let plan = stage.plan(&[]).flag("--json").config(&rule).on_conflict("refuse").end();
    let plan: Value = serde_json::from_str(&plan.out).unwrap_or_else(|_| panic!("{plan:?}"));
    let conflicts = plan["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 1, "{plan:#}");
    conflicts[0]["rule"] == "asked"
}

#[test]
fn each_condition_of_a_rule_is_evaluated() {
    let stage = Stage::new();
    let _bot = stage.bot(&[]).start();
    stage.ready(1);
    let exe = testbot().parent().unwrap().display().to_string();
    let here = stage.folder().display().to_string();
    for (condition, expected) in [
        ("name = 'testbot'".to_owned(), true),
        ("name = 'test'".to_owned(), false),
        ("cmdline = 'examples/testb'".to_owned(), true),
        ("cmdline = 'main\\.py'".to_owned(), false),
        (format!("exe = '{exe}/*'"), true),
        ("exe = '/usr/bin/*'".to_owned(), false),
        (format!("cwd = '{here}'"), true),
        ("cwd = '/srv/bot'".to_owned(), false),
        ("user = 'same'".to_owned(), true),
        (format!("user = '{}'", nix::unistd::geteuid()), true),
        ("user = 'nobody'".to_owned(), false),
        ("container = 'same'".to_owned(), true),
        ("holds_lock = false".to_owned(), true),
        ("holds_lock = true".to_owned(), false),
        ("orphaned = false".to_owned(), true),
        ("orphaned = true".to_owned(), false),
        ("state = 'sleeping'".to_owned(), true),
        ("state = 'zombie'".to_owned(), false),
        ("younger_than = '1h'".to_owned(), true),
        ("older_than = '1h'".to_owned(), false),
        ("managed_by = '.*'".to_owned(), false),
        ("local = true".to_owned(), true),
        ("local = false".to_owned(), false),
        ("name = 'testbot', older_than = '1h'".to_owned(), false),
    ] {
        assert_eq!(holds(&stage, &condition), expected, "{condition}");
    }
}

#[test]
fn a_rule_matches_a_guard_by_its_lock() {
    let stage = Stage::new();
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    assert!(holds(&stage, "holds_lock = true"));
    assert!(!holds(&stage, "holds_lock = false"));
}

#[test]
fn a_rule_matches_a_stopped_bot() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    bot.signal(Signal::SIGSTOP);
    stage.wait_until("the stop", || (state(bot.pid()) == Some('T')).then_some(()));
    assert!(holds(&stage, "state = 'stopped'"));
}

#[test]
fn a_rule_matches_an_orphaned_bot() {
    let stage = Stage::new();
    let bot = testbot().display().to_string();
    stage.program("sh", &["-c", &format!("{bot} & :")]).end().exits(0);
    stage.ready(1);
    assert!(holds(&stage, "orphaned = true"));
}

#[test]
fn a_rule_matches_a_managed_bot() {
    let stage = Stage::new();
    let line = format!("{} & wait", testbot().display());
    let _supervisor = stage.program("sh", &["-c", &line]).arg0("runsv").start();
    stage.ready(1);
    assert!(holds(&stage, "managed_by = 'runit:.*'"));
    assert!(holds(&stage, "orphaned = false"));
}

/// Starts two unguarded bots that one `match` entry finds.
fn alpha_and_beta(stage: &Stage) -> (Running<'_>, Running<'_>) {
    let alpha = stage.bot(&["alpha"]).start();
    stage.ready(1);
    let beta = stage.bot(&["beta"]).other_token().start();
    stage.ready(2);
    (alpha, beta)
}

fn with_rules<'a>(stage: &'a Stage, alpha: &str, beta: &str) -> Start<'a> {
    stage.run(&[]).config(&format!(
        "match = [{{ cmdline = 'testbot (alpha|beta)$', cwd = '{}' }}]\n\
         [[rules]]\nname = 'a'\nwhen = {{ cmdline = 'alpha' }}\naction = '{alpha}'\n\
         [[rules]]\nname = 'b'\nwhen = {{ cmdline = 'beta' }}\naction = '{beta}'\n",
        stage.folder().display()
    ))
}

#[test]
fn no_process_is_ended_while_another_is_waited_for() {
    let stage = Stage::new();
    let (alpha, beta) = alpha_and_beta(&stage);
    let second = with_rules(&stage, "wait", "graceful").start();
    second.wait_for("waiting for");
    assert!(beta.is_alive() && stage.events().len() == 2, "no process was signaled yet");
    alpha.signal(Signal::SIGTERM);
    stage.ready(3);
    let events = stage.events();
    let at = |pid: u32, what: &str| {
        events.iter().position(|event| event.pid == pid && event.what == what)
    };
    assert!(at(alpha.pid(), "end") < at(beta.pid(), "got SIGTERM"), "{events:?}");
    beta.end().exits(0);
}

#[test]
fn one_refusal_and_nothing_is_touched() {
    let stage = Stage::new();
    let (alpha, beta) = alpha_and_beta(&stage);
    with_rules(&stage, "force", "refuse")
        .end()
        .exits(75)
        .says("rule `b` says refuse; change that rule, ");
    assert!(alpha.is_alive() && beta.is_alive());
    assert_eq!(stage.events().len(), 2);
}

#[test]
fn two_conflicts_are_ended_side_by_side() {
    let stage = Stage::new();
    let (alpha, beta) = alpha_and_beta(&stage);
    let _second = with_rules(&stage, "graceful", "force").start();
    stage.ready(3);
    alpha.end().exits(0);
    assert_eq!(beta.end().signal, Some(9));
}

#[test]
fn an_ignored_process_lives_on() {
    let stage = Stage::new();
    let (alpha, beta) = alpha_and_beta(&stage);
    let _second = with_rules(&stage, "graceful", "ignore").start();
    stage.ready(3);
    alpha.end().exits(0);
    assert!(beta.is_alive());
}

#[test]
fn the_holder_of_the_lock_cannot_be_ignored() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    let rule = "[[rules]]\nname = 'blind'\nwhen = { holds_lock = true }\naction = 'ignore'\n";
    stage.run(&[]).config(rule).end().exits(75).says("cannot be ignored");
    assert!(first.is_alive());
}

#[test]
fn more_conflicts_than_the_limit_refuse() {
    let stage = Stage::new();
    let (alpha, beta) = alpha_and_beta(&stage);
    with_rules(&stage, "force", "force")
        .set("limits.max_targets=1")
        .end()
        .exits(75)
        .says("limits.max_targets");
    assert!(alpha.is_alive() && beta.is_alive());
}

#[test]
fn a_bot_that_keeps_being_restarted_is_not_killed_over_and_over() {
    let stage = Stage::new();
    let line = format!("while :; do {}; done", testbot().display());
    let _supervisor = stage.program("sh", &["-c", &line]).start();
    stage.ready(1);
    stage.run(&[]).on_conflict("graceful").end().exits(75).says("comes back");
    assert_eq!(stage.pids_of("got SIGTERM").len(), 2, "two rounds");
    stage.assert_no_overlap();
}

#[test]
fn a_conflict_that_no_rule_matches_follows_on_conflict() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    let rule = "[[rules]]\nname = 'old'\nwhen = { older_than = '1h' }\naction = 'refuse'\n";
    let _second = stage.run(&[]).config(rule).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
    send(stage.ready(2), Signal::SIGTERM);
}
