//! One start script in the folder of the code, which remembers the folder of its caller and then
//! enters its own: started in two folders, it may be two bots.

use std::path::{Path, PathBuf};

use monopoll_test_bots::stage::{Stage, is_alive};
use serde_json::Value;

use crate::only_by_pwd::within;
use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};

const DOUBT: &str = "reads the folder in which it is started";

/// OWN stands for entering the folder of the script.
const READING: [&str; 17] = [
    "DIR=$(pwd)\nOWN\npython3 main.py --config \"$DIR/config.json\"",
    "DIR=`pwd -P`\nOWN\npython3 main.py --config \"$DIR/config.json\"",
    "export CONF=\"$PWD/config.json\"\nOWN\npython3 main.py",
    "BOT_DIR=\"$PWD\"\nOWN\nexport BOT_DIR\npython3 main.py",
    "CFG=$(realpath config.json)\nOWN\npython3 main.py $CFG",
    "CFG=$(readlink -f config.json)\nOWN\npython3 main.py $CFG",
    "OWN\npython3 main.py --config \"$OLDPWD/config.json\"",
    "OWN\nCONF=\"$OLDPWD/config.json\" python3 main.py",
    "OWN\npython3 main.py < \"$OLDPWD/config.json\"",
    "cp config.json \"$(dirname \"$0\")/\"\nOWN\npython3 main.py",
    ". ./settings\nOWN\npython3 main.py",
    "[ -f settings ] && source settings\nOWN\npython3 main.py",
    "SETTING=$(cat settings)\nexport SETTING\nOWN\npython3 main.py",
    "export $(grep -v '^#' settings | xargs)\nOWN\npython3 main.py",
    "DIR=$(pwd)\npushd \"$(dirname \"$0\")\" > /dev/null\n\
     while true; do python3 main.py $DIR; sleep 1; done",
    "export HOME_OF_BOT=\"${1:-$PWD}\"\nOWN\npython3 main.py",
    "DIR=$(basename \"$(pwd)\")\nOWN\npython3 main.py $DIR",
];

const OF_ITS_OWN_FOLDER: [&str; 9] = [
    "DIR=\"$(cd \"$(dirname \"$0\")\" && pwd)\"\ncd \"$DIR\"\n\
     python3 main.py --config \"$DIR/config.json\"",
    "cd \"$(dirname \"$(readlink -f \"$0\")\")\"\npython3 main.py",
    "cd \"$(dirname \"${BASH_SOURCE[0]}\")\" || exit 1\nexport CONF=\"$PWD/config.json\"\n\
     python3 main.py",
    "HERE=$(pwd)\nOWN\npython3 main.py\ncd \"$HERE\"",
    "OWN\npython3 main.py\ncd -",
    "echo \"started in $PWD\"\nOWN\npython3 main.py",
    "set -e\nexport WORKERS=$(nproc) DAY=$(date +%F)\nmkdir -p logs\nOWN\npython3 main.py",
    "(OWN && echo $PWD)\nOWN\npython3 main.py",
    "OWN\nDIR=$(pwd)\npython3 main.py --dir \"$DIR\"",
];

/// With settings of their own, only their text says what they start.
const WITH_OWN_SETTINGS: [&str; 4] = [
    "cd \"$(dirname \"$(readlink -f \"$0\")\")\"\n. ./settings\npython3 main.py",
    "DIR=$(dirname \"$(realpath \"$0\")\")\n. \"$DIR/settings\"\ncd \"$DIR\"\npython3 main.py",
    "DIR=$(cd -P -- \"$(dirname -- \"${BASH_SOURCE[0]}\")\" &> /dev/null && pwd -P)\n\
     export $(grep -v '^#' \"$DIR/settings\" | xargs)\ncd $DIR && python3 main.py",
    "OWN\nSETTING=$(cat settings) python3 main.py",
];

fn stage_with(script: &str) -> (Stage, [PathBuf; 3]) {
    let stage = Stage::new();
    let folders = ["common", "alice", "bob"].map(|name| {
        write(&stage, &format!("{name}/config.json"), "{}");
        write(&stage, &format!("{name}/settings"), &format!("SETTING={name}\n"));
        stage.folder().join(name)
    });
    write(&stage, "common/main.py", PYTHON);
    let script = script.replace("OWN", "cd \"$(dirname \"$0\")\"");
    write(&stage, "common/run.sh", &format!("#!/bin/bash\n{script}\n"));
    (stage, folders)
}

fn plan_in(stage: &Stage, folder: &Path, line: &str) -> Value {
    plan(within(unnamed(stage, &["plan"], line), folder))
}

