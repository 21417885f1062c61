//! Ending bots that do not simply end: stubborn, stopped, already dead, wrapped or renamed.

use std::fs;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, is_alive, send, state};
use nix::sys::signal::Signal;

#[test]
fn a_stubborn_bot_is_killed_after_its_time() {
    let stage = Stage::new();
    let first = stage.bot(&["--stubborn"]).start();
    let old = stage.ready(1);
    let _second =
        stage.run(&["--stubborn"]).on_conflict("graceful").set("timeouts.graceful='300ms'").start();
    stage.ready(2);
    assert_eq!(first.end().signal, Some(9));
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

#[test]
fn a_guard_kills_its_stubborn_bot_after_the_time_in_the_request() {
    let stage = Stage::new();
    let first = stage.run(&["--stubborn"]).start();
    let old = stage.ready(1);
    let _second =
        stage.run(&["--stubborn"]).on_conflict("graceful").set("timeouts.graceful='300ms'").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

/// What is killed in the same step has not ended in it yet.
#[test]
fn without_time_for_a_graceful_end_a_bot_is_killed_and_the_start_goes_on() {
    for round in 0..10 {
        let stage = Stage::new();
        let bot: &[&str] = if round % 2 == 0 { &["--stubborn"] } else { &[] };
        let is_guarded = round % 4 < 2;
        let old = if is_guarded { stage.run(bot) } else { stage.bot(bot) }.start();
        stage.ready(1);
        if is_guarded {
            stage.wait_for_start_mutex();
        }
        let start = stage.run(bot).on_conflict("graceful").set("timeouts.graceful='0s'");
        let new = start.start();
        let bot = stage.ready(2);
        old.end();
        send(bot, Signal::SIGKILL);
        new.end().exits(137);
        stage.assert_no_overlap();
    }
}

#[test]
fn without_escalation_a_stubborn_bot_lives_and_the_start_is_refused() {
    let stage = Stage::new();
    let first = stage.bot(&["--stubborn"]).start();
    let old = stage.ready(1);
    let second = stage
        .run(&["--stubborn"])
        .on_conflict("graceful")
        .set("timeouts.graceful='300ms'")
        .set("kill.escalate=false");
    second.end().exits(75).says("refused");
    assert!(first.is_alive());
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

#[test]
fn without_escalation_a_stubborn_guarded_bot_lives_and_the_start_is_refused() {
    let stage = Stage::new();
    let first = stage.run(&["--stubborn"]).start();
    let old = stage.ready(1);
    let second = stage
        .run(&["--stubborn"])
        .on_conflict("graceful")
        .set("timeouts.graceful='300ms'")
        .set("timeouts.force='300ms'");
    second.set("kill.escalate=false").end().exits(75);
    assert!(first.is_alive() && is_alive(old));
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
    assert!(!stage.lock_is_free());
}

/// Runs a start without escalation, which the bot outlives and its guard has given up on.
fn outlives_a_question(stage: &Stage, first: &Running<'_>) {
    let second = stage
        .run(&["--other"])
        .on_conflict("graceful")
        .set("timeouts.graceful='300ms'")
        .set("timeouts.force='300ms'");
    second.set("kill.escalate=false").end().exits(75);
    let running = || {
        std::fs::read_to_string(stage.state_file("record"))
            .is_ok_and(|record| record.contains("running"))
    };
    stage.wait_until("the record to say that it runs", || running().then_some(()));
    assert!(first.is_alive());
}

#[test]
fn a_bot_that_outlived_a_request_gets_its_full_time_at_the_next() {
    let stage = Stage::new();
    let first = stage.run(&["--stubborn"]).start();
    let old = stage.ready(1);
    outlives_a_question(&stage, &first);
    // It would be killed at once if the timeout of the first request counted.
    let second = stage.run(&["--other"]).on_conflict("graceful").start();
    stage.wait_until("the second signal", || (stage.times(old, "got SIGTERM") == 2).then_some(()));
    assert!(first.is_alive() && is_alive(old));
    second.signal(Signal::SIGTERM);
    second.end().exits(143);
}

#[test]
fn processes_left_by_a_command_that_outlived_a_request_are_killed_by_the_guards_own_settings() {
    let stage = Stage::new();
    let bot = ["--stubborn", "--child", "--as member --stubborn"];
    let first = stage.run(&bot).set("timeouts.graceful='300ms'").start();
    let (old, member) = (stage.ready(1), stage.nth_pid_of(1, "member"));
    outlives_a_question(&stage, &first);
    send(old, Signal::SIGKILL);
    first.end().exits(137);
    assert!(!is_alive(member) && stage.lock_is_free());
}

#[test]
fn the_first_signal_is_configurable() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    let old = stage.ready(1);
    let _second = stage.run(&[]).on_conflict("graceful").set("kill.signal='SIGINT'").start();
    stage.ready(2);
    first.end().exits(0);
    assert_eq!((stage.times(old, "got SIGINT"), stage.times(old, "got SIGTERM")), (1, 0));
}

#[test]
fn a_stopped_bot_gets_sigcont_with_the_signal() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    let old = stage.ready(1);
    send(old, Signal::SIGSTOP);
    stage.wait_until("the stop", || (state(old) == Some('T')).then_some(()));
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

#[test]
fn a_stopped_child_of_a_guard_gets_sigcont_with_the_signal() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    send(old, Signal::SIGSTOP);
    stage.wait_until("the stop", || (state(old) == Some('T')).then_some(()));
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

#[test]
fn a_guard_that_cannot_be_asked_is_left_alone() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let bot = stage.ready(1);
    let second = stage
        .run(&["--other"])
        .on_conflict("wait")
        .set("after_wait=force")
        .set("timeouts.wait='2s'")
        .start();
    second.wait_for("waiting for");
    // Any write error will do; a full disk is the usual cause.
    std::fs::create_dir(stage.state_file("request")).unwrap();
    second.end().exits(75).says("cannot be asked to end: cannot write the request");
    assert!(first.is_alive() && is_alive(bot));
}

#[test]
fn a_stopped_guard_gets_sigcont_with_the_request() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    let old = stage.ready(1);
    // A start that is stopped early keeps the start mutex, so other starts wait for it.
    stage.wait_for_start_mutex();
    first.signal(Signal::SIGSTOP);
    stage.wait_until("the stop", || (state(first.pid()) == Some('T')).then_some(()));
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

#[test]
fn a_zombie_is_no_conflict() {
    let stage = Stage::new();
    let first = stage.bot(&[]).start();
    let old = stage.ready(1);
    first.signal(Signal::SIGKILL);
    stage.wait_until("the zombie", || (state(old) == Some('Z')).then_some(()));
    let _second = stage.run(&[]).on_conflict("refuse").start();
    stage.ready(2);
    assert_eq!(state(old), Some('Z'), "nobody has reaped it");
}

#[test]
fn a_bot_under_another_name_is_found() {
    let stage = Stage::new();
    let first = stage.bot(&[]).arg0("another name").start();
    stage.ready(1);
    stage.run(&[]).on_conflict("refuse").end().exits(75);
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
}

#[test]
fn a_bot_behind_a_shell_is_found() {
    let stage = Stage::new();
    let line = format!("{} ; echo over", testbot().display());
    let shell = stage.program("sh", &["-c", &line]).start();
    stage.ready(1);
    stage.run(&[]).on_conflict("refuse").end().exits(75);
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    assert_eq!(shell.end().exits(0).out, "over\n", "the shell is not the bot");
}

#[test]
fn a_wrapped_command_is_ended_as_a_whole() {
    let stage = Stage::new();
    let line = format!("{} & wait", testbot().display());
    let first = stage.run_command("sh", &["-c", &line]).start();
    stage.ready(1);
    let _second = stage.run_command("sh", &["-c", &line]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    stage.assert_no_overlap();
}

#[test]
fn a_bot_whose_launcher_exits_is_still_guarded() {
    let stage = Stage::new();
    let line = format!("setsid -f {} ; sleep 60", testbot().display());
    let first = stage.run_command("sh", &["-c", &line]).start();
    stage.ready(1);
    let _second = stage.run_command("sh", &["-c", &line]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    stage.assert_no_overlap();
}

#[test]
fn the_whole_tree_ends_before_the_new_one_starts() {
    let stage = Stage::new();
    let args = ["--child", "--as member --slow 400", "--slow", "50"];
    let first = stage.bot(&args).start();
    let (old, member) = (stage.ready(1), stage.nth_pid_of(1, "member"));
    let _second = stage.run(&args).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
    let order: Vec<_> = stage
        .events()
        .into_iter()
        .filter(|it| it.pid == old || it.pid == member || it.what == "ready")
        .collect();
    assert_eq!(order.last().map(|it| it.what.as_str()), Some("ready"), "{order:?}");
    assert_eq!((stage.times(old, "got SIGTERM"), stage.times(member, "got SIGTERM")), (1, 1));
}

#[test]
fn the_same_program_in_another_folder_is_another_bot() {
    let stage = Stage::new();
    let elsewhere = stage.folder().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let first = stage.bot(&[]).current_dir(elsewhere).other_token().start();
    stage.ready(1);
    let _second = stage.run(&[]).on_conflict("force").start();
    stage.ready(2);
    assert!(first.is_alive());
}

#[test]
fn the_same_program_with_other_arguments_is_another_bot() {
    let stage = Stage::new();
    let first = stage.bot(&["--another"]).other_token().start();
    stage.ready(1);
    let _second = stage.run(&[]).on_conflict("force").start();
    stage.ready(2);
    assert!(first.is_alive());
}

#[test]
fn a_signal_that_was_already_forwarded_is_not_sent_again_for_a_request() {
    let stage = Stage::new();
    let first = stage.run(&["--slow", "500"]).start();
    let old = stage.ready(1);
    first.signal(Signal::SIGTERM);
    stage.wait_until("SIGTERM", || (stage.times(old, "got SIGTERM") == 1).then_some(()));
    let _second = stage.run(&["--slow", "500"]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
    assert_eq!((stage.times(old, "got SIGTERM"), stage.times(old, "end")), (1, 1));
}

#[test]
fn a_later_request_shortens_the_time_of_the_first() {
    let stage = Stage::new();
    let first = stage.run(&["--stubborn"]).start();
    let old = stage.ready(1);
    let patient = stage.run(&["--stubborn"]).on_conflict("graceful").start();
    stage.wait_until("SIGTERM", || (stage.times(old, "got SIGTERM") == 1).then_some(()));
    patient.signal(Signal::SIGINT);
    patient.end().exits(130);
    let _third = stage.run(&["--stubborn"]).on_conflict("force").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    assert_eq!(stage.times(old, "got SIGTERM"), 1);
}

#[test]
fn what_a_bot_starts_when_it_is_ended_is_waited_for_and_refuses_the_start_if_it_stays() {
    for (seconds, starts) in [("0.7", true), ("60", false)] {
        let stage = Stage::new();
        let script = stage.folder().join("bot.sh");
        // The subshell leaves at once, so that nothing shows where the sleep came from.
        let handler = format!("(sleep {seconds} & echo $! > late); exit");
        let text = format!("trap '{handler}' TERM\necho > ready\nwhile :; do sleep 0.02; done\n");
        fs::write(&script, text).unwrap();
        let bot = stage.program("sh", &["bot.sh"]).own_process_group().start();
        let ready = stage.folder().join("ready");
        stage.wait_until("the trap", || ready.exists().then_some(()));
        let next = stage
            .run_command("sh", &["bot.sh"])
            .on_conflict("graceful")
            .set("timeouts.graceful='1500ms'")
            .start();
        bot.end().exits(0);
        if starts {
            next.wait_for("lock acquired");
            continue;
        }
        let late: u32 =
            fs::read_to_string(stage.folder().join("late")).unwrap().trim().parse().unwrap();
        let ended = next.end().exits(75);
        let why = format!("pid {late} began in the process group of what was ended");
        assert!(ended.err.contains(&why), "{ended:?}");
        assert!(is_alive(late));
        send(late, Signal::SIGKILL);
    }
}
