//! COMMAND runs as if monopoll were not there, and the guard ends like COMMAND.

use monopoll_test_bots::stage::{Ended, Stage, Start};
use std::collections::BTreeSet;
use std::fs;

/// Runs a program without and with a guard, both through another program.
#[track_caller]
fn both(stage: &Stage, through: &[&str], program: &str, args: &[&str]) -> (Ended, Ended) {
    let plain = stage.program(program, args).through(through).end().exits(0);
    // `--quiet`: in a container, the guard would print that only this container is guarded.
    (plain, stage.run_command(program, args).flag("--quiet").through(through).end().exits(0))
}

#[track_caller]
fn is_the_same(through: &[&str], program: &str, args: &[&str]) {
    let stage = Stage::new();
    let (plain, guarded) = both(&stage, through, program, args);
    assert_eq!(guarded.out, plain.out, "{through:?}");
    assert!(!plain.out.is_empty());
    assert_eq!(guarded.err, "");
}

#[test]
fn the_child_inherits_ignored_and_blocked_signals_unchanged() {
    for env in [
        &["env"][..],
        &["env", "--ignore-signal=PIPE"],
        &["env", "--default-signal=PIPE"],
        &["env", "--ignore-signal=HUP", "--ignore-signal=INT"],
        &["env", "--ignore-signal=TERM", "--ignore-signal=USR1"],
        &["env", "--block-signal=USR1", "--block-signal=TERM"],
        &["env", "--ignore-signal=CHLD"],
        &["env", "--ignore-signal=TSTP", "--ignore-signal=TTOU"],
    ] {
        is_the_same(env, "grep", &["-E", "^Sig(Ign|Blk|Pnd)", "/proc/self/status"]);
    }
}

#[test]
fn the_child_inherits_working_directory_umask_and_limits() {
    is_the_same(&[], "sh", &["-c", "pwd; umask; ulimit -a; nice; cat /proc/self/oom_score_adj"]);
}

#[test]
fn the_child_gets_the_environment_plus_the_name_of_its_guard() {
    let stage = Stage::new();
    let (plain, guarded) = both(&stage, &[], "env", &[]);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let added: Vec<_> = lines(&guarded.out).difference(&lines(&plain.out)).cloned().collect();
    assert_eq!(added.len(), 1, "{added:?}");
    assert!(added[0].starts_with("MONOPOLL_HELD=test:1:"), "{added:?}");
    assert!(lines(&plain.out).is_subset(&lines(&guarded.out)));
}

#[test]
fn the_child_inherits_only_the_lock_and_at_a_high_descriptor() {
    let stage = Stage::new();
    let (plain, guarded) = both(&stage, &[], "ls", &["/proc/self/fd"]);
    let numbers =
        |text: &str| text.lines().map(|line| line.parse().unwrap()).collect::<BTreeSet<u32>>();
    let added: Vec<u32> = numbers(&guarded.out).difference(&numbers(&plain.out)).copied().collect();
    assert_eq!(added.len(), 1, "{added:?}");
    assert!(added[0] >= 900, "{added:?}");
}

#[test]
fn standard_streams_pass_through() {
    let stage = Stage::new();
    let ended = stage.run(&["--echo"]).flag("--quiet").stdin_text("first\nsecond\n").end().exits(0);
    assert_eq!(
        (ended.out.as_str(), ended.err.as_str()),
        ("first\nsecond\n", "the bot's own words\n")
    );
}

#[test]
fn standard_streams_that_are_closed_stay_closed() {
    let stage = Stage::new();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let list = |through: &str, start: Start<'_>| {
            let line = format!("exec 7>{through} && exec \"$@\" {closed}");
            start.through(&["bash", "-c", &line, "bash"]).end().exits(0);
            fs::read_to_string(stage.folder().join(through)).unwrap()
        };
        let streams = "cd /proc/$$/fd && echo [0-2] >&7";
        let plain = list("plain", stage.program("bash", &["-c", streams]));
        let guarded = list("guarded", stage.run_command("bash", &["-c", streams]));
        assert_eq!(plain, guarded, "{closed}");
    }
}