#[test]
fn a_script_that_reads_the_folder_of_its_caller_does_not_end_the_bot_of_another_folder() {
    for script in READING {
        let (stage, [common, alice, bob]) = stage_with(script);
        let whole = common.join("run.sh").display().to_string();
        for (running, started) in
            [(&*whole, &*whole), (&format!("bash {whole}"), &whole), ("../common/run.sh", &whole)]
        {
            let (process, pid) = bot(&stage, within(program(&stage, running), &alice), &common);
            let seen = plan_in(&stage, &bob, started);
            assert_ne!(seen["verdict"], "act", "{script} / {running}: {seen:#}");
            let seen = plan_in(&stage, &common, "./run.sh");
            assert!(refusal(&seen).contains(DOUBT), "{script} / {running}: {seen:#}");
            assert!(found(&seen).contains(&u64::from(pid)), "{script}: {seen:#}");
            end(&stage, process, pid);
        }
    }
}

#[test]
fn a_script_that_reads_the_folder_of_its_caller_is_taken_over_in_the_same_folder() {
    for script in READING {
        let (stage, [common, alice, _]) = stage_with(script);
        let whole = common.join("run.sh").display().to_string();
        // A service may have no `$PWD`. The relative path says where it was started.
        for (line, folder, pwd) in [
            (&*whole, &alice, Some(&alice)),
            ("./run.sh", &common, Some(&common)),
            ("./run.sh", &common, None),
        ] {
            let mut start = program(&stage, line).current_dir(folder);
            if let Some(pwd) = pwd {
                start = start.env("PWD", pwd);
            }
            let (process, pid) = bot(&stage, start, &common);
            let seen = plan_in(&stage, folder, line);
            assert_eq!(seen["verdict"], "act", "{script} / {line}: {seen:#}");
            assert!(found(&seen).contains(&u64::from(pid)), "{script} / {line}: {seen:#}");
            end(&stage, process, pid);
        }
    }
}

#[test]
fn a_script_that_only_finds_its_own_folder_is_the_same_command_from_any_folder() {
    let from_any = OF_ITS_OWN_FOLDER.map(|script| (script, true));
    for (script, is_from_any) in from_any.into_iter().chain(WITH_OWN_SETTINGS.map(|it| (it, false)))
    {
        let (stage, [common, alice, bob]) = stage_with(script);
        let whole = common.join("run.sh").display().to_string();
        let start = program(&stage, &whole).current_dir(&alice);
        let (process, pid) = bot(&stage, start, &common);
        for (line, folder) in [(&*whole, &bob), ("./run.sh", &common)] {
            if !is_from_any && folder == &bob {
                continue;
            }
            let seen = plan_in(&stage, folder, line);
            assert_eq!(seen["verdict"], "act", "{script} / {line}: {seen:#}");
            assert!(found(&seen).contains(&u64::from(pid)), "{script}: {seen:#}");
        }
        end(&stage, process, pid);
    }
}

#[test]
fn a_guard_of_such_a_script_does_not_end_the_bot_of_another_folder() {
    let (stage, [common, alice, bob]) = stage_with(READING[0]);
    let whole = common.join("run.sh").display().to_string();
    let start = |args: &[&str], folder| within(unnamed(&stage, args, &whole), folder);
    let (guard, pid) = bot(&stage, start(&["run"], &alice), &common);
    let seen = plan(start(&["plan"], &bob));
    assert_ne!(seen["verdict"], "act", "{seen:#}");
    let (second, own) = bot(&stage, start(&["run"], &alice), &common);
    assert!(!is_alive(pid) && is_alive(own));
    drop(guard);
    end(&stage, second, own);
}

#[test]
fn the_settings_of_the_callers_folder_are_not_those_of_the_folder_of_the_bot() {
    let script =
        "FILE=$PWD/.env\ncd \"$(dirname \"$0\")\"\nset -a\n. $FILE\nset +a\npython3 main.py";
    let (stage, [common, alice, bob]) = stage_with(script);
    let whole = common.join("run.sh").display().to_string();
    for folder in ["alice", "bob", "common"] {
        write(&stage, &format!("{folder}/.env"), &format!("SLOT={folder}\n"));
    }
    let start = within(program(&stage, "python3 main.py"), &common);
    let (process, pid) = bot(&stage, start, &common);
    let seen = plan_in(&stage, &bob, &whole);
    assert!(refusal(&seen).contains("lines that may choose another bot"), "{seen:#}");
    end(&stage, process, pid);
    let (process, pid) = bot(&stage, within(program(&stage, &whole), &alice), &common);
    let seen = plan_in(&stage, &bob, &whole);
    assert_ne!(seen["verdict"], "act", "{seen:#}");
    end(&stage, process, pid);
}
