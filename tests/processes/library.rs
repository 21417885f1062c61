//! Programs that hold their instance through the library settle conflicts with all other starts.

use std::fs;

use monopoll_test_bots::programs::example;
use monopoll_test_bots::stage::{SECRET, Stage, Start, is_alive, send, state};
use nix::sys::signal::Signal;

/// Configures the program by its environment alone, because it has no monopoll command line.
fn host<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    nameless(stage, args).env("MONOPOLL_INSTANCE", "test")
}

fn nameless<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    let locks = format!("[\"{}\"]", stage.lock().display());
    stage.program(example("hostbot"), args).env("MONOPOLL_LOCK__PATHS", locks)
}

fn graceful<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    host(stage, args).env("MONOPOLL_ON_CONFLICT", "graceful")
}

fn force<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    host(stage, args).env("MONOPOLL_ON_CONFLICT", "force")
}

#[test]
fn a_program_holds_its_instance_and_releases_everything() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    let bot = stage.ready(1);
    assert!(!stage.lock_is_free());
    assert!(
        fs::read_to_string(stage.state_file("record")).unwrap().contains("\"state\":\"running\"")
    );
    assert!(stage.monopoll(&["status"]).end().exits(0).out.contains(&format!("pid {bot}")));
    drop(first);
    let _second = host(&stage, &["--for", "0", "--lives-on"]).start();
    stage.nth_pid_of(1, "gave it back");
    assert!(stage.lock_is_free() && !stage.state_file("record").exists());
    stage.monopoll(&["status"]).end().exits(3);
}

#[test]
fn a_second_program_is_refused() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    stage.ready(1);
    host(&stage, &[]).end().exits(75).says("`on_conflict` says refuse");
    stage.run(&[]).end().exits(75).says("`on_conflict` says refuse");
    assert!(first.is_alive());
    assert_eq!(stage.pids_of("ready").len(), 1);
}

#[test]
fn a_program_is_refused_while_a_bot_runs_under_monopoll_run() {
    let stage = Stage::new();
    let _first = stage.run(&[]).start();
    stage.ready(1);
    host(&stage, &[]).end().exits(75).says("`on_conflict` says refuse");
}

#[test]
fn a_second_guard_in_the_same_process_is_refused() {
    let stage = Stage::new();
    let first = host(&stage, &["--twice", "--for", "0"]).end();
    first.exits(0).says("refused: this process has its guard already");
}

#[test]
fn a_released_guard_can_be_acquired_again() {
    let stage = Stage::new();
    host(&stage, &["--for", "0", "--again"]).end().exits(0);
    assert_eq!(stage.pids_of("holds it again").len(), 1);
}

#[test]
fn a_newer_start_asks_and_the_program_finishes_first() {
    let stage = Stage::new();
    let first = host(&stage, &["--slow", "300"]).start();
    let old = stage.ready(1);
    let _second = graceful(&stage, &[]).start();
    stage.ready(2);
    first.end().exits(0);
    let order: Vec<String> = stage
        .events()
        .into_iter()
        .filter(|event| event.pid == old)
        .map(|event| event.what)
        .collect();
    assert_eq!(order.len(), 7, "{order:?}");
    assert!(order[3].starts_with("lost: a newer start (pid "), "{order:?}");
    assert_eq!(order[4..], ["stops", "gave it back", "end"]);
    stage.assert_no_overlap();
}

#[test]
fn a_bot_under_run_takes_over_from_a_program_and_a_program_from_it() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    stage.ready(1);
    let second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0);
    let _third = graceful(&stage, &[]).start();
    stage.ready(3);
    second.end().exits(0).says("took over");
    stage.assert_no_overlap();
}

#[test]
fn monopoll_stop_asks_a_program() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    let bot = stage.ready(1);
    stage.monopoll(&["stop"]).end().exits(0);
    first.end().exits(0);
    assert!(
        stage
            .events()
            .iter()
            .any(|event| event.pid == bot && event.what.starts_with("lost: `monopoll stop` (pid "))
    );
}

