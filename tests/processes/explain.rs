//! `monopoll explain` on real processes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Ended, Stage, Start, contents, is_alive};
use serde_json::Value;

use crate::same_command::{PYTHON, bot, end, program, write};

/// `monopoll explain PID -- testbot`.
fn explain(stage: &Stage, pid: u32) -> Start<'_> {
    stage.monopoll(&["explain", &pid.to_string(), "--"]).argument(&testbot().display().to_string())
}

/// Returns the first line of the text.
fn sentence(ended: &Ended) -> &str {
    ended.out.lines().next().unwrap_or_default()
}

/// Returns standard output, a single document that is valid against the schema.
#[track_caller]
fn document(ended: &Ended) -> Value {
    let document: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let schema =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/explain.schema.json"))
            .unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{document:#}");
    document
}

/// Returns the only process of the document.
#[track_caller]
fn process(start: Start<'_>) -> Value {
    let document = document(&start.flag("--json").end().exits(0));
    assert_eq!(
        (&document["plan"], document["processes"].as_array().unwrap().len()),
        (&Value::Null, 1),
        "{document:#}"
    );
    document["processes"][0].clone()
}

#[test]
fn the_same_command_in_the_same_place_is_a_candidate() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    let pid = bot.pid();
    let before = contents(stage.folder()).len();
    let ended = explain(&stage, pid).on_conflict("graceful").end().exits(0);
    let expected = format!(
        "pid {pid} would be ended: it is the same command in the same folder, and `on_conflict` \
            says graceful."
    );
    assert_eq!((sentence(&ended), ended.err.as_str()), (expected.as_str(), ""));
    assert!(
        ended.out.contains("yes     same folder")
            && ended.out.contains("graceful, by `--on-conflict`"),
        "{}",
        ended.out
    );
    let ended = explain(&stage, pid).end().exits(0);
    assert!(sentence(&ended).contains("is a conflict, and the start is refused"), "{}", ended.out);
    // Two starts created two output files each, and nothing else changed.
    assert_eq!(
        (contents(stage.folder()).len(), stage.locks().exists(), bot.is_alive()),
        (before + 4, false, true)
    );
    assert_eq!(stage.times(pid, "got SIGTERM"), 0);
}

