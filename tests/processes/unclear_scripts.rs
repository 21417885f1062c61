//! Start scripts with words that only a shell can expand. The usual ways to ask for the folder of
//! the script or for a program are understood. What is not understood is in doubt, not forgotten.

use std::fs;
use std::os::unix::fs::symlink;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::Stage;
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};
use crate::start_scripts::near_misses;

const UNDERSTOOD: [&str; 9] = [
    "DIR=$( cd -- \"$( dirname -- \"${BASH_SOURCE[0]}\" )\" &> /dev/null && pwd )\ncd \"$DIR\"\n\
     exec python3 main.py",
    "SCRIPT=$(readlink -f \"$0\")\nDIR=$(dirname \"$SCRIPT\")\nexec python3 \"$DIR/main.py\"",
    "cd \"$(dirname \"$(realpath \"$0\")\")\"\npython3 main.py",
    "DIR=$(cd \"$(dirname \"$0\")\" && pwd -P)\nexec python3 \"$DIR/main.py\"",
    "exec python3 \"$(pwd)/main.py\"",
    "exec python3 \"$PWD/main.py\"",
    "exec \"$(which python3)\" main.py",
    "exec $(command -v python3 || command -v python) main.py",
    "PY=$(which python3)\n$PY main.py",
];

const IN_DOUBT: [&str; 15] = [
    "exec $(brew --prefix)/bin/python3 main.py",
    "\"$(poetry env info -p)/bin/python\" main.py",
    "exec \"$BOT_PYTHON\" -u main.py",
    "nohup $BOT_PYTHON main.py &",
    "while true; do $BOT_PYTHON main.py; sleep 1; done",
    "exec $BOT_SUDO python3 main.py",
    "exec python3 \"$BOT_ROOT/main.py\"",
    "exec $BOT_PYTHON \"$BOT_ROOT/main.py\"",
    "exec python3 \"main$BOT_KIND.py\"",
    "cd \"$BOT_ROOT\"\nexec python3 main.py",
    "[ -d app ] && cd app\nexec python3 main.py",
    "exec python3 $BOT_SCRIPT",
    "exec \"$BOT_PROGRAM\"",
    "exec -a bot python3 main.py",
    "exec sh -c \"$BOT_LINE\"",
];

const ANOTHER: [&str; 13] = [
    "exec $BOT_PYTHON other.py",
    "exec $BOT_PYTHON main.py --all",
    "exec $BOT_PYTHON -m other",
    "exec python3 \"$BOT_ROOT/other.py\"",
    "exec python3 \"$BOT_ROOT/main.py\" --all",
    "exec python3 \"app/$BOT_NAME.py\"",
    "exec node \"$BOT_SCRIPT\"",
    "exec \"$BOT_ROOT/bin/celery\" worker",
    "cd \"$BOT_ROOT\"\nexec python3 other.py",
    "$BOT_PIP install -r r.txt\nexec python3 other.py",
    "python3 \"$BOT_ROOT/main.py\"\nexec python3 other.py",
    "python3 other.py\n$BOT_CLEANUP",
    "python3 -c \"$BOT_CODE\"",
];

fn script(stage: &Stage, text: &str) {
    write(stage, "start", &format!("#!/bin/bash\n{text}\n"));
}

fn plan_of(stage: &Stage, line: &str) -> Value {
    plan(unnamed(stage, &["plan"], line))
}

#[test]
fn a_script_that_asks_for_its_folder_or_a_program_is_understood() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for text in UNDERSTOOD {
        script(&stage, text);
        let seen = plan_of(&stage, "./start");
        let pids = vec![u64::from(pid)];
        assert_eq!((&seen["verdict"], found(&seen)), (&"act".into(), pids), "{text}: {seen:#}");
    }
    end(&stage, running, pid);
    write(&stage, "main.py", PYTHON);
    for text in UNDERSTOOD {
        script(&stage, text);
        let (running, pid) = bot(&stage, program(&stage, "./start"), stage.folder());
        let seen = plan_of(&stage, "./start");
        assert!(found(&seen).contains(&u64::from(pid)), "{text}: {seen:#}");
        assert_eq!(seen["verdict"], "act", "{text}: {seen:#}");
        end(&stage, running, pid);
    }
}

