//! What a guard finds when it scans again after its start.

use std::fs;
use std::net::TcpListener;

use monopoll_test_bots::stage::{Stage, is_alive, token};

use crate::other_bots::{plan, unnamed};
use crate::same_command::{PYTHON, bot, write};

#[test]
fn what_a_pausing_loop_brings_back_is_ended_twice_and_then_reported() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let line = "while :; do python3 main.py; sleep 1.4; done";
    let (shell, first) = bot(&stage, stage.program("sh", &["-c", line]), stage.folder());
    let start = |args: &[&str]| unnamed(&stage, args, "python3 main.py");
    let (guard, guarded) = bot(&stage, start(&["run"]), stage.folder());
    assert!(!is_alive(first));
    stage.wait_until("the report", || guard.stderr().contains("two pollers").then_some(()));
    let said = guard.stderr();
    assert_eq!(said.matches("ending it again").count(), 2, "{said}");
    assert!(said.contains(&format!("(pid {}) restarts it", shell.pid())), "{said}");
    assert!(is_alive(guarded) && shell.is_alive());
    let history = start(&["status", "--history"]).end();
    assert!(history.out.contains("alert: two pollers"), "{history:?}");
    assert_eq!(history.out.matches("took over from").count(), 3, "{history:?}");
}

#[test]
fn a_suspect_that_connects_after_the_start_is_reported_and_left_running() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!(
        "import socket\nwhile not os.path.exists('connect'): time.sleep(.01)\n\
         to = socket.create_connection(('127.0.0.1', {port}))\ntime.sleep(600)"
    );
    let worker = PYTHON.replace("time.sleep(600)", &connect);
    write(&stage, "worker.py", &worker);
    let mine = token();
    let worker = stage.program("python3", &["worker.py"]).env("BOT_TOKEN", &mine);
    let (_worker, pid) = bot(&stage, worker, stage.folder());
    let start = |args: &[&str]| {
        let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
        unnamed(&stage, args, "python3 main.py").env("BOT_TOKEN", &mine).set(&api)
    };
    assert_eq!(plan(start(&["plan"]))["suspects"][0]["pid"], pid);
    let (guard, _) = bot(&stage, start(&["run"]), stage.folder());
    fs::write(stage.folder().join("connect"), "").unwrap();
    let report = format!("(pid {pid}) has the same bot token and is connected");
    stage.wait_until("the report", || guard.stderr().contains(&report).then_some(()));
    assert!(is_alive(pid));
}
