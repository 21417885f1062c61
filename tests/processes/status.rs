//! `monopoll status`: shows the holder according to the kernel. It changes nothing and takes no
//! lock.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use monopoll_test_bots::programs::{self, testbot};
use monopoll_test_bots::stage::{Ended, Stage, Start, contents, is_alive, token};
use nix::sys::signal::Signal;
use serde_json::Value;

fn status(stage: &Stage) -> Start<'_> {
    with(stage, &["status"])
}

fn with<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    stage.monopoll(args).argument("--").argument(&testbot().display().to_string())
}

/// Returns standard output, a single document that is valid against the schema.
#[track_caller]
fn document(ended: &Ended) -> Value {
    let status: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let schema =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/status.schema.json"))
            .unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&status)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{status:#}");
    status
}

fn json(stage: &Stage) -> Start<'_> {
    status(stage).flag("--json")
}

/// Returns the record of a guard that runs its child.
fn record(stage: &Stage) -> Value {
    let text = stage.wait_until("the record", || {
        fs::read_to_string(stage.state_file("record")).ok().filter(|it| it.contains("running"))
    });
    serde_json::from_str(&text).unwrap()
}

/// Replaces the record in a single step, like a guard.
fn put(stage: &Stage, record: &Value) {
    let new = stage.folder().join("record");
    fs::write(&new, record.to_string()).unwrap();
    fs::rename(new, stage.state_file("record")).unwrap();
}

#[test]
fn a_running_guard_is_named_with_its_child() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    record(&stage);
    let said = status(&stage).end().exits(0);
    assert!(said.out.starts_with("test is running, since 20"), "{said:?}");
    for line in [
        format!("guard    pid {}, ticket 1", guard.pid()),
        format!("child    pid {bot}"),
        "acquired without a conflict".to_owned(),
    ] {
        assert!(said.out.contains(&line), "{line}: {said:?}");
    }
    let seen = document(&json(&stage).end().exits(0));
    assert_eq!((&seen["instance"], &seen["state"]), (&"test".into(), &"running".into()));
    let holder = &seen["holder"];
    assert_eq!(
        (&holder["pid"], &holder["child_pid"], &holder["ticket"]),
        (&guard.pid().into(), &bot.into(), &1.into())
    );
    assert_eq!(holder["monopoll"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&seen["conflicts"][0]["pid"], &seen["conflicts"][0]["holds_lock"]),
        (&guard.pid().into(), &true.into())
    );
}

#[test]
fn a_takeover_is_shown() {
    let stage = Stage::new();
    let first = stage.run(&[]).start();
    stage.ready(1);
    let second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    stage.wait_for_start_mutex();
    let from = first.pid();
    first.end().exits(0);
    let said = status(&stage).end().exits(0);
    assert!(
        said.out.contains(&format!("acquired by takeover from pid {from} (graceful) in ")),
        "{said:?}"
    );
    let seen = document(&json(&stage).end().exits(0));
    let takeover = &seen["takeovers"][0];
    assert_eq!(
        (&takeover["from_pid"], &takeover["to_pid"], &takeover["action"]),
        (&from.into(), &second.pid().into(), &"graceful".into())
    );
    let history = with(&stage, &["status", "--history"]).end().exits(0).out;
    for what in ["started `", "took over from `", "stopped, asked by pid "] {
        assert!(history.contains(what), "{what}: {history}");
    }
}

#[test]
fn a_guard_without_a_child_yet_is_starting() {
    let stage = Stage::new();
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    let mut record = record(&stage);
    record["state"] = "starting".into();
    record["child"] = Value::Null;
    put(&stage, &record);
    let seen = document(&json(&stage).end().exits(0));
    assert_eq!((&seen["state"], &seen["holder"]["child_pid"]), (&"starting".into(), &Value::Null));
    assert!(status(&stage).end().exits(0).out.starts_with("test is starting"));
}

