//! A second start under each action, of a guarded and an unguarded bot.

use std::fs;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Stage, contents, is_alive, send};
use nix::sys::signal::Signal;

#[test]
fn refuse_leaves_a_guarded_bot_alone() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let bot = stage.ready(1);
    stage.run(&[]).on_conflict("refuse").end().exits(75).says("refuse");
    assert!(first.is_alive() && is_alive(bot));
    assert_eq!(stage.events().len(), 1, "no process was signaled");
}

#[test]
fn refuse_leaves_an_unguarded_bot_alone() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    stage.run(&[]).on_conflict("refuse").end().exits(75).says("refuse");
    assert!(first.is_alive());
    assert_eq!(stage.events().len(), 1, "no process was signaled");
}

#[test]
fn refuse_is_the_default() {
    let stage = Stage::new();
    let _first = stage.run(&[]).start();
    stage.ready(1);
    let refused = stage.run(&[]).end().exits(75);
    refused.says(&format!(
        "`on_conflict` says refuse; `--on-conflict wait` waits for it to end, \
        `--on-conflict graceful` takes over; `monopoll plan -- {}` shows details",
        testbot().display()
    ));
}

#[test]
fn graceful_asks_the_guard_and_starts_when_its_whole_tree_has_ended() {
    let stage = Stage::new();
    let first = stage.run(&["--slow", "200"]).start();
    let old = stage.ready(1);
    let second = stage.run(&["--slow", "200"]).on_conflict("graceful").start();
    let new = stage.ready(2);
    first.end().exits(0).says("took over");
    assert!(!is_alive(old) && is_alive(new) && second.is_alive());
    let order: Vec<String> = stage.events().into_iter().map(|event| event.what).collect();
    assert_eq!(order, ["ready", "got SIGTERM", "end", "ready"]);
}

#[test]
fn graceful_ends_an_unguarded_bot() {
    let stage = Stage::new();
    let first = stage.bot(&["--slow", "200"]).start();
    stage.ready(1);
    let _second = stage.run(&["--slow", "200"]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
    let order: Vec<String> = stage.events().into_iter().map(|event| event.what).collect();
    assert_eq!(order, ["ready", "got SIGTERM", "end", "ready"]);
}

#[test]
fn force_kills_a_guarded_bot_and_its_guard_exits_with_0() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    let _second = stage.run(&[]).on_conflict("force").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    assert!(!is_alive(old));
    assert_eq!(stage.events().len(), 2, "SIGKILL is not heard");
}

#[test]
fn force_kills_an_unguarded_bot() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    let _second = stage.run(&[]).on_conflict("force").start();
    stage.ready(2);
    assert_eq!(first.end().signal, Some(9));
    assert_eq!(stage.events().len(), 2, "SIGKILL is not heard");
}

#[test]
fn wait_starts_when_the_guarded_bot_ends_by_itself() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    let second = stage.run(&[]).on_conflict("wait").start();
    second.wait_for("waiting for");
    send(old, Signal::SIGTERM);
    stage.ready(2);
    first.end().exits(0);
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

#[test]
fn wait_starts_when_the_unguarded_bot_ends_by_itself() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    let second = stage.run(&[]).on_conflict("wait").start();
    second.wait_for("waiting for");
    assert!(first.is_alive());
    first.signal(Signal::SIGTERM);
    stage.ready(2);
}

#[test]
fn a_wait_that_times_out_refuses_by_default() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    stage
        .run(&[])
        .on_conflict("wait")
        .set("timeouts.wait='300ms'")
        .end()
        .exits(75)
        .says("waited too long for ");
    assert!(first.is_alive());
}

#[test]
fn a_wait_that_times_out_may_end_gracefully() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    let _second = stage
        .run(&[])
        .on_conflict("wait")
        .set("timeouts.wait='300ms'")
        .set("after_wait='graceful'")
        .start();
    stage.ready(2);
    first.end().exits(0);
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

#[test]
fn a_wait_that_times_out_may_kill() {
    let stage = Stage::new();
    let first = stage.bot(&["--stubborn"]).start();
    let old = stage.ready(1);
    let second = stage
        .run(&["--stubborn"])
        .on_conflict("wait")
        .set("timeouts.wait='300ms'")
        .set("after_wait='force'")
        .start();
    stage.ready(2);
    assert_eq!(first.end().signal, Some(9));
    assert_eq!(stage.times(old, "got SIGTERM"), 0);
    drop(second);
}

