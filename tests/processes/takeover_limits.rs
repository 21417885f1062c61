//! Two deployments, each with a supervisor of its own, that both want to poll: they settle, and
//! stay settled.

use crate::supervisors::{peer, supervisord};
use monopoll_test_bots::{
    programs::testbot,
    stage::{Stage, is_alive},
};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

const LIMIT: usize = 3;
const WINDOW: Duration = Duration::from_secs(5);

/// What each deployment starts, again and again.
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

/// The storm is over once a start is refused; from then on the same bot polls, however often the
/// other deployment tries.
#[track_caller]
fn settles(stage: &Stage, began: Instant, logs: &[PathBuf]) {
    let refusals = || {
        logs.iter()
            .map(|log| fs::read_to_string(log).unwrap_or_default().matches("refused: ").count())
            .sum::<usize>()
    };
    stage.wait_until("the first refusal", || (refusals() > 0).then_some(()));
    let (took, polled) = (began.elapsed(), stage.who_said("ready"));
    // A machine that is too busy for a storm within the window has a slower one.
    assert!(
        took > WINDOW || polled.len() <= 1 + LIMIT,
        "{} takeovers in {took:?}\n{}",
        polled.len() - 1,
        stage.seen()
    );
    let (settled, tries) = (Instant::now(), refusals());
    // Longer than the window, and the other one has gone on trying.
    stage.wait_until("the window's end", || {
        (settled.elapsed() > WINDOW * 2 && refusals() >= tries + 5).then_some(())
    });
    assert_eq!(stage.who_said("ready"), polled, "nobody else has polled since\n{}", stage.seen());
    assert!(polled.last().is_some_and(|bot| is_alive(*bot)), "and one polls\n{}", stage.seen());
    stage.assert_no_overlap();
}

#[test]
fn two_loops_that_fight_settle_and_stay_settled() {
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
            "[program:{name}]\ncommand={}\nautorestart=true\nstartsecs=0\nredirect_stderr=true\nstdout_logfile={name}.log\n",
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
