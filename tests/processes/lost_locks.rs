//! A guard whose lock or lock folder is deleted, replaced, truncated or moved retakes it at once.

use std::fs::{self, File};
use std::io::{PipeWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::namespaces::ELSEWHERE;
use monopoll_test_bots::stage::{Running, Stage, is_alive, send, state};
use nix::sys::signal::Signal;

/// Starts a guard, and returns it with the pid of its bot.
fn guarded(stage: &Stage) -> (Running<'_>, u32) {
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    stage.wait_for_start_mutex();
    (guard, bot)
}

/// Waits until the file at the lock's path is locked.
#[track_caller]
fn held_again(stage: &Stage) {
    let held = || File::open(stage.lock()).is_ok_and(|file| file.try_lock().is_err());
    stage.wait_until("the lock to be held again", || held().then_some(()));
}

/// Checks that the guard has the lock again after `harm`, and that a second start is refused.
fn survives(harm: impl Fn(&Stage)) {
    let stage = Stage::new();
    let (guard, bot) = guarded(&stage);
    harm(&stage);
    held_again(&stage);
    stage.run(&["--other"]).on_conflict("refuse").end().exits(75).says("holds the lock");
    assert!(guard.is_alive() && is_alive(bot));
    guard.signal(Signal::SIGTERM);
    guard.end().exits(0);
    assert!(stage.lock_is_free() && !stage.state_file("record").exists());
}

#[test]
fn a_deleted_lock_is_taken_back() {
    survives(|stage| fs::remove_file(stage.lock()).unwrap());
}

#[test]
fn a_replaced_lock_is_taken_back() {
    survives(|stage| {
        fs::write(stage.locks().join("another"), "").unwrap();
        fs::rename(stage.locks().join("another"), stage.lock()).unwrap();
    });
}

#[test]
fn a_truncated_lock_is_still_held() {
    survives(|stage| drop(File::create(stage.lock()).unwrap()));
}

#[test]
fn a_lock_that_is_moved_away_and_back_is_held_throughout() {
    survives(|stage| {
        fs::rename(stage.lock(), stage.locks().join("elsewhere")).unwrap();
        held_again(stage);
        fs::rename(stage.locks().join("elsewhere"), stage.lock()).unwrap();
    });
}

#[test]
fn a_removed_folder_is_created_again() {
    // Like `rm -r`, until the folder is gone, because the guard may restore a file in between.
    survives(|stage| {
        stage.wait_until("the end of the folder", || {
            fs::remove_dir_all(stage.locks()).is_ok().then_some(())
        });
    });
}

#[test]
fn a_folder_that_is_moved_away_is_created_again() {
    survives(|stage| fs::rename(stage.locks(), stage.folder().join("elsewhere")).unwrap());
}

#[test]
fn a_folder_that_moves_with_its_parent_is_created_again() {
    let stage = Stage::new();
    let (above, lock) = (stage.folder().join("above"), stage.folder().join("above/locks/x.lock"));
    let paths = format!("lock.paths=[\"{}\"]", lock.display());
    let guard = stage.run(&[]).set(&paths).start();
    stage.ready(1);
    fs::rename(&above, stage.folder().join("elsewhere")).unwrap();
    stage.wait_until("the lock", || {
        File::open(&lock).is_ok_and(|file| file.try_lock().is_err()).then_some(())
    });
    stage.run(&["--other"]).set(&paths).end().exits(75).says("holds the lock");
    assert!(guard.is_alive());
}

#[test]
fn every_lock_is_taken_back_in_each_folder() {
    let stage = Stage::new();
    let paths = [stage.folder().join("one/a.lock"), stage.folder().join("two/b.lock")];
    let set = format!("lock.paths=[\"{}\", \"{}\"]", paths[0].display(), paths[1].display());
    let guard = stage.run(&[]).set(&set).start();
    stage.ready(1);
    for path in &paths {
        let _ = fs::remove_file(path);
        stage.wait_until("the lock", || {
            File::open(path).is_ok_and(|file| file.try_lock().is_err()).then_some(())
        });
    }
    assert!(guard.is_alive());
}

#[test]
fn a_takeover_waits_for_the_bot_whose_lock_was_deleted() {
    let stage = Stage::new();
    let (guard, bot) = guarded(&stage);
    fs::remove_file(stage.lock()).unwrap();
    let _second = stage.run(&["--other"]).on_conflict("graceful").start();
    stage.ready(2);
    guard.end().exits(0).says("took over");
    assert!(!is_alive(bot));
    stage.assert_no_overlap();
}

#[test]
fn a_waiter_gets_the_current_lock_file() {
    let stage = Stage::new();
    let (guard, _) = guarded(&stage);
    let waiter = stage.run(&["--other"]).on_conflict("wait").start();
    waiter.wait_for("waiting for");
    fs::remove_file(stage.lock()).unwrap();
    held_again(&stage);
    guard.signal(Signal::SIGTERM);
    stage.ready(2);
    assert!(waiter.is_alive());
    held_again(&stage);
    stage.assert_no_overlap();
}

/// Stops a process and waits until the kernel reports it.
#[track_caller]
fn freeze(stage: &Stage, guard: &Running<'_>) {
    guard.signal(Signal::SIGSTOP);
    stage.wait_until("its stop", || (state(guard.pid()) == Some('T')).then_some(()));
}

#[test]
fn a_guard_that_cannot_take_its_lock_back_counts_as_the_holder_by_its_record() {
    let stage = Stage::new();
    let (guard, bot) = guarded(&stage);
    freeze(&stage, &guard);
    fs::remove_file(stage.lock()).unwrap();
    stage
        .run(&["--other"])
        .on_conflict("refuse")
        .end()
        .exits(75)
        .says(&format!("(pid {}) holds the lock", guard.pid()));
    assert!(is_alive(bot));
    let _second = stage.run(&["--other"]).on_conflict("graceful").start();
    stage.ready(2);
    guard.end().exits(0).says("took over");
    stage.assert_no_overlap();
}

/// Returns the start time of a process in clock ticks.
fn start_of(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap()
}

#[test]
fn a_forged_marker_makes_no_process_a_holder() {
    let stage = Stage::new();
    let elsewhere = format!("lock.paths=['{}']", stage.locks().join("elsewhere.lock").display());
    let others = stage.run(&["--as", "others"]).set(&elsewhere).start();
    stage.nth_pid_of(1, "others");
    stage.wait_until("the other guard's record", || {
        stage.locks().join("elsewhere.lock.record").exists().then_some(())
    });
    // A bystander claims to hold this lock.
    let forged =
        format!("test:1:{}:{}:{}", others.pid(), start_of(others.pid()), stage.lock().display());
    let bystander = stage.bot(&["--as", "bystander"]).env("MONOPOLL_HELD", forged).start();
    stage.nth_pid_of(1, "bystander");
    let _ours = stage.run(&[]).on_conflict("force").start();
    stage.ready(1);
    assert!(others.is_alive() && bystander.is_alive());
}

#[test]
fn a_forged_record_makes_no_process_a_holder() {
    let stage = Stage::new();
    let (guard, _) = guarded(&stage);
    let record = fs::read_to_string(stage.state_file("record")).unwrap();
    guard.signal(Signal::SIGTERM);
    guard.end().exits(0);
    // The record of a living process that has nothing to do with this lock.
    let stranger = stage.bot(&["--as", "stranger"]).start();
    stage.nth_pid_of(1, "stranger");
    let start = start_of(stranger.pid());
    let mut record: serde_json::Value = serde_json::from_str(&record).unwrap();
    record["process"] = serde_json::json!({ "pid": stranger.pid(), "start": start });
    fs::write(stage.state_file("record"), record.to_string()).unwrap();
    let _second = stage.run(&[]).on_conflict("force").start();
    stage.ready(2);
    assert!(stranger.is_alive());
}

#[test]
fn a_guard_without_lock_and_record_is_found_by_the_marker_of_its_bot() {
    let stage = Stage::new();
    let (guard, bot) = guarded(&stage);
    freeze(&stage, &guard);
    fs::remove_dir_all(stage.locks()).unwrap();
    let it = format!("(pid {}) holds the lock", guard.pid());
    stage.run(&["--other"]).on_conflict("refuse").end().exits(75).says(&it);
    // The lock file that this start created is not an old one.
    stage.run(&["--other"]).on_conflict("refuse").end().exits(75).says(&it);
    assert!(is_alive(bot));
    guard.signal(Signal::SIGCONT);
    guard.wait_for("acquired again");
    held_again(&stage);
    assert!(guard.is_alive() && is_alive(bot));
}

/// The start times would say that the start is newer. They decide between guards of two locks.
#[test]
fn a_guard_without_its_record_keeps_the_ticket_of_its_marker() {
    let stage = Stage::new();
    stage.run(&["--exit", "7"]).end().exits(7);
    fs::write(stage.state_file("counter"), "41\n").unwrap();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(2);
    stage.wait_for_start_mutex();
    freeze(&stage, &guard);
    for file in ["record", "counter"] {
        fs::remove_file(stage.state_file(file)).unwrap();
    }
    stage.run(&[]).on_conflict("force").end().exits(0).says("is a newer start");
    assert!(is_alive(bot));
    guard.signal(Signal::SIGCONT);
}

/// Its bot has inherited the lock file that was deleted, not the one that it acquired again.
#[test]
fn what_is_left_of_a_guard_that_took_its_lock_back_holds_the_instance() {
    for with_record in [true, false] {
        let stage = Stage::new();
        let guard = stage.run(&["--other", "--stubborn"]).start();
        let bot = stage.ready(1);
        stage.wait_for_start_mutex();
        fs::remove_file(stage.lock()).unwrap();
        guard.wait_for("acquired again");
        held_again(&stage);
        guard.signal(Signal::SIGKILL);
        guard.end();
        if !with_record {
            fs::remove_file(stage.state_file("record")).unwrap();
        }
        let refused = stage.run(&[]).on_conflict("refuse").end().exits(75);
        assert!(refused.err.contains(&format!("pid {bot}")), "{refused:?}");
        assert!(is_alive(bot));
        send(bot, Signal::SIGKILL);
    }
}

#[test]
fn what_a_killed_guard_left_holds_the_instance_even_if_the_lock_is_deleted_at_the_same_time() {
    for action in ["refuse", "graceful"] {
        holds_after_a_kill(action, |stage| fs::remove_dir_all(stage.locks()).unwrap());
    }
}

/// Its content, copied or not, does not say that the new file was the lock.
#[test]
fn what_a_killed_guard_left_holds_the_instance_even_if_the_lock_is_replaced_at_the_same_time() {
    for content in [None, Some("garbage"), Some("")] {
        holds_after_a_kill("refuse", |stage| {
            let used = fs::read(stage.lock()).unwrap();
            fs::remove_file(stage.state_file("record")).unwrap();
            fs::write(stage.locks().join("new"), content.map_or(used, Into::into)).unwrap();
            fs::rename(stage.locks().join("new"), stage.lock()).unwrap();
        });
    }
}

/// Kills a guard whose bot ignores the guard's end and is not like the next COMMAND.
fn holds_after_a_kill(action: &str, harm: impl Fn(&Stage)) {
    let stage = Stage::new();
    let guard = stage.run(&["--other", "--stubborn"]).start();
    let bot = stage.ready(1);
    stage.wait_for_start_mutex();
    guard.signal(Signal::SIGSTOP);
    harm(&stage);
    guard.signal(Signal::SIGKILL);
    guard.end();
    assert!(is_alive(bot));
    let next = stage.run(&[]).on_conflict(action).set("timeouts.graceful='200ms'").start();
    if action == "refuse" {
        let ended = next.end().exits(75);
        assert!(ended.err.contains(&format!("pid {bot}")), "{ended:?}");
        assert!(is_alive(bot));
        send(bot, Signal::SIGKILL);
    } else {
        stage.ready(2);
        assert!(!is_alive(bot));
    }
    stage.assert_no_overlap();
}

/// The marker names the first lock of its guard only.
#[test]
fn a_lost_lock_is_shared_whichever_is_the_first_of_each_start() {
    let lost_lock = |stage: &Stage| fs::remove_file(stage.locks().join("x.lock")).unwrap();
    let lost_folder = |stage: &Stage| fs::remove_dir_all(stage.locks()).unwrap();
    let moved_folder = |stage: &Stage| {
        fs::rename(stage.locks(), stage.locks().with_extension("old")).unwrap();
    };
    let harms: [&dyn Fn(&Stage); 3] = [&lost_lock, &lost_folder, &moved_folder];
    for (guards, starts) in [("a x", "x"), ("x", "a x"), ("x z", "x"), ("a x", "x z")] {
        for (at, harm) in harms.iter().enumerate() {
            for kills in [false, true] {
                let stage = Stage::new();
                let paths = |names: &str| {
                    let path = |name| format!("'{}'", stage.locks().join(name).display()) + ", ";
                    let paths: String =
                        names.split(' ').map(|name| path(format!("{name}.lock"))).collect();
                    format!("lock.paths=[{paths}]")
                };
                let guard = stage.run(&["--other", "--stubborn"]).set(&paths(guards)).start();
                let bot = stage.ready(1);
                guard.wait_for("lock acquired");
                freeze(&stage, &guard);
                harm(&stage);
                if kills {
                    guard.signal(Signal::SIGKILL);
                    guard.end();
                }
                let next = stage.run(&[]).set(&paths(starts)).on_conflict("refuse");
                let ended = next.end().exits(75);
                assert!(is_alive(bot), "{guards} / {starts}, {at}: {ended:?}");
                send(bot, Signal::SIGKILL);
                stage.assert_no_overlap();
            }
        }
    }
}

/// A lock of the same name elsewhere is another instance's.
#[test]
fn a_guard_of_two_locks_is_not_taken_for_one_of_another_folder() {
    let (stage, other) = (Stage::new(), Stage::new());
    let paths = |stage: &Stage, names: [&str; 2]| {
        let [a, b] = names.map(|name| stage.locks().join(name).display().to_string());
        format!("lock.paths=['{a}', '{b}']")
    };
    let guard = other.run(&["--other"]).set(&paths(&other, ["a.lock", "x.lock"])).start();
    other.ready(1);
    let start = stage.run(&["--exit", "0"]).set(&paths(&stage, ["x.lock", "z.lock"]));
    start.on_conflict("refuse").end().exits(0);
    assert!(guard.is_alive());
}

/// Between the last check of its lock and its COMMAND, only its announcement shows a start.
#[test]
fn a_start_whose_folder_is_removed_before_its_command_runs_is_found() {
    let stage = Stage::new();
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let paused = fill(&mut writer);
    let first = stage.run(&[]).stderr_file(File::from(OwnedFd::from(writer))).start();
    let is_checked = || fs::metadata(stage.lock()).is_ok_and(|lock| lock.len() > 0).then_some(());
    stage.wait_until("the start that writes its message", is_checked);
    fs::remove_dir_all(stage.locks()).unwrap();
    let refused = stage.run(&["--other"]).other_token().on_conflict("refuse").end().exits(75);
    let guard = format!("testbot` (pid {}) holds the lock", first.pid());
    assert!(refused.err.contains(&guard), "{refused:?}");
    reader.read_exact(&mut vec![0; paused]).unwrap();
    stage.ready(1);
    stage.assert_no_overlap();
    assert!(first.is_alive());
}

/// Fills a pipe, so that the next writer waits, and returns its size.
fn fill(pipe: &mut PipeWriter) -> usize {
    let size = rustix::pipe::fcntl_getpipe_size(&pipe).unwrap();
    pipe.write_all(&vec![b' '; size]).unwrap();
    size
}

/// Starts a second guard while the first is stopped and all of its files are gone, so that the
/// second one cannot know about the first.
fn two_guards<'a>(stage: &'a Stage, on_lost: &str) -> (Running<'a>, u32, Running<'a>) {
    let (first, second) = two_guards_of(stage, &[], on_lost);
    let bot = stage.ready(1);
    (first, bot, second)
}

