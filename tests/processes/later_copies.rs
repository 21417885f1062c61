//! What begins after a start without a guard: reported if it may be this bot.

use std::fs;
use std::net::TcpListener;

use monopoll_test_bots::stage::{Running, Stage, is_alive, token};
use nix::sys::signal::Signal;

use crate::other_bots::{behind_a_proxy, starts, unnamed};
use crate::same_command::{PYTHON, bot, end, program, write};

const MAY_BE: &str = "it began after this bot, so two pollers may be running";

fn main_py() -> Stage {
    let stage = Stage::new();
    for name in ["main.py", "other.py", "elsewhere/main.py"] {
        write(&stage, name, PYTHON);
    }
    stage
}

#[test]
fn one_in_doubt_is_reported_and_what_is_no_copy_is_not() {
    let stage = main_py();
    let (mine, other, third) = (token(), token(), token());
    let start = |args: &[&str], line: &str| behind_a_proxy(unnamed(&stage, args, line), &mine);
    let (guard, own) = starts(&stage, start(&["run"], "python3 main.py"));
    let plain = |line: &str| program(&stage, line);
    let elsewhere = stage.folder().join("elsewhere");
    let (_running, later): (Vec<Running<'_>>, Vec<u32>) = [
        starts(&stage, plain("python3 other.py")),
        starts(&stage, behind_a_proxy(plain("python3 other.py"), &mine)),
        starts(&stage, plain("python3 main.py").env("BOT_TOKEN", &other)),
        starts(&stage, behind_a_proxy(unnamed(&stage, &["run"], "python3 main.py"), &third)),
        bot(&stage, plain("python3 main.py").current_dir(&elsewhere), &elsewhere),
    ]
    .into_iter()
    .unzip();
    let (_doubtful, pid) = starts(&stage, plain("python3 main.py").env("BOT_ENV", "bob"));
    guard.wait_for(MAY_BE);
    let said = guard.stderr();
    let about = format!("(pid {pid}) may be another bot's: it has another value of $BOT_ENV");
    let reports: Vec<&str> = said.lines().filter(|line| line.contains("began after")).collect();
    assert!(reports.len() == 1 && reports[0].contains(&about), "{said}");
    assert!(is_alive(own) && later.into_iter().all(is_alive) && is_alive(pid));
}

#[test]
fn one_that_a_rule_ignores_is_not_reported() {
    let stage = main_py();
    let rule = "[[rules]]\naction = \"ignore\"\nwhen.found_by = \"command\"\n";
    let start = unnamed(&stage, &["run"], "python3 main.py").config(rule);
    let (guard, _) = starts(&stage, start);
    let (_ignored, _) = starts(&stage, program(&stage, "python3 main.py"));
    let doubtful = program(&stage, "python3 main.py").env("BOT_ENV", "bob");
    let (_doubtful, pid) = starts(&stage, doubtful);
    guard.wait_for(MAY_BE);
    let said = guard.stderr();
    assert!(said.matches("began after").count() == 1, "{said}");
    assert!(said.contains(&format!("(pid {pid}) may be another bot's")), "{said}");
}

#[test]
fn a_certain_one_is_reported_also_after_one_in_doubt() {
    let stage = main_py();
    let (guard, _) = starts(&stage, unnamed(&stage, &["run"], "python3 main.py"));
    let doubtful = program(&stage, "python3 main.py").env("BOT_ENV", "bob");
    let (_doubtful, _) = starts(&stage, doubtful);
    guard.wait_for(MAY_BE);
    let (_certain, pid) = starts(&stage, program(&stage, "python3 main.py"));
    let began = format!("(pid {pid}) began after this bot, without monopoll");
    guard.wait_for(&format!("{began}: two pollers may be running; end one of them"));
}

#[test]
fn a_suspect_that_connects_is_not_said_to_have_begun_later() {
    let stage = main_py();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!(
        "import socket, sys\nif 'worker' in sys.argv:\n\
         \x20   while not os.path.exists('connect'): time.sleep(.01)\n\
         \x20   to = socket.create_connection(('127.0.0.1', {port}))\ntime.sleep(600)"
    );
    write(&stage, "main.py", &PYTHON.replace("time.sleep(600)", &connect));
    let mine = token();
    let worker = program(&stage, "python3 main.py worker").env("BOT_TOKEN", &mine);
    let (_worker, suspect) = starts(&stage, worker);
    let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
    let start = unnamed(&stage, &["run"], "python3 main.py").env("BOT_TOKEN", &mine).set(&api);
    let (guard, _) = starts(&stage, start);
    fs::write(stage.folder().join("connect"), "").unwrap();
    guard.wait_for(&format!("(pid {suspect}) has the same bot token and is connected"));
    // What begins now is seen, and reported, after the suspect would be.
    let (_later, pid) = starts(&stage, program(&stage, "python3 main.py"));
    guard.wait_for(&format!("(pid {pid}) began after this bot"));
    assert_eq!(guard.stderr().matches("began after this bot").count(), 1, "{}", guard.stderr());
}

#[test]
fn doctor_does_not_show_what_a_killed_guard_has_reported() {
    let stage = main_py();
    let start = |args: &[&str]| unnamed(&stage, args, "python3 main.py");
    let (guard, own) = starts(&stage, start(&["run"]));
    let (later, pid) = starts(&stage, program(&stage, "python3 main.py"));
    guard.wait_for(&format!("(pid {pid}) began after this bot"));
    let doctor = || start(&["doctor", "--offline", "-v"]).end().exits(0);
    stage.wait_until("the alert", || doctor().out.contains("the guard has reported").then_some(()));
    guard.signal(Signal::SIGKILL);
    end(&stage, later, pid);
    stage.wait_until("the bot's end", || (!is_alive(own)).then_some(()));
    let doctor = doctor();
    assert!(doctor.out.contains("no process holds the lock"), "{doctor:?}");
    assert!(!doctor.out.contains("the guard has reported"), "{doctor:?}");
}