#[test]
fn a_program_that_released_its_guard_and_lives_on_is_left_alone() {
    let stage = Stage::new();
    let first = host(&stage, &["--lives-on"]).start();
    let old = stage.ready(1);
    let second = graceful(&stage, &["--lives-on"]).start();
    stage.ready(2);
    assert!(first.is_alive(), "nobody kills what gave the guard back");
    let _third = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(3);
    assert!(first.is_alive() && second.is_alive());
    assert_eq!(stage.times(old, "gave it back"), 1);
}

#[test]
fn a_program_that_released_its_guard_is_no_unguarded_bot_to_the_start_that_asked() {
    let stage = Stage::new();
    let first = host(&stage, &["--lives-on"]).start();
    let old = stage.ready(1);
    // The same program and arguments in the same place.
    let second =
        stage.run_command(example("hostbot"), &["--lives-on"]).on_conflict("graceful").start();
    let new = stage.ready(2);
    assert!(first.is_alive() && is_alive(old) && is_alive(new) && second.is_alive());
    assert_eq!(stage.times(new, "holds test"), 1);
}

#[test]
fn a_program_that_answered_and_does_not_release_is_never_signaled() {
    let stage = Stage::new();
    let first = host(&stage, &["--deaf"]).start();
    let old = stage.ready(1);
    let hasty = || {
        graceful(&stage, &[])
            .env("MONOPOLL_TIMEOUTS__GRACEFUL", "200ms")
            .env("MONOPOLL_TIMEOUTS__FORCE", "200ms")
    };
    hasty().end().exits(75).says("did not end in time");
    assert!(stage.monopoll(&["status"]).end().exits(0).out.contains("is stopping"));
    assert!(first.is_alive() && is_alive(old));
    stage.assert_no_overlap();
}

#[test]
fn force_ends_a_program_that_hangs() {
    let stage = Stage::new();
    let first = host(&stage, &["--deaf"]).start();
    stage.ready(1);
    let _second = force(&stage, &[]).start();
    stage.ready(2);
    assert_eq!(first.end().signal, Some(9));
}

#[test]
fn force_lets_a_program_live_that_releases_at_once() {
    let stage = Stage::new();
    let first = host(&stage, &["--lives-on"]).start();
    stage.ready(1);
    let _second = force(&stage, &[]).start();
    stage.ready(2);
    assert!(first.is_alive());
}

#[test]
fn a_stopped_program_is_woken_for_the_request() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    let old = stage.ready(1);
    first.signal(Signal::SIGSTOP);
    stage.wait_until("the stop", || (state(old) == Some('T')).then_some(()));
    let _second = graceful(&stage, &[]).start();
    stage.ready(2);
    first.end().exits(0);
}

#[test]
fn a_killed_program_blocks_no_other_start() {
    let stage = Stage::new();
    let first = host(&stage, &["--child"]).start();
    let old = stage.ready(1);
    send(old, Signal::SIGKILL);
    assert_eq!(first.end().signal, Some(9));
    let _second = host(&stage, &[]).start();
    stage.ready(2);
}

#[test]
fn under_a_run_of_the_same_instance_its_guard_is_adopted() {
    let stage = Stage::new();
    let locks = format!("[\"{}\"]", stage.lock().display());
    let under = |args: &[&str]| {
        stage.run_command(example("hostbot"), args).env("MONOPOLL_LOCK__PATHS", &locks)
    };
    under(&["--for", "0", "--twice"]).end().exits(0).says("this process has its guard already");
    let outer = under(&[]).start();
    let bot = stage.ready(2);
    assert_eq!(stage.times(bot, "holds test"), 1);
    assert_eq!(stage.times(bot, &format!("lock {}", stage.lock().display())), 1);
    // It releases its claim under that guard, not the instance.
    host(&stage, &[]).end().exits(75);
    outer.signal(Signal::SIGTERM);
    outer.end().exits(143);
}