#[test]
fn a_start_that_has_the_lock_while_it_ends_another_is_starting() {
    let stage = Stage::new();
    let _old = stage.bot(&["--stubborn"]).start();
    stage.ready(1);
    let start = stage.run(&["--stubborn"]).on_conflict("graceful").start();
    stage.nth_pid_of(1, "got SIGTERM");
    let seen = document(&json(&stage).end().exits(0));
    assert_eq!(
        (&seen["state"], &seen["holder"]["pid"]),
        (&"starting".into(), &start.pid().into()),
        "{seen:#}"
    );
    start.signal(Signal::SIGTERM);
    start.end().exits(143);
}

#[test]
fn a_guard_that_is_ending_its_tree_is_stopping() {
    let stage = Stage::new();
    let guard = stage.run(&["--stubborn"]).start();
    stage.ready(1);
    let stop = with(&stage, &["stop"]).start();
    stage.nth_pid_of(1, "got SIGTERM");
    stage.wait_until("the state", || {
        (document(&json(&stage).end().exits(0))["state"] == "stopping").then_some(())
    });
    assert!(
        status(&stage)
            .end()
            .exits(0)
            .out
            .starts_with("test is stopping; it has held the lock since 20")
    );
    with(&stage, &["plan"]).end().exits(75);
    drop((guard, stop));
}

#[test]
fn a_guard_whose_lock_is_deleted_is_running_all_the_same_and_remembers_it() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    stage.ready(1);
    stage.wait_for_start_mutex();
    fs::remove_file(stage.lock()).unwrap();
    let seen = document(&json(&stage).end().exits(0));
    assert_eq!((&seen["state"], &seen["holder"]["pid"]), (&"running".into(), &guard.pid().into()));
    stage.wait_until("the loss", || {
        fs::read_to_string(stage.state_file("history"))
            .unwrap()
            .contains("acquired again")
            .then_some(())
    });
    let said = with(&stage, &["status", "--history"]).end().exits(0).out;
    assert!(
        said.contains("lost the lock: its file was deleted, moved or replaced; acquired again"),
        "{said}"
    );
}

#[test]
fn without_a_holder_the_state_is_stopped_and_the_status_3() {
    let stage = Stage::new();
    let seen = document(&json(&stage).end().exits(3).says("test: not running"));
    assert_eq!((&seen["state"], &seen["holder"]), (&"stopped".into(), &Value::Null));
    assert!(!stage.locks().exists(), "it makes nothing");
    stage.run(&["--exit", "7"]).end().exits(7);
    let said = status(&stage).end().exits(3);
    assert!(said.out.starts_with("test is not running.") && said.err.is_empty(), "{said:?}");
    assert!(said.out.contains("stopped: COMMAND exited with 7"), "{said:?}");
}

#[test]
fn an_unguarded_bot_is_shown_and_holds_nothing() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    let said = status(&stage).end().exits(5);
    assert!(said.out.starts_with("test runs without a guard.") && said.err.is_empty(), "{said:?}");
    assert!(
        said.out.contains(&format!("Running without a guard:\n  pid {}", bot.pid())),
        "{said:?}"
    );
    let seen = document(&json(&stage).end().exits(5));
    assert_eq!(
        (&seen["state"], &seen["conflicts"][0]["pid"]),
        (&"unguarded".into(), &bot.pid().into())
    );
}

#[test]
fn a_child_that_outlived_its_guard_runs_without_one() {
    let stage = Stage::new();
    let guard = stage.run(&["--stubborn"]).start();
    let bot = stage.ready(1);
    record(&stage);
    guard.signal(Signal::SIGKILL);
    guard.end();
    let seen = document(&json(&stage).end().exits(5));
    assert_eq!(
        (&seen["state"], &seen["holder"]["pid"], &seen["holder"]["child_pid"]),
        (&"unguarded".into(), &bot.into(), &bot.into())
    );
    assert!(
        status(&stage)
            .end()
            .exits(5)
            .out
            .contains("its guard has ended, and the bot holds the lock")
    );
}

