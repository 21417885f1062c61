//! A limit of file sizes (`ulimit -f`): to write beyond it would end the writer (SIGXFSZ).

use monopoll_test_bots::stage::{Stage, is_alive};
use std::fs;

const SIGXFSZ: u64 = 1 << (25 - 1);

/// With a limit of this many blocks, of 512 or 1,024 bytes.
fn limit(blocks: &str) -> [&str; 5] {
    ["bash", "-c", "ulimit -f $1; shift; exec \"$@\"", "bash", blocks]
}

#[test]
fn a_history_beyond_the_limit_is_one_warning_and_ends_no_guard() {
    let stage = Stage::new();
    for _ in 0..5 {
        let start = stage.run(&["--exit", "3"]).through(&limit("1")).end().exits(3);
        assert!(start.err.matches("File too large").count() <= 1, "{start:?}");
    }
    let first = stage.run(&[]).through(&limit("1")).start();
    let bot = stage.ready(6);
    first.wait_for("File too large");
    let second = stage.run(&[]).on_conflict("graceful").through(&limit("1")).start();
    stage.ready(7);
    first.end().exits(0);
    assert_eq!(stage.times(bot, "got SIGTERM"), 1);
    assert!(second.is_alive());
    assert!(fs::read(stage.state_file("record")).is_ok());
}

#[test]
fn the_bot_has_the_disposition_that_it_would_have_without_monopoll() {
    let stage = Stage::new();
    let line = "grep SigIgn /proc/self/status; sleep 0.2; grep SigIgn /proc/$PPID/status";
    let ended = stage.run_command("sh", &["-c", line]).end().exits(0);
    let ignored: Vec<u64> = ended
        .out
        .lines()
        .map(|line| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap())
        .collect();
    assert_eq!([ignored[0] & SIGXFSZ, ignored[1] & SIGXFSZ], [0, SIGXFSZ], "{ended:?}");
    let line = "trap '' XFSZ; exec \"$@\"";
    let start = stage.run_command("grep", &["SigIgn", "/proc/self/status"]);
    let ended = start.through(&["bash", "-c", line, "bash"]).end().exits(0);
    let ignored = ended.out.split_whitespace().nth(1).unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & SIGXFSZ, SIGXFSZ);
}

#[test]
fn a_record_beyond_the_limit_is_found_before_anything_is_touched() {
    let stage = Stage::new();
    let old = stage.bot(&[]).start();
    let bot = stage.ready(1);
    let start = stage.run(&[&"x".repeat(2000)]).on_conflict("graceful").through(&limit("1"));
    start.end().exits(73).says("File too large").says("ulimit -f");
    assert!(old.is_alive() && is_alive(bot));
    assert_eq!(stage.events().len(), 1);
}
