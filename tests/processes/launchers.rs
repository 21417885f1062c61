//! Programs that run the command on their command line: the command counts, not the launcher.
//! `.ci/run` installs them.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use monopoll_test_bots::stage::{Stage, is_alive, is_root, skip, token};

use crate::other_bots::{plan, unnamed};
use crate::same_command::{
    JAVASCRIPT, PYTHON, all_find_each_other, bot, end, found, path, program, words, write,
};
use crate::supervisors::peer;

const BOT: &str = "python3 main.py";

fn main_py() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    stage
}

/// Returns whether a program is installed.
pub(crate) fn has(program: &str) -> bool {
    let path = path();
    let has = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !has {
        skip(&format!("{program} is not installed; `.ci/run` installs it"));
    }
    has
}

/// Checks each of these launchers that is installed.
#[track_caller]
fn are_what_they_start(stage: &Stage, lines: &[&str], path: &str) {
    for line in lines.iter().filter(|line| has(&words(line)[0])) {
        all_find_each_other(stage, &[BOT, line], path);
    }
}

#[test]
fn a_launcher_that_becomes_the_command_is_that_command() {
    let stage = main_py();
    write(&stage, "proxies.conf", "[ProxyList]\nsocks5 127.0.0.1 9\n");
    let lines = [
        "chrt -o 0 python3 main.py",
        "ionice -c3 python3 main.py",
        "numactl --localalloc -- python3 main.py",
        "torsocks -q python3 main.py",
        "proxychains4 -q -f proxies.conf python3 main.py",
        "proxychains -q -f proxies.conf python3 main.py",
        "linux64 python3 main.py",
        "busybox timeout 600 python3 main.py",
    ];
    are_what_they_start(&stage, &lines, &path());
    if is_root() {
        let lines =
            ["nsenter --net=/proc/self/ns/net python3 main.py", "gosu root python3 main.py"];
        are_what_they_start(&stage, &lines, &path());
    }
}

#[test]
fn a_launcher_that_stays_above_the_command_is_that_command() {
    let stage = main_py();
    let lines = [
        "flock -n bot.lock python3 main.py",
        "flock bot.lock -c python3 main.py",
        "unbuffer python3 main.py",
        "script -q /dev/null -c python3 main.py",
        "strace -f -o trace python3 main.py",
        "chronic python3 main.py",
        "time -p python3 main.py",
        "tini -s -- python3 main.py",
        "dumb-init -- python3 main.py",
        "catatonit python3 main.py",
    ];
    are_what_they_start(&stage, &lines, &path());
    if is_root() {
        are_what_they_start(&stage, &["sudo -n -u root -- python3 main.py"], &path());
    }
    // gdb wants a binary, and a version manager may have put a script there.
    if let Some(python) = peer("venv/bin/python3") {
        let line = format!("gdb -q -batch -ex run --args {} main.py", python.display());
        are_what_they_start(&stage, &[&line], &path());
    }
}

#[test]
fn direnv_runs_the_command_with_the_variables_of_a_folder() {
    if !has("direnv") {
        return;
    }
    let stage = main_py();
    for folder in ["alice", "bob"] {
        write(&stage, &format!("{folder}/.envrc"), "export A=b\n");
    }
    let data = stage.folder().join("data");
    let start = |line: &str| program(&stage, line).env("XDG_DATA_HOME", &data);
    let allow = "direnv allow alice/.envrc";
    start(allow).end().exits(0);
    let (running, pid) = bot(&stage, start("direnv exec alice python3 main.py"), stage.folder());
    let seen = |line: &str| plan(unnamed(&stage, &["plan"], line));
    let of_alice = seen("direnv exec alice python3 main.py");
    for line in [BOT, "direnv exec alice python3 main.py"] {
        assert!(found(&seen(line)).contains(&u64::from(pid)), "{line}");
    }
    // Two folders are two bots, unless a name says otherwise.
    let of_bob = seen("direnv exec bob python3 main.py");
    assert_ne!(of_alice["instance"], of_bob["instance"]);
    let same = seen("direnv exec ./alice/../alice python3 main.py");
    assert_eq!(of_alice["instance"], same["instance"]);
    end(&stage, running, pid);
}

