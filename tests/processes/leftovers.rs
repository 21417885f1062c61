//! What a guard leaves behind if it is killed, or if COMMAND ends before its tree does.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Stage, is_alive, is_root, send};
use nix::sys::signal::Signal;

use crate::lost_launchers::parent;

#[test]
fn a_guard_that_is_killed_takes_its_child_with_it() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    guard.signal(Signal::SIGKILL);
    stage.nth_pid_of(1, "end");
    assert_eq!(stage.times(bot, "got SIGTERM"), 1);
}

#[test]
fn a_guard_that_is_killed_gives_its_child_the_signal_that_was_configured() {
    let stage = Stage::new();
    let guard = stage.run(&[]).set("kill.signal='SIGINT'").start();
    let bot = stage.ready(1);
    guard.signal(Signal::SIGKILL);
    stage.nth_pid_of(1, "end");
    assert_eq!(stage.times(bot, "got SIGINT"), 1);
}

#[test]
fn a_guard_that_is_killed_as_soon_as_its_child_runs_signals_it_once() {
    for _ in 0..60 {
        let stage = Stage::new();
        let guard = stage.run(&["--stubborn"]).start();
        let bot = stage.ready(1);
        guard.signal(Signal::SIGKILL);
        guard.end();
        // The bot receives the lowest pending signal first.
        send(bot, Signal::SIGWINCH);
        stage.nth_pid_of(1, "got SIGWINCH");
        assert_eq!(stage.times(bot, "got SIGTERM"), 1);
    }
}

/// Leaves only a grandchild, with the lock open, after the guard and the bot have ended.
fn only_a_grandchild_is_left(stage: &Stage) -> u32 {
    let guard = stage.run(&["--child", "--as grandchild"]).start();
    let (_, grandchild) = (stage.ready(1), stage.nth_pid_of(1, "grandchild"));
    guard.signal(Signal::SIGKILL);
    assert_eq!(guard.end().signal, Some(9));
    stage.nth_pid_of(1, "end");
    grandchild
}

#[test]
fn a_grandchild_that_keeps_the_lock_refuses_a_start() {
    let stage = Stage::new();
    let grandchild = only_a_grandchild_is_left(&stage);
    stage.run(&[]).on_conflict("refuse").end().exits(75).says("holds the lock");
    assert!(is_alive(grandchild));
    assert!(!stage.lock_is_free());
}

#[test]
fn a_grandchild_that_keeps_the_lock_is_found_and_ended() {
    let stage = Stage::new();
    let grandchild = only_a_grandchild_is_left(&stage);
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    assert!(!is_alive(grandchild));
    assert_eq!(stage.times(grandchild, "got SIGTERM"), 1);
}

/// Searching all of their files takes longer than a start may.
#[test]
fn the_open_files_of_another_user_hide_no_holder() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let grandchild = only_a_grandchild_is_left(&stage);
    let flood = "\
import os, time
for _ in range(1000): os.dup(0)
for _ in range(100): os.fork() or time.sleep(600)
print(flush=True)
time.sleep(600)
";
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let others = stage
        .program("prlimit", &["--nofile=1100", "python3", "-c", flood])
        .own_process_group()
        .through(&nobody)
        .start();
    stage.wait_until("100 processes", || (others.stdout() == "\n").then_some(()));
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    assert!(!is_alive(grandchild));
}

#[test]
fn a_grandchild_that_keeps_the_lock_can_be_waited_for() {
    let stage = Stage::new();
    let grandchild = only_a_grandchild_is_left(&stage);
    let second = stage.run(&[]).on_conflict("wait").start();
    second.wait_for("waiting for");
    send(grandchild, Signal::SIGTERM);
    stage.ready(2);
}

#[test]
fn a_stubborn_child_of_a_killed_guard_is_found_by_its_lock() {
    let stage = Stage::new();
    let guard = stage.run(&["--stubborn"]).start();
    let bot = stage.ready(1);
    guard.signal(Signal::SIGKILL);
    guard.end();
    stage.wait_until("the signal of the guard's death", || {
        (stage.times(bot, "got SIGTERM") == 1).then_some(())
    });
    let _second =
        stage.run(&["another"]).on_conflict("graceful").set("timeouts.graceful='300ms'").start();
    stage.ready(2);
    assert!(!is_alive(bot));
    stage.assert_no_overlap();
}

