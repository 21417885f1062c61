//! What monopoll does while a call fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use monopoll_test_bots::programs::{monopoll, testbot};
use monopoll_test_bots::stage::{Start, is_alive, send, token};
use nix::sys::signal::Signal;

use super::scene::{Scene, Verdict, check, terminate_guard_of, until};

pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) play: fn(&Scene<'_>) -> Verdict,
    /// False if strace is attached to a running guard.
    pub(super) has_loader: bool,
}

const fn command(name: &'static str, play: fn(&Scene<'_>) -> Verdict) -> Scenario {
    Scenario { name, play, has_loader: true }
}

const fn guard(name: &'static str, play: fn(&Scene<'_>) -> Verdict) -> Scenario {
    Scenario { name, play, has_loader: false }
}

fn take_over<'a>(scene: &Scene<'a>) -> Start<'a> {
    scene.run(&["--keep"]).on_conflict("graceful")
}

fn stop<'a>(scene: &Scene<'a>, args: &[&str]) -> Start<'a> {
    scene.stage.monopoll(args).set("timeouts.graceful='2s'").set("timeouts.force='2s'")
}

fn bot() -> String {
    testbot().to_str().unwrap().to_owned()
}

pub(super) const SCENARIOS: &[Scenario] = &[
    command("start", |scene| scene.play_start(take_over(scene), None)),
    command("start_with_token", |scene| {
        let token = token();
        let _worker = scene.stage.bot(&["--as", "worker"]).env("BOT_TOKEN", &token).start();
        until("a worker", || (!scene.stage.pids_of("worker").is_empty()).then_some(()))?;
        scene.play_start(take_over(scene).env("BOT_TOKEN", token), None)?;
        let is_seen = scene.stage.transcript().contains("the same token in its environment");
        check(is_seen || scene.fault.is_some(), || "does not see the worker's token".to_owned())?;
        send(scene.stage.pids_of("worker")[0], Signal::SIGTERM);
        Ok(())
    }),
    command("start_with_check", |scene| {
        let config = "[check]\ncommand = ['sleep', '0.01']\n";
        scene.play_start(take_over(scene).config(config), None)
    }),
    command("take_over_guard", |scene| {
        let old = scene.guarded(&["--keep"])?;
        scene.play_start(take_over(scene), Some(&old))
    }),
    command("take_over_by_env_file", |scene| {
        let folder = scene.stage.folder();
        let token = token();
        fs::write(folder.join(".env"), format!("BOT_TOKEN={token}\n")).unwrap();
        fs::write(folder.join("bot.sh"), format!("#!/bin/sh\nexec {} --keep\n", bot())).unwrap();
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.join("bot.sh"), mode).unwrap();
        let locks = format!("lock.paths=['{}/{{instance}}.lock']", scene.stage.locks().display());
        let start = || {
            let start = scene.stage.program(monopoll(), &["run", "--", "./bot.sh"]).set(&locks);
            start.on_conflict("graceful")
        };
        let old = scene.old(start())?;
        let (number, _) = token.split_once(':').unwrap();
        let is_named = scene.stage.locks().join(format!("bot{number}.lock")).exists();
        check(is_named, || "the instance is not named after the token".to_owned())?;
        scene.play_start(start(), Some(&old))
    }),
    command("force_guard", |scene| {
        let old = scene.guarded(&["--keep", "--stubborn"])?;
        scene.play_start(scene.run(&["--keep"]).on_conflict("force"), Some(&old))
    }),
    command("end_bot", |scene| {
        let old = scene.unguarded(&["--keep"])?;
        scene.play_start(take_over(scene), Some(&old))
    }),
    command("end_stubborn_tree", |scene| {
        let bot = ["--keep", "--child", "--as child --stubborn"];
        let old = scene.unguarded(&bot)?;
        let start = scene.run(&bot).on_conflict("graceful").set("timeouts.graceful='100ms'");
        scene.play_start(start, Some(&old))
    }),
    command("wait_for_guard", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let start = scene.traced(scene.run(&["--keep"]).on_conflict("wait"));
        until("a wait", || {
            (!start.is_alive() || start.stderr().contains("waiting for")).then_some(())
        })?;
        terminate_guard_of(old.bot);
        scene.end(old.top)?;
        let started = scene.outcome(&start, 1)?;
        started.into_iter().for_each(terminate_guard_of);
        let ended = scene.end(start)?;
        match started {
            Some(bot) => scene.judge_guard(&ended, bot),
            None => scene.judge_not_started(&ended, None),
        }
    }),
    command("refused", |scene| {
        let old = scene.guarded(&["--keep"])?;
        scene.play_start(scene.run(&["--keep"]).on_conflict("refuse"), Some(&old))?;
        check(!scene.is_touched(old.bot), || "the old bot was touched".to_owned())
    }),
    command("plan", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let plan = scene.stage.monopoll(&["plan", "--detailed-exitcode"]).on_conflict("graceful");
        let ended = scene.end(scene.traced(plan.argument("--").argument(&bot())))?;
        check(!scene.is_touched(old.bot), || "the bot was touched".to_owned())?;
        scene.judge_answer(&ended, &[2])
    }),
    command("status", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let ended = scene.end(scene.traced(scene.stage.monopoll(&["status"])))?;
        check(!scene.is_touched(old.bot), || "the bot was touched".to_owned())?;
        scene.judge_answer(&ended, &[0, 4])
    }),
    command("status_of_all", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let ended = scene.end(scene.traced(scene.stage.monopoll(&["status", "--json"])))?;
        check(!scene.is_touched(old.bot), || "the bot was touched".to_owned())?;
        scene.judge_answer(&ended, &[0, 4])
    }),
    command("explain", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let pid = old.bot.to_string();
        let ended = scene.end(scene.traced(scene.stage.monopoll(&["explain", &pid])))?;
        check(!scene.is_touched(old.bot), || "the bot was touched".to_owned())?;
        scene.judge_answer(&ended, &[0])
    }),
    command("doctor", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let ended = scene.end(scene.traced(scene.stage.monopoll(&["doctor"])))?;
        check(!scene.is_touched(old.bot), || "the bot was touched".to_owned())?;
        scene.judge_answer(&ended, &[0, 1])
    }),
    command("stop_guard", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let ended = scene.end(scene.traced(stop(scene, &["stop"])))?;
        check(ended.code != Some(0) || !is_alive(old.bot), || "stopped nothing".to_owned())?;
        scene.judge_answer(&ended, &[0])
    }),
    command("stop_bot", |scene| {
        let old = scene.unguarded(&["--keep"])?;
        let stop = stop(scene, &["stop", "--"]).argument(&bot()).argument("--keep");
        let ended = scene.end(scene.traced(stop))?;
        check(ended.code != Some(0) || !is_alive(old.bot), || "stopped nothing".to_owned())?;
        scene.judge_answer(&ended, &[0])
    }),
    guard("guard_taken_over", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let _tracer = scene.trace(old.top.pid())?;
        let start = take_over(scene).start();
        let started = scene.outcome(&start, 1)?;
        started.into_iter().for_each(terminate_guard_of);
        let ended = scene.end(start)?;
        let expected = if started.is_some() { 0 } else { 75 };
        check(ended.code == Some(expected), || format!("the start: {ended:?}"))?;
        // A guard that gets SIGKILL takes its bot with it, perhaps before the start looks.
        let says_so = scene.is_signal() || ended.err.contains("has ended");
        check(is_alive(old.bot) || says_so, || "ended the old bot and does not say so".to_owned())?;
        terminate_guard_of(old.bot);
        until("the end of the guard", || (!old.top.is_alive()).then_some(()))
    }),
    guard("guard_stopped", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let _tracer = scene.trace(old.top.pid())?;
        let ended = scene.end(stop(scene, &["stop"]).start())?;
        let has_ended = !is_alive(old.bot);
        check((ended.code == Some(0)) == has_ended || ended.code == Some(75), || {
            format!("the stop: {ended:?}, ended: {has_ended}")
        })?;
        terminate_guard_of(old.bot);
        let guard = scene.end(old.top)?;
        scene.judge_status(&guard, &[0])
    }),
    guard("guard_whose_lock_is_deleted", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let _tracer = scene.trace(old.top.pid())?;
        fs::remove_file(scene.stage.lock()).unwrap();
        until("the lock again", || {
            let is_back = scene.stage.lock().exists() && !scene.stage.lock_is_free();
            (is_back || !is_alive(old.bot)).then_some(())
        })?;
        let start = scene.run(&["--keep"]).on_conflict("refuse").start();
        let started = scene.outcome(&start, 1)?;
        if let Some(bot) = started {
            terminate_guard_of(bot);
        }
        let ended = scene.end(start)?;
        check(started.is_some() || ended.code == Some(75), || format!("the start: {ended:?}"))?;
        check(started.is_none() || !is_alive(old.bot), || "started a second bot".to_owned())?;
        terminate_guard_of(old.bot);
        let guard = scene.end(old.top)?;
        scene.judge_status(&guard, &[0])
    }),
    guard("guard_terminated", |scene| {
        let old = scene.guarded(&["--keep"])?;
        let _tracer = scene.trace(old.top.pid())?;
        old.top.signal(Signal::SIGTERM);
        let guard = scene.end(old.top)?;
        scene.judge_status(&guard, &[0])
    }),
    guard("guard_whose_bot_ends", |scene| {
        let old = scene.guarded(&["--keep", "--leaves", "--exit", "9"])?;
        let _tracer = scene.trace(old.top.pid())?;
        send(old.bot, Signal::SIGUSR1);
        let guard = scene.end(old.top)?;
        scene.judge_status(&guard, &[9])
    }),
    guard("guard_whose_bot_leaves_processes", |scene| {
        let bot = ["--keep", "--leaves", "--exit", "9", "--detached", "--as daemon"];
        let old = scene.guarded(&bot)?;
        let _tracer = scene.trace(old.top.pid())?;
        send(old.bot, Signal::SIGUSR1);
        let guard = scene.end(old.top)?;
        scene.judge_status(&guard, &[9])
    }),
];