/// Programs that prepare something and execute the command. `.ci/run` does not install them: these
/// stand-ins do only the second part.
#[test]
fn an_agent_that_instruments_the_command_is_that_command() {
    let stage = main_py();
    let skips = "while case $1 in -*|root) true;; *) false;; esac; do shift; done\n";
    for name in ["ddtrace-run", "doas", "torify", "su-exec"] {
        write(&stage, &format!("bin/{name}"), &format!("#!/bin/sh\n{skips}exec \"$@\"\n"));
    }
    let path = format!("{}:{}", stage.folder().join("bin").display(), path());
    let spellings = [
        BOT,
        "ddtrace-run -p python3 main.py",
        "doas -n python3 main.py",
        "su-exec root python3 main.py",
        "torify python3 main.py",
    ];
    all_find_each_other(&stage, &spellings, &path);
}

#[test]
fn a_python_tool_that_runs_the_script_is_that_script() {
    let Some(tool) = peer("venv/bin/debugpy") else { return };
    let stage = main_py();
    write(&stage, "watched/file", "");
    let folder = tool.parent().unwrap();
    let path = format!("{}:{}", folder.display(), path());
    let spellings = [
        BOT,
        "python3 -m pdb '-c' c main.py",
        "coverage run main.py",
        "python -m coverage run -p main.py",
        "debugpy --listen 127.0.0.1:0 main.py",
        "python -m debugpy --listen 127.0.0.1:0 --configure-subProcess false main.py",
        "watchfiles 'python3 main.py' watched",
        "watchmedo auto-restart --directory watched -- python3 main.py",
    ];
    all_find_each_other(&stage, &spellings, &path);
}

#[test]
fn a_watcher_of_files_is_ended_with_the_bot_that_it_would_start_again() {
    let Some(watchfiles) = peer("venv/bin/watchfiles") else { return };
    let watchmedo = watchfiles.with_file_name("watchmedo");
    let of_watchmedo = ["auto-restart", "--directory", "watched", "--", "python3", "main.py"];
    for (program, args) in [(watchfiles, &[BOT, "watched"][..]), (watchmedo, &of_watchmedo)] {
        let stage = main_py();
        write(&stage, "watched/file", "");
        let (watcher, pid) = bot(&stage, stage.program(&program, args), stage.folder());
        let start = unnamed(&stage, &["run"], BOT);
        let (_own, own) = bot(&stage, start, stage.folder());
        assert!(!watcher.is_alive() && !is_alive(pid) && is_alive(own));
    }
}

/// Returns the folder of nodemon and pm2-runtime.
fn node_tools() -> Option<String> {
    let tools = peer("npm/node_modules/.bin/nodemon")?;
    Some(tools.parent().unwrap().display().to_string())
}

