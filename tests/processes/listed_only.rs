//! Processes that are listed but not touched: suspects, near misses and other users' processes.

use std::net::TcpListener;

use monopoll_test_bots::stage::{Running, Stage, Start, token};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};

/// Creates a stage with a script that no other test runs.
fn main_py() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", &own(&stage));
    stage
}

fn own(stage: &Stage) -> String {
    format!("{PYTHON}# {}\n", stage.folder().display())
}

#[track_caller]
fn starts<'a>(stage: &'a Stage, start: Start<'a>) -> (Running<'a>, u32) {
    bot(stage, start, stage.folder())
}

/// Returns the lines of a start about suspects.
fn lines_about_tokens(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.contains("the same token")).collect()
}

/// Starts a web server and a worker that share the bot's environment and interpreter.
fn server_and_worker<'a>(stage: &'a Stage, mine: &str) -> [(Running<'a>, u32); 2] {
    write(stage, "manage.py", &own(stage));
    write(stage, "worker.py", &own(stage));
    ["python3 manage.py runserver", "python3 worker.py"]
        .map(|line| starts(stage, program(stage, line).env("BOT_TOKEN", mine)))
}

#[test]
fn a_web_server_and_a_worker_with_my_token_are_suspects_in_one_line() {
    let stage = main_py();
    let mine = token();
    let others = server_and_worker(&stage, &mine);
    let start = |args: &[&str]| unnamed(&stage, args, "python3 main.py").env("BOT_TOKEN", &mine);
    let seen = plan(start(&["plan"]));
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
    let suspects = seen["suspects"].as_array().unwrap();
    assert_eq!(suspects.len(), 2, "{seen:#}");
    let (run, _) = starts(&stage, start(&["run"]));
    let said = run.stderr();
    let [line] = lines_about_tokens(&said)[..] else { panic!("{said}") };
    assert!(line.contains("have the same token in their environment"), "{line}");
    assert!(others.iter().all(|(other, pid)| other.is_alive() && line.contains(&pid.to_string())));
}

/// Returns a script that is connected to this port.
pub(crate) fn connected(stage: &Stage, port: u16) -> String {
    let connect = format!("import socket\ns = socket.create_connection(('127.0.0.1', {port}))\n");
    let (first, rest) = PYTHON.split_once('\n').unwrap();
    format!("{first}\n{connect}{rest}# {}\n", stage.folder().display())
}

#[test]
fn a_worker_that_is_connected_is_a_poller_unless_a_rule_says_otherwise() {
    let stage = main_py();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    write(&stage, "manage.py", &connected(&stage, port));
    let mine = token();
    let server = program(&stage, "python3 manage.py runserver").env("BOT_TOKEN", &mine);
    let (server, pid) = starts(&stage, server);
    let start = |args: &[&str]| {
        let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
        unnamed(&stage, args, "python3 main.py").env("BOT_TOKEN", &mine).set(&api)
    };
    let seen = plan(start(&["plan"]));
    assert_eq!(found(&seen), [u64::from(pid)], "{seen:#}");
    assert!(refusal(&seen).contains("carries the same bot token"), "{seen:#}");
    let rule = "[[rules]]\nname = 'web'\nwhen = { cmdline = 'runserver' }\naction = 'ignore'\n";
    let (_run, _) = starts(&stage, start(&["run"]).config(rule));
    assert!(server.is_alive());
}

#[test]
fn where_every_process_of_a_container_has_the_token_one_line_names_all_but_the_ancestors() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = main_py();
    let mine = token();
    let below = |others: &str| {
        let script = format!("{others} sh -c '\"$@\"; exit $?' sh \"$@\"; exit $?");
        let container = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"];
        let container = [&container[..], &["sh", "-c", &script, "sh"]].concat();
        stage.run(&["--exit", "7"]).env("BOT_TOKEN", &mine).through(&container).end()
    };
    let ended = below("sleep 600 & sleep 601 &").exits(7);
    let [line] = lines_about_tokens(&ended.err)[..] else { panic!("{ended:?}") };
    assert!(line.contains("have the same token in their environment"), "{line}");
    // A process that the first program only adopted is an orphan there too.
    let bot = monopoll_test_bots::programs::testbot().display().to_string();
    let orphan = format!("setsid sh -c '{bot} --as orphan --for 60000 &';");
    below(&orphan).exits(75).says("carries the same bot token");
}

/// `manager.py` polls for one bot, and has started the others.
#[test]
fn a_connected_launcher_of_a_conflict_is_listed() {
    let stage = main_py();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let manager = format!(
        "import socket, subprocess, time\n\
         s = socket.create_connection(('127.0.0.1', {port}))\n\
         subprocess.Popen(['python3', 'main.py'])\ntime.sleep(600)\n"
    );
    write(&stage, "manager.py", &manager);
    let (running, pid) = starts(&stage, program(&stage, "python3 manager.py"));
    let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
    let seen = plan(unnamed(&stage, &["plan"], "python3 main.py").set(&api));
    assert_eq!((&seen["verdict"], found(&seen)), (&"act".into(), vec![u64::from(pid)]), "{seen:#}");
    near_miss(&seen, running.pid());
    end(&stage, running, pid);
}