#[test]
fn processes_left_by_the_command_are_ended_before_the_guard_exits() {
    let stage = Stage::new();
    let args = [
        "--child",
        "--as child --slow 200",
        "--detached",
        "--as daemon --slow 200",
        "--leaves",
        "--exit",
        "7",
    ];
    let guard = stage.run(&args).start();
    let (child, daemon) = (stage.nth_pid_of(1, "child"), stage.nth_pid_of(1, "daemon"));
    send(stage.ready(1), Signal::SIGUSR1);
    guard.end().exits(7);
    assert!(!is_alive(child) && !is_alive(daemon));
    assert_eq!((stage.times(child, "got SIGTERM"), stage.times(daemon, "got SIGTERM")), (1, 1));
    assert_eq!(
        (stage.times(child, "end"), stage.times(daemon, "end")),
        (1, 1),
        "each had its time"
    );
    assert!(stage.lock_is_free());
}

#[test]
fn stubborn_processes_left_by_the_command_are_killed() {
    let stage = Stage::new();
    let args = ["--detached", "--as daemon --stubborn", "--leaves", "--exit", "7"];
    let guard = stage.run(&args).set("timeouts.graceful='300ms'").start();
    let daemon = stage.nth_pid_of(1, "daemon");
    send(stage.ready(1), Signal::SIGUSR1);
    guard.end().exits(7);
    assert!(!is_alive(daemon));
    assert!(stage.lock_is_free());
}

#[test]
fn a_guard_leaves_no_record_behind() {
    let stage = Stage::new();
    stage.run(&["--exit", "0"]).end().exits(0);
    assert!(!stage.state_file("record").exists());
    assert!(stage.lock().exists(), "the lock file is never removed");
}

/// A shell that starts a process and is then replaced by monopoll.
const WITH_SIBLING: [&str; 4] = ["sh", "-c", "sleep 60 & echo $! > sibling; exec \"$@\"", "sh"];

fn sibling(stage: &Stage) -> u32 {
    stage.wait_until("the sibling", || {
        std::fs::read_to_string(stage.folder().join("sibling")).ok()?.trim().parse().ok()
    })
}

#[test]
fn processes_that_the_guard_did_not_start_outlive_the_command() {
    let stage = Stage::new();
    stage.run(&["--exit", "7"]).through(&WITH_SIBLING).end().exits(7);
    assert!(is_alive(sibling(&stage)));
}

#[test]
fn processes_that_the_guard_did_not_start_outlive_a_takeover() {
    for action in ["graceful", "force"] {
        let stage = Stage::new();
        let first = stage.run(&["--detached", "--as member"]).through(&WITH_SIBLING).start();
        let (_, member) = (stage.ready(1), stage.nth_pid_of(1, "member"));
        stage.run(&["--exit", "7"]).on_conflict(action).end().exits(7);
        first.end().exits(0).says("took over");
        assert!(is_alive(sibling(&stage)) && !is_alive(member), "{action}");
    }
}

#[test]
fn a_guard_that_may_not_kill_still_exits_with_its_command() {
    let stage = Stage::new();
    let bot = ["--child", "--as member --stubborn", "--leaves", "--exit", "7"];
    let guard = stage.run(&bot).set("kill.escalate=false").set("timeouts.graceful='300ms'").start();
    let member = stage.nth_pid_of(1, "member");
    send(stage.ready(1), Signal::SIGUSR1);
    guard.end().exits(7).says("1 process of the tree could not be ended and still holds the lock");
    assert!(is_alive(member) && !stage.lock_is_free());
}

/// A change of the user clears the signal for the death of the parent.
#[test]
fn a_bot_below_runuser_whose_guard_was_killed_is_never_joined_by_a_second_one() {
    if !is_root() {
        return;
    }
    for is_runuser_killed in [false, true] {
        let stage = Stage::new();
        // The other user may be unable to read the build folder, and writes to the stage's.
        let bot = stage.folder().join("testbot");
        fs::copy(testbot(), &bot).unwrap();
        fs::set_permissions(stage.folder(), fs::Permissions::from_mode(0o1777)).unwrap();
        let bot = bot.display().to_string();
        let start = || stage.run_command("runuser", &["-u", "nobody", "--", &bot]);
        let guard = start().start();
        let first = stage.ready(1);
        assert_ne!(fs::metadata(format!("/proc/{first}")).unwrap().uid(), 0);
        if is_runuser_killed {
            // Without its guard, the bot gets no signal at all.
            guard.signal(Signal::SIGSTOP);
            send(parent(first), Signal::SIGKILL);
        }
        guard.signal(Signal::SIGKILL);
        guard.end();
        if is_runuser_killed {
            start().on_conflict("refuse").end().exits(75).says("holds the lock");
            assert!(is_alive(first));
        }
        let _second = start().on_conflict("graceful").start();
        stage.ready(2);
        assert!(!is_alive(first));
        stage.assert_no_overlap();
    }
}
