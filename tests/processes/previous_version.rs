//! Starts and guards of this version and the previous one together: the files next to the lock are
//! their protocol. `previous_version` in the test bots has these files as text.

use std::collections::BTreeSet;
use std::fs;

use monopoll_test_bots::previous_version::{self, Guard, Process};
use monopoll_test_bots::programs::{example, testbot};
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Starts a guard of the previous version with its bot.
fn old_guard(stage: &Stage) -> (Running<'_>, u32) {
    let lock = stage.lock().display().to_string();
    let bot = testbot().display().to_string();
    let guard = stage.program(example("old_guard"), &[&lock, &bot]).start();
    stage.nth_pid_of(1, "guards");
    (guard, stage.ready(1))
}

fn with_the_bot<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    stage.monopoll(args).argument("--").argument(&testbot().display().to_string())
}

/// Checks the exact request to the old guard, apart from its id and sender.
#[track_caller]
fn assert_asked(stage: &Stage, asker: u32, force: bool, purpose: &str) {
    let events = stage.events();
    let request = events.iter().find_map(|event| event.what.strip_prefix("asked "));
    let request = request.unwrap_or_else(|| panic!("nothing was asked\n{}", stage.transcript()));
    let id = request.split('"').nth(3).unwrap();
    let words: Vec<&str> = id.split('-').collect();
    assert!(
        words.len() == 3 && words[0] == asker.to_string(),
        "PID-START-NUMBER of the asker: {id}"
    );
    assert_eq!(request, previous_version::request(id, 1, asker, force, purpose));
}

#[test]
fn status_and_plan_know_a_guard_of_the_version_before() {
    let stage = Stage::new();
    let (guard, bot) = old_guard(&stage);
    let status = with_the_bot(&stage, &["status", "--json"]).end().exits(0);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    let holder = &status["holder"];
    assert_eq!(status["state"], "running", "{status:#}");
    assert_eq!(
        [&holder["ticket"], &holder["pid"], &holder["child_pid"]].map(Value::as_u64),
        [Some(1), Some(guard.pid().into()), Some(bot.into())],
        "{status:#}"
    );
    let plan = stage.plan(&[]).on_conflict("graceful").end().exits(0);
    assert!(
        plan.out.contains(&format!("pid {}", guard.pid()))
            && plan.out.contains("ask the guard to end it"),
        "{plan:?}"
    );
    let history = with_the_bot(&stage, &["status", "--history"]).end().exits(0);
    assert!(history.out.contains("started"), "{history:?}");
    assert!(guard.is_alive() && is_alive(bot), "a look touches nobody");
}

#[test]
fn a_graceful_start_asks_a_guard_of_the_version_before_and_takes_over() {
    let stage = Stage::new();
    let (guard, bot) = old_guard(&stage);
    let start = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    guard.end().exits(0);
    assert_asked(&stage, start.pid(), false, "start");
    assert_eq!((stage.times(bot, "got SIGTERM"), stage.counter()), (1, 2));
    assert!(!stage.state_file("request").exists() && !stage.state_file("answer").exists());
    let kinds = ["start", "stop", "takeover", "start"];
    stage.wait_until("both guards' events", || {
        let history = fs::read_to_string(stage.state_file("history")).unwrap();
        let events = history.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.map(|event| event["event"].clone()).eq(kinds).then_some(())
    });
    stage.assert_no_overlap();
}

#[test]
fn a_start_with_one_more_lock_asks_a_guard_of_the_version_before() {
    let stage = Stage::new();
    let (guard, bot) = old_guard(&stage);
    let both = format!("lock.paths=['{0}/a.lock', '{0}/x.lock']", stage.locks().display());
    let start = stage.run(&[]).set(&both).on_conflict("graceful").start();
    stage.ready(2);
    guard.end().exits(0);
    assert_asked(&stage, start.pid(), false, "start");
    assert_eq!(stage.times(bot, "got SIGTERM"), 1);
    stage.assert_no_overlap();
}

#[test]
fn a_start_by_force_asks_a_guard_of_the_version_before_and_takes_over() {
    let stage = Stage::new();
    let (guard, bot) = old_guard(&stage);
    let start = stage.run(&[]).on_conflict("force").start();
    stage.ready(2);
    guard.end().exits(0);
    assert_asked(&stage, start.pid(), true, "start");
    assert_eq!(stage.times(bot, "got SIGTERM"), 0);
}

#[test]
fn a_stop_asks_a_guard_of_the_version_before_and_it_leaves() {
    let stage = Stage::new();
    let (guard, bot) = old_guard(&stage);
    let stop = with_the_bot(&stage, &["stop"]).start();
    let asker = stop.pid();
    stop.end().exits(0);
    guard.end().exits(0);
    assert_asked(&stage, asker, false, "stop");
    assert!(!is_alive(bot) && stage.lock_is_free());
}

#[test]
fn a_start_that_refuses_leaves_a_guard_of_the_version_before_alone() {
    let stage = Stage::new();
    let (guard, bot) = old_guard(&stage);
    stage.run(&[]).on_conflict("refuse").end().exits(75);
    assert!(guard.is_alive() && is_alive(bot));
    assert!(stage.events().iter().all(|event| !event.what.starts_with("asked")));
}