fn two_guards_of<'a>(stage: &'a Stage, bot: &[&str], on_lost: &str) -> (Running<'a>, Running<'a>) {
    let first = stage.run(bot).set(&format!("lock.on_lost={on_lost}")).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    freeze(stage, &first);
    fs::remove_dir_all(stage.locks()).unwrap();
    let second =
        stage.run(&["--other"]).other_token().on_conflict("refuse").through(&ELSEWHERE).start();
    stage.ready(2);
    stage.wait_for_start_mutex();
    first.signal(Signal::SIGCONT);
    (first, second)
}

#[test]
fn the_one_of_two_guards_without_the_lock_stops() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let (first, bot, second) = two_guards(&stage, "stop");
    first.end().exits(0).says("the lock was lost to another guard");
    assert!(!is_alive(bot) && second.is_alive());
    held_again(&stage);
}

#[test]
fn a_guard_that_lost_its_lock_leaves_the_record_of_the_new_holder_alone() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let (first, second) = two_guards_of(&stage, &["--slow", "700"], "stop");
    first.wait_for("another guard has the lock");
    while first.is_alive() {
        if let Ok(record) = fs::read_to_string(stage.state_file("record")) {
            assert!(record.contains("--other") && record.contains("running"), "{record}");
        }
    }
    first.end().exits(0);
    assert!(second.is_alive());
}

