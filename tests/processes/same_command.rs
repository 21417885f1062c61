//! The same command in different spellings, with real interpreters and launchers. `.ci/run`
//! installs those from registries below `target/peers`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use monopoll_test_bots::programs::{self, testbot};
use monopoll_test_bots::stage::{Running, Stage, Start, is_root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::other_bots::{self, unnamed};
use crate::supervisors::peer;

/// A Python bot that reports when it is ready.
pub(crate) const PYTHON: &str = "#!/usr/bin/env python3\nimport os, time\n\
                      open(f'ready-{os.getpid()}', 'w').close()\ntime.sleep(600)\n";

/// The same for node, bun and deno.
pub(crate) const JAVASCRIPT: &str = "const fs = require('fs');\n\
                          fs.writeFileSync(`ready-${process.pid}`, '');\n\
                          setTimeout(() => {}, 600000);\n";

pub(crate) fn write(stage: &Stage, name: &str, text: &str) {
    let path = stage.folder().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Splits a line into words. Everything after ` -c ` is one word, or single quotes tell.
pub(crate) fn words(line: &str) -> Vec<String> {
    if line.contains('\'') {
        let parts = line.split('\'').enumerate();
        let words = parts.flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        return words.collect();
    }
    let (before, code) = line.split_once(" -c ").unwrap_or((line, ""));
    let mut words: Vec<String> = before.split(' ').map(str::to_owned).collect();
    if !code.is_empty() {
        words.extend(["-c".to_owned(), code.to_owned()]);
    }
    words
}

pub(crate) fn program<'a>(stage: &'a Stage, line: &str) -> Start<'a> {
    let words = words(line);
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    stage.program(&words[0], &args)
}

/// Starts a bot, waits until it runs, and returns its pid too.
#[track_caller]
pub(crate) fn bot<'a>(stage: &'a Stage, start: Start<'a>, folder: &Path) -> (Running<'a>, u32) {
    let running = start.start();
    let pid = stage.wait_until("the bot", || {
        fs::read_dir(folder).unwrap().flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix("ready-")?.parse().ok()
        })
    });
    fs::remove_file(folder.join(format!("ready-{pid}"))).unwrap();
    (running, pid)
}

#[track_caller]
pub(crate) fn end(stage: &Stage, running: Running<'_>, pid: u32) {
    drop(running);
    // It may have just ended.
    let _ = kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL);
    stage.wait_until("its end", || (!monopoll_test_bots::stage::is_alive(pid)).then_some(()));
}

/// Returns the plan for a command line.
#[track_caller]
fn plan<'a>(stage: &'a Stage, line: &str, change: impl FnOnce(Start<'a>) -> Start<'a>) -> Value {
    let mut start = stage.monopoll(&["plan", "--json", "--on-conflict", "graceful", "--"]);
    for word in words(line) {
        start = start.argument(&word);
    }
    let ended = change(start).end().exits(0);
    serde_json::from_str(&ended.out).unwrap()
}

/// Returns the processes of all conflicts.
pub(crate) fn found(plan: &Value) -> Vec<u64> {
    let conflicts = plan["conflicts"].as_array().unwrap().iter();
    let pids = |it: &Value| {
        let tree = it["tree"].as_array().cloned().unwrap_or_default();
        std::iter::once(it["pid"].clone()).chain(tree).filter_map(|pid| pid.as_u64()).collect()
    };
    conflicts.flat_map(|it| -> Vec<u64> { pids(it) }).collect()
}

/// Checks that each spelling matches the first one and itself, and that the first one matches each.
#[track_caller]
pub(crate) fn all_find_each_other(stage: &Stage, spellings: &[&str], path: &str) {
    for running in spellings {
        let start = program(stage, running).env("PATH", path);
        let (process, pid) = bot(stage, start, stage.folder());
        let pairs =
            |started: &&&str| [running, *started].contains(&&spellings[0]) || running == *started;
        for started in spellings.iter().filter(pairs) {
            let plan = plan(stage, started, |start| start.env("PATH", path));
            assert!(
                found(&plan).contains(&u64::from(pid)),
                "running: {running} ({}), started: {started}\n{plan:#}",
                fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default(),
            );
        }
        end(stage, process, pid);
    }
}

pub(crate) fn path() -> String {
    std::env::var("PATH").unwrap()
}

