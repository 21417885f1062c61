//! `monopoll stop`: ends the running bot, starts nothing, and refuses rather than guesses.

use std::fs;

use monopoll_test_bots::programs::{self, testbot};
use monopoll_test_bots::stage::{Stage, Start, contents, is_alive, send};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::other_bots::{plan, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, program, write};

fn stop<'a>(stage: &'a Stage, bot: &[&str]) -> Start<'a> {
    with(stage, &["stop"], bot)
}

fn with<'a>(stage: &'a Stage, args: &[&str], bot: &[&str]) -> Start<'a> {
    let start = stage.monopoll(args).argument("--").argument(&testbot().display().to_string());
    bot.iter().fold(start, |start, arg| start.argument(arg))
}

#[test]
fn a_guarded_bot_is_asked_and_its_guard_exits_with_0() {
    let stage = Stage::new();
    let guard = stage.run(&["--slow", "200", "--child", "--as below"]).start();
    let below = stage.nth_pid_of(1, "below");
    let bot = stage.ready(1);
    let ended = stop(&stage, &[]).end().exits(0);
    assert!(
        ended.out.contains("test: ending the guard of `")
            && ended.out.trim_end().ends_with("test: stopped"),
        "{ended:?}"
    );
    assert!(!is_alive(bot) && !is_alive(below) && stage.lock_is_free());
    assert_eq!(stage.times(bot, "got SIGTERM"), 1);
    guard.end().exits(0).says("`monopoll stop` (pid ");
}

#[test]
fn an_unguarded_bot_is_ended_with_its_tree() {
    let stage = Stage::new();
    let way = ["--slow", "100", "--child", "--as below"];
    let bot = stage.bot(&way).start();
    let below = stage.nth_pid_of(1, "below");
    stage.ready(1);
    let ended = stop(&stage, &way).end().exits(0);
    assert!(ended.out.ends_with("test: stopped\n"), "{ended:?}");
    assert!(!is_alive(below));
    bot.end().exits(0);
}

#[test]
fn without_a_command_an_all_clear_says_what_was_not_checked() {
    let stage = Stage::new();
    let _bot = stage.bot(&[]).start();
    stage.ready(1);
    let sentence = "ithout COMMAND no running bot can be recognized: only the lock was checked";
    for (args, code) in [
        (&["plan"][..], 0),
        (&["status"], 3),
        (&["stop"], 0),
        (&["stop", "--dry-run"], 0),
        (&["explain"], 0),
    ] {
        let ended = stage.monopoll(args).end().exits(code);
        assert_eq!(ended.out.matches(sentence).count(), 1, "{args:?} {ended:?}");
        let document = stage.monopoll(args).flag("--json").end().exits(code);
        assert!(
            !document.out.contains(sentence) && document.err.contains(sentence),
            "{args:?} {document:?}"
        );
        let compared =
            stage.monopoll(args).config("[[match]]\nname = 'no-such-bot'\n").end().exits(code);
        assert!(!compared.out.contains("COMMAND"), "{args:?} {compared:?}");
    }
    let token = stage
        .monopoll(&["plan"])
        .env("BOT_TOKEN", monopoll_test_bots::stage::token())
        .end()
        .exits(0);
    assert!(
        token.out.contains("only the lock and the tokens on command lines were checked"),
        "{token:?}"
    );
}

#[test]
fn nothing_to_stop_is_success_and_creates_nothing() {
    let stage = Stage::new();
    let ended = stop(&stage, &[]).end().exits(0);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("test: nothing to stop\n", ""));
    assert!(!stage.locks().exists());
    stage.run(&["--exit", "0"]).end().exits(0);
    assert_eq!(stop(&stage, &[]).end().exits(0).out, "test: nothing to stop\n");
}

#[test]
fn stop_starts_nothing_and_leaves_no_record() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    stage.ready(1);
    stop(&stage, &[]).end().exits(0);
    guard.end().exits(0);
    assert!(!stage.state_file("record").exists());
    assert_eq!(stage.pids_of("ready").len(), 1);
}

