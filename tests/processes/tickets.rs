//! The newest start wins, even if an older one is delayed.

use monopoll_test_bots::stage::{Running, Stage, is_alive};
use std::fs;

/// Returns an older start that has a ticket but is still running its check, and a newer one whose
/// bot runs.
fn older_and_newer<'a>(stage: &'a Stage, action: &str) -> (Running<'a>, Running<'a>) {
    let check = "after_wait = 'graceful'\n[check]\ncommand = ['sh', '-c', 'until test -e go; do \
        sleep 0.02; done']\n";
    let older =
        stage.run(&[]).config(check).on_conflict(action).set("timeouts.wait='300ms'").start();
    stage.wait_until("the older one's ticket", || {
        fs::read_to_string(stage.state_file("counter")).ok()
    });
    let newer = stage.run(&[]).on_conflict("refuse").start();
    stage.ready(1);
    fs::write(stage.folder().join("go"), "").unwrap();
    (older, newer)
}

#[test]
fn an_older_start_gives_way_where_it_would_have_ended_the_newer_one() {
    for action in ["graceful", "force", "wait"] {
        let stage = Stage::new();
        let (older, newer) = older_and_newer(&stage, action);
        older.end().exits(0).says("superseded");
        assert!(newer.is_alive() && is_alive(stage.ready(1)), "{action}");
        assert_eq!(stage.events().len(), 1, "{action}");
    }
}

#[test]
fn an_older_start_with_refuse_refuses() {
    let stage = Stage::new();
    let (older, newer) = older_and_newer(&stage, "refuse");
    older.end().exits(75);
    assert!(newer.is_alive());
}

#[test]
fn each_start_draws_a_larger_ticket() {
    let stage = Stage::new();
    for expected in 1..=3 {
        stage.run(&["--exit", "0"]).end().exits(0);
        assert_eq!(stage.counter(), expected);
    }
}

#[test]
fn a_chain_of_takeovers_leaves_the_newest_start() {
    let stage = Stage::new();
    let mut running: Vec<Running<'_>> = Vec::new();
    for n in 1..=5 {
        running.push(stage.run(&[]).on_conflict("graceful").start());
        stage.ready(n);
    }
    let last = running.pop().unwrap();
    for replaced in running {
        replaced.end().exits(0).says("took over");
    }
    assert!(last.is_alive());
    stage.assert_no_overlap();
}