#[test]
fn every_spelling_of_a_python_script_is_the_same_command() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let absolute = format!("python3 {}/main.py", stage.folder().display());
    let spellings = [
        "python3 main.py",
        "python3 -u -X dev ./main.py",
        &absolute,
        "./main.py",
        "python3 -m main",
        "env A=b python3 main.py",
        "env -S python3 -u main.py",
        "nohup python3 main.py",
        "nice -n 1 python3 main.py",
        "ionice -c3 python3 main.py",
        "setsid -w python3 main.py",
        "stdbuf -oL python3 main.py",
        "timeout 600 python3 main.py",
        "sh -c exec python3 main.py",
    ];
    all_find_each_other(&stage, &spellings, &path());
}

#[test]
fn output_that_is_redirected_or_filtered_leaves_it_the_same_command() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let spellings = [
        "python3 main.py",
        "bash -c python3 main.py 2>&1 | tee bot.log",
        "sh -c python3 -u main.py | grep -v debug | tee -a bot.log",
        "sh -c set -e; python3 main.py >> bot.log 2>&1",
    ];
    all_find_each_other(&stage, &spellings, &path());
}

#[test]
fn python_code_on_the_command_line_is_the_same_command_in_the_same_folder() {
    let stage = Stage::new();
    write(&stage, "main.py", &format!("def run():\n    {}\n", PYTHON.replace('\n', "\n    ")));
    let spellings = [
        "python3 -c import main; main.run()",
        "python3 -u -c import main; main.run()",
        "sh -c python3 -c \"import main; main.run()\"",
    ];
    all_find_each_other(&stage, &spellings, &path());
    let other = stage.folder().join("other");
    write(&stage, "other/main.py", &fs::read_to_string(stage.folder().join("main.py")).unwrap());
    for (line, folder) in
        [(spellings[0], other.as_path()), ("python3 -c import main; main.run( )", stage.folder())]
    {
        let (_bot, pid) = bot(&stage, program(&stage, line).current_dir(folder), folder);
        let plan = plan(&stage, spellings[0], |start| start);
        assert!(!found(&plan).contains(&u64::from(pid)), "{line}: {plan:#}");
    }
}

#[test]
fn every_version_of_python_runs_the_same_command() {
    let Some(python) = peer("venv/bin/python3.11") else { return };
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let other = format!("{} main.py", python.display());
    all_find_each_other(&stage, &["python3 main.py", &other], &path());
}

#[test]
fn a_module_is_the_same_command_as_its_file() {
    let stage = Stage::new();
    write(&stage, "bot/__main__.py", PYTHON);
    let spellings = [
        "python3 -m bot run",
        "python3 -um bot run",
        "python3 bot run",
        "python3 bot/__main__.py run",
    ];
    all_find_each_other(&stage, &spellings, &path());
}

#[test]
fn a_package_gives_its_name_to_the_instance() {
    let stage = Stage::new();
    write(&stage, "voice/__main__.py", PYTHON);
    let plan = |line: &str| other_bots::plan(unnamed(&stage, &["plan"], line));
    let name = |line: &str| plan(line)["instance"].as_str().unwrap().to_owned();
    let named = name("python3 -m voice");
    assert!(named.starts_with("voice-"), "{named}");
    assert_eq!([name("python3 voice"), name("python3 voice/__main__.py")], [&*named, &named]);
    // A guard of an earlier version, with the name that it guessed.
    let old = ["--instance=__main__.py-0123456789ab", "run"];
    let (_old, _) = bot(&stage, unnamed(&stage, &old, "python3 -m voice"), stage.folder());
    let plan = plan("python3 -m voice");
    assert_eq!(plan["conflicts"][0]["steps"][0]["do"], "ask", "{plan:#}");
}

#[test]
fn what_only_looks_alike_is_left_alone() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "admin.py", &PYTHON.replace("time.sleep", "time . sleep"));
    write(&stage, "other/main.py", PYTHON);
    let other = stage.folder().join("other");
    let inside = |line: &str| bot(&stage, program(&stage, line), stage.folder());
    let stdin = || stage.program("python3", &[]).stdin_text(PYTHON);
    let _left_alone = [
        inside("python3 admin.py"),
        inside("python3 main.py --other"),
        bot(&stage, program(&stage, "python3 main.py").current_dir(&other), &other),
        bot(&stage, stdin(), stage.folder()),
        inside("python3 -c import main"),
    ];
    let _reader = program(&stage, "tail -f main.py").start();
    let plan = plan(&stage, "python3 main.py", |start| start);
    assert_eq!(found(&plan), [] as [u64; 0], "{plan:#}");
}