#[test]
fn a_stubborn_bot_is_killed_after_its_time() {
    let stage = Stage::new();
    let guard = stage.run(&["--stubborn"]).start();
    let bot = stage.ready(1);
    let ended = stop(&stage, &[]).set("timeouts.graceful='300ms'").end().exits(0);
    assert!(!is_alive(bot));
    guard.end().exits(0);
    assert!(ended.out.ends_with(&format!("test: stopped; {KILLED}\n")), "{ended:?}");
    let history = with(&stage, &["status", "--history"], &[]).end().exits(3);
    assert!(history.out.contains("by signal 9, with SIGKILL for 1 process"), "{history:?}");
}

const KILLED: &str = "1 process had to be killed (SIGKILL), as SIGTERM did not end the bot within \
                      300ms; to give it more time, raise `timeouts.graceful`";

#[test]
fn a_stubborn_bot_without_a_guard_is_killed_and_that_is_said_too() {
    let stage = Stage::new();
    let bot = stage.bot(&["--stubborn"]).start();
    stage.ready(1);
    let stop = || stop(&stage, &["--stubborn"]).set("timeouts.graceful='300ms'");
    let ended = stop().end().exits(0);
    assert!(ended.out.ends_with(&format!("test: stopped; {KILLED}\n")), "{ended:?}");
    assert_eq!(bot.end().signal, Some(9));
    let _again = stage.bot(&["--stubborn"]).start();
    stage.ready(2);
    let json = stop().flag("--json").end().exits(0);
    assert!(json.err.contains(KILLED) && !json.out.contains("had to be killed"), "{json:?}");
}

#[test]
fn a_stubborn_bot_that_may_not_be_killed_lives_on() {
    let stage = Stage::new();
    let bot = stage.bot(&["--stubborn"]).start();
    stage.ready(1);
    let stop =
        stop(&stage, &["--stubborn"]).set("timeouts.graceful='300ms'").set("kill.escalate=false");
    let name = format!("testbot --stubborn` (pid {}) still runs after the signal", bot.pid());
    stop.end().exits(75).says("not stopped: `").says(&name);
    assert!(bot.is_alive());
}

#[test]
fn force_kills_at_once() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    let ended = stop(&stage, &[]).on_conflict("force").end().exits(0);
    assert!(ended.out.ends_with("test: stopped\n"), "{ended:?}");
    assert_eq!(bot.end().signal, Some(9));
}

#[test]
fn an_on_conflict_of_force_or_refuse_does_not_change_a_stop() {
    for action in ["refuse", "force", "wait"] {
        let stage = Stage::new();
        let bot = stage.bot(&[]).start();
        stage.ready(1);
        stop(&stage, &[]).set(&format!("on_conflict='{action}'")).end().exits(0);
        bot.end().exits(0);
    }
}

#[test]
fn on_conflict_refuse_or_wait_is_a_wrong_command_line_for_stop() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    for action in ["refuse", "wait"] {
        stop(&stage, &[])
            .on_conflict(action)
            .end()
            .exits(64)
            .says("`--on-conflict graceful` or `force`");
    }
    assert!(bot.is_alive());
}