/// Returns the near miss with this pid.
#[track_caller]
pub(crate) fn near_miss(plan: &Value, pid: u32) -> &Value {
    let near = plan["near_misses"].as_array().unwrap().iter().find(|it| it["pid"] == pid);
    near.unwrap_or_else(|| panic!("{plan:#}"))
}

#[test]
fn a_near_miss_is_listed_with_an_entry_that_finds_it() {
    let stage = main_py();
    write(&stage, "other (old)/main.py", &own(&stage));
    let other = stage.folder().join("other (old)");
    let elsewhere = program(&stage, "python3 main.py").current_dir(&other);
    let running = [
        (bot(&stage, elsewhere, &other), "the same script in another folder"),
        (
            starts(&stage, program(&stage, "python3 main.py --debug")),
            "the same script in this folder, with other arguments",
        ),
    ];
    let start = |args: &[&str]| unnamed(&stage, args, "python3 main.py");
    let (seen, text) = (plan(start(&["plan"])), start(&["plan"]).end().exits(0));
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
    for ((_, pid), reason) in &running {
        let near = near_miss(&seen, *pid);
        assert_eq!(near["reason"], *reason, "{seen:#}");
        let entry = near["match"].as_str().unwrap();
        let config = format!("[[match]]\n{}\n", entry.replace(", cwd", "\ncwd"));
        assert!(text.out.replace("       ", "").contains(&config), "{text:?}");
        let pasted = plan(start(&["plan"]).config(&config));
        assert_eq!(found(&pasted), [u64::from(*pid)], "{pasted:#}");
    }
    let status = start(&["status"]).end().exits(3);
    let stop = start(&["stop"]).end().exits(0);
    let seen: Value = serde_json::from_str(&start(&["status", "--json"]).end().out).unwrap();
    for ((_, pid), reason) in &running {
        assert_eq!(near_miss(&seen, *pid)["reason"], *reason, "{seen:#}");
        let lines = format!("  pid {pid}  ");
        assert!(status.out.contains(&lines) && status.out.contains(reason), "{status:?}");
    }
    // The stage omits lines about other folders, which other tests may cause.
    let (_, reason) = &running[1];
    let line = format!("(pid {}) may be a second poller: {reason}", running[1].0.1);
    assert!(stop.out.contains(&line), "{stop:?}");
    let (run, _) = starts(&stage, start(&["run"]));
    for ((other, pid), reason) in &running {
        run.wait_for(&format!("(pid {pid}) may be a second poller: {reason}"));
        assert!(other.is_alive());
    }
}

#[test]
fn a_near_miss_with_something_against_it_gets_no_entry() {
    let stage = main_py();
    let other = program(&stage, "python3 main.py --debug").env("BOT_PROFILE", "b");
    let (_other, pid) = starts(&stage, other);
    let seen = plan(unnamed(&stage, &["plan"], "python3 main.py"));
    assert_eq!(near_miss(&seen, pid)["match"], Value::Null, "{seen:#}");
}

#[test]
fn another_subcommand_of_the_script_is_no_near_miss_unless_it_is_connected() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    write(&stage, "manage.py", &own(&stage));
    let starting = |line| starts(&stage, program(&stage, line));
    let [server, migration, debugged] =
        ["runserver", "migrate --plan", "bot --debug"].map(|it| format!("python3 manage.py {it}"));
    let (_server, server) = starting(&server);
    let (_migration, migration) = starting(&migration);
    let (_debugged, debugged) = starting(&debugged);
    write(&stage, "manage.py", &connected(&stage, port));
    let (_poller, poller) = starting("python3 manage.py poll");
    let api = format!("telegram.api_url='http://127.0.0.1:{port}'");
    let seen = plan(unnamed(&stage, &["plan"], "python3 manage.py bot").set(&api));
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
    let listed = seen["near_misses"].as_array().unwrap().iter();
    let listed: Vec<u64> = listed.filter_map(|it| it["pid"].as_u64()).collect();
    assert!(![server, migration].iter().any(|pid| listed.contains(&u64::from(*pid))), "{seen:#}");
    let near = near_miss(&seen, poller);
    let reason =
        "the same script in this folder, with another subcommand, and connected to the Bot API";
    assert_eq!((&near["reason"], &near["match"]), (&reason.into(), &Value::Null), "{seen:#}");
    let near = near_miss(&seen, debugged);
    assert_eq!(near["reason"], "the same script in this folder, with other arguments", "{seen:#}");
    assert!(near["match"].is_string(), "{seen:#}");
}