#[test]
fn the_bot_of_a_killed_guard_of_the_version_before_is_found() {
    let stage = Stage::new();
    let (guard, bot) = old_guard(&stage);
    guard.signal(Signal::SIGKILL);
    guard.end();
    let refused = stage.run(&[]).on_conflict("refuse").end().exits(75);
    assert!(refused.err.contains(&format!("pid {bot}")), "{refused:?}");
    let _start = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    assert_eq!(stage.times(bot, "got SIGTERM"), 1);
}

#[test]
fn a_guard_writes_its_files_as_the_version_before_did() {
    let stage = Stage::new();
    let start = stage.run(&[]).start();
    let bot = stage.ready(1);
    let lock = stage.lock();
    let record = stage.wait_until("a running guard", || {
        fs::read_to_string(stage.state_file("record")).ok().filter(|it| it.contains("running"))
    });
    let since = serde_json::from_str::<Value>(&record).unwrap()["since"].as_u64().unwrap();
    let command = testbot().display().to_string();
    let mut guard = Guard {
        instance: "test",
        process: Process::of(start.pid()),
        child: Process::of(bot),
        ticket: 1,
        lock: &lock,
        command: &command,
        since,
    };
    assert_eq!(record, guard.record());
    assert!(fs::read_to_string(&lock).unwrap().starts_with(previous_version::LOCK));
    assert_eq!(
        fs::read_to_string(stage.state_file("counter")).unwrap(),
        previous_version::counter(1)
    );
    let environ = fs::read(format!("/proc/{bot}/environ")).unwrap();
    let held = format!("MONOPOLL_HELD={}", guard.held());
    assert!(environ.split(|byte| *byte == 0).any(|entry| entry == held.as_bytes()));

    let line =
        stage.wait_until("the history", || fs::read_to_string(stage.state_file("history")).ok());
    let event: Value = serde_json::from_str(&line).unwrap();
    guard.since = event["at"].as_u64().unwrap();
    let [at, took] = ["since_boot_ms", "took_ms"].map(|key| event[key].as_u64().unwrap());
    assert_eq!(line, guard.started(at, took));
    let names: BTreeSet<String> = fs::read_dir(stage.locks())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        names.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "x.lock",
            "x.lock.counter",
            "x.lock.drawing",
            "x.lock.history",
            "x.lock.record",
            "x.lock.turnstile"
        ]
    );
}

#[test]
fn a_guard_that_is_asked_to_end_its_bot_in_no_time_ends_it_before_it_leaves() {
    for (force, escalate) in [(false, true), (true, true), (true, false)] {
        let stage = Stage::new();
        let guard = stage.run(&[]).start();
        let bot = stage.ready(1);
        let new = stage.locks().join("x.lock.request.new");
        let request = previous_version::request("7-8-1", 1, std::process::id(), force, "start")
            .replace("\"30s\"", "\"0s\"")
            .replace("\"5s\"", "\"0s\"")
            .replace("true,\"for\"", &format!("{escalate},\"for\""));
        fs::write(&new, request).unwrap();
        fs::rename(new, stage.state_file("request")).unwrap();
        let ended = guard.end().exits(0);
        assert!(!is_alive(bot), "{ended:?}");
        assert!(!ended.err.contains("could not be ended"), "{ended:?}");
    }
}

#[test]
fn a_guard_answers_a_start_of_the_version_before() {
    for (force, purpose) in [(false, "start"), (true, "start"), (false, "stop")] {
        let stage = Stage::new();
        let guard = stage.run(&[]).start();
        let bot = stage.ready(1);
        let lock = stage.lock();
        let process = Process::of(guard.pid());
        let asker = std::process::id();
        let new = stage.locks().join("x.lock.request.new");
        let request = previous_version::request("7-8-1", 1, asker, force, purpose);
        fs::write(&new, request).unwrap();
        fs::rename(new, stage.state_file("request")).unwrap();
        let answer =
            stage.wait_until("the answer", || fs::read_to_string(stage.state_file("answer")).ok());
        assert_eq!(answer, previous_version::answer("7-8-1"));
        let ended = guard.end().exits(0);
        assert!(!is_alive(bot) && !stage.state_file("record").exists(), "{ended:?}");

        let history = fs::read_to_string(stage.state_file("history")).unwrap();
        let line = format!("{}\n", history.lines().last().unwrap());
        let event: Value = serde_json::from_str(&line).unwrap();
        let guard = Guard {
            instance: "test",
            process,
            child: Process { pid: bot, start: 0 },
            ticket: 1,
            lock: &lock,
            command: "",
            since: event["at"].as_u64().unwrap(),
        };
        let (at, why) = (event["since_boot_ms"].as_u64().unwrap(), event["why"].as_str().unwrap());
        // A field that older versions skip. It is only written if it is not zero.
        let line = if force { line.replace(",\"killed\":1", "") } else { line };
        assert_eq!(line, guard.stopped(at, why, Some(asker)));
    }
}