#[test]
fn a_rule_can_forbid_a_stop_and_none_can_force_it() {
    let rule = |action: &str| {
        format!("[[rules]]\nname = 'mine'\nwhen = {{ state = 'sleeping' }}\naction = '{action}'\n")
    };
    for action in ["refuse", "wait"] {
        let stage = Stage::new();
        let guard = stage.run(&[]).start();
        stage.ready(1);
        stop(&stage, &[])
            .config(&rule(action))
            .end()
            .exits(75)
            .says("rule `mine` forbids ending it");
        stop(&stage, &[])
            .config(&rule(action))
            .on_conflict("force")
            .end()
            .exits(75)
            .says("rule `mine` forbids ending it");
        assert!(guard.is_alive());
        assert_eq!(stage.events().len(), 1, "no process was signaled");
    }
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    let ended = stop(&stage, &[]).config(&rule("ignore")).end().exits(0);
    assert!(ended.out.contains(&format!("(pid {}); it keeps running", bot.pid())), "{ended:?}");
    assert!(bot.is_alive());
    stop(&stage, &[]).config(&rule("force")).end().exits(0);
    bot.end().exits(0);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_touches_nothing() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    let before = contents(&stage.locks());
    let ended = with(&stage, &["stop", "--dry-run"], &[]).end().exits(0);
    assert!(
        ended.out.starts_with("test would end the guard of `")
            && ended
                .out
                .contains(&format!("` (pid {}) and 1 descendant, within 35s.\n", guard.pid())),
        "{ended:?}"
    );
    assert!(ended.out.contains("decided  graceful, the default of `stop`"), "{ended:?}");
    let json = with(&stage, &["stop", "--dry-run", "--json"], &[]).end().exits(0);
    let plan: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&plan["verdict"], &plan["conflicts"][0]["steps"][0]["do"]),
        (&"act".into(), &"ask".into())
    );
    assert_eq!(contents(&stage.locks()), before);
    assert!(guard.is_alive());
    assert_eq!(stage.events().len(), 1, "no process was signaled");
}

#[test]
fn an_unknown_holder_is_not_guessed() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    stage.run(&["--exit", "0"]).end().exits(0);
    let lock = stage.lock().display().to_string();
    let _foreign =
        stage.program("flock", &[&lock, testbot().to_str().unwrap(), "--as", "foreign"]).start();
    stage.nth_pid_of(1, "foreign");
    // From another PID namespace, the holder is invisible.
    let elsewhere = ["unshare", "--fork", "--pid", "--mount-proc"];
    stop(&stage, &[]).through(&elsewhere).end().exits(75).says("its holder cannot be identified");
    with(&stage, &["stop", "--dry-run"], &[])
        .through(&elsewhere)
        .end()
        .exits(75)
        .says("would not be stopped");
}

#[test]
fn the_lock_holder_is_ended_whatever_program_it_is() {
    let stage = Stage::new();
    stage.run(&["--exit", "0"]).end().exits(0);
    let lock = stage.lock().display().to_string();
    let foreign =
        stage.program("flock", &[&lock, testbot().to_str().unwrap(), "--as", "foreign"]).start();
    let bot = stage.nth_pid_of(1, "foreign");
    stop(&stage, &[]).end().exits(0);
    assert!(!is_alive(bot) && stage.lock_is_free());
    foreign.end();
}

#[test]
fn stop_waits_for_a_start_in_progress() {
    let stage = Stage::new();
    let old = stage.bot(&["--slow", "700"]).start();
    stage.ready(1);
    let start = stage.run(&["--slow", "700"]).on_conflict("graceful").start();
    stage.nth_pid_of(1, "got SIGTERM");
    stop(&stage, &["--slow", "700"]).end().exits(0);
    old.end().exits(0);
    start.end().exits(0).says("`monopoll stop`");
    assert!(stage.lock_is_free());
    assert_eq!(stage.pids_of("end").len(), 2, "both had the time that they take");
}

#[test]
fn a_guard_with_a_larger_ticket_than_the_counter_is_ended_too() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    stage.ready(1);
    let record = stage.wait_until("the record", || {
        fs::read_to_string(stage.state_file("record")).ok().filter(|it| it.contains("running"))
    });
    let mut record: Value = serde_json::from_str(&record).unwrap();
    record["ticket"] = 900.into();
    let newer = stage.locks().join("x.lock.newer");
    fs::write(&newer, record.to_string()).unwrap();
    fs::rename(newer, stage.state_file("record")).unwrap();
    // The request has another ticket, so the guard ignores it, and is signaled after two seconds.
    stop(&stage, &[]).end().exits(0);
    guard.end();
    assert!(stage.lock_is_free());
}

#[test]
fn a_stopped_bot_is_woken_to_end() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    send(bot.pid(), Signal::SIGSTOP);
    stop(&stage, &[]).end().exits(0);
    bot.end().exits(0);
}

