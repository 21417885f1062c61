//! Competing starts: takeovers are limited, so that one of them wins and an operator can intervene.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::supervisors::{peer, supervisord};
use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive};
use nix::sys::signal::Signal;

const LIMIT: usize = 3;
const WINDOW: Duration = Duration::from_secs(5);

/// Starts with a limit of `most` takeovers within this window.
fn taking_over<'a>(stage: &'a Stage, most: u32, window: &str) -> Start<'a> {
    let limits =
        [format!("limits.max_takeovers={most}"), format!("limits.takeover_window={window}")];
    limits.iter().fold(stage.run(&[]).on_conflict("graceful"), |start, limit| start.set(limit))
}

/// Runs `count` starts, each of which takes over from the previous one. Returns the last one.
#[track_caller]
fn takeovers<'a>(stage: &'a Stage, count: usize, most: u32, window: &str) -> Running<'a> {
    let mut last = taking_over(stage, most, window).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    for n in 2..count + 2 {
        let next = taking_over(stage, most, window).start();
        stage.ready(n);
        stage.wait_for_start_mutex();
        std::mem::replace(&mut last, next).end().exits(0).says("took over");
    }
    last
}

#[test]
fn after_so_many_takeovers_a_start_is_refused_and_the_running_bot_lives_on() {
    let stage = Stage::new();
    let last = takeovers(&stage, 2, 2, "1h");
    let bot = stage.pids_of("ready")[2];
    for _ in 0..3 {
        taking_over(&stage, 2, "1h")
            .end()
            .exits(75)
            .says("2 takeovers within 1h, and `limits.max_takeovers`");
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

/// Allows one more takeover after `n - 1` starts.
#[track_caller]
fn takeovers_from_here(stage: &Stage, n: usize) -> Running<'_> {
    let first = taking_over(stage, 1, "1h").start();
    stage.ready(n);
    stage.wait_for_start_mutex();
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
    stage.wait_for_start_mutex();
    for _ in 0..3 {
        stage.run(&[]).on_conflict("refuse").end().exits(75).says("`on_conflict` says refuse");
    }
    let _second = taking_over(&stage, 1, "1h").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
}

#[test]
fn a_limit_of_zero_refuses_the_first_takeover() {
    let stage = Stage::new();
    let first = taking_over(&stage, 0, "1m").start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    taking_over(&stage, 0, "1m").end().exits(75).says("`limits.max_takeovers` is 0");
    assert!(first.is_alive());
}

#[test]
fn an_operator_gets_through_with_a_stop_and_a_start() {
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
    // A plan does not count as an attempt.
    assert_eq!(
        fs::read_to_string(stage.state_file("history")).unwrap().matches("\"limit\"").count(),
        0
    );
}

/// Returns the time since the last event, on the clock of the window.
fn since_last_event(stage: &Stage) -> Duration {
    let history = fs::read_to_string(stage.state_file("history")).unwrap();
    let last: serde_json::Value = serde_json::from_str(history.lines().last().unwrap()).unwrap();
    let at = Duration::from_millis(last["since_boot_ms"].as_u64().unwrap());
    monopoll::internals::sys::clock::since_boot().saturating_sub(at)
}

#[test]
fn takeovers_are_allowed_again_after_a_window_without_attempts() {
    let stage = Stage::new();
    let last = takeovers(&stage, 1, 1, "2s");
    // Every attempt counts, so attempts that never pause for the window are refused forever.
    let mut refused = 0;
    let next = loop {
        let next = taking_over(&stage, 1, "2s").start();
        let was_refused = stage.wait_until("a refusal or a bot", || {
            if stage.pids_of("ready").len() > 2 {
                Some(false)
            } else {
                (!next.is_alive()).then_some(true)
            }
        });
        if !was_refused {
            break next;
        }
        next.end().exits(75).says("`limits.max_takeovers` allows no more");
        refused += 1;
        stage.wait_until("the window's end", || {
            (since_last_event(&stage) > Duration::from_secs(2)).then_some(())
        });
        assert!(refused < 20, "{}", stage.transcript());
    };
    last.end().exits(0).says("took over");
    assert!(next.is_alive());
}

/// Returns the command that each deployment keeps running.
fn command(stage: &Stage) -> String {
    let (monopoll, lock, bot) = (
        env!("CARGO_BIN_EXE_monopoll"),
        stage.lock().display().to_string(),
        testbot().display().to_string(),
    );
    format!(
        "{monopoll} run --instance test --on-conflict graceful --set 'lock.paths=[\"{lock}\"]' \
         --set limits.max_takeovers={LIMIT} --set 'limits.takeover_window=\"{}s\"' -- {bot}",
        WINDOW.as_secs()
    )
}

/// Waits until a start is refused, and checks that the same bot polls from then on, although the
/// other deployment keeps trying.
#[track_caller]
fn settles(stage: &Stage, began: Instant, logs: &[PathBuf]) {
    let refusals = || {
        logs.iter()
            .map(|log| fs::read_to_string(log).unwrap_or_default().matches("refused: ").count())
            .sum::<usize>()
    };
    stage.wait_until("the first refusal", || (refusals() > 0).then_some(()));
    let (took, polled) = (began.elapsed(), stage.pids_of("ready"));
    // On a very busy machine, the takeovers take longer than the window.
    assert!(
        took > WINDOW || polled.len() <= 1 + LIMIT,
        "{} takeovers in {took:?}\n{}",
        polled.len() - 1,
        stage.transcript()
    );
    let (settled, tries) = (Instant::now(), refusals());
    // Longer than the window, while the other deployment keeps trying.
    stage.wait_until("the window's end", || {
        (settled.elapsed() > WINDOW * 2 && refusals() >= tries + 5).then_some(())
    });
    assert_eq!(
        stage.pids_of("ready"),
        polled,
        "nobody else has polled since\n{}",
        stage.transcript()
    );
    assert!(
        polled.last().is_some_and(|bot| is_alive(*bot)),
        "and one polls\n{}",
        stage.transcript()
    );
    stage.assert_no_overlap();
}

#[test]
fn two_restart_loops_that_fight_settle_and_stay_settled() {
    let stage = Stage::new();
    let began = Instant::now();
    let deployments: Vec<_> = ["one", "two"]
        .into_iter()
        .map(|name| {
            let line =
                format!("exec 2> {name}.log; while :; do {}; sleep 0.2; done", command(&stage));
            stage.program("sh", &["-c", &line]).start()
        })
        .collect();
    settles(&stage, began, &["one.log", "two.log"].map(|log| stage.folder().join(log)));
    assert!(deployments.iter().all(monopoll_test_bots::stage::Running::is_alive));
}

#[test]
fn two_programs_of_supervisords_that_fight_settle_and_stay_settled() {
    let Some(program) = peer("venv/bin/supervisord") else { return };
    let stage = Stage::new();
    let began = Instant::now();
    let deployment = |name: &str| {
        format!(
            "[program:{name}]\ncommand={}\nautorestart=true\nstartsecs=0\n\
             redirect_stderr=true\nstdout_logfile={name}.log\n",
            command(&stage)
        )
    };
    let deployments = supervisord(
        &stage,
        &program,
        &format!(
            "{}directory={}\n{}",
            deployment("one"),
            stage.folder().display(),
            deployment("two")
        ),
    );
    settles(&stage, began, &["one.log", "two.log"].map(|log| stage.folder().join(log)));
    assert!(deployments.is_alive());
}
