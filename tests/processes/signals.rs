//! Each signal reaches the child once, whoever sends it and whatever was ignored at the start.

use std::fs::File;
use std::io::Write;

use monopoll_test_bots::stage::{Running, Stage, is_alive, send, state};
use monopoll_test_bots::terminal::terminal;
use nix::sys::signal::Signal;

/// Waits until the bot receives a signal, so that all earlier ones have been forwarded.
#[track_caller]
fn all_is_forwarded(stage: &Stage, guard: u32, bot: u32) {
    let before = stage.times(bot, "got SIGUSR2");
    send(guard, Signal::SIGUSR2);
    stage
        .wait_until("the last signal", || (stage.times(bot, "got SIGUSR2") > before).then_some(()));
}

#[test]
fn each_signal_is_forwarded_once() {
    let stage = Stage::new();
    let guard = stage.run(&["--stubborn"]).start();
    let bot = stage.ready(1);
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGALRM,
        Signal::SIGWINCH,
    ] {
        guard.signal(signal);
        stage.wait_until(signal.as_str(), || {
            (stage.times(bot, &format!("got {signal}")) > 0).then_some(())
        });
        all_is_forwarded(&stage, guard.pid(), bot);
        assert_eq!(stage.times(bot, &format!("got {signal}")), 1);
    }
    assert!(guard.is_alive() && is_alive(bot));
}

#[test]
fn a_forwarded_signal_ends_guard_and_child_with_the_childs_status() {
    let stage = Stage::new();
    let guard = stage.run(&["--slow", "100"]).start();
    let bot = stage.ready(1);
    guard.signal(Signal::SIGTERM);
    guard.end().exits(0);
    assert_eq!((stage.times(bot, "got SIGTERM"), stage.times(bot, "end")), (1, 1));
}

/// Starts a guard and its bot in the foreground of a terminal.
fn on_a_terminal(stage: &Stage) -> (File, Running<'_>) {
    let (master, terminal) = terminal();
    let guard =
        stage.run(&["--stubborn"]).through(&["setsid", "--ctty"]).stdin_file(terminal).start();
    (master, guard)
}

#[test]
fn ctrl_c_reaches_the_child_once() {
    let stage = Stage::new();
    let (mut keys, guard) = on_a_terminal(&stage);
    let bot = stage.ready(1);
    keys.write_all(b"\x03").unwrap();
    stage.wait_until("SIGINT", || (stage.times(bot, "got SIGINT") > 0).then_some(()));
    all_is_forwarded(&stage, guard.pid(), bot);
    assert_eq!(stage.times(bot, "got SIGINT"), 1);
    assert!(guard.is_alive());
}

#[test]
fn an_interrupt_that_a_process_sends_reaches_the_child_on_a_terminal_once() {
    let stage = Stage::new();
    let (_keys, guard) = on_a_terminal(&stage);
    let bot = stage.ready(1);
    guard.signal(Signal::SIGINT);
    stage.wait_until("SIGINT", || (stage.times(bot, "got SIGINT") > 0).then_some(()));
    all_is_forwarded(&stage, guard.pid(), bot);
    assert_eq!(stage.times(bot, "got SIGINT"), 1);
}

#[test]
fn a_terminal_that_is_closed_hangs_up_the_child_once() {
    let stage = Stage::new();
    let (keys, guard) = on_a_terminal(&stage);
    let bot = stage.ready(1);
    drop(keys);
    stage.wait_until("SIGHUP", || (stage.times(bot, "got SIGHUP") > 0).then_some(()));
    all_is_forwarded(&stage, guard.pid(), bot);
    assert_eq!(stage.times(bot, "got SIGHUP"), 1);
}

#[test]
fn ctrl_z_stops_guard_and_child_and_both_continue() {
    let stage = Stage::new();
    let guard = stage.run(&[]).own_process_group().start();
    let bot = stage.ready(1);
    guard.signal(Signal::SIGTSTP);
    stage.wait_until("the stop of both", || {
        (state(guard.pid()) == Some('T') && state(bot) == Some('T')).then_some(())
    });
    guard.signal(Signal::SIGCONT);
    stage.wait_until("both to go on", || {
        (state(guard.pid()) == Some('S') && state(bot) == Some('S')).then_some(())
    });
    guard.signal(Signal::SIGTERM);
    guard.end().exits(0);
}

#[test]
fn an_ignored_hangup_stays_ignored() {
    let stage = Stage::new();
    let guard = stage.run(&["--stubborn"]).through(&["nohup"]).start();
    let bot = stage.ready(1);
    guard.signal(Signal::SIGHUP);
    send(bot, Signal::SIGHUP);
    all_is_forwarded(&stage, guard.pid(), bot);
    assert!(guard.is_alive() && is_alive(bot));
    assert_eq!(stage.times(bot, "got SIGHUP"), 0);
}

#[test]
fn an_ignored_interrupt_stays_ignored_during_a_wait() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    let second =
        stage.run(&[]).on_conflict("wait").through(&["env", "--ignore-signal=INT"]).start();
    second.wait_for("waiting for");
    second.signal(Signal::SIGINT);
    first.signal(Signal::SIGTERM);
    stage.ready(2);
    assert!(second.is_alive());
}

#[test]
fn a_real_time_signal_is_forwarded_like_any_other() {
    let stage = Stage::new();
    let script = "trap 'echo heard >> heard' RTMIN+3; trap 'exit 5' TERM; echo up > up; while :; \
        do sleep 0.05; done";
    let guard = stage.run_command("bash", &["-c", script]).start();
    stage.wait_until("the script", || stage.folder().join("up").exists().then_some(()));
    let sent = std::process::Command::new("bash")
        .arg("-c")
        .arg(format!("kill -s RTMIN+3 {}", guard.pid()))
        .status()
        .unwrap();
    assert!(sent.success());
    stage.wait_until("the signal", || stage.folder().join("heard").exists().then_some(()));
    guard.signal(Signal::SIGTERM);
    guard.end().exits(5);
    assert_eq!(std::fs::read_to_string(stage.folder().join("heard")).unwrap(), "heard\n");
}

#[test]
fn these_tests_work_where_signals_are_ignored_as_under_nohup() {
    let stage = Stage::new();
    let test = "leftovers::a_guard_that_is_killed_gives_its_child_the_signal_that_was_configured";
    let tests = std::env::current_exe().unwrap();
    let ignoring = "trap '' HUP INT QUIT TERM; exec \"$@\"";
    let args = ["-c", ignoring, "sh", tests.to_str().unwrap(), "--exact", test];
    let ended = stage.program("sh", &args).end().exits(0);
    assert!(ended.out.contains("1 passed"), "{ended:?}");
}
