//! A start in the pause before a supervisor restarts the bot, while no process of it exists: the
//! guard finds the bot when it is back, and reports it with the command that stops it.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, is_alive, send};
use nix::sys::signal::Signal;

use crate::supervisors::{path_with, peer, supervisord, with_restart_delay};
use crate::systemd::{Systemd, graceful};

/// Hides a bot from the guard's: test bots end when two poll in one slot. Another value could look
/// like another bot.
const WITHOUT_SLOT: [&str; 3] = ["/usr/bin/env", "-u", "TESTBOT_SOCKET"];

/// Ends the n-th bot, which its supervisor restarts after a pause.
#[track_caller]
fn end_bot(stage: &Stage, n: usize) {
    let bot = stage.ready(n);
    send(bot, Signal::SIGKILL);
    stage.wait_until("the bot's end", || (!is_alive(bot)).then_some(()));
}

/// Checks that the guard reports the bot that was ready after its own, and returns the command that
/// it names.
#[track_caller]
fn reported<'a>(stage: &'a Stage, guard: &Running<'a>, own: usize) -> (u32, String) {
    let (mine, other) = (stage.ready(own), stage.ready(own + 1));
    let began = format!("(pid {other}) began after this bot, without monopoll");
    let report = format!("{began}: two pollers may be running");
    guard.wait_for(&report);
    let said = guard.stderr();
    let line = said.lines().find(|line| line.contains(&report)).unwrap();
    assert!(is_alive(mine) && is_alive(other) && stage.times(other, "got SIGTERM") == 0);
    (other, line.rsplit('`').nth(1).unwrap().to_owned())
}

/// Checks that the supervisor's bot has ended for good, and the guard's runs on.
#[track_caller]
fn is_alone(stage: &Stage, guard: Running<'_>, other: u32) {
    stage.wait_until("the other bot's end", || (!is_alive(other)).then_some(()));
    let living: Vec<u32> =
        stage.pids_of("ready").into_iter().filter(|pid| is_alive(*pid)).collect();
    assert_eq!(living.len(), 1, "{}", stage.transcript());
    assert_eq!(guard.stderr().matches("began after this bot").count(), 1);
    guard.signal(Signal::SIGTERM);
    guard.end().exits(0);
}

#[test]
fn a_unit_that_waits_for_its_restart_is_reported_when_its_bot_is_back() {
    let stage = Stage::new();
    let service = format!(
        "ExecStart={} {}\nRestart=always\nRestartSec=5",
        WITHOUT_SLOT.join(" "),
        testbot().display()
    );
    let Some(systemd) = Systemd::start(&stage, &service) else { return };
    end_bot(&stage, 1);
    systemd.systemctl(
        "until systemctl --user show bot.service | grep -q SubState=auto-restart; do :; done",
    );
    let guard = graceful(&stage).start();
    let (other, command) = reported(&stage, &guard, 2);
    assert_eq!(command, "systemctl --user stop bot.service");
    systemd.systemctl(&command);
    is_alone(&stage, guard, other);
    systemd.end();
}

#[test]
fn an_app_that_pm2_restarts_after_a_delay_is_reported_when_it_is_back() {
    let Some(program) = peer("npm/node_modules/.bin/pm2") else { return };
    let stage = Stage::new();
    let (start, home) = with_restart_delay(&stage, &program);
    start.through(&WITHOUT_SLOT).end().exits(0);
    end_bot(&stage, 1);
    let guard = stage.run(&[]).on_conflict("graceful").start();
    let (other, command) = reported(&stage, &guard, 2);
    assert_eq!(command, format!("PM2_HOME={} pm2 stop voice", home.display()));
    stage.program("sh", &["-c", &command]).env("PATH", path_with(&program)).end().exits(0);
    is_alone(&stage, guard, other);
}

#[test]
fn a_program_from_which_supervisord_backs_off_is_reported_when_it_is_back() {
    let Some(program) = peer("venv/bin/supervisord") else { return };
    let stage = Stage::new();
    let lines = format!(
        "[program:voice]\nautorestart=true\nstartsecs=99\nstartretries=9\n\
         command={} {}",
        WITHOUT_SLOT.join(" "),
        testbot().display()
    );
    let _supervisord = supervisord(&stage, &program, &lines);
    // Each pause is longer by a second.
    (1..=3).for_each(|n| end_bot(&stage, n));
    let guard = stage.run(&[]).on_conflict("graceful").start();
    let (other, command) = reported(&stage, &guard, 4);
    assert!(command.starts_with("supervisorctl -s unix://"), "{command}");
    stage.program("sh", &["-c", &command]).env("PATH", path_with(&program)).end().exits(0);
    is_alone(&stage, guard, other);
}
