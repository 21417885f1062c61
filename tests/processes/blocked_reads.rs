//! Processes of which reading the command line blocks in the kernel.
//!
//! Everything on the machine that reads their command lines hangs with them, so these tests run
//! alone: `cargo test --test processes blocked_reads:: -- --ignored --test-threads 1`.

use std::process::Command;
use std::time::{Duration, Instant};

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive};

struct Hanging<'a> {
    _server: Running<'a>,
    file_system: String,
    pids: Vec<u32>,
}

impl<'a> Hanging<'a> {
    /// Starts processes of this user, each with a child that runs `command`.
    fn start(stage: &'a Stage, user: u32, count: u32, command: &[&str]) -> Hanging<'a> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/processes/blocked_reads/hang.py");
        let (user, count) = (user.to_string(), count.to_string());
        let mut args = vec!["python3", script, &user, &count];
        args.extend(command);
        let server = stage.program("unshare", &["--mount"]);
        let server = args.into_iter().fold(server, Start::argument).start();
        let printed = stage.wait_until("the processes", || {
            let out = server.stdout();
            out.ends_with('\n').then_some(out)
        });
        let mut words = printed.split_whitespace();
        let file_system = words.next().unwrap().to_owned();
        let pids = words.map(|pid| pid.parse().unwrap()).collect();
        Hanging { _server: server, file_system, pids }
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        let line = "mount -t fusectl none /sys/fs/fuse/connections && \
                    echo 1 > /sys/fs/fuse/connections/$0/abort";
        let abort = Command::new("unshare")
            .args(["--mount", "sh", "-c", line, &self.file_system])
            .status()
            .unwrap();
        assert!(abort.success());
    }
}

#[test]
#[ignore = "blocks every reader of a command line on the machine"]
fn a_bot_below_a_process_that_blocks_reads_is_found() {
    let stage = Stage::new();
    let bot = testbot();
    let _parent = Hanging::start(&stage, 0, 1, &[bot.to_str().unwrap()]);
    let old = stage.ready(1);
    let _next = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    assert!(!is_alive(old));
    stage.assert_no_overlap();
}

#[test]
#[ignore = "blocks every reader of a command line on the machine"]
fn a_process_that_may_be_the_bot_and_blocks_reads_refuses_the_start() {
    let stage = Stage::new();
    std::fs::write(stage.folder().join("main.py"), "print('started')\n").unwrap();
    let hanging = Hanging::start(&stage, 0, 1, &[]);
    let ended = stage.run_command("python3", &["main.py"]).on_conflict("force").end().exits(75);
    assert!(ended.err.contains(&format!("pid {}", hanging.pids[0])), "{ended:?}");
    assert!(
        ended.err.contains("cannot be read in time: reading it blocks in the kernel, or this"),
        "{ended:?}"
    );
    // Another program cannot be it.
    stage.run(&["--exit", "0"]).on_conflict("force").end().exits(0);
}

#[test]
#[ignore = "blocks every reader of a command line on the machine"]
fn any_number_of_processes_of_another_user_delay_a_start_once() {
    let stage = Stage::new();
    let _hanging = Hanging::start(&stage, 54321, 16, &[]);
    let begin = Instant::now();
    stage.run(&["--exit", "0"]).end().exits(0);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}