#[test]
fn with_warn_the_guard_without_the_lock_continues_and_takes_it_when_it_is_free() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let (first, bot, second) = two_guards(&stage, "warn");
    first.wait_for("another guard has the lock");
    drop(second);
    first.wait_for("acquired again");
    assert!(first.is_alive() && is_alive(bot));
    held_again(&stage);
}

#[test]
fn a_foreign_process_that_keeps_the_new_lock_file_makes_the_guard_stop() {
    let stage = Stage::new();
    let (guard, bot) = guarded(&stage);
    freeze(&stage, &guard);
    fs::remove_file(stage.lock()).unwrap();
    let stranger =
        stage.program("flock", &["locks/x.lock", "sh", "-c", "echo > has; exec sleep 60"]).start();
    stage.wait_until("the stranger", || stage.folder().join("has").exists().then_some(()));
    guard.signal(Signal::SIGCONT);
    guard.end().exits(0).says("the lock was lost");
    assert!(!is_alive(bot) && stranger.is_alive());
}

#[test]
fn an_unusable_lock_folder_ends_no_bot() {
    let stage = Stage::new();
    let (guard, bot) = guarded(&stage);
    fs::rename(stage.locks(), stage.folder().join("elsewhere")).unwrap();
    // The guard keeps recreating the folder until a file takes its place.
    stage.wait_until("the file", || {
        let _ = fs::remove_dir_all(stage.locks());
        fs::write(stage.locks(), "").is_ok().then_some(())
    });
    guard.wait_for("cannot be acquired again yet");
    assert!(guard.is_alive() && is_alive(bot));
    fs::remove_file(stage.locks()).unwrap();
    guard.wait_for("acquired again");
    held_again(&stage);
}