#[test]
fn a_supervisor_is_named_with_the_command_that_stops_the_bot_for_good() {
    let stage = Stage::new();
    let line = format!("'{}' & wait; sleep 60", testbot().display());
    let _supervisor = stage.program("sh", &["-c", &line, "mybot"]).arg0("runsv").start();
    let bot = stage.ready(1);
    stop(&stage, &[]).end().exits(75).says("would start it again; stop it for good with `sv down ");
    assert!(is_alive(bot));
}

#[test]
fn a_bot_that_keeps_coming_back_is_refused() {
    let stage = Stage::new();
    let line = format!("while :; do '{}'; done", testbot().display());
    let _loop = stage.program("sh", &["-c", &line]).start();
    stage.ready(1);
    stop(&stage, &[]).end().exits(75).says("comes back");
}

#[test]
fn stop_without_an_instance_is_a_wrong_command_line() {
    let stage = Stage::new();
    stage
        .program(env!("CARGO_BIN_EXE_monopoll"), &["stop"])
        .end()
        .exits(64)
        .says("no instance is named");
}

#[test]
fn stop_prints_the_executed_plan_as_json() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    stage.ready(1);
    let ended = with(&stage, &["stop", "--json"], &[]).end().exits(0);
    let plan: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&plan["verdict"], &plan["conflicts"][0]["pid"]),
        (&"act".into(), &guard.pid().into())
    );
    guard.end().exits(0);
    let plan: Value =
        serde_json::from_str(&with(&stage, &["stop", "--json"], &[]).end().exits(0).out).unwrap();
    assert_eq!(plan["verdict"], "clear");
}

#[test]
fn the_history_records_stops_and_takeovers() {
    let stage = Stage::new();
    let kinds = || -> Vec<(String, Value)> {
        let text = fs::read_to_string(stage.state_file("history")).unwrap_or_default();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.map(|event| (event["event"].as_str().unwrap().to_owned(), event)).collect()
    };
    let names =
        |kinds: &[(String, Value)]| kinds.iter().map(|(kind, _)| kind.clone()).collect::<Vec<_>>();
    let first = stage.run(&[]).start();
    stage.ready(1);
    stage.run(&[]).on_conflict("refuse").end().exits(75);
    stage.run(&[]).on_conflict("refuse").end().exits(75);
    let second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    stage.wait_for_start_mutex();
    let first_pid = first.pid();
    first.end().exits(0);
    stop(&stage, &[]).end().exits(0);
    let second_pid = second.pid();
    second.end().exits(0);
    let seen = kinds();
    assert_eq!(
        names(&seen),
        ["start", "refusal", "stop", "takeover", "start", "stop", "clearing"],
        "{seen:#?}"
    );
    assert_eq!(seen[1].1["times"], 2);
    assert_eq!(
        (&seen[2].1["pid"], &seen[2].1["asked_by"]),
        (&first_pid.into(), &second_pid.into())
    );
    assert_eq!(
        (&seen[3].1["from_pid"], &seen[3].1["to_pid"], &seen[3].1["action"]),
        (&first_pid.into(), &second_pid.into(), &"graceful".into())
    );
    assert_eq!(seen[6].1["from_pid"], second_pid);
}

#[test]
fn a_guard_whose_lock_was_deleted_is_ended_too() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    stage.wait_for_start_mutex();
    fs::remove_file(stage.lock()).unwrap();
    stop(&stage, &[]).end().exits(0);
    assert!(!is_alive(bot) && stage.lock_is_free());
    guard.end().exits(0).says("`monopoll stop`");
}

#[test]
fn without_command_a_stop_says_what_it_could_not_check() {
    let stage = Stage::new();
    let stop = stage.program(env!("CARGO_BIN_EXE_monopoll"), &["stop", "--instance", "x"]);
    let ended = stop.set(&format!("lock.paths=[\"{}\"]", stage.lock().display())).end().exits(0);
    assert_eq!(
        ended.out,
        "x: nothing to stop\nWithout COMMAND no running bot can be recognized: only the lock was \
         checked.\n"
    );
}

