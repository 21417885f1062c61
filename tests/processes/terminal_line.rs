//! Waiting and killing are shown: on a terminal as a line that is redrawn, elsewhere as log lines,
//! and with `--quiet` not at all.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Stage, Start};
use monopoll_test_bots::terminal::Screen;
use nix::sys::signal::Signal;

/// Runs a start in the foreground of this terminal.
fn upon<'a>(screen: &Screen, start: Start<'a>) -> Start<'a> {
    start
        .through(&["setsid", "--ctty"])
        .stdin_file(screen.file())
        .stderr_file(screen.file())
        .env("TERM", "xterm")
}

/// Checks that these texts appear in this order.
#[track_caller]
fn in_order(text: &str, all: &[&str]) {
    let mut rest = text;
    for part in all {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("`{part}` is not in its place of {all:?}:\n{text}")
        };
        rest = after;
    }
}

/// Returns an entry that matches every test bot in this stage's folder.
fn whoever_runs_the_bot(stage: &Stage) -> String {
    format!("[[match]]\nname = 'testbot'\ncwd = '{}'\n", stage.folder().display())
}

#[test]
fn on_a_terminal_a_wait_is_one_line_that_is_cleared_before_the_bot_starts() {
    let stage = Stage::new();
    let mut screen = Screen::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    let before = screen.modes();
    // A name of its own: the bots of other tests would be near misses.
    stage.program("cp", &[&testbot().display().to_string(), "speaker"]).end().exits(0);
    let script = "echo the bot speaks >&2; exec \"$@\"";
    let start = stage.run_command("sh", &["-c", script, "sh", "./speaker"]);
    let second =
        upon(&screen, start.config(&whoever_runs_the_bot(&stage)).on_conflict("wait")).start();
    screen
        .wait_for(&stage, &format!("(pid {}): 0s of 1m, then this start is refused", first.pid()));
    screen.wait_for(&stage, "): 1s of 1m, ");
    screen.wait_for(&stage, "): 2s of 1m, ");
    assert_eq!(screen.lines().len(), 1, "{:?}", screen.lines());
    first.signal(Signal::SIGTERM);
    stage.ready(2);
    let seen = screen.lines();
    assert!(seen[0].starts_with("monopoll: test: lock acquired, starting"), "{seen:?}");
    assert!(
        seen.iter().all(|line| !line.contains("waiting"))
            && seen.last().unwrap() == "the bot speaks",
        "{seen:?}"
    );
    assert!(second.is_alive());
    assert_eq!(format!("{:?}", screen.modes()), format!("{before:?}"));
}

#[test]
fn on_a_terminal_ending_a_conflict_is_one_line_with_the_next_step() {
    let stage = Stage::new();
    let mut screen = Screen::new();
    let _first = stage.bot(&["--stubborn"]).start();
    let old = stage.ready(1);
    let start = stage
        .run(&["--exit", "7"])
        .config(&whoever_runs_the_bot(&stage))
        .on_conflict("graceful")
        .set("timeouts.graceful=2s");
    let ended = upon(&screen, start).end();
    assert_eq!(ended.code, Some(7));
    let written = screen.written();
    let pid = format!("(pid {old}): ");
    in_order(
        written,
        &[
            "ending `",
            &pid,
            "SIGTERM sent 0s ago, SIGKILL in 2s",
            "SIGTERM sent 1s ago, SIGKILL in 1s",
            "SIGKILL sent 0s ago",
        ],
    );
    let seen = screen.lines();
    let (ended, last) = seen.split_at(seen.len() - 1);
    // The screen may wrap the line at a space.
    let ended = ended.concat().replace(' ', "");
    assert!(
        ended.starts_with("monopoll:test:`") && ended.ends_with(&format!("(pid{old})hasended")),
        "{seen:?}"
    );
    assert!(last[0].starts_with("monopoll: test: lock acquired, starting"), "{seen:?}");
}

