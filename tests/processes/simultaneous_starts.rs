//! Many simultaneous starts. `MONOPOLL_ROUNDS` sets the number of rounds.

use monopoll_test_bots::stage::{Running, Stage, is_alive};
use nix::sys::signal::Signal;

const STARTS: usize = 50;

fn rounds() -> u32 {
    std::env::var("MONOPOLL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// Waits until exactly one start is left, with its bot. All others must have ended with one of
/// these statuses.
#[track_caller]
fn one_is_left(stage: &Stage, starts: Vec<Running<'_>>, allowed: &[i32]) {
    stage.wait_until("the last one", || {
        (starts.iter().filter(|start| start.is_alive()).count() <= 1).then_some(())
    });
    let (left, ended): (Vec<_>, Vec<_>) = starts.into_iter().partition(Running::is_alive);
    assert_eq!(left.len(), 1, "exactly one is left\n{}", stage.transcript());
    for start in ended {
        let end = start.end();
        assert!(end.code.is_some_and(|code| allowed.contains(&code)), "{end:?}");
        assert!(
            end.err.lines().last().is_some_and(|line| line.starts_with("monopoll: ")),
            "{end:?}"
        );
    }
    let bot = stage.wait_until("a living bot", || {
        stage.pids_of("ready").into_iter().find(|bot| is_alive(*bot))
    });
    let bots = stage.pids_of("ready").into_iter().filter(|bot| is_alive(*bot)).count();
    assert_eq!(bots, 1);
    stage.assert_no_overlap();
    left[0].signal(Signal::SIGTERM);
    stage.wait_until("its end", || (!is_alive(bot) && !left[0].is_alive()).then_some(()));
    assert!(stage.lock_is_free() && !stage.state_file("record").exists());
}

fn fifty<'a>(stage: &'a Stage, action: &str, bot: &[&str]) -> Vec<Running<'a>> {
    (0..STARTS).map(|_| stage.run(bot).on_conflict(action).start()).collect()
}

#[test]
fn fifty_starts_that_refuse_leave_exactly_one() {
    for _ in 0..rounds() {
        let stage = Stage::new();
        let starts = fifty(&stage, "refuse", &[]);
        one_is_left(&stage, starts, &[75]);
    }
}

#[test]
fn fifty_graceful_starts_leave_exactly_one() {
    for _ in 0..rounds() {
        let stage = Stage::new();
        let starts = fifty(&stage, "graceful", &[]);
        one_is_left(&stage, starts, &[0, 75]);
    }
}

#[test]
fn fifty_starts_by_force_leave_exactly_one() {
    for _ in 0..rounds() {
        let stage = Stage::new();
        let starts = fifty(&stage, "force", &[]);
        one_is_left(&stage, starts, &[0, 75]);
    }
}

#[test]
fn fifty_starts_that_wait_run_in_turn() {
    for _ in 0..rounds() {
        let stage = Stage::new();
        let starts = fifty(&stage, "wait", &["--for", "1"]);
        let ends: Vec<_> = starts.into_iter().map(Running::end).collect();
        assert!(ends.iter().all(|end| matches!(end.code, Some(0 | 75))), "{ends:?}");
        assert_eq!(
            stage.pids_of("ready").len(),
            ends.iter().filter(|end| end.code == Some(0)).count()
        );
        stage.assert_no_overlap();
    }
}

#[test]
fn twenty_starts_while_the_holder_is_killed_leave_exactly_one() {
    for _ in 0..rounds() {
        let stage = Stage::new();
        let holder = stage.run(&[]).start();
        stage.ready(1);
        let mut starts: Vec<_> =
            (0..10).map(|_| stage.run(&[]).on_conflict("graceful").start()).collect();
        // It may have been asked and have ended already.
        holder.signal(Signal::SIGKILL);
        starts.extend((0..10).map(|_| stage.run(&[]).on_conflict("graceful").start()));
        holder.end();
        one_is_left(&stage, starts, &[0, 75]);
    }
}