#[test]
fn a_different_folder_and_different_arguments_are_named() {
    let stage = Stage::new();
    let other = stage.folder().join("other");
    fs::create_dir(&other).unwrap();
    let bot = stage.bot(&["--stubborn"]).current_dir(&other).start();
    stage.ready(1);
    let said = process(explain(&stage, bot.pid()));
    assert_eq!(
        (&said["standing"], &said["match"][0]["holds"]),
        (&"unrelated".into(), &false.into()),
        "{said:#}"
    );
    let verdicts: Vec<(&str, bool)> = said["match"][0]["asked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["key"].as_str().unwrap(), it["holds"] == true))
        .collect();
    let expected = [
        ("program", true),
        ("arguments", false),
        ("folder", false),
        ("user", true),
        ("container", true),
    ];
    assert_eq!(verdicts, expected, "{said:#}");
    assert!(
        said["sentence"].as_str().unwrap().contains("(other arguments and another folder)"),
        "{said:#}"
    );
}

#[test]
fn a_process_that_the_prefilter_skips_is_described_and_is_no_holder() {
    let stage = Stage::new();
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    let sleeper = stage.program("sleep", &["60"]).start();
    let said = process(explain(&stage, sleeper.pid()));
    assert_eq!(
        (&said["standing"], &said["lock"]["holds"]),
        (&"unrelated".into(), &false.into()),
        "{said:#}"
    );
    assert_eq!((&said["command"], &said["conflict"]), (&"sleep 60".into(), &Value::Null));
}

#[test]
fn a_guard_and_its_bot_have_the_lock() {
    let stage = Stage::new();
    let guard = stage.run(&[]).start();
    let bot = stage.ready(1);
    let said = process(explain(&stage, guard.pid()).on_conflict("graceful"));
    assert_eq!(
        (&said["standing"], &said["lock"]["holds"]),
        (&"candidate".into(), &true.into()),
        "{said:#}"
    );
    assert_eq!(said["lock"]["paths"][0], stage.lock().display().to_string());
    assert!(
        said["sentence"].as_str().unwrap().contains("would be asked to end: it holds the lock"),
        "{said:#}"
    );
    let said = process(explain(&stage, bot).on_conflict("graceful"));
    assert_eq!(
        (&said["conflict"]["pid"], &said["rules_about"]),
        (&guard.pid().into(), &guard.pid().into()),
        "{said:#}"
    );
    assert!(
        said["sentence"].as_str().unwrap().contains(&format!("in the tree of pid {}", guard.pid())),
        "{said:#}"
    );
}

#[test]
fn a_child_in_a_candidates_tree_shares_its_outcome() {
    let stage = Stage::new();
    let bot = stage.bot(&["--child", "--as worker"]).start();
    stage.ready(1);
    let child = stage.nth_pid_of(1, "worker");
    let start = stage
        .monopoll(&["explain", &child.to_string(), "--on-conflict", "force", "--"])
        .argument(&testbot().display().to_string());
    let ended = start.argument("--child").argument("--as worker").end().exits(0);
    let expected = format!(
        "pid {child} would be killed: it is in the tree of pid {}, which is the same command",
        bot.pid()
    );
    assert!(sentence(&ended).starts_with(&expected), "{}", ended.out);
    assert!(is_alive(child));
}

#[test]
fn a_deciding_rule_is_named_with_its_location() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    let rules = "[[rules]]\nname = 'old'\nwhen = { older_than = '1d' }\naction = 'force'\n\
        [[rules]]\nname = 'young'\nwhen = { younger_than = '1d', user = 'same' }\naction = 'wait'\n\
        [[rules]]\nname = 'late'\naction = 'refuse'\n";
    let said = process(explain(&stage, bot.pid()).config(rules));
    let rulings: Vec<&str> = said["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["ruling"].as_str().unwrap())
        .collect();
    assert_eq!(rulings, ["does_not_hold", "decides", "not_asked"], "{said:#}");
    assert_eq!(
        (&said["conflict"]["rule"], &said["conflict"]["action"]),
        (&"young".into(), &"wait".into()),
        "{said:#}"
    );
    assert!(said["rules"][1]["place"].as_str().unwrap().contains(".toml:5"), "{said:#}");
    let ended = explain(&stage, bot.pid()).config(rules).end().exits(0);
    assert!(
        ended.out.contains("says wait, and decides") && ended.out.contains("younger_than = \"1d\""),
        "{}",
        ended.out
    );
}

#[test]
fn a_match_entry_says_which_of_its_fields_failed() {
    let stage = Stage::new();
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    let entry = "match = [{ name = 'testbot', cwd = '/srv/bot' }]\n";
    let said = process(explain(&stage, bot.pid()).config(entry));
    let fields = &said["match"][0]["asked"];
    assert_eq!(
        (&fields[0]["holds"], &fields[1]["holds"]),
        (&true.into(), &false.into()),
        "{said:#}"
    );
    assert_eq!(fields[1]["fact"], fs::canonicalize(stage.folder()).unwrap().display().to_string());
    assert_eq!(said["match"][0]["holds"], false, "{said:#}");
}

#[test]
fn another_bots_process_is_shielded_and_no_token_is_shown() {
    let stage = Stage::new();
    let secret = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";
    let (mine, other) = (
        format!("{}31415:{secret}", std::process::id()),
        format!("{}27182:{secret}", std::process::id()),
    );
    let bot = stage.bot(&[]).env("BOT_TOKEN", &other).start();
    stage.ready(1);
    let ended = explain(&stage, bot.pid()).env("BOT_TOKEN", &mine).end().exits(0);
    assert!(sentence(&ended).contains("is never touched: another bot's process"), "{}", ended.out);
    assert!(!ended.out.contains("AAHdq"), "{}", ended.out);
    let carrier = stage.bot(&["--as", "carrier", "--token", &mine]).start();
    stage.nth_pid_of(1, "carrier");
    let ended = explain(&stage, carrier.pid()).env("BOT_TOKEN", &mine).end().exits(0);
    assert!(
        sentence(&ended).contains("carries the same bot token and is found only by it"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("enough to recognize it") && !ended.out.contains("AAHdq"),
        "{}",
        ended.out
    );
}

#[test]
fn another_users_process_is_shielded_unless_a_match_entry_reaches_it() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    fs::set_permissions(stage.folder(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let sleeper = stage
        .program(
            "setpriv",
            &["--reuid", "54321", "--regid", "54321", "--clear-groups", "sleep", "61"],
        )
        .start();
    let pid = sleeper.pid();
    stage.wait_until("the sleeper", || {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line == b"sleep\x0061\x00")
            .then_some(())
    });
    let mine =
        format!("match = [{{ cmdline = '^sleep 61$', cwd = '{}' }}]\n", stage.folder().display());
    let said = process(explain(&stage, pid).config(&mine));
    assert_eq!(
        (&said["standing"], &said["match"][0]["limit"]),
        (&"shielded".into(), &"another user (54321)".into()),
        "{said:#}"
    );
    let any = mine.replace(" }]", ", user = 'any' }]");
    let said = process(explain(&stage, pid).config(&any).on_conflict("graceful"));
    assert_eq!(
        (&said["standing"], &said["conflict"]["action"]),
        (&"candidate".into(), &"graceful".into()),
        "{said:#}"
    );
    assert_eq!(said["shields"][1]["lifted_by"], "match[0]", "{said:#}");
}

#[test]
fn unreadable_facts_are_reported_as_unknown() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    fs::set_permissions(stage.folder(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let roots = stage.program("sleep", &["62"]).start();
    // Other users may be unable to read the build folder.
    stage.program("cp", &[env!("CARGO_BIN_EXE_monopoll"), "."]).end().exits(0);
    let pid = roots.pid().to_string();
    let nobody = [
        "--reuid",
        "54321",
        "--regid",
        "54321",
        "--clear-groups",
        "./monopoll",
        "explain",
        &pid,
        "--json",
        "--instance",
        "x",
    ];
    let lock = format!("lock.paths=[\"{}\"]", stage.lock().display());
    let start = stage
        .program("setpriv", &nobody)
        .env("BOT_TOKEN", "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1");
    let ended = start
        .argument("--set")
        .argument(&lock)
        .argument("--set")
        .argument("match=[{cwd='/'}]")
        .end()
        .exits(0);
    let said = &document(&ended)["processes"][0];
    assert_eq!(
        (&said["match"][0]["asked"][0]["holds"], &said["token"]["same"]),
        (&Value::Null, &Value::Null),
        "{said:#}"
    );
    let unknown =
        "whether it carries this bot's token is unknown, and unknown facts are not evidence";
    let sentence = said["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("does not meet match[0] (another user)") && sentence.contains(unknown),
        "{said:#}"
    );
}

#[test]
fn pid_1_is_shielded() {
    let stage = Stage::new();
    let said = process(explain(&stage, 1));
    assert_eq!(
        (&said["shields"][0]["holds"], &said["shields"][0]["reason"]),
        (&true.into(), &"PID 1".into()),
        "{said:#}"
    );
    assert!(
        said["sentence"].as_str().unwrap().ends_with("it would not be touched in any case: PID 1"),
        "{said:#}"
    );
}

#[test]
fn the_ancestors_of_monopoll_are_shielded() {
    let stage = Stage::new();
    let matches = "match = [{ cmdline = 'the-shell-of-this-test' }]\n";
    fs::write(
        stage.folder().join("monopoll.toml"),
        format!("instance = 'test'\nlock.paths = ['{}']\n{matches}", stage.lock().display()),
    )
    .unwrap();
    let line = format!("'{}' explain $$; : the-shell-of-this-test", env!("CARGO_BIN_EXE_monopoll"));
    let ended = stage.program("sh", &["-c", &line]).end().exits(0);
    assert!(
        sentence(&ended)
            .ends_with("would be a conflict, but is never touched: it started monopoll."),
        "{ended:?}"
    );
}

#[test]
fn monopoll_itself_is_no_candidate() {
    let stage = Stage::new();
    let line = format!(
        "exec '{}' explain $$ --instance test --set 'lock.paths=[\"{}\"]'",
        env!("CARGO_BIN_EXE_monopoll"),
        stage.lock().display()
    );
    let ended = stage.program("sh", &["-c", &line]).end().exits(0);
    assert!(
        sentence(&ended).contains("is not recognized as this bot")
            && ended.out.contains("yes     monopoll itself"),
        "{ended:?}"
    );
}

#[test]
fn a_pid_that_does_not_exist_is_a_wrong_command_line() {
    let stage = Stage::new();
    let mut gone = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    let pid = gone.id();
    // Nothing can be read of a zombie either.
    let fd = rustix::process::pidfd_open(
        rustix::process::Pid::from_child(&gone),
        rustix::process::PidfdFlags::empty(),
    );
    if let Ok(fd) = fd {
        let mut fds = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut fds, None), Ok(1));
        explain(&stage, pid).end().exits(64).says("it has ended, or it is blocked in the kernel");
    }
    gone.wait().unwrap();
    // No kernel assigns pids of this size.
    let ended =
        explain(&stage, 2_000_000_000).end().exits(64).says("no process with pid 2000000000");
    assert!(
        ended.out.is_empty() && ended.err.contains("`monopoll plan` lists the conflicts"),
        "{ended:?}"
    );
}

#[test]
fn a_pid_that_is_no_number_is_a_wrong_command_line() {
    let stage = Stage::new();
    for no_pid in ["main.py", "12a", "", "99999999999", "1.5"] {
        stage.monopoll(&["explain", no_pid]).end().exits(64).says("is not a process id");
    }
    stage.monopoll(&["explain", "0"]).end().exits(64).says("no process with pid 0");
}

#[test]
fn without_an_instance_the_process_itself_may_name_it() {
    let stage = Stage::new();
    let nameless = |pid: u32| {
        let program = env!("CARGO_BIN_EXE_monopoll");
        let folder = stage.locks().display().to_string();
        stage
            .program(program, &["explain", &pid.to_string()])
            .set(&format!("lock.paths=[\"{folder}/{{instance}}.lock\"]"))
    };
    let guard = {
        let bot = testbot().display().to_string();
        let program = env!("CARGO_BIN_EXE_monopoll");
        let folder = stage.locks().display().to_string();
        stage
            .program(program, &["run", "--instance", "guarded", "--", &bot])
            .set(&format!("lock.paths=[\"{folder}/{{instance}}.lock\"]"))
            .start()
    };
    let child = stage.ready(1);
    stage.wait_until("the record", || {
        let record = stage.locks().join("guarded.lock.record");
        std::fs::read_to_string(record).ok().filter(|it| it.contains("running"))
    });
    for pid in [guard.pid(), child] {
        assert!(nameless(pid).flag("--json").end().exits(0).out.contains("\"guarded\""));
    }
    let token = format!("{}:{}", 1_000_000 + child, "a".repeat(35));
    let bot = stage.program("sh", &["-c", "sleep 60; :", "bot", &token]).start();
    let named = nameless(bot.pid()).flag("--json").end().exits(0);
    assert!(named.out.contains(&format!("\"bot{}\"", 1_000_000 + child)), "{named:?}");
    nameless(std::process::id()).end().exits(64).says("no instance is named");
}

#[test]
fn a_process_that_a_guarded_bot_started_is_named_with_its_guard() {
    let stage = Stage::new();
    let folder = stage.locks().display().to_string();
    let monopoll = |args: &[&str]| {
        let start = stage.program(env!("CARGO_BIN_EXE_monopoll"), args);
        start.set(&format!("lock.paths=[\"{folder}/{{instance}}.lock\"]"))
    };
    let script = "sh -c 'echo $$ > grandchild; exec sleep 60'; :";
    let guard = monopoll(&["run", "--instance", "guarded"]);
    let guard = ["--", "sh", "-c", script].into_iter().fold(guard, Start::argument).start();
    let pid = stage.wait_until("the grandchild", || {
        fs::read_to_string(stage.folder().join("grandchild")).ok()?.trim().parse::<u32>().ok()
    });
    let record = stage.locks().join("guarded.lock.record");
    stage.wait_until("the record", || {
        fs::read_to_string(&record).ok().filter(|it| it.contains("running"))
    });
    let belongs =
        format!("pid {pid} belongs to the guard of instance `guarded` (pid {}).\n", guard.pid());
    let pid = pid.to_string();
    for args in [&["explain", &pid][..], &["explain", &pid, "--instance", "another"]] {
        let said = monopoll(args).end().exits(0);
        assert!(said.out.ends_with(&belongs), "{said:?}");
    }
    let json = document(&monopoll(&["explain", &pid, "--json"]).end().exits(0));
    assert_eq!(
        (&json["instance"], &json["processes"][0]["standing"]),
        (&"guarded".into(), &"candidate".into())
    );
}

#[test]
fn a_wrong_configuration_is_reported_first() {
    let stage = Stage::new();
    explain(&stage, 1).config("on_conflict = 'perhaps'\n").end().exits(78);
}

#[test]
fn without_a_pid_every_process_of_the_plan_has_one_line() {
    let stage = Stage::new();
    let token = format!("{}16180:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1", std::process::id());
    let bot = stage.bot(&[]).start();
    stage.ready(1);
    let editor = stage.program("sleep", &["60"]).env("BOT_TOKEN", &token).start();
    let whole = || {
        let start = stage.monopoll(&["explain", "--"]).argument(&testbot().display().to_string());
        start.env("BOT_TOKEN", &token)
    };
    let said = document(&whole().flag("--json").end().exits(0));
    let pids: Vec<&Value> =
        said["processes"].as_array().unwrap().iter().map(|it| &it["pid"]).collect();
    assert_eq!(pids, [&Value::from(bot.pid()), &Value::from(editor.pid())], "{said:#}");
    assert_eq!(
        (&said["plan"]["verdict"], &said["plan"]["suspects"][0]["pid"]),
        (&"refuse".into(), &editor.pid().into())
    );
    let text = whole().end().exits(0).out;
    assert!(text.contains("2 processes considered"), "{text}");
    let editor = format!("\npid {}  sleep 60\n   it is not touched: it carries", editor.pid());
    assert!(text.contains(&editor), "{text}");
}

#[test]
fn the_same_command_through_a_link_is_the_same_command() {
    let stage = Stage::new();
    let link = stage.folder().join("link");
    symlink(testbot(), &link).unwrap();
    let bot = stage.program(&link, &[]).start();
    stage.ready(1);
    let said = process(explain(&stage, bot.pid()));
    assert_eq!(said["match"][0]["holds"], true, "{said:#}");
}

#[test]
fn a_near_miss_is_explained_by_the_script_and_the_arguments_that_were_compared() {
    let stage = Stage::new();
    let text = format!("{PYTHON}# {}\n", stage.folder().display());
    write(&stage, "main.py", &text);
    write(&stage, "other/main.py", &text);
    write(&stage, "other/more.py", &text);
    let (here, other) = (stage.folder().to_owned(), stage.folder().join("other"));
    let script = |folder: &Path| folder.join("main.py").display().to_string();
    for (line, folder, expected) in [
        (
            "python3 -u main.py --debug",
            &here,
            [("yes", "program", script(&here)), ("no", "arguments", "--debug, not -v".into())],
        ),
        (
            "nice python3 main.py -v",
            &other,
            [("yes", "program", script(&other)), ("yes", "arguments", "-v".into())],
        ),
        (
            "python3 other/more.py -v",
            &here,
            [
                ("no", "program", format!("{}/more.py, not {}", other.display(), script(&here))),
                ("yes", "arguments", "-v".into()),
            ],
        ),
    ] {
        let (running, pid) = bot(&stage, program(&stage, line).current_dir(folder), folder);
        let start = stage.monopoll(&["explain", &pid.to_string(), "--", "python3", "main.py"]);
        let explained = start.argument("-v").end().exits(0);
        for (verdict, part, fact) in &expected {
            let row = format!("{verdict:<8}{:<20}{fact}\n", format!("same {part}"));
            assert!(explained.out.contains(&row), "{line}, {row}: {}", explained.out);
        }
        end(&stage, running, pid);
    }
}