#[test]
fn entries_of_the_environment_without_an_equals_sign_reach_the_child() {
    let stage = Stage::new();
    let program = "import os, sys, ctypes\n\
         libc = ctypes.CDLL(None)\n\
         strings = lambda it: (ctypes.c_char_p * (len(it) + 1))(*it, None)\n\
         args = [arg.encode() for arg in sys.argv[1:]]\n\
         environ = [k + b'=' + v for k, v in os.environb.items()]\n\
         environ += [b'lonely', b'', b'=x', b'A=']\n\
         libc.execve(args[0], strings(args), strings(environ))\n";
    let start = stage.run_command("cat", &["/proc/self/environ"]).flag("--quiet");
    let ended = start.through(&["python3", "-c", program]).end().exits(0);
    let entries: Vec<&str> = ended.out.split('\0').collect();
    for entry in ["lonely", "", "=x", "A="] {
        assert!(entries.contains(&entry), "{entry:?} {entries:?}");
    }
    let guards = entries.iter().filter(|entry| entry.starts_with("MONOPOLL_HELD=")).count();
    assert_eq!(guards, 1);
}

#[test]
fn the_child_stays_in_the_guards_process_group_and_session() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    assert_eq!(group_and_session(bot), group_and_session(guard.pid()));
}

fn group_and_session(pid: u32) -> (String, String) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let mut fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(2).map(str::to_owned);
    (fields.next().unwrap(), fields.next().unwrap())
}

#[test]
fn the_guard_exits_with_the_childs_status() {
    let stage = Stage::new();
    for code in [0, 1, 7, 75, 127, 255] {
        let ended = stage.run(&["--exit", &code.to_string()]).flag("--quiet").end().exits(code);
        assert_eq!(ended.err, "");
    }
}

#[test]
fn a_child_ended_by_a_signal_gives_128_plus_its_number() {
    let stage = Stage::new();
    stage.run(&["--die", "SIGKILL"]).end().exits(128 + 9);
    stage.run(&["--die", "SIGTERM"]).end().exits(128 + 15);
    stage.run(&["--die", "SIGABRT"]).end().exits(128 + 6);
}

#[test]
fn a_script_runs_in_its_interpreter_and_is_recognized() {
    use std::os::unix::fs::PermissionsExt;

    let stage = Stage::new();
    let script = stage.folder().join("bot.sh");
    fs::write(&script, "#!/bin/sh\necho started\nsleep 60\n").unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let unguarded = stage.program("./bot.sh", &["--polling"]).start();
    stage.wait_until("the script", || {
        fs::read_to_string(stage.folder().join("start-1.out"))
            .is_ok_and(|it| !it.is_empty())
            .then_some(())
    });
    stage.run_command("./bot.sh", &["--polling"]).end().exits(75).says("is already running");
    stage.run_command(&script, &["--polling"]).end().exits(75).says("is already running");
    // Other arguments mean another bot, even if one of them has none.
    for args in [&["--other"][..], &[], &["--more", "--polling"]] {
        let other = stage.monopoll(&["plan", "--", "./bot.sh"]);
        let ended = args.iter().fold(other, |start, arg| start.argument(arg)).end();
        assert_eq!(ended.code, Some(0), "{args:?} {ended:?}");
    }
    assert!(unguarded.is_alive());
}

#[test]
fn a_process_that_only_reads_a_script_is_not_that_script() {
    use std::os::unix::fs::PermissionsExt;

    let stage = Stage::new();
    let script = stage.folder().join("bot.sh");
    fs::write(&script, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let reader = stage.program("tail", &["-f", "bot.sh"]).start();
    stage.wait_until("the reader", || {
        fs::read_to_string(stage.folder().join("start-1.out"))
            .is_ok_and(|it| !it.is_empty())
            .then_some(())
    });
    stage.run_command("./bot.sh", &[]).on_conflict("force").end().exits(7);
    assert!(reader.is_alive());
}

#[test]
fn a_command_line_of_any_length_gives_a_readable_record() {
    let stage = Stage::new();
    let long = vec!["\u{1}"; 30_000];
    let first = stage.run(&long).start();
    stage.ready(1);
    assert!(stage.plan(&long).end().exits(75).out.contains("the guard of `"));
    stage.run(&["--exit", "7"]).on_conflict("graceful").end().exits(7);
    first.end().exits(0).says("took over");
}

#[test]
fn the_end_of_the_command_is_never_missed() {
    let stage = Stage::new();
    for run in 0..200 {
        // The program ends while the guard writes its record, or shortly after.
        let moment = format!("0.00{}", run % 10);
        stage.run_command("sleep", &[&moment]).end().exits(0);
    }
}
