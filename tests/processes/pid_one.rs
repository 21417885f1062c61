//! As PID 1 of a container, monopoll reaps orphans, forwards signals, and ends like its child
//! (S20).

use std::fs;

use monopoll_test_bots::stage::{Running, Stage, send, state};
use nix::sys::signal::Signal;

/// A PID namespace in which monopoll is the first process.
const AS_PID_ONE: [&str; 5] = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"];

/// Returns the outer pid of the namespace's first process.
#[track_caller]
fn first_process(stage: &Stage, unshare: &Running<'_>) -> u32 {
    let children = format!("/proc/{0}/task/{0}/children", unshare.pid());
    stage.wait_until("the first process", || {
        fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok()
    })
}

/// Returns the outer pids of all descendants.
fn below(pid: u32) -> Vec<u32> {
    let children =
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn orphans_are_reaped_while_the_bot_runs() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let orphan = ["--detached", "--as orphan --for 1"];
    let start = stage.run(&[orphan, orphan, orphan].concat()).through(&AS_PID_ONE).start();
    stage.ready(1);
    let guard = first_process(&stage, &start);
    stage.nth_pid_of(3, "over");
    // Ended processes are reaped, so only the bot is left.
    stage.wait_until("the reaping", || (below(guard).len() == 1).then_some(()));
    assert!(below(guard).into_iter().all(|pid| state(pid) != Some('Z')));
}

#[test]
fn orphans_are_reaped_while_a_start_waits() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    // A child of the shell that monopoll has replaced.
    let script = ["sh", "-c", "mkfifo go; sh -c 'read gone < go' & exec \"$@\"", "sh"];
    let through = [&AS_PID_ONE[..], &script].concat();
    let start =
        stage.run(&[]).on_conflict("wait").set("timeouts.wait='forever'").through(&through).start();
    start.wait_for("waiting for");
    let guard = first_process(&stage, &start);
    assert_eq!(below(guard).len(), 1);
    fs::write(stage.folder().join("go"), "now\n").unwrap();
    stage.wait_until("the reaping", || below(guard).is_empty().then_some(()));
    first.signal(Signal::SIGTERM);
    stage.ready(2);
}

#[test]
fn every_forwardable_signal_is_forwarded() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let start = stage.run(&["--stubborn"]).through(&AS_PID_ONE).start();
    let bot = stage.ready(1);
    let guard = first_process(&stage, &start);
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGWINCH,
    ] {
        send(guard, signal);
        stage.wait_until(signal.as_str(), || {
            (stage.times(bot, &format!("got {signal}")) > 0).then_some(())
        });
    }
    send(guard, Signal::SIGUSR2);
    stage.wait_until("the last one", || (stage.times(bot, "got SIGUSR2") > 0).then_some(()));
    let heard = stage.events().iter().filter(|event| event.what.starts_with("got ")).count();
    assert_eq!(heard, 7, "each once\n{}", stage.transcript());
}

#[test]
fn a_real_time_signal_is_forwarded_too() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let script = "trap 'echo heard >> heard' RTMIN+3; trap 'exit 5' TERM; echo up > up; while :; \
        do sleep 0.05; done";
    let start = stage.run_command("bash", &["-c", script]).through(&AS_PID_ONE).start();
    stage.wait_until("the script", || stage.folder().join("up").exists().then_some(()));
    let guard = first_process(&stage, &start);
    let sent = stage.program("bash", &["-c", &format!("kill -s RTMIN+3 {guard}")]).end();
    assert_eq!(sent.code, Some(0));
    stage.wait_until("the signal", || stage.folder().join("heard").exists().then_some(()));
    send(guard, Signal::SIGTERM);
    start.end().exits(5);
}

#[test]
fn the_exit_status_is_the_childs() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    for code in [0, 1, 7, 75, 255] {
        stage.run(&["--exit", &code.to_string()]).through(&AS_PID_ONE).end().exits(code);
    }
    stage.run(&["--die", "SIGKILL"]).through(&AS_PID_ONE).end().exits(128 + 9);
    stage.run(&["--die", "SIGTERM"]).through(&AS_PID_ONE).end().exits(128 + 15);
}

#[test]
fn a_stop_of_the_container_ends_the_bot_gracefully() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let start = stage.run(&["--slow", "50"]).through(&AS_PID_ONE).start();
    let bot = stage.ready(1);
    send(first_process(&stage, &start), Signal::SIGTERM);
    start.end().exits(0);
    assert_eq!((stage.times(bot, "got SIGTERM"), stage.times(bot, "end")), (1, 1));
}

#[test]
fn a_start_that_waits_can_be_stopped() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let _first = stage.run(&[]).start();
    stage.ready(1);
    let start = stage.run(&[]).on_conflict("wait").through(&AS_PID_ONE).start();
    start.wait_for("waiting for");
    send(first_process(&stage, &start), Signal::SIGTERM);
    start.end().exits(143).says("nothing is left behind");
}

/// Runs two containers that share the lock folder. The second one takes over with this action.
fn takes_over_by(action: &str) {
    let stage = Stage::new();
    let first = stage.run(&[]).through(&AS_PID_ONE).start();
    stage.ready(1);
    let second = stage.run(&[]).on_conflict(action).through(&AS_PID_ONE).start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    stage.assert_no_overlap();
    send(first_process(&stage, &second), Signal::SIGTERM);
    second.end().exits(0);
}

#[test]
fn a_container_takes_over_from_another_gracefully() {
    if monopoll_test_bots::stage::is_root() {
        takes_over_by("graceful");
    }
}

#[test]
fn a_container_takes_over_from_another_by_force() {
    if monopoll_test_bots::stage::is_root() {
        takes_over_by("force");
    }
}

#[test]
fn a_container_refuses_while_another_runs() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    let first = stage.run(&[]).through(&AS_PID_ONE).start();
    let bot = stage.ready(1);
    stage
        .run(&[])
        .on_conflict("refuse")
        .through(&AS_PID_ONE)
        .end()
        .exits(75)
        .says("another PID namespace");
    assert!(first.is_alive());
    assert_eq!((stage.events().len(), stage.times(bot, "ready")), (1, 1));
}