#[test]
fn what_reads_its_program_from_standard_input_is_never_the_same_command() {
    let stage = Stage::new();
    for line in ["python3", "python3 -", "python3 /dev/stdin"] {
        let running = program(&stage, line).stdin_text(PYTHON);
        let (process, pid) = bot(&stage, running, stage.folder());
        let plan = plan(&stage, line, |start| start);
        assert_eq!(found(&plan), [] as [u64; 0], "{line}: {plan:#}");
        end(&stage, process, pid);
        let unnamed =
            program(&stage, &format!("{} plan -- {line}", programs::monopoll().display()));
        unnamed.end().exits(64).says("standard input");
    }
}

#[test]
fn a_program_that_was_replaced_is_the_same_command() {
    let stage = Stage::new();
    let (program, new) = (stage.folder().join("bot"), stage.folder().join("new"));
    fs::copy(testbot(), &program).unwrap();
    let running = stage.program("./bot", &["--stubborn"]).start();
    stage.ready(1);
    let found_by = |line: &str| found(&plan(&stage, line, |start| start));
    let expected = [u64::from(running.pid())];
    assert_eq!(found_by("./bot --stubborn"), expected);
    fs::copy(testbot(), &new).unwrap();
    fs::rename(&new, &program).unwrap();
    assert_eq!(found_by("./bot --stubborn"), expected, "replaced");
    let absolute = format!("{} --stubborn", program.display());
    assert_eq!(found_by(&absolute), expected, "by its whole path");
    assert_eq!(found_by("./bot"), [] as [u64; 0], "other arguments");
}

#[test]
fn a_folder_that_was_rebuilt_is_the_same_folder() {
    let stage = Stage::new();
    let folder = stage.folder().join("app");
    write(&stage, "app/main.py", PYTHON);
    let start = program(&stage, "python3 main.py").current_dir(&folder);
    let (running, pid) = bot(&stage, start, &folder);
    fs::remove_dir_all(&folder).unwrap();
    write(&stage, "app/main.py", PYTHON);
    let plan = plan(&stage, "python3 main.py", |start| start.current_dir(&folder));
    assert_eq!(found(&plan), [u64::from(pid)], "{plan:#}");
    end(&stage, running, pid);
}

#[test]
fn a_program_with_several_names_is_known_by_the_name_that_it_runs_under() {
    let stage = Stage::new();
    fs::copy(testbot(), stage.folder().join("box")).unwrap();
    for name in ["voice", "mail"] {
        symlink("box", stage.folder().join(name)).unwrap();
    }
    let running = stage.program("./voice", &[]).start();
    stage.ready(1);
    let found_by = |line: &str| found(&plan(&stage, line, |start| start));
    assert_eq!(found_by("./voice"), [u64::from(running.pid())]);
    assert_eq!(found_by("./mail"), [] as [u64; 0]);
}

/// Returns the guessed name.
#[track_caller]
fn name<'a>(stage: &'a Stage, line: &str, change: impl FnOnce(Start<'a>) -> Start<'a>) -> String {
    let line = format!("{} plan --json -- {line}", programs::monopoll().display());
    let ended = change(program(stage, &line)).end().exits(0);
    let plan: Value = serde_json::from_str(&ended.out).unwrap();
    plan["instance"].as_str().unwrap().to_owned()
}

#[test]
fn the_guessed_name_is_the_same_for_every_spelling_and_for_nothing_else() {
    let stage = Stage::new();
    for file in ["one/main.py", "two/main.py", "admin.py", "main.py"] {
        write(&stage, file, PYTHON);
    }
    let named = |line: &str| name(&stage, line, |start| start);
    let own = named("python3 main.py");
    let (base, hash) = own.split_once(".py-").unwrap();
    assert_eq!((base, hash.len()), ("main", 12), "{own}");
    let absolute = format!("python3 -u {}/one/../main.py", stage.folder().display());
    for same in ["python3 -u ./main.py", "./main.py", "python3 -m main", &absolute] {
        assert_eq!(named(same), own, "{same}");
    }
    for other in ["python3 admin.py", "python3 main.py -x", "python3 one/main.py"] {
        assert_ne!(named(other), own, "{other}");
    }
    let with = |variable: &str, value: &str| {
        name(&stage, "python3 main.py", |start| start.env(variable, value))
    };
    assert_eq!(with("NODE_ENV", "production"), own);
    assert_eq!(with("MONOPOLL_LOG", "info"), own);
    assert_ne!(with("BOT_PROFILE", "a"), own);
    assert_ne!(with("BOT_PROFILE", "a"), with("BOT_PROFILE", "b"));
    assert_ne!(with("BOT_PROFILE", ""), own, "unset is a value of its own");
}