#[test]
fn a_wait_of_0s_tries_once() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    stage
        .run(&[])
        .on_conflict("wait")
        .set("timeouts.wait='0s'")
        .end()
        .exits(75)
        .says("still runs, and `timeouts.wait` is 0s");
    assert!(first.is_alive());
    send(stage.ready(1), Signal::SIGTERM);
    first.end().exits(0);
    stage.run(&["--exit", "0"]).on_conflict("wait").set("timeouts.wait='0s'").end().exits(0);
}

#[test]
fn a_warm_standby_waits_forever() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    let standby = stage.run(&[]).on_conflict("wait").set("timeouts.wait='forever'").start();
    standby.wait_for(", without a limit");
    assert!(standby.is_alive());
    send(old, Signal::SIGKILL);
    stage.ready(2);
    first.end().exits(137);
}

#[test]
fn a_dry_run_prints_the_plan_and_touches_nothing() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    stage.wait_for_start_mutex();
    let before = contents(&stage.locks());
    stage.plan(&[]).on_conflict("graceful").end().exits(0);
    stage.plan(&[]).on_conflict("refuse").end().exits(75).says("would refuse");
    stage.monopoll(&["plan", "--detailed-exitcode", "--"]).end().exits(75);
    let dry = stage
        .monopoll(&["run", "--dry-run", "--", "sleep", "1"])
        .on_conflict("force")
        .end()
        .exits(0);
    assert_eq!(dry.out, "", "what a person reads goes to the error output");
    assert_eq!(contents(&stage.locks()), before);
    assert!(first.is_alive() && is_alive(old));
    assert_eq!(stage.events().len(), 1, "no process was signaled");
}

#[test]
fn a_first_dry_run_creates_nothing() {
    let stage = Stage::new();
    stage.plan(&[]).end().exits(0);
    stage.monopoll(&["run", "--dry-run", "--", "sleep", "1"]).end().exits(0);
    assert!(!stage.locks().exists());
    assert!(stage.events().is_empty());
}

#[test]
fn a_start_without_enough_descriptors_to_scan_is_refused() {
    let stage = Stage::new();
    let _first = stage.bot(&["--same_command"]).start();
    stage.ready(1);
    for descriptors in 4..24 {
        let end = stage.run(&["--same_command"]).fd_limit(descriptors).end();
        // With fewer descriptors, not even the dynamic linker works.
        assert!(descriptors < 9 || matches!(end.code, Some(1 | 73 | 75)), "{descriptors}: {end:?}");
        assert_eq!(stage.events().len(), 1, "{descriptors}: {end:?}");
    }
}

#[test]
fn a_full_standard_error_stops_no_start() {
    let stage = Stage::new();
    let full = ["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"];
    let first = stage.run(&[]).through(&full).start();
    stage.ready(1);
    assert_eq!(stage.run(&[]).through(&full).end().code, Some(75));
    assert_eq!(
        stage.run(&["--exit", "7"]).on_conflict("graceful").flag("-v").through(&full).end().code,
        Some(7)
    );
    assert_eq!(first.end().code, Some(0));
}

/// Returns the page faults of a process as a measure of its progress: field 10 of proc(5)'s stat.
fn page_faults(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().nth(7).map_or(u64::MAX, |faults| faults.parse().unwrap())
}

#[test]
fn a_start_that_meets_the_very_end_of_a_guard_starts_every_time() {
    let stage = Stage::new();
    for moment in 0..100_u64 {
        let first = stage.run_command("sleep", &["60"]).on_conflict("wait").start();
        stage.wait_until("a child", || {
            fs::read_to_string(stage.state_file("record"))
                .ok()?
                .contains("\"child\":{")
                .then_some(())
        });
        let second = stage
            .run_command("true", &[])
            .on_conflict("graceful")
            .set("limits.max_takeovers=30")
            .set("limits.takeover_window='1s'")
            .start();
        // The first one ends at some point between the second one's first instruction and its scan,
        // which takes about 700 page faults.
        while second.is_alive() && page_faults(second.pid()) < moment * 7 {}
        first.signal(Signal::SIGTERM);
        second.end().exits(0);
        first.end();
    }
}
