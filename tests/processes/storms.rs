//! Storms: starts that end each other again and again settle, and a person gets through.

use std::time::Duration;

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive};
use nix::sys::signal::Signal;

/// A start that takes over, `most` times within this window.
fn taking_over<'a>(stage: &'a Stage, most: u32, window: &str) -> Start<'a> {
    let limits =
        [format!("limits.max_takeovers={most}"), format!("limits.takeover_window={window}")];
    limits.iter().fold(stage.run(&[]).on_conflict("graceful"), |start, limit| start.set(limit))
}

/// So many starts, each of which takes over from the one before; the last one.
#[track_caller]
fn takeovers<'a>(stage: &'a Stage, count: usize, most: u32, window: &str) -> Running<'a> {
    let mut last = taking_over(stage, most, window).start();
    stage.ready(1);
    stage.wait_until_settled();
    for n in 2..count + 2 {
        let next = taking_over(stage, most, window).start();
        stage.ready(n);
        stage.wait_until_settled();
        std::mem::replace(&mut last, next).end().exits(0).says("took over");
    }
    last
}

#[test]
fn after_so_many_takeovers_a_start_is_refused_and_the_running_bot_lives_on() {
    let stage = Stage::new();
    let last = takeovers(&stage, 2, 2, "1h");
    let bot = stage.who_said("ready")[2];
    for _ in 0..3 {
        taking_over(&stage, 2, "1h").end().exits(75).says("`limits.max_takeovers` = 2 within 1h");
    }
    assert!(last.is_alive() && is_alive(bot));
    assert_eq!(stage.times(bot, "got SIGTERM"), 0);
}

#[test]
fn a_start_without_a_conflict_is_neither_counted_nor_refused() {
    let stage = Stage::new();
    for n in 1..4 {
        let start = taking_over(&stage, 1, "1h").start();
        stage.ready(n);
        start.signal(Signal::SIGTERM);
        start.end().exits(0);
    }
    let _last = takeovers_from_here(&stage, 4);
}

/// One takeover more is allowed after `n - 1` starts.
#[track_caller]
fn takeovers_from_here(stage: &Stage, n: usize) -> Running<'_> {
    let first = taking_over(stage, 1, "1h").start();
    stage.ready(n);
    stage.wait_until_settled();
    let second = taking_over(stage, 1, "1h").start();
    stage.ready(n + 1);
    first.end().exits(0).says("took over");
    second
}

#[test]
fn a_refusal_by_policy_is_not_counted() {
    let stage = Stage::new();
    let first = taking_over(&stage, 1, "1h").start();
    stage.ready(1);
    stage.wait_until_settled();
    for _ in 0..3 {
        stage.run(&[]).on_conflict("refuse").end().exits(75).says("on_conflict says refuse");
    }
    let _second = taking_over(&stage, 1, "1h").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
}

#[test]
fn none_at_all_refuses_the_first_takeover() {
    let stage = Stage::new();
    let first = taking_over(&stage, 0, "1m").start();
    stage.ready(1);
    stage.wait_until_settled();
    taking_over(&stage, 0, "1m").end().exits(75).says("`limits.max_takeovers` = 0");
    assert!(first.is_alive());
}

#[test]
fn a_person_gets_through_with_a_stop_and_a_start() {
    let stage = Stage::new();
    let last = takeovers(&stage, 1, 1, "1h");
    taking_over(&stage, 1, "1h").end().exits(75);
    stage.monopoll(&["stop"]).end().exits(0);
    last.end().exits(0);
    let _again = taking_over(&stage, 1, "1h").start();
    stage.ready(3);
}

#[test]
fn a_plan_says_that_the_limit_would_refuse() {
    let stage = Stage::new();
    let _last = takeovers(&stage, 1, 1, "1h");
    let plan = stage
        .plan(&[])
        .on_conflict("graceful")
        .set("limits.max_takeovers=1")
        .set("limits.takeover_window=1h")
        .end()
        .exits(75);
    assert!(plan.out.contains("limits.max_takeovers"), "{plan:?}");
    // To look is no try.
    assert_eq!(
        std::fs::read_to_string(stage.beside("history")).unwrap().matches("\"limit\"").count(),
        0
    );
}

/// On the clock that a window is measured on.
fn since_last_event(stage: &Stage) -> Duration {
    let history = std::fs::read_to_string(stage.beside("history")).unwrap();
    let last: serde_json::Value = serde_json::from_str(history.lines().last().unwrap()).unwrap();
    let at = Duration::from_millis(last["since_boot_ms"].as_u64().unwrap());
    monopoll::internals::sys::clock::since_boot().saturating_sub(at)
}

#[test]
fn when_a_whole_window_has_passed_without_a_try_takeovers_are_allowed_again() {
    let stage = Stage::new();
    let last = takeovers(&stage, 1, 1, "2s");
    // Every try counts, so that who goes on trying within the window is refused for ever.
    let mut refused = 0;
    let next = loop {
        let next = taking_over(&stage, 1, "2s").start();
        let was_refused = stage.wait_until("a refusal or a bot", || {
            if stage.who_said("ready").len() > 2 {
                Some(false)
            } else {
                (!next.is_alive()).then_some(true)
            }
        });
        if !was_refused {
            break next;
        }
        next.end().exits(75).says("too many takeovers");
        refused += 1;
        stage.wait_until("the window's end", || {
            (since_last_event(&stage) > Duration::from_secs(2)).then_some(())
        });
        assert!(refused < 20, "{}", stage.seen());
    };
    last.end().exits(0).says("took over");
    assert!(next.is_alive());
}