#[test]
fn ctrl_c_on_a_terminal_clears_the_line_and_leaves_nothing_behind() {
    let stage = Stage::new();
    let mut screen = Screen::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    let before = screen.modes();
    let second =
        upon(&screen, stage.run(&[]).config(&whoever_runs_the_bot(&stage)).on_conflict("wait"))
            .start();
    screen.wait_for(&stage, "waiting for `");
    screen.press(b"\x03");
    assert_eq!(second.end().code, Some(130));
    assert_eq!(
        screen.lines(),
        ["monopoll: test: interrupted by a signal before the start; nothing is left behind"]
    );
    assert_eq!(format!("{:?}", screen.modes()), format!("{before:?}"));
    assert!(first.is_alive() && stage.lock_is_free() && !stage.state_file("record").exists());
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    for (name, value) in [("TERM", "dumb"), ("MONOPOLL_LOG__FORMAT", "json")] {
        let stage = Stage::new();
        let mut screen = Screen::new();
        let first = stage.bot(&[]).start();
        stage.ready(1);
        let start = upon(
            &screen,
            stage.run(&["--exit", "7"]).config(&whoever_runs_the_bot(&stage)).on_conflict("wait"),
        )
        .env(name, value)
        .start();
        screen.wait_for(&stage, "waiting for `");
        first.signal(Signal::SIGTERM);
        assert_eq!(start.end().code, Some(7));
        assert!(!screen.written().contains('\u{1b}'), "{:?}", screen.written());
    }
}

#[test]
fn a_background_start_draws_over_no_foreground_line() {
    let stage = Stage::new();
    let mut screen = Screen::new();
    let first = stage.bot(&[]).start();
    stage.ready(1);
    let shell = ["setsid", "--ctty", "bash", "-mc", "\"$@\" & wait $!", "bash"];
    let start = stage
        .run(&["--exit", "7"])
        .config(&whoever_runs_the_bot(&stage))
        .on_conflict("wait")
        .through(&shell)
        .stdin_file(screen.file())
        .stderr_file(screen.file());
    let start = start.env("TERM", "xterm").start();
    screen.wait_for(&stage, "waiting for `");
    first.signal(Signal::SIGTERM);
    assert_eq!(start.end().code, Some(7));
    assert!(!screen.written().contains('\u{1b}'), "{:?}", screen.written());
}

#[test]
fn without_a_terminal_each_step_is_a_line() {
    let stage = Stage::new();
    let first = stage.bot(&["--stubborn"]).start();
    let old = stage.ready(1);
    let start = stage
        .run(&["--exit", "7"])
        .config(&whoever_runs_the_bot(&stage))
        .on_conflict("wait")
        .set("after_wait=graceful");
    let ended = start.set("timeouts.wait=300ms").set("timeouts.graceful=300ms").end().exits(7);
    let pid = format!("(pid {old})");
    let steps = [
        "monopoll: test: waiting for `",
        &format!("{pid}, at most 300ms\n"),
        "monopoll: test: ending `",
        &format!("{pid}, graceful\n"),
        "monopoll: test: sent SIGTERM to `",
        "monopoll: test: sent SIGKILL to `",
        &format!("{pid} has ended\n"),
    ];
    in_order(&ended.err, &steps);
    assert!(!ended.err.contains('\u{1b}'), "{ended:?}");
    assert!(!first.is_alive());
}

#[test]
fn without_a_terminal_asking_a_guard_is_a_line() {
    let stage = Stage::new();
    let first = stage.run(&["--slow", "100"]).start();
    stage.ready(1);
    let ended = stage
        .run(&["--exit", "7", "--slow", "100"])
        .config(&whoever_runs_the_bot(&stage))
        .on_conflict("graceful")
        .end()
        .exits(7);
    let asked = format!("(pid {}) to end its bot\n", first.pid());
    let steps = [
        "monopoll: test: ending the guard of `",
        "monopoll: test: asked the guard of `",
        &asked,
        "has ended\n",
    ];
    in_order(&ended.err, &steps);
}

#[test]
fn a_clean_start_prints_one_line_about_its_instance() {
    let stage = Stage::new();
    let ended = stage.run(&["--exit", "7"]).end().exits(7);
    assert_eq!(
        ended.err,
        "monopoll: test: lock acquired, starting; no bot token found, so only this exact command \
         is recognized: set BOT_TOKEN\n"
    );
}

#[test]
fn a_quiet_start_prints_nothing() {
    for drawn in [false, true] {
        let stage = Stage::new();
        let mut screen = Screen::new();
        let _first = stage.bot(&["--slow", "100"]).start();
        stage.ready(1);
        let start = stage
            .run(&["--exit", "7"])
            .config(&whoever_runs_the_bot(&stage))
            .on_conflict("graceful")
            .flag("-q");
        let start = start.env("MONOPOLL_LOG", "trace");
        let ended = if drawn { upon(&screen, start).end() } else { start.end() };
        assert_eq!((ended.code, ended.err.as_str(), screen.written()), (Some(7), "", ""));
    }
}
