//! Start scripts with more lines than the bot: what only prepares it leaves no doubt, and what may
//! choose another bot does, before the bot and after it.

use monopoll_test_bots::stage::{Stage, is_alive};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};
use crate::script_variables::{is_the_same, planned};

const IN_DOUBT: &str = "lines that may choose another bot";

/// Lines before the bot, or parts of them.
const STEPS: [&str; 62] = [
    "export PYTHONPATH=.",
    "export PYTHONPATH=.:$PYTHONPATH",
    "export PYTHONPATH=\"$(pwd)\"",
    ".venv/bin/pip install -r requirements.txt",
    "\"$BOT_VENV/bin/pip\" install -U pip",
    "python3 -m pip install -q -r requirements.txt",
    "\"$BOT_PYTHON\" -m pip install -r requirements.txt",
    "uv sync --frozen",
    "npm ci",
    "poetry install",
    "[ -d logs ] || mkdir logs",
    "test -f main.py || exit 1",
    "command -v python3 > /dev/null || { echo 'no Python'; exit 1; }",
    "mkdir -p logs data",
    "touch bot.log",
    "rm -f bot.pid",
    "alembic upgrade head",
    "uv run alembic upgrade head",
    "npx prisma migrate deploy",
    "python3 manage.py migrate --noinput",
    "git pull",
    "if ! [ -d .venv ]; then python3 -m venv .venv; fi",
    "if [ ! -d .venv ]\nthen\n  python3 -m venv .venv\nfi",
    "until pg_isready; do sleep 1; done",
    "while ! nc -z localhost 5432; do sleep 0.1; done",
    "exec >> bot.log 2>&1",
    "ulimit -n 4096",
    "umask 077",
    "redis-server &",
    "redis-server --daemonize yes",
    "docker compose up -d redis",
    "sudo apt-get install -y ffmpeg",
    "kill $(cat bot.pid)",
    "pkill -f other.py",
    "trap 'rm -f bot.pid' EXIT",
    "sleep 5",
    "set -eu",
    "flask db upgrade",
    "which python3",
    "tsc",
    "rimraf dist && tsc",
    "npx prisma generate",
    "knex migrate:latest",
    "esbuild src/main.ts --bundle --outfile=dist/main.js",
    "vite build || exit 1",
    "nest build",
    "npm run build",
    "yarn build:prod",
    "go build -o bin/bot ./cmd/bot",
    "cargo build --release",
    "make deps",
    "clear",
    "rm -rf __pycache__",
    "find . -name '*.pyc' -delete",
    "find . -type d -name __pycache__ -exec rm -rf {} +",
    "cp -n .env.example .env",
    "[ -f .env ] || cp .env.example .env",
    "mv bot.log bot.log.1",
    "cat <<EOF\nstarting\nEOF",
    "[[ $EUID -ne 1 ]] || exit 1",
    "python3 update.py",
    "curl -fsS localhost > /dev/null || true",
];

const CHOOSING_STEPS: [&str; 19] = [
    "exec > .env\necho BOT=bob",
    "docker compose cp web:/settings .env",
    "rm -f .env",
    "cp envs/bob .env",
    "ln -sf envs/bob .env",
    "sed -i s/alice/bob/ config.toml",
    "mkdir x > .env",
    "./prepare bob",
    "./test bob",
    "python3 choose.py bob",
    "npm run build:bob",
    "python3 update.py bob",
    "make bob",
    "curl -o .env localhost",
    "cat bob > bot.txt",
    "find . -name .env -delete",
    "git switch bob",
    "[ -d bob ] && cd bob",
    "[ -f bob ] && export BOT=bob",
];

const LOOPS: [&str; 9] = [
    "while :; do python3 main.py; sleep 2; done",
    "while true\ndo\n  python3 main.py\n  sleep 2\ndone",
    "while [ 1 ]; do python3 main.py; done",
    "while sleep 1; do python3 main.py; done",
    "until python3 main.py; do echo again; sleep 1; done",
    "while ! python3 main.py; do sleep 1; done",
    "until false; do python3 main.py >> bot.log 2>&1; echo \"ended $(date)\" >> bot.log; done",
    "mkdir -p logs\nwhile true; do python3 main.py || true; [ -f stop ] && break; sleep 5; done",
    "while true; do python3 main.py && break; sleep 1; done | tee bot.log",
];

const OTHER_LOOPS: [&str; 7] = [
    "while :; do python3 main.py; cp envs/bob .env; done",
    "while :; do python3 main.py; cd ..; done",
    "while :; do git switch bob; python3 main.py; done",
    "while read -r line; do python3 main.py; done < bots",
    "while [ -f bob ]; do python3 main.py; done",
    "while true && [ -f bob ]; do python3 main.py; done",
    "if [ -f bob ]; then while true; do python3 main.py; done; fi",
];

fn main_py() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for name in ["manage.py", "choose.py", "update.py", "bob/.keep", ".venv/bin/activate"] {
        write(&stage, name, "");
    }
    write(&stage, "Makefile", "bob:\n\techo bob\ndeps:\n\techo deps\n");
    for name in ["prepare", "test"] {
        write(&stage, name, "#!/bin/sh\n");
    }
    stage
}

