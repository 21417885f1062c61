//! Kernels that lack a call, and filters that forbid it: the start works without it.

use std::fs;

use monopoll_test_bots::stage::{Stage, Start, send};
use nix::sys::signal::Signal;

/// Makes this call of monopoll, and not of COMMAND, fail as on a kernel that lacks it.
fn without<'a>(call: &str, start: Start<'a>) -> Start<'a> {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error=ENOSYS"));
    start.through(&[
        "strace", "-f", "-qq", "-b", "execve", "-o", "calls", "-e", &trace, "-e", &inject,
    ])
}

#[test]
fn without_pidfds_conflicts_are_ended_too() {
    let stage = Stage::new();
    let other = stage.bot(&[]).start();
    stage.ready(1);
    let guard = without("pidfd_open", stage.run(&[]).on_conflict("force")).start();
    stage.ready(2);
    other.end();
    let _new = without("pidfd_open", stage.run(&[]).on_conflict("graceful")).start();
    stage.ready(3);
    guard.end();
    stage.assert_no_overlap();
    calls_failed(&stage, "pidfd_open");
}

/// Requires that calls did fail.
#[track_caller]
fn calls_failed(stage: &Stage, call: &str) {
    let calls = fs::read_to_string(stage.folder().join("calls")).unwrap();
    assert!(calls.contains(call) && calls.contains("(INJECTED)"), "{calls}");
}

#[test]
fn without_inotify_a_takeover_and_a_wait_work() {
    for action in ["graceful", "wait"] {
        let stage = Stage::new();
        let old = without("inotify_init1", stage.run(&[])).start();
        let bot = stage.ready(1);
        stage.wait_for_start_mutex();
        let _new = without("inotify_init1", stage.run(&[]).on_conflict(action)).start();
        if action == "wait" {
            send(bot, Signal::SIGTERM);
        }
        stage.ready(2);
        old.end();
        stage.assert_no_overlap();
        calls_failed(&stage, "inotify_init1");
    }
}

/// Forbids `pidfd_open` to a program and to all that it starts, as the default filters of
/// containers did when the call was new: EPERM, and not ENOSYS.
const FILTER: &str = r"
import ctypes, os, struct, sys
call, refuse, allow = 434, 0x00050001, 0x7fff0000
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, refuse), (0x06, 0, 0, allow)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *line) for line in lines))
program = struct.pack('HxxxxxxP', len(lines), ctypes.addressof(code))
prctl = ctypes.CDLL(None).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, program, 0, 0) == 0
try:
    os.pidfd_open(os.getpid())
except PermissionError:
    os.execvp(sys.argv[1], sys.argv[1:])
";

#[test]
fn with_a_filter_that_forbids_pidfds_conflicts_are_ended_too() {
    let filter = ["python3", "-c", FILTER];
    let stage = Stage::new();
    let other = stage.bot(&[]).start();
    stage.ready(1);
    let guard = stage.run(&[]).on_conflict("force").through(&filter).start();
    stage.ready(2);
    assert_eq!(other.end().signal, Some(9));
    let graceful = stage.run(&[]).on_conflict("graceful").through(&filter).start();
    stage.ready(3);
    guard.end();
    let forced = stage.run(&["--stubborn"]).on_conflict("force").through(&filter).start();
    stage.ready(4);
    graceful.end();
    stage.monopoll(&["stop"]).set("timeouts.graceful='200ms'").through(&filter).end().exits(0);
    forced.end();
    stage.assert_no_overlap();
}