#[test]
fn a_marker_without_a_guard_among_the_ancestors_is_ignored() {
    let stage = Stage::new();
    let lock = stage.lock();
    let _first = host(&stage, &[]).start();
    let bot = stage.ready(1);
    let record = fs::read_to_string(stage.state_file("record")).unwrap();
    let number = |key: &str| {
        let digits = record.split_once(&format!("\"{key}\":")).unwrap().1;
        digits.split(|c: char| !c.is_ascii_digit()).next().unwrap().to_owned()
    };
    // This process is alive and has the lock, but is not an ancestor.
    let beside = format!("test:{}:{bot}:{}:{}", number("ticket"), number("start"), lock.display());
    // This process is an ancestor, but has no lock.
    let me = std::process::id();
    let above = format!("test:1:{me}:{}:{}", start_of(me), lock.display());
    for held in [beside.as_str(), above.as_str(), "test:1:1:1:/nowhere", "nonsense"] {
        host(&stage, &[])
            .env("MONOPOLL_HELD", held)
            .end()
            .exits(75)
            .says("`on_conflict` says refuse");
    }
}

fn start_of(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().to_owned()
}

#[test]
fn an_adopted_guard_is_lost_when_its_run_is_killed() {
    let stage = Stage::new();
    let locks = format!("[\"{}\"]", stage.lock().display());
    // Clears the signal that a guard's death would send to its child.
    let run = stage
        .run_command("setpriv", &["--pdeathsig", "clear"])
        .argument(example("hostbot").to_str().unwrap());
    let run = run.env("MONOPOLL_LOCK__PATHS", &locks).start();
    let bot = stage.ready(1);
    run.signal(Signal::SIGKILL);
    run.end();
    stage.wait_until("the loss", || {
        stage
            .events()
            .iter()
            .any(|event| event.pid == bot && event.what.starts_with("lost: the `monopoll run`"))
            .then_some(())
    });
}

#[test]
fn a_deleted_lock_is_taken_back() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    fs::remove_file(stage.lock()).unwrap();
    stage.wait_until("the retaken lock", || {
        (stage.lock().exists() && !stage.lock_is_free()).then_some(())
    });
    host(&stage, &[]).end().exits(75);
    assert!(first.is_alive());
}

#[test]
fn a_deleted_record_is_written_again() {
    let stage = Stage::new();
    let _first = host(&stage, &[]).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    fs::remove_file(stage.state_file("record")).unwrap();
    stage.wait_until("the record", || stage.state_file("record").exists().then_some(()));
}

#[test]
fn a_lock_that_another_process_keeps_is_lost() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    let bot = stage.ready(1);
    stage.wait_for_start_mutex();
    // Replace the lock by a new file that is already locked.
    let new = stage.folder().join("new");
    let theirs = fs::File::create(&new).unwrap();
    theirs.lock().unwrap();
    fs::rename(&new, stage.lock()).unwrap();
    first.end().exits(0);
    assert_eq!(stage.times(bot, "lost: the lock was lost to another guard"), 1);
    drop(theirs);
}

#[test]
fn an_abandoned_acquisition_is_canceled() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    let old = stage.ready(1);
    let waiter = host(&stage, &["--gives-up", "300"]).env("MONOPOLL_ON_CONFLICT", "wait").start();
    stage.nth_pid_of(1, "gave up");
    send(old, Signal::SIGTERM);
    first.end();
    // The start that gave up is alive, but neither takes the lock nor blocks the start mutex.
    let _third = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    assert!(waiter.is_alive());
}

#[test]
fn programs_that_start_simultaneously_leave_exactly_one() {
    for action in ["refuse", "graceful", "force"] {
        let stage = Stage::new();
        let start = |_| {
            let storm = host(&stage, &[])
                .env("MONOPOLL_ON_CONFLICT", action)
                .env("MONOPOLL_LIMITS__MAX_TAKEOVERS", "30");
            storm.env("MONOPOLL_LIMITS__MAX_TARGETS", "50").start()
        };
        let starts: Vec<_> = (0..12).map(start).collect();
        stage.wait_until("the end of all but one", || {
            (starts.iter().filter(|it| it.is_alive()).count() == 1).then_some(())
        });
        stage.wait_for_start_mutex();
        stage.wait_until("the one that polls", || {
            let alive: Vec<u32> = starts
                .iter()
                .filter(|it| it.is_alive())
                .map(monopoll_test_bots::stage::Running::pid)
                .collect();
            (alive.len() == 1 && stage.times(alive[0], "ready") == 1).then_some(())
        });
        stage.assert_no_overlap();
    }
}