/// Returns the plan of `sh start.sh`.
fn plan_of(stage: &Stage, script: &str) -> Value {
    write(stage, "start.sh", &format!("{script}\n"));
    plan(unnamed(stage, &["plan"], "sh start.sh"))
}

#[track_caller]
fn is_taken_over(stage: &Stage, script: &str, pid: u32) {
    let seen = plan_of(stage, script);
    let pids = vec![u64::from(pid)];
    assert_eq!((&seen["verdict"], found(&seen)), (&"act".into(), pids), "{script}: {seen:#}");
}

#[track_caller]
fn is_in_doubt(stage: &Stage, script: &str, pid: u32) {
    let seen = plan_of(stage, script);
    assert!(refusal(&seen).contains("end it first (`kill"), "{script}: {seen:#}");
    assert_eq!(found(&seen), [u64::from(pid)], "{script}: {seen:#}");
}

#[test]
fn a_start_script_that_only_prepares_its_bot_takes_it_over() {
    let stage = main_py();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for step in STEPS {
        is_taken_over(&stage, &format!("{step}\nexec python3 main.py"), pid);
    }
    // A longer script is not read.
    for steps in STEPS[2..].chunks(20) {
        is_taken_over(&stage, &(steps.join("\n") + "\npython3 main.py"), pid);
    }
    for step in CHOOSING_STEPS {
        is_in_doubt(&stage, &format!("{step}\nexec python3 main.py"), pid);
    }
    end(&stage, running, pid);
    // The bot of the script, and the bot by hand.
    let steps = "export PYTHONPATH=.\n[ -d logs ] || mkdir logs\nrm -f bot.pid\nulimit -n 256\n\
                 umask 077\nif ! [ -f bot.log ]; then touch bot.log; fi\nexec >> bot.log 2>&1\n";
    write(&stage, "start.sh", &format!("{steps}exec python3 main.py\n"));
    is_the_same(&stage, "sh start.sh", "python3 main.py");
    is_the_same(&stage, "sh start.sh", "sh start.sh");
}

#[test]
fn a_search_path_of_another_folder_is_still_a_doubt() {
    let stage = main_py();
    write(&stage, "start.sh", "export PYTHONPATH=bob\nexec python3 main.py\n");
    for line in ["python3 main.py", "PYTHONPATH=. python3 main.py"] {
        let (seen, is_found) = planned(&stage, line, "sh start.sh");
        assert!(is_found && refusal(&seen).contains("$PYTHONPATH"), "{line}: {seen:#}");
    }
}

#[test]
fn a_loop_takes_over_the_bot_that_it_starts() {
    let stage = main_py();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for script in LOOPS {
        is_taken_over(&stage, script, pid);
    }
    for script in OTHER_LOOPS {
        is_in_doubt(&stage, script, pid);
    }
    write(&stage, "loop.sh", "while :; do python3 main.py; sleep 600; done\n");
    let (guard, own) = bot(&stage, unnamed(&stage, &["run"], "sh loop.sh"), stage.folder());
    assert!(!is_alive(pid) && is_alive(own));
    let (again, last) = bot(&stage, unnamed(&stage, &["run"], "sh loop.sh"), stage.folder());
    assert!(!is_alive(own) && is_alive(last));
    guard.end().exits(0);
    end(&stage, again, last);
    drop(running);
}

#[test]
fn a_line_after_the_bot_that_may_choose_another_one_does_not_end_the_bot_of_another_script() {
    for script in [
        "python3 main.py &\necho BOT=WHO > .env\nwait",
        "nohup python3 main.py > bot.log &\necho WHO > bot.txt",
        "python3 main.py &\nprintf 'BOT=%s\\n' WHO >> .env; wait",
        "python3 main.py & { echo BOT=WHO; } > .env; wait",
        "python3 main.py &\ncp envs/WHO .env\nwait",
        "python3 main.py &\nln -sf envs/WHO .env\nwait",
        "python3 main.py &\nsed -i s/x/WHO/ .env\nwait",
        "python3 main.py &\ngit checkout -q WHO\nwait",
        "python3 main.py &\ngit pull -q origin WHO\nwait",
        "python3 main.py &\nrm -f .env\nwait",
        "trap 'echo WHO > .env' TERM; python3 main.py",
        "python3 main.py & trap 'git checkout WHO' EXIT; wait",
    ] {
        let stage = main_py();
        for name in ["alice", "bob"] {
            write(&stage, &format!("{name}.sh"), &format!("{}\n", script.replace("WHO", name)));
            write(&stage, &format!("envs/{name}"), "A=b\n");
        }
        let (seen, is_found) = planned(&stage, "sh alice.sh", "sh bob.sh");
        assert!(is_found && refusal(&seen).contains(IN_DOUBT), "{script}: {seen:#}");
        // A shell that still waits says which script it runs.
        if !script.starts_with("nohup") {
            is_the_same(&stage, "sh bob.sh", "sh bob.sh");
        }
    }
    for script in [
        "python3 main.py &\necho $! > bot.pid\ntouch .env\nwait",
        "python3 main.py &\necho WHO >> bot.log\nrm -f old.log\nwait",
    ] {
        let stage = main_py();
        write(&stage, "alice.sh", &script.replace("WHO", "alice"));
        write(&stage, "bob.sh", &script.replace("WHO", "bob"));
        is_the_same(&stage, "sh alice.sh", "sh bob.sh");
    }
}