#[test]
fn the_guessed_name_does_not_follow_the_link_of_a_release() {
    let stage = Stage::new();
    for release in ["1", "2"] {
        write(&stage, &format!("releases/{release}/main.py"), PYTHON);
    }
    let current = stage.folder().join("current");
    let both = |release: &str| {
        let _ = fs::remove_file(&current);
        symlink(format!("releases/{release}"), &current).unwrap();
        (
            name(&stage, "python3 current/main.py", |start| start),
            name(&stage, "python3 main.py", |start| {
                start.current_dir(&current).env("PWD", &current)
            }),
        )
    };
    assert_eq!(both("1"), both("2"));
}

#[test]
fn every_spelling_of_a_node_script_is_the_same_command() {
    let stage = Stage::new();
    write(&stage, "index.js", JAVASCRIPT);
    write(&stage, ".env", "A=b\n");
    write(&stage, "package.json", r#"{"scripts": {"start": "A=b node index.js"}}"#);
    let spellings = [
        "node index.js",
        "node ./index",
        "node .",
        "node --no-warnings --inspect=0 index.js",
        "npm start",
        "npm run --silent start",
    ];
    all_find_each_other(&stage, &spellings, &path());
}

#[test]
fn a_script_of_a_package_is_known_by_its_name_where_it_is_no_plain_command() {
    let stage = Stage::new();
    write(&stage, "index.js", JAVASCRIPT);
    write(&stage, "package.json", r#"{"scripts": {"start": "true && node index.js"}}"#);
    all_find_each_other(&stage, &["npm start", "npm run start"], &path());
}

#[test]
fn the_package_managers_and_runtimes_of_javascript_run_the_same_command() {
    let Some(pnpm) = peer("js/node_modules/.bin/pnpm") else { return };
    let stage = Stage::new();
    write(&stage, "index.js", JAVASCRIPT);
    write(
        &stage,
        "package.json",
        r#"{"name": "bot", "version": "1.0.0", "scripts": {"start": "node index.js"}}"#,
    );
    write(&stage, "deno.json", r#"{"tasks": {"start": "node index.js"}}"#);
    symlink(pnpm.ancestors().nth(2).unwrap(), stage.folder().join("node_modules")).unwrap();
    let path = format!("{}:{}", pnpm.parent().unwrap().display(), path());
    let spellings = [
        "node index.js",
        "pnpm start",
        "pnpm run start",
        "yarn start",
        "yarn run start",
        "bun start",
        "bun run index.js",
        "bun --smol index.js",
        "deno task start",
        "tsx index.js",
        "node --import tsx index.js",
        "npx tsx index.js",
        "node_modules/.bin/tsx index.js",
        "node node_modules/tsx/dist/cli.mjs index.js",
    ];
    all_find_each_other(&stage, &spellings, &path);
    write(
        &stage,
        "deno.mjs",
        "Deno.writeTextFileSync(`ready-${Deno.pid}`, '');\nsetTimeout(() => {}, 600000);\n",
    );
    let spellings =
        ["deno run -A deno.mjs", "deno run --allow-all -q ./deno.mjs", "deno -A deno.mjs"];
    all_find_each_other(&stage, &spellings, &path);
}

#[test]
fn the_launchers_of_python_run_the_same_command() {
    let Some(uv) = peer("launchers/bin/uv") else { return };
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(
        &stage,
        "pyproject.toml",
        "[project]\nname = 'bot'\nversion = '1'\nrequires-python = '>=3.8'\n",
    );
    write(&stage, "Pipfile", "[scripts]\nbot = 'python3 main.py'\n");
    let path = format!("{}:{}", uv.parent().unwrap().display(), path());
    let spellings = [
        "uv run --no-project --offline main.py",
        "uv run --no-project --offline python3 main.py",
        "uv run --no-project --offline -m main",
        "poetry run python3 main.py",
        "python3 main.py",
    ];
    all_find_each_other(&stage, &spellings, &path);
    let plan = plan(&stage, "pipenv run bot", |start| start.env("PATH", &path));
    assert_eq!(found(&plan), [] as [u64; 0], "{plan:#}");
    all_find_each_other(&stage, &["pipenv run bot", "python3 main.py"], &path);
}

#[test]
fn the_other_interpreters_run_the_same_command() {
    let stage = Stage::new();
    write(&stage, "bot.sh", "#!/bin/sh\n: > ready-$$\nsleep 600\n");
    write(&stage, "bot.pl", "#!/usr/bin/perl\nopen(F, '>', \"ready-$$\"); close F; sleep 600;\n");
    all_find_each_other(&stage, &["sh bot.sh", "bash -eu ./bot.sh", "./bot.sh"], &path());
    all_find_each_other(&stage, &["perl bot.pl", "perl -w -W ./bot.pl", "./bot.pl"], &path());
}

#[test]
fn what_a_program_that_starts_another_in_its_place_becomes_is_the_same_command() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
    let path = format!("{}:{}", stage.folder().join("bin").display(), path());
    let spellings = [
        "python3 main.py",
        "taskset 1 python3 main.py",
        "prlimit --nofile=512 python3 main.py",
        "chrt --other 0 python3 main.py",
        "setarch --addr-no-randomize python3 main.py",
        "setpriv --no-new-privs python3 main.py",
        "unshare -m python3 main.py",
        "runuser -u root -- python3 main.py",
        "sudo python3 main.py",
        "bash -c cd . && python3 main.py",
        "bash -c cd . && exec python3 main.py",
    ];
    all_find_each_other(&stage, &spellings, &path);
}

#[test]
fn a_shell_that_enters_a_folder_runs_the_command_there() {
    let stage = Stage::new();
    let app = stage.folder().join("app");
    write(&stage, "app/main.py", PYTHON);
    write(&stage, "main.py", PYTHON);
    let line = "python3 main.py";
    for shell in ["bash -c cd app && python3 main.py", "bash -c cd app; exec python3 main.py"] {
        let (running, pid) = bot(&stage, program(&stage, shell), &app);
        let found_by = |line: &str, folder: &Path| {
            found(&plan(&stage, line, |start| start.current_dir(folder))).contains(&pid.into())
        };
        assert!(found_by(shell, stage.folder()) && found_by(line, &app));
        assert!(!found_by(line, stage.folder()));
        end(&stage, running, pid);
        let (running, pid) = bot(&stage, program(&stage, line).current_dir(&app), &app);
        let plan = plan(&stage, shell, |start| start);
        assert_eq!(found(&plan), [u64::from(pid)], "{plan:#}");
        end(&stage, running, pid);
    }
}

#[test]
fn what_waits_for_the_bot_of_another_user_is_not_the_same_command() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for waits in ["sudo", "doas", "runuser"] {
        let copy = stage.folder().join(waits);
        fs::copy(testbot(), &copy).unwrap();
        let number = stage.events().len();
        let _waits = stage.program(copy, &["-u", "bot", "python3", "main.py"]).start();
        stage.wait_until("it", || (stage.events().len() > number).then_some(()));
        let plan = plan(&stage, "python3 main.py", |start| start);
        assert_eq!(found(&plan), [] as [u64; 0], "{plan:#}");
    }
}

#[test]
fn an_interpreter_under_another_name_runs_the_same_command() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let python = fs::canonicalize("/usr/bin/python3").unwrap();
    for name in ["python3.13t", "python3-dbg", "ipython", "mybot-python"] {
        symlink(&python, stage.folder().join(name)).unwrap();
    }
    let spellings = [
        "python3 main.py",
        "./python3.13t main.py",
        "./python3-dbg main.py",
        "./ipython main.py",
        "./mybot-python main.py",
        "bash -c exec -a mybot python3 main.py",
    ];
    all_find_each_other(&stage, &spellings, &path());
}

#[test]
fn a_module_that_runs_a_script_runs_the_same_command() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let spellings = [
        "python3 main.py",
        "python3 -m cProfile -s time main.py",
        "python3 -m trace --count main.py",
        "python3 -um cProfile -m main",
    ];
    all_find_each_other(&stage, &spellings, &path());
}