#[test]
fn a_program_that_has_not_acquired_its_guard_yet_is_no_conflict() {
    let stage = Stage::new();
    let late = host(&stage, &[]).env("HOSTBOT_LATE", "600000").start();
    stage.nth_pid_of(1, "is late");
    // The same program, arguments and place.
    let _first = graceful(&stage, &[]).start();
    stage.ready(1);
    assert!(late.is_alive());
}

#[test]
fn without_a_name_the_bot_token_names_the_instance() {
    let stage = Stage::new();
    let token = monopoll_test_bots::stage::token();
    let id = token.split(':').next().unwrap().to_owned();
    let named = nameless(&stage, &["--for", "0"]).env("BOT_TOKEN", &token).end();
    named.exits(0);
    assert_eq!(stage.pids_of(&format!("holds bot{id}")).len(), 1);
    nameless(&stage, &[]).end().exits(64).says("no instance is named").says("$MONOPOLL_INSTANCE");
    assert!(!stage.transcript().contains(SECRET));
}

#[test]
fn a_failed_check_refuses_the_start_and_the_running_program_lives_on() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    stage.ready(1);
    let checked =
        graceful(&stage, &[]).env("MONOPOLL_CHECK__COMMAND", "['sh', '-c', 'exit 3']").end();
    checked.exits(75).says("`[check]` failed");
    assert!(first.is_alive());
    let _second = graceful(&stage, &[]).env("MONOPOLL_CHECK__COMMAND", "['true']").start();
    stage.ready(2);
}

#[test]
fn the_history_records_what_happened() {
    let stage = Stage::new();
    let first = host(&stage, &[]).start();
    let old = stage.ready(1);
    let second = graceful(&stage, &["--for", "0"]).start();
    let new = second.pid();
    first.end().exits(0);
    second.end().exits(0);
    let history = stage.monopoll(&["status", "--history"]).end();
    for what in [
        format!(" (pid {old}), graceful, in "),
        "the program released the lock".to_owned(),
        format!("pid {new}"),
    ] {
        assert!(history.out.contains(&what), "`{what}` is not in {}", history.out);
    }
}

#[test]
fn takeovers_between_programs_are_limited_too() {
    let stage = Stage::new();
    let _first = host(&stage, &[]).start();
    stage.ready(1);
    let limited = || graceful(&stage, &[]).env("MONOPOLL_LIMITS__MAX_TAKEOVERS", "1");
    let _second = limited().start();
    stage.ready(2);
    limited().end().exits(75).says("limits.max_takeovers");
}

/// Runs a program that runs the test bot under a guard.
fn runner<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    let locks = format!("[\"{}\"]", stage.lock().display());
    let bot = example("testbot");
    let command: Vec<&str> =
        [bot.to_str().unwrap()].into_iter().chain(args.iter().copied()).collect();
    stage
        .program(example("runner"), &command)
        .env("MONOPOLL_LOCK__PATHS", locks)
        .env("MONOPOLL_INSTANCE", "test")
}

#[test]
fn a_program_runs_a_child_below_a_guard_and_exits_with_its_status() {
    let stage = Stage::new();
    runner(&stage, &["--exit", "7"]).end().exits(7);
    assert!(stage.lock_is_free() && !stage.state_file("record").exists());
}

#[test]
fn a_child_that_a_program_runs_is_guarded_like_one_under_run() {
    let stage = Stage::new();
    let first = runner(&stage, &[]).start();
    stage.ready(1);
    stage.run(&[]).end().exits(75).says("`on_conflict` says refuse");
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    first.end().exits(0).says("took over");
    stage.assert_no_overlap();
}