#[test]
fn a_bot_that_a_shell_started_runs_without_the_guard_that_was_killed() {
    let stage = Stage::new();
    let bot = "import signal, time\n\
               signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
               open(\"up\", \"w\").close()\n\
               time.sleep(60)\n";
    std::fs::write(stage.folder().join("main.py"), bot).unwrap();
    std::fs::write(stage.folder().join("start.sh"), "python3 main.py\n").unwrap();
    let guard = stage.run_command("sh", &["start.sh"]).start();
    stage.wait_until("the bot", || stage.folder().join("up").exists().then_some(()));
    record(&stage);
    guard.signal(Signal::SIGKILL);
    guard.end();
    // The shell, which is the child of the record, ends; its bot is below init then.
    stage.monopoll(&["status", "--", "sh", "start.sh"]).end().exits(5);
}

#[test]
fn a_command_without_a_name_is_not_every_instance() {
    let stage = Stage::new();
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    stage.program(env!("CARGO_BIN_EXE_monopoll"), &["status", "--", "sh"]).end().exits(64);
}

#[test]
fn a_foreign_holder_is_unknown_and_the_status_4() {
    let stage = Stage::new();
    stage.run(&["--exit", "0"]).end().exits(0);
    let lock = stage.lock().display().to_string();
    let foreign =
        stage.program("flock", &[&lock, testbot().to_str().unwrap(), "--as", "foreign"]).start();
    stage.nth_pid_of(1, "foreign");
    let seen = document(&json(&stage).end().exits(4).says("and is not a guard"));
    assert_eq!(
        (&seen["state"], &seen["holder"]["pid"]),
        (&"unknown".into(), &foreign.pid().into())
    );
    assert_eq!(seen["holder"]["monopoll"], Value::Null);
}

#[test]
fn corrupt_files_are_ignored() {
    for garbage in
        [b"garbage".to_vec(), b"{}".to_vec(), b"\xff\xfe".to_vec(), Vec::new(), vec![b'7'; 200_000]]
    {
        let stage = Stage::new();
        stage.run(&["--exit", "0"]).end().exits(0);
        for kind in ["record", "history", "counter"] {
            fs::write(stage.state_file(kind), &garbage).unwrap();
        }
        let before = contents(&stage.locks());
        let seen = document(&json(&stage).end().exits(3));
        assert_eq!(seen["takeovers"], Value::Array(Vec::new()));
        assert!(with(&stage, &["status", "--history"]).end().exits(3).out.contains("No history."));
        assert_eq!(contents(&stage.locks()), before);
    }
}

#[test]
fn a_record_of_an_ended_process_is_ignored() {
    let stage = Stage::new();
    let guard = stage.run(&["--as", "first"]).start();
    stage.nth_pid_of(1, "first");
    let left = record(&stage);
    guard.signal(Signal::SIGKILL);
    guard.end();
    stage.wait_until("the lock", || stage.lock_is_free().then_some(()));
    put(&stage, &left);
    assert_eq!(document(&json(&stage).end().exits(3))["state"], "stopped");
}

#[test]
fn another_users_lock_folder_is_unknown() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    chown(stage.locks(), Some(54321), Some(54321)).unwrap();
    let seen = document(&json(&stage).end().exits(4).says("belongs to another user"));
    assert_eq!((&seen["state"], &seen["holder"]), (&"unknown".into(), &Value::Null));
    every(&stage, &["status"]).end().exits(4).says("cannot list the instances");
}

#[test]
fn status_touches_nothing_and_disturbs_no_start() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    stage.wait_for_start_mutex();
    let before = contents(&stage.locks());
    for _ in 0..10 {
        status(&stage).end().exits(0);
    }
    assert_eq!(contents(&stage.locks()), before);
    assert!(guard.is_alive() && is_alive(bot));
    assert_eq!(stage.events().len(), 1, "no process was signaled");
}

/// `monopoll ARGS` without an instance. All locks are in the stage's folder.
fn every<'a>(stage: &'a Stage, args: &[&str]) -> Start<'a> {
    let start = stage.program(env!("CARGO_BIN_EXE_monopoll"), args);
    start.set(&format!("lock.paths=[\"{}/{{instance}}.lock\"]", stage.locks().display()))
}

