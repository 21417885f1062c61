//! What a guard finds when it scans again after its start.

use std::fs;
use std::net::TcpListener;

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, token};

use crate::other_bots::{plan, unnamed};
use crate::same_command::{PYTHON, bot, write};
use crate::supervisors::parent;

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
    is_shown(start, &format!("(pid {}) restarts it", shell.pid()));
}

/// Checks that every command that shows the instance shows its alert.
#[track_caller]
fn is_shown<'a>(start: impl Fn(&[&str]) -> Start<'a>, why: &str) {
    let status = start(&["status"]).end().exits(0);
    let line = status.out.lines().find(|line| line.trim_start().starts_with("alert")).unwrap();
    assert!(line.contains("two pollers are running") && line.contains(why), "{status:?}");
    let json = plan(start(&["status"]));
    let alerts = json["alerts"].as_array().unwrap();
    assert!(alerts.len() == 1 && alerts[0]["why"].as_str().unwrap().contains(why), "{json:#}");
    let doctor = start(&["doctor", "--offline"]).end().exits(0);
    assert!(doctor.out.contains("warning  alert") && doctor.out.contains(why), "{doctor:?}");
}

/// A takeover from a loop with a pause, by a guard that watches it.
struct Watched<'a> {
    stage: &'a Stage,
    launcher: Running<'a>,
    guard: Running<'a>,
    own: u32,
}

impl<'a> Watched<'a> {
    #[track_caller]
    fn begin(stage: &'a Stage, launcher: Start<'a>) -> Watched<'a> {
        let (launcher, first) = bot(stage, launcher, stage.folder());
        let guard = unnamed(stage, &["run"], "python3 main.py").start();
        // The loop may bring its bot back before this one is ready.
        let own = stage.wait_until("the guard's bot", || {
            let ready = fs::read_dir(stage.folder()).unwrap().flatten();
            let pids = ready
                .filter_map(|file| file.file_name().to_str()?.strip_prefix("ready-")?.parse().ok());
            pids.into_iter().find(|pid| parent(*pid) == Some(guard.pid()))
        });
        assert!(!is_alive(first));
        Watched { stage, launcher, guard, own }
    }

    /// Waits until the guard has ended its bot again so often.
    #[track_caller]
    fn wait_for_round(&self, round: usize) {
        self.stage.wait_until("another round", || {
            (self.guard.stderr().matches("ending it again").count() == round).then_some(())
        });
    }

    /// Checks that what comes back was ended twice, and is then reported and left running.
    #[track_caller]
    fn expect_report(self) {
        self.guard.wait_for("two pollers are running");
        let said = self.guard.stderr();
        assert_eq!(said.matches("ending it again").count(), 2, "{said}");
        assert!(said.contains(&format!("(pid {}) restarts it", self.launcher.pid())), "{said}");
        assert!(is_alive(self.own) && self.launcher.is_alive());
    }
}

/// Starts `main.py` again after a pause, as people write it.
const LAUNCH_BOT: &str = "import subprocess, sys, time\nwhile True:\n\
                          \x20   subprocess.call([sys.executable, 'main.py'])\n\
                          \x20   time.sleep(2.5)\n";

#[test]
fn the_loops_with_a_pause_that_people_write_are_taken_over_and_watched() {
    let stages = [(); 3].map(|()| Stage::new());
    for stage in &stages {
        write(stage, "main.py", PYTHON);
        write(stage, "launch_bot.py", LAUNCH_BOT);
    }
    let [short, usual, script] = &stages;
    let shell = |pause| format!("while true; do python3 main.py; sleep {pause}; done");
    // They run at the same time, because the last report comes half a minute after the start.
    let watched = [
        Watched::begin(short, short.program("sh", &["-c", &shell("0.3")])),
        Watched::begin(usual, usual.program("sh", &["-c", &shell("2")])),
        Watched::begin(script, script.program("python3", &["launch_bot.py"])),
    ];
    for one in watched {
        one.expect_report();
    }
}

#[test]
#[ignore = "the last scan is two minutes after the start"]
fn a_loop_with_a_long_pause_is_taken_over_and_watched() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let line = "while true; do python3 main.py; sleep 20; done";
    let watched = Watched::begin(&stage, stage.program("sh", &["-c", line]));
    watched.wait_for_round(1);
    watched.wait_for_round(2);
    watched.expect_report();
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