#[test]
fn a_process_that_fits_what_is_known_of_a_script_is_in_doubt_and_no_other() {
    let stage = Stage::new();
    for name in ["main.py", "other.py"] {
        write(&stage, name, PYTHON);
    }
    write(&stage, "app/.keep", "");
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for text in IN_DOUBT {
        script(&stage, text);
        let seen = plan_of(&stage, "./start");
        assert!(refusal(&seen).contains("end it first (`kill"), "{text}: {seen:#}");
        assert_eq!(found(&seen), [u64::from(pid)], "{text}: {seen:#}");
    }
    for text in ANOTHER {
        script(&stage, text);
        let seen = plan_of(&stage, "./start");
        assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{text}: {seen:#}");
    }
    end(&stage, running, pid);
}

/// A script that says nothing of what it runs could be any program of its folder, but not what is
/// installed there.
#[test]
fn a_script_that_says_nothing_does_not_block_a_start_beside_other_programs() {
    let stage = Stage::new();
    for name in ["main.py", "app/main.py", ".venv/bin/celery"] {
        write(&stage, name, PYTHON);
    }
    let app = stage.folder().join("app");
    for (line, folder) in [
        ("python3 .venv/bin/celery worker", stage.folder()),
        ("python3 main.py", &app),
        ("python3 app/main.py", stage.folder()),
        ("python3 -c import main", stage.folder()),
    ] {
        let start = program(&stage, line).current_dir(folder);
        let (running, pid) = bot(&stage, start, folder);
        for text in
            ["exec python3 $BOT_SCRIPT", "exec \"$BOT_PROGRAM\"", "exec $BOT_PYTHON main.py"]
        {
            script(&stage, text);
            let seen = plan_of(&stage, "./start");
            assert_eq!(seen["verdict"], "clear", "{line} / {text}: {seen:#}");
        }
        end(&stage, running, pid);
    }
    // A script of this folder that was started elsewhere is a near miss.
    let line = format!("python3 {}/main.py", stage.folder().display());
    let (running, pid) = bot(&stage, program(&stage, &line).current_dir(&app), &app);
    for text in ["exec $BOT_PYTHON main.py", "exec python3 \"$BOT_ROOT/main.py\""] {
        script(&stage, text);
        let seen = plan_of(&stage, "./start");
        assert_eq!(near_misses(&seen), [u64::from(pid)], "{text}: {seen:#}");
    }
    end(&stage, running, pid);
}

/// The scan chooses by name, and `explain` compares the process it is asked about. Both must agree
/// whatever a process is called.
#[test]
fn a_process_that_explain_finds_is_found_by_a_start_too() {
    let stage = Stage::new();
    for name in ["main.py", "a.py"] {
        write(&stage, name, PYTHON);
    }
    write(&stage, "start", "#!/bin/sh\npython3 main.py\ntrue\n");
    for (link, file) in [("x1.py", "main.py"), ("x2", "start"), ("x3", "testbot")] {
        symlink(file, stage.folder().join(link)).unwrap();
    }
    fs::copy(testbot(), stage.folder().join("testbot")).unwrap();
    let is_listed = |line: &str, pid: u32| {
        let seen = plan_of(&stage, line);
        found(&seen).contains(&u64::from(pid)) || near_misses(&seen).contains(&u64::from(pid))
    };
    let agree = |line: &str, pid: u32, running: &str| {
        let explained = unnamed(&stage, &["explain", &pid.to_string()], line).end();
        let first = explained.out.lines().next().unwrap_or_default().to_owned();
        let is_explained = !first.contains("is not a candidate");
        assert!(is_listed(line, pid), "{running} / {line}: {first}");
        assert!(is_explained, "{running} / {line}: {first}");
    };
    for (running, lines) in [
        ("python3 x1.py", &["python3 main.py", "./main.py", "sh start"][..]),
        ("./x1.py", &["python3 main.py"]),
        ("bash -c 'exec -a b python3 x1.py'", &["python3 main.py"]),
        ("python3 x1.py --all", &["python3 main.py"]),
        ("python3 main.py", &["python3 x1.py", "./x1.py"]),
        ("python3 -m a", &["python3 a.py"]),
        ("sh x2", &["sh start", "./start"]),
        ("./x2", &["./start"]),
        ("timeout 600 python3 x1.py", &["python3 main.py"]),
    ] {
        let (running_bot, pid) = bot(&stage, program(&stage, running), stage.folder());
        let is_above = running.contains("x2") || running.starts_with("timeout");
        let pid_of_script = if is_above { running_bot.pid() } else { pid };
        for line in lines {
            agree(line, pid_of_script, running);
        }
        end(&stage, running_bot, pid);
    }
    for (running, line) in [("./x3", "./testbot"), ("./x3 --as more", "./testbot")] {
        let process = program(&stage, running).start();
        stage.wait_until("its program", || {
            let exe = fs::read_link(format!("/proc/{}/exe", process.pid())).ok()?;
            exe.ends_with("testbot").then_some(())
        });
        agree(line, process.pid(), running);
        drop(process);
    }
}