#[test]
fn without_an_instance_all_are_listed() {
    let stage = Stage::new();
    let nobody = every(&stage, &["status"]).end().exits(3);
    let folder = stage.locks().display().to_string();
    assert_eq!(
        nobody.err,
        format!("monopoll: no instance is running: no lock is held in {folder}\n")
    );
    let seen = document(&every(&stage, &["status", "--json"]).end().exits(3));
    assert_eq!(seen, serde_json::json!({ "version": 1, "instances": [] }));
    let run = |name: &str, bot: &[&str]| {
        let args = ["run", "--instance", name, "--", &testbot().display().to_string()];
        every(&stage, &[&args, bot].concat()).start()
    };
    run("over", &["--as", "over", "--exit", "0"]).end().exits(0);
    let one = run("bot-1", &["--as", "one"]);
    let other = run("bot.2", &["--as", "other"]);
    stage.nth_pid_of(1, "one");
    stage.nth_pid_of(1, "other");
    for name in ["bot-1", "bot.2"] {
        let record = stage.locks().join(format!("{name}.lock.record"));
        stage.wait_until("the record", || {
            fs::read_to_string(&record).ok().filter(|it| it.contains("running"))
        });
    }
    let said = every(&stage, &["status"]).end().exits(0).out;
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines.len() == 4
            && lines[2].starts_with("Bots that run without a guard are not listed")
            && lines[0].starts_with(&format!("bot-1  running    pid {}, since 20", one.pid())),
        "{said}"
    );
    assert!(
        lines[1].starts_with("bot.2  running")
            && lines[3] == "1 stopped: see `monopoll status --all`",
        "{said}"
    );
    let seen = document(&every(&stage, &["status", "--json"]).end().exits(0));
    let all: Vec<(&str, &Value)> = seen["instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["state"].as_str().unwrap(), &it["holder"]["pid"]))
        .collect();
    assert_eq!(
        all,
        [
            ("running", &one.pid().into()),
            ("running", &other.pid().into()),
            ("stopped", &Value::Null)
        ]
    );
}

#[test]
fn an_instance_that_ended_days_ago_is_listed_only_with_all() {
    let stage = Stage::new();
    stage.run(&["--exit", "0"]).end().exits(0);
    let days_ago = |text: String| {
        let mut event: Value = serde_json::from_str(&text).unwrap();
        event["at"] = (event["at"].as_u64().unwrap() - 3 * 24 * 3600).into();
        event.to_string() + "\n"
    };
    let history = fs::read_to_string(stage.state_file("history")).unwrap();
    let older: String = history.lines().map(|line| days_ago(line.to_owned())).collect();
    let lock = stage.lock();
    let name = lock.file_name().unwrap().to_str().unwrap();
    let renamed = stage.locks().join("old.lock");
    for kind in ["record", "history", "counter"] {
        let _ = fs::rename(stage.state_file(kind), stage.locks().join(format!("old.lock.{kind}")));
    }
    fs::rename(stage.locks().join(name), renamed).unwrap();
    fs::write(stage.locks().join("old.lock.history"), older).unwrap();
    let recent = every(&stage, &["status"]).end().exits(3);
    assert_eq!(
        recent.out,
        "Bots that run without a guard are not listed: see `monopoll status -- COMMAND`.\n\
         1 stopped: see `monopoll status --all`\n"
    );
    let all = every(&stage, &["status", "--all"]).end().exits(3);
    assert!(all.out.starts_with("old  stopped"), "{all:?}");
    every(&stage, &["status", "--all", "--instance", "another"])
        .end()
        .exits(64)
        .says("leave out `--all` or `--instance`");
}