#[test]
fn a_watcher_as_command_finds_what_it_would_start() {
    let Some(tools) = node_tools() else { return };
    let stage = main_py();
    write(&stage, "main.js", JAVASCRIPT);
    write(&stage, "other.js", JAVASCRIPT);
    write(&stage, "apps.json", r#"{"apps": [{"name": "a", "script": "main.js"}]}"#);
    let start = |line: &str| unnamed(&stage, &["plan"], line);
    for (running, same, different) in [
        (
            "node main.js",
            &[
                format!("{tools}/nodemon main.js"),
                format!("{tools}/nodemon --quiet --watch locks --exec node main.js"),
                format!("node {tools}/nodemon --watch locks main.js"),
                format!("{tools}/pm2-runtime main.js"),
                format!("{tools}/pm2-runtime start main.js --name bot"),
                format!("{tools}/pm2-runtime apps.json"),
            ][..],
            &[
                format!("{tools}/nodemon other.js"),
                format!("{tools}/nodemon main.js --all"),
                format!("{tools}/pm2-runtime other.js"),
                format!("{tools}/pm2-runtime main.js -- --all"),
                format!("{tools}/pm2-runtime apps.json --only b"),
            ][..],
        ),
        (
            BOT,
            &[
                format!("{tools}/nodemon main.py"),
                format!("{tools}/pm2-runtime start main.py --interpreter python3"),
            ],
            &[format!("{tools}/nodemon main.js")],
        ),
    ] {
        let (running, pid) = bot(&stage, program(&stage, running), stage.folder());
        for line in same {
            let plan = plan(start(line));
            assert_eq!(
                (&plan["verdict"], found(&plan)),
                (&"act".into(), vec![pid.into()]),
                "{line}"
            );
        }
        for line in different {
            let plan = plan(start(line));
            assert_eq!((&plan["verdict"], found(&plan)), (&"clear".into(), vec![]), "{line}");
        }
        end(&stage, running, pid);
    }
}

#[test]
fn a_bot_below_a_watcher_is_refused_with_the_name_of_the_watcher() {
    let Some(tools) = node_tools() else { return };
    for (watcher, args) in [("nodemon", "--watch locks main.js"), ("pm2-runtime", "main.js")] {
        let stage = main_py();
        write(&stage, "main.js", JAVASCRIPT);
        let line = format!("{tools}/{watcher} {args}");
        let home = stage.folder().join("pm2").display().to_string();
        let running = program(&stage, &line).env("PM2_HOME", &home);
        let (running, pid) = bot(&stage, running, stage.folder());
        let refused = unnamed(&stage, &["run"], "node main.js").end().exits(75);
        assert!(refused.err.contains(&format!("{watcher} would start it again")), "{refused:?}");
        assert!(refused.err.contains(&format!("(pid {})", running.pid())), "{refused:?}");
        assert!(is_alive(pid));
        // The same watcher takes over as a whole.
        let start = unnamed(&stage, &["run"], &line).env("PM2_HOME", &home);
        let (_own, own) = bot(&stage, start, stage.folder());
        assert!(!running.is_alive() && !is_alive(pid) && is_alive(own));
    }
}

#[test]
fn make_finds_itself_in_the_folder_that_it_enters_and_what_its_recipe_starts() {
    if !has("make") {
        return;
    }
    let stage = main_py();
    write(&stage, "x/main.py", PYTHON);
    write(&stage, "x/other.py", PYTHON);
    let makefile = "PYTHON ?= python3\n\nrun:\n\t@$(PYTHON) main.py\n\n\
                    checked:\n\tpython3 check.py; python3 main.py\n\n\
                    other:\n\tpython3 other.py\n\nnamed:\n\tpython3 main.py $(NAME)\n";
    write(&stage, "x/Makefile", makefile);
    let folder = stage.folder().join("x");
    let make = "make -C x run";
    let verdict = |line: &str| {
        let plan = plan(unnamed(&stage, &["plan"], line));
        (plan["verdict"].as_str().unwrap().to_owned(), found(&plan))
    };
    for (running, at, same, doubt, different) in [
        (
            make,
            stage.folder(),
            &[make, "make --directory=x run", "make -C ./x run"][..],
            &["make -C x checked"][..],
            &["make -C x other", "make run", "make -C x named NAME=bob"][..],
        ),
        (
            "python3 main.py",
            &folder,
            &[make, "make -C x"],
            &["make -C x checked"],
            &["make -C x other", "make -C x named NAME=bob"],
        ),
        (
            "python3 main.py bob",
            &folder,
            &[],
            // The bot may read the variable too, which this process does not have.
            &["make -C x named", "env NAME=bob make -C x named"],
            &[make, "make -C x named NAME=alice"],
        ),
    ] {
        let start = program(&stage, running).current_dir(at);
        let (running_bot, pid) = bot(&stage, start, &folder);
        for (lines, expected) in [(same, "act"), (doubt, "refuse"), (different, "clear")] {
            for line in lines {
                let (verdict, found) = verdict(line);
                assert_eq!(verdict, expected, "{running} / {line}");
                assert_eq!(found.contains(&pid.into()), expected != "clear", "{running} / {line}");
            }
        }
        end(&stage, running_bot, pid);
    }
    let (first, pid) = bot(&stage, unnamed(&stage, &["run"], make), &folder);
    let (_second, own) = bot(&stage, unnamed(&stage, &["run"], make), &folder);
    assert!(!is_alive(pid) && is_alive(own));
    first.end().exits(0);
}

#[test]
fn a_line_of_a_package_that_builds_first_puts_the_bot_that_it_starts_in_doubt() {
    let stage = main_py();
    write(&stage, "main.js", JAVASCRIPT);
    let package = r#"{"scripts": {
        "start": "node build.js && node main.js", "other": "node build.js && node other.js"}}"#;
    write(&stage, "package.json", package);
    let (_running, pid) = bot(&stage, program(&stage, "node main.js"), stage.folder());
    let of = |line: &str| plan(unnamed(&stage, &["plan"], line));
    for line in ["npm start", "npm run start"] {
        let plan = of(line);
        assert_eq!(found(&plan), [u64::from(pid)], "{line}: {plan:#}");
    }
    assert_eq!(of("npm start")["verdict"], "refuse");
    for line in ["npm run other", "npm start -- --all"] {
        assert_eq!(of(line)["verdict"], "clear", "{line}");
    }
}