fn rounds() -> u32 {
    std::env::var("MONOPOLL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5) * 20
}

fn vanish(round: u32, stage: &Stage) {
    match round % 3 {
        0 => drop(fs::remove_file(stage.lock())),
        1 => drop(fs::remove_dir_all(stage.locks())),
        _ => drop(fs::rename(stage.locks(), stage.folder().join(format!("away-{round}")))),
    }
}

#[test]
fn raced_by_starts_that_refuse_a_guard_keeps_its_bot() {
    let stage = Stage::new();
    let (guard, bot) = guarded(&stage);
    for round in 0..rounds() {
        let second = stage.run(&["--other"]).on_conflict("refuse").start();
        vanish(round, &stage);
        let end = second.end();
        assert_eq!(end.code, Some(75), "round {round}: {end:?}\n{}", stage.transcript());
        assert!(guard.is_alive() && is_alive(bot), "round {round}\n{}", stage.transcript());
    }
    held_again(&stage);
    stage.assert_no_overlap();
}

#[test]
fn raced_by_starts_that_take_over_exactly_one_bot_is_left() {
    let stage = Stage::new();
    let (mut guard, mut bot) = guarded(&stage);
    for round in 0..rounds() {
        let second = stage.run(&["--other"]).on_conflict("graceful").start();
        vanish(round, &stage);
        stage.wait_until("one of the two", || {
            (!second.is_alive() || !guard.is_alive()).then_some(())
        });
        if second.is_alive() {
            let at = usize::try_from(round).unwrap();
            bot = stage.wait_until("its bot", || {
                stage.pids_of("ready").into_iter().filter(|it| *it != bot).rfind(|it| is_alive(*it))
            });
            assert!(!guard.is_alive(), "round {at}");
            guard = second;
        } else {
            assert!(
                guard.is_alive() && is_alive(bot),
                "round {round}: {:?}\n{}",
                second.end(),
                stage.transcript()
            );
        }
        stage.assert_no_overlap();
    }
    held_again(&stage);
}

#[test]
fn a_start_whose_folder_keeps_being_removed_starts_or_ends_with_a_clear_message() {
    let stage = Stage::new();
    let path: &Path = &stage.locks();
    let start = stage.run(&[]).start();
    stage.wait_until("an end or a bot", || {
        let _ = fs::remove_dir_all(path);
        (!start.is_alive() || !stage.pids_of("ready").is_empty()).then_some(())
    });
    if start.is_alive() {
        held_again(&stage);
    } else {
        start.end().exits(73);
    }
}