#[test]
fn a_lock_that_another_instance_holds_is_not_taken_for_its_own() {
    let stage = Stage::new();
    let own = stage.locks().join("{instance}.lock").display().to_string();
    // Sorts before and after the locks of the instances. The record is next to the first lock.
    for (shared, name) in [("0.lock", "one"), ("z.lock", "other")] {
        let shared = stage.locks().join(shared).display().to_string();
        let paths = format!("lock.paths=[\"{own}\", \"{shared}\"]");
        let guard = stage.run(&["--as", name]).set(&paths).start();
        stage.nth_pid_of(1, name);
        let status = |instance: &str| {
            let args = ["status", "--instance", instance];
            stage.program(env!("CARGO_BIN_EXE_monopoll"), &args).set(&paths)
        };
        stage.wait_until("the guard", || (status("test").end().code == Some(0)).then_some(()));
        let seen = status("another").end().exits(4);
        let holder = format!("its lock is held by instance `test` (guard pid {})", guard.pid());
        assert!(seen.out.contains(&holder), "{seen:?}");
        let seen = document(&status("another").flag("--json").end().exits(4));
        assert_eq!(
            (&seen["state"], &seen["holder"]["pid"]),
            (&"unknown".into(), &guard.pid().into())
        );
        guard.signal(Signal::SIGTERM);
        guard.end();
    }
}

#[test]
fn with_one_lock_for_all_the_record_names_the_instance() {
    let stage = Stage::new();
    let shared = |args: &[&str]| {
        let start = stage.program(env!("CARGO_BIN_EXE_monopoll"), args);
        start.set(&format!("lock.paths=[\"{}\"]", stage.lock().display()))
    };
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    record(&stage);
    let seen = document(&shared(&["status", "--json"]).end().exits(0));
    assert_eq!(
        (&seen["instances"][0]["instance"], &seen["instances"][0]["state"]),
        (&"test".into(), &"running".into())
    );
}

#[test]
fn a_history_as_json_is_a_wrong_command_line() {
    let stage = Stage::new();
    with(&stage, &["status", "--history", "--json"])
        .end()
        .exits(64)
        .says("`--history` has no JSON form");
}

#[test]
fn a_lock_file_that_all_instances_share_is_not_listed_as_an_instance() {
    for shared in ["0.lock", "z.lock"] {
        let stage = Stage::new();
        let own = stage.locks().join("{instance}.lock").display().to_string();
        let shared = stage.locks().join(shared).display().to_string();
        for paths in [[&own, &shared], [&shared, &own]] {
            let paths = format!("lock.paths=[\"{}\", \"{}\"]", paths[0], paths[1]);
            let of = |args: &[&str]| {
                let args = [&["--set", paths.as_str()], args].concat();
                stage.program(programs::monopoll(), &args)
            };
            let run = ["--instance", "one", "run", "--", "sleep", "600"];
            let first = of(&run).start();
            let names = |args: &[&str]| -> Vec<String> {
                let ended = of(args).end();
                let lines = ended.out.lines().filter(|line| !line.starts_with("Bots that"));
                lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
            };
            stage.wait_until("the listing", || (names(&["status"]) == ["one"]).then_some(()));
            first.signal(Signal::SIGTERM);
            // The lock is listed a moment before COMMAND runs, where SIGTERM ends the start itself.
            let ended = first.end();
            assert!(ended.code == Some(143) || ended.signal == Some(15), "{ended:?}");
            assert_eq!(names(&["status", "--all"]), ["one"], "{paths}");
        }
    }
}

#[test]
fn a_bot_under_the_guard_of_another_instance_is_unknown_and_that_instance_is_named() {
    let stage = Stage::new();
    let token = token();
    let bot = token.split(':').next().unwrap();
    let guard = every(&stage, &["run", "--", testbot().to_str().unwrap()]);
    let guard = guard.env("BOT_TOKEN", &token).start();
    let child = stage.ready(1);
    let without =
        || every(&stage, &["status"]).argument("--").argument(testbot().to_str().unwrap());
    let said = without().end().exits(4);
    let doubt = format!(
        "(pid {child}) runs under the guard of bot{bot} (pid {}); set its token here, or see \
         `monopoll --instance bot{bot} status`",
        guard.pid()
    );
    assert!(said.out.contains(&doubt) && said.err.is_empty(), "{said:?}");
    assert!(!said.out.contains("without a guard"), "{said:?}");
    let seen = document(&without().flag("--json").end().exits(4));
    assert_eq!(seen["state"], "unknown");
    let there = every(&stage, &["status"]).flag("--instance").flag(format!("bot{bot}"));
    assert!(there.end().exits(0).out.contains("is running"), "the printed command works");
}