#[test]
fn a_missing_script_is_a_wrong_folder_unless_the_bot_is_named() {
    let stage = Stage::new();
    let named = |args: &[&str]| {
        let args = [args, &["--", "python3", "no-such-script.py"]].concat();
        stage.monopoll(&args)
    };
    let guessed = |args: &[&str]| {
        let args = [args, &["--", "python3", "no-such-script.py"]].concat();
        stage.program(programs::monopoll(), &args)
    };
    let folder = stage.folder().display().to_string();
    for (args, code) in
        [(&["stop"][..], 0), (&["stop", "--dry-run"], 0), (&["status"], 3), (&["explain"], 0)]
    {
        let ended = guessed(args)
            .end()
            .exits(127)
            .says("or name the bot with `--instance` (`monopoll status` lists the names)");
        let missing = format!("COMMAND's script `no-such-script.py` is not in {folder}");
        assert!(ended.err.contains(&missing) && ended.out.is_empty(), "{args:?} {ended:?}");
        let ended = named(args).end().exits(code);
        assert!(ended.err.contains(&format!("warning: {missing}")), "{args:?} {ended:?}");
    }
}

#[test]
fn a_living_launcher_is_named_after_the_stop() {
    let stage = Stage::new();
    let line = format!("{}; sleep 600", testbot().display());
    let launcher = stage.program("sh", &["-c", &line]).start();
    stage.ready(1);
    let ended = stop(&stage, &[]).end().exits(0);
    let named = format!("(pid {}) still runs and may restart it; stop that too\n", launcher.pid());
    assert!(
        ended.out.contains("test: its launcher `sh ") && ended.out.contains(&named),
        "{ended:?}"
    );
    assert!(ended.out.ends_with("test: stopped\n"), "{ended:?}");
}

/// npm writes a title over its command line and pads it.
#[test]
fn a_launcher_with_a_title_is_named_by_it() {
    let stage = Stage::new();
    let package = r#"{"scripts": {"prod": "node main.js"}}"#;
    fs::write(stage.folder().join("package.json"), package).unwrap();
    fs::write(stage.folder().join("main.js"), JAVASCRIPT).unwrap();
    let (launcher, _) = bot(&stage, stage.program("npm", &["run", "prod"]), stage.folder());
    let plan = unnamed(&stage, &["plan"], "node main.js").end().exits(0);
    let named = format!("launcher `npm run prod` (pid {})", launcher.pid());
    assert!(plan.out.contains(&named), "{plan:?}");
    let asked = unnamed(&stage, &["explain", &launcher.pid().to_string()], "node main.js").end();
    assert!(asked.out.contains(&format!("pid {}  npm run prod\n", launcher.pid())), "{asked:?}");
}

#[test]
fn a_stop_by_name_needs_no_variable_of_the_bot() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for variable in ["BOT_ENV", "ENV"] {
        let run = unnamed(&stage, &["--instance", "alice", "run"], "python3 main.py");
        let (guard, pid) = bot(&stage, run.env(variable, "alice"), stage.folder());
        let other = unnamed(&stage, &["--instance", "alice", "run"], "python3 main.py");
        other.env("BOT_ENV", "bob").end().exits(75);
        assert!(is_alive(pid));
        unnamed(&stage, &["--instance", "alice", "stop"], "python3 main.py").end().exits(0);
        guard.end().exits(0);
    }
}

#[test]
fn the_launcher_of_a_conflict_is_no_near_miss() {
    let stage = Stage::new();
    write(&stage, "index.js", JAVASCRIPT);
    write(&stage, "package.json", r#"{"scripts": {"start": "node index.js"}}"#);
    let (running, pid) = bot(&stage, program(&stage, "npm start"), stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], "node index.js"));
    assert_eq!(
        (&seen["verdict"], seen["near_misses"].as_array().unwrap().len()),
        (&"act".into(), 0)
    );
    end(&stage, running, pid);
}