#[test]
fn a_launcher_that_reads_another_bots_token_for_its_child_is_left_alone() {
    let Some(uv) = peer("launchers/bin/uv") else { return };
    let stage = main_py();
    let (mine, other) = (token(), token());
    write(&stage, "bob.env", &format!("BOT_TOKEN={other}\n"));
    write(&stage, "same.env", &format!("BOT_TOKEN={mine}\n"));
    let uv = uv.display();
    let line = |file: &str| format!("{uv} run --no-project --env-file {file} python3 main.py");
    let start = |args: &[&str]| unnamed(&stage, args, BOT).env("BOT_TOKEN", &mine);
    let (bob, pid) = bot(&stage, program(&stage, &line("bob.env")), stage.folder());
    let seen = plan(start(&["plan"]));
    assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{seen:#}");
    let shielded = seen["shielded"].as_array().unwrap().iter().any(|it| it["pid"] == bob.pid());
    assert!(shielded, "{seen:#}");
    let (_own, _) = bot(&stage, start(&["run"]), stage.folder());
    assert!(bob.is_alive() && is_alive(pid));
    end(&stage, bob, pid);

    let (same, pid) = bot(&stage, program(&stage, &line("same.env")), stage.folder());
    assert!(found(&plan(start(&["plan"]))).contains(&pid.into()));
    end(&stage, same, pid);
}

/// The debug adapter of VS Code, driven as the editor does it.
const EDITOR: &str = r#"
import json, subprocess, sys
adapter, program = sys.argv[1:]
it = subprocess.Popen([sys.executable, adapter], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def send(number, command, arguments):
    body = {"seq": number, "type": "request", "command": command, "arguments": arguments}
    body = json.dumps(body).encode()
    it.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    it.stdin.flush()
def receive():
    length = int(it.stdout.readline().split(b":")[1])
    it.stdout.readline()
    return json.loads(it.stdout.read(length))
send(1, "initialize", {"adapterID": "debugpy", "pathFormat": "path"})
send(2, "launch", {"program": program, "console": "internalConsole", "args": ["-v"]})
while True:
    if receive().get("event") == "initialized":
        send(3, "configurationDone", {})
"#;

/// Returns the folder of debugpy, which VS Code brings with it.
fn debugpy() -> Option<String> {
    let python = peer("venv/bin/debugpy")?.with_file_name("python");
    let code = "import debugpy, os; print(os.path.dirname(debugpy.__file__))";
    let found = std::process::Command::new(python).args(["-c", code]).output().unwrap();
    Some(String::from_utf8(found.stdout).unwrap().trim().to_owned())
}

#[track_caller]
fn is_found(stage: &Stage, pid: u32, line: &str) {
    let seen = plan(unnamed(stage, &["plan"], line));
    assert!(
        found(&seen).contains(&u64::from(pid)),
        "{}: {seen:#}",
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
    );
}

#[test]
fn a_bot_below_the_debugger_of_vs_code_is_the_same_command() {
    let Some(debugpy) = debugpy() else { return };
    let stage = main_py();
    write(&stage, "editor.py", EDITOR);
    let python = peer("venv/bin/python").unwrap();
    let script = stage.folder().join("main.py").display().to_string();
    let adapter = format!("{debugpy}/adapter");
    let editor = stage.program(&python, &["editor.py", &adapter, &script]);
    let (editor, pid) = bot(&stage, editor, stage.folder());
    is_found(&stage, pid, "python3 main.py -v");
    let start = unnamed(&stage, &["run"], "python3 main.py -v");
    let (_own, _) = bot(&stage, start, stage.folder());
    assert!(!is_alive(pid));
    end(&stage, editor, pid);
}

#[test]
fn a_bot_below_the_debugger_of_pycharm_is_the_same_command() {
    let Some(debugpy) = debugpy() else { return };
    let stage = main_py();
    let python = peer("venv/bin/python").unwrap();
    let pydevd = format!("{debugpy}/_vendored/pydevd/pydevd.py");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // The editor tells the debugger to run the script.
    let _editor = thread::spawn(move || {
        let (mut debugger, _) = listener.accept().unwrap();
        debugger.write_all(b"101\t1\t\n").unwrap();
        std::io::copy(&mut debugger, &mut std::io::sink()).unwrap();
    });
    let args =
        [&*pydevd, "--multiprocess", "--client", "127.0.0.1", "--port", &port, "--file", "main.py"];
    let (running, pid) = bot(&stage, stage.program(&python, &args), stage.folder());
    is_found(&stage, pid, BOT);
    end(&stage, running, pid);
    assert!(Path::new(&pydevd).is_file());
}
