//! Start scripts and recipes that run a program found through `$PATH`, such as `java -cp bot.jar
//! Bot`: it has no script, and its file is in another folder.

use std::fs;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive};

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{found, path, program, write};

const COMMANDS: [&str; 3] =
    ["mybot --config a.toml", "java -cp bot.jar Bot", "java -classpath lib:bot.jar Main --all"];

/// The lines of a start script or recipe that run a command, and whether they surely become it.
const STARTS: [(&str, bool); 9] = [
    ("exec CMD", true),
    ("cd \"$(dirname \"$0\")\"\nexport LANG=C\nexec CMD", true),
    ("JAVA=${BOT_JAVA:-PROGRAM}\nexec $JAVA ARGS", true),
    ("CMD", true),
    ("nohup CMD > log 2>&1 &\necho $! > pid", true),
    ("python3 -c pass\nexec CMD", false),
    ("if [ -f bot.env ]; then . ./bot.env; fi\nexec CMD", false),
    ("mkdir -p log\npsql -c 'select 1'\nCMD", false),
    ("eval \"$BOT_SETUP\"\nexec CMD", false),
];

fn stage() -> Stage {
    let stage = Stage::new();
    for name in ["mybot", "java", "psql"] {
        let copy = stage.folder().join("bin").join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(testbot(), copy).unwrap();
    }
    for folder in ["app", "other"] {
        write(&stage, &format!("{folder}/bot.jar"), "");
        write(&stage, &format!("{folder}/a.toml"), "");
    }
    stage
}

/// Starts a command in a folder, with the programs in `$PATH`.
fn within<'a>(stage: &Stage, start: Start<'a>, folder: &str) -> Start<'a> {
    let bin = format!("{}:{}", stage.folder().join("bin").display(), path());
    let folder = stage.folder().join(folder);
    start.env("PATH", &bin).env("PWD", &folder).current_dir(&folder)
}

fn bot<'a>(stage: &'a Stage, line: &str, folder: &str) -> Running<'a> {
    let number = stage.events().len();
    let running = within(stage, program(stage, line), folder).start();
    stage.wait_until("the bot", || (stage.events().len() > number).then_some(()));
    running
}

fn script(stage: &Stage, text: &str, command: &str) {
    let (program, args) = command.split_once(' ').unwrap();
    let text = text.replace("CMD", command).replace("PROGRAM", program).replace("ARGS", args);
    write(stage, "app/start", &format!("#!/bin/sh\n{text}\n"));
}

#[test]
fn a_program_on_the_path_that_a_start_script_runs_is_found_in_its_folder_only() {
    let stage = stage();
    for command in COMMANDS {
        for (folder, is_found) in [("app", true), ("other", false)] {
            let running = bot(&stage, command, folder);
            for (text, is_certain) in STARTS {
                script(&stage, text, command);
                let seen = plan(within(&stage, unnamed(&stage, &["plan"], "./start"), "app"));
                let shown = format!("{command} in {folder} / {text}: {seen:#}");
                if !is_found {
                    assert_eq!(
                        (&seen["verdict"], found(&seen)),
                        (&"clear".into(), vec![]),
                        "{shown}"
                    );
                    continue;
                }
                assert_eq!(found(&seen), [u64::from(running.pid())], "{shown}");
                if is_certain {
                    assert_eq!(seen["verdict"], "act", "{shown}");
                } else {
                    assert!(refusal(&seen).contains("end it first (`kill"), "{shown}");
                }
            }
        }
    }
}

#[test]
fn a_program_on_the_path_that_a_recipe_runs_is_found() {
    let stage = stage();
    for command in COMMANDS {
        let running = bot(&stage, command, "app");
        for before in ["", "exec "] {
            write(&stage, "app/Makefile", &format!("run:\n\t{before}{command}\n"));
            let seen = plan(within(&stage, unnamed(&stage, &["plan"], "make run"), "app"));
            assert_eq!(found(&seen), [u64::from(running.pid())], "{command}: {seen:#}");
            assert_eq!(seen["verdict"], "act", "{command}: {seen:#}");
        }
    }
}

#[test]
fn a_second_start_ends_the_program_on_the_path_that_the_first_became() {
    for command in COMMANDS {
        for is_guarded in [false, true] {
            let stage = stage();
            script(&stage, "exec CMD", command);
            let _first = if is_guarded {
                within(&stage, unnamed(&stage, &["run"], "./start"), "app").start()
            } else {
                within(&stage, program(&stage, "./start"), "app").start()
            };
            let pid = stage.ready(1);
            let _second = within(&stage, unnamed(&stage, &["run"], "./start"), "app").start();
            stage.ready(2);
            assert!(!is_alive(pid), "{command}");
        }
    }
}

/// Helpers beside the bot, or on the way to it, are not the bot.
#[test]
fn a_program_on_the_path_beside_the_bot_is_not_the_bot() {
    let stage = stage();
    write(&stage, "app/main.py", "import time\ntime.sleep(600)\n");
    for (helper, text) in [
        ("psql -c x", "psql -c x\npython3 main.py\ntrue"),
        ("psql -c x", "psql -c x &\nexec python3 main.py"),
        ("psql -c x", "python3 main.py || psql -c x"),
        ("psql -c x", "psql -c x\nexec mybot --config a.toml"),
        ("psql -c x", "psql -c x &\nset -e\nexec mybot --config a.toml"),
    ] {
        let running = bot(&stage, helper, "app");
        write(&stage, "app/start", &format!("#!/bin/sh\n{text}\n"));
        let seen = plan(within(&stage, unnamed(&stage, &["plan"], "./start"), "app"));
        assert_eq!((&seen["verdict"], found(&seen)), (&"clear".into(), vec![]), "{text}: {seen:#}");
        drop(running);
    }
}
