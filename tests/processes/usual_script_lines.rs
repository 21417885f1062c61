//! Lines that many start scripts have: functions for messages, the variables of `.env`, a virtual
//! environment in a condition. Those that may choose another bot still leave a doubt.

use monopoll_test_bots::stage::Stage;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};
use crate::script_variables::is_the_same;

const USUAL: [&str; 14] = [
    "log() { echo \"$(date) $1\"; }\nlog starting",
    "function log {\n  local text=\"$1\"\n  echo \"[bot] $text\"\n}\nlog starting",
    "cleanup() { rm -f bot.pid; kill 0; }\ntrap cleanup EXIT INT TERM",
    "trap 'kill $(jobs -p)' EXIT",
    "set -a; . ./.env; set +a",
    "source .env",
    "export $(grep -v '^#' .env | xargs)",
    "[ -f .env ] && export $(cat .env | xargs)",
    "if [ -f .env ]; then\n  set -a\n  source .env\n  set +a\nfi",
    "cd \"$(dirname \"$0\")\"\nset -a; . ./.env; set +a",
    "if [ -d .venv ]; then source .venv/bin/activate; fi",
    "[ -d .venv ] && . .venv/bin/activate",
    "read -t 1 -p 'Continue? ' ANSWER < /dev/null || true",
    "shopt -s nullglob",
];

const CHOOSING: [&str; 12] = [
    "log() { echo BOT=bob > .env; }\nlog",
    "log() { echo \"$(./choose bob)\"; }\nlog",
    "choose() { cp envs/bob .env; }\nchoose",
    "choose() { cp envs/bob .env; }\ntrap choose EXIT",
    "log() { echo up; }\nlog \"$(./choose bob)\"",
    "set -a; . ./.env.bob; set +a",
    "export $(cat .env.bob | xargs)",
    "[ -f .env.bob ] && . ./.env.bob",
    "read -r BOT < bob\nexport BOT",
    "set -a\nread -r BOT < bob",
    "if [ -f bob ]; then set -- bob; fi",
    "trap 'kill $(./choose bob)' EXIT",
];

fn main_py() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for name in [".env", ".env.bob", "envs/bob", "bob", ".venv/bin/activate"] {
        write(&stage, name, "PORT=1\n");
    }
    write(&stage, "choose", "#!/bin/sh\n");
    stage
}

#[test]
fn lines_that_many_scripts_have_leave_no_doubt_and_those_that_may_choose_a_bot_do() {
    let stage = main_py();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    let planned = |lines: &str, last: &str| {
        write(&stage, "start.sh", &format!("#!/bin/bash\n{lines}\n{last}\n"));
        let seen = plan(unnamed(&stage, &["plan"], "./start.sh"));
        assert_eq!(found(&seen), [u64::from(pid)], "{lines}: {seen:#}");
        seen
    };
    for last in ["exec python3 main.py", "python3 main.py"] {
        for lines in USUAL {
            let seen = planned(lines, last);
            assert_eq!(seen["verdict"], "act", "{lines}: {seen:#}");
        }
        for lines in CHOOSING {
            let seen = planned(lines, last);
            assert!(refusal(&seen).contains("end it first (`kill"), "{lines}: {seen:#}");
        }
    }
    end(&stage, running, pid);
}

#[test]
fn a_script_with_such_lines_is_taken_over_by_the_identical_start() {
    for lines in [USUAL[0], USUAL[4], USUAL[6]] {
        let stage = main_py();
        write(&stage, "start.sh", &format!("#!/bin/bash\n{lines}\nexec python3 main.py\n"));
        is_the_same(&stage, "./start.sh", "./start.sh");
    }
}

#[test]
fn the_variables_of_the_env_file_of_a_script_still_tell_two_bots_apart() {
    let stage = main_py();
    write(&stage, ".env", "BOT=alice\n");
    write(&stage, "start.sh", "#!/bin/bash\nset -a; . ./.env; set +a\nexec python3 main.py\n");
    let start = program(&stage, "python3 main.py").env("BOT", "bob");
    let (running, pid) = bot(&stage, start, stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], "./start.sh"));
    assert!(refusal(&seen).contains("another value of $BOT"), "{seen:#}");
    end(&stage, running, pid);
    // The file of the script replaces the value that this start has.
    write(&stage, ".env", "BOT=bob\n");
    let start = program(&stage, "python3 main.py").env("BOT", "alice");
    let (running, pid) = bot(&stage, start, stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], "./start.sh").env("BOT", "alice"));
    assert!(refusal(&seen).contains("end it first (`kill"), "{seen:#}");
    end(&stage, running, pid);
}
