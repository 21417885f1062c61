//! A variable that only one of two processes has may tell two bots apart: the other bot is never
//! ended, and the same bot is still found.

use monopoll_test_bots::programs;
use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, token};

use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, path, program, words, write};
use crate::script_variables::{split, with};

/// A folder with a bot in two languages, and the ways to start it for one of two environments.
fn folder() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "main.js", JAVASCRIPT);
    for name in ["dev", "prod"] {
        for variable in ["ENV", "ROOM"] {
            let text = format!("#!/bin/sh\nexport {variable}={name}\n");
            let low = variable.to_lowercase();
            write(&stage, &format!("{name}-{low}.sh"), &format!("{text}exec python3 main.py\n"));
            write(&stage, &format!("{name}-{low}-waits.sh"), &format!("{text}python3 main.py\n"));
        }
    }
    write(&stage, "plain.sh", "#!/bin/sh\nexec python3 main.py\n");
    let makefile = "run:\n\tpython3 main.py\n\
                    dev:\n\tROOM=dev python3 main.py\n\
                    export-dev:\n\texport ROOM=dev; exec python3 main.py\n";
    write(&stage, "Makefile", makefile);
    stage
}

/// A start of a line such as `BOT=bob python3 main.py` or `sh -c CODE`.
fn start<'a>(stage: &'a Stage, args: &[&str], line: &str) -> Start<'a> {
    let (variables, line) = split(line);
    let lock = format!("lock.paths=[\"{}/{{instance}}.lock\"]", stage.locks().display());
    let start = stage.program(programs::monopoll(), args).set(&lock).on_conflict("graceful");
    let start = start.set("limits.max_takeovers=30");
    let start = words(&line).iter().fold(start.argument("--"), |start, word| start.argument(word));
    with(start, &variables)
}

fn running<'a>(stage: &'a Stage, line: &str) -> Start<'a> {
    let (variables, line) = split(line);
    with(program(stage, &line), &variables)
}

/// Checks that a start of `started` refuses, names the variable and ends nothing, while `line` runs
/// with and without a guard.
#[track_caller]
fn both_live(stage: &Stage, line: &str, started: &str, variable: &str) {
    for bot_start in [running(stage, line), start(stage, &["run"], line)] {
        let (process, pid) = bot(stage, bot_start, stage.folder());
        is_refused(stage, &process, pid, started, variable);
        end(stage, process, pid);
    }
}

#[track_caller]
fn is_refused(stage: &Stage, process: &Running<'_>, pid: u32, started: &str, variable: &str) {
    let refused = start(stage, &["run"], started).end().exits(75);
    let names_it = refused.err.contains(&format!("another value of ${variable}"));
    assert!(names_it && refused.err.contains("`--instance NAME`"), "{started}: {refused:?}");
    assert!(process.is_alive() && is_alive(pid), "{started}: {refused:?}");
}

/// Checks that a start of `started` ends what runs as `line`, with and without a guard.
#[track_caller]
fn is_taken_over(stage: &Stage, line: &str, started: &str) {
    for bot_start in [running(stage, line), start(stage, &["run"], line)] {
        let (process, pid) = bot(stage, bot_start, stage.folder());
        let (new, own) = bot(stage, start(stage, &["run"], started), stage.folder());
        assert!(!is_alive(pid) && is_alive(own), "{line} / {started}");
        end(stage, new, own);
        drop(process);
    }
}

#[test]
fn what_the_script_of_the_running_bot_set_puts_it_in_doubt() {
    let stage = folder();
    for started in ["./prod-env.sh", "python3 main.py", "make run", "./plain.sh"] {
        both_live(&stage, "./dev-env.sh", started, "ENV");
        both_live(&stage, "./dev-env-waits.sh", started, "ENV");
    }
    for same in ["./dev-env.sh", "sh dev-env.sh"] {
        is_taken_over(&stage, "./dev-env.sh", same);
    }
    is_taken_over(&stage, "./dev-env-waits.sh", "./dev-env-waits.sh");
}

/// Its name says nothing, but a guard or a launcher that still runs names the script.
#[test]
fn what_the_script_below_a_guard_or_a_launcher_sets_counts_under_any_name() {
    let stage = folder();
    for started in ["./prod-room.sh", "python3 main.py", "make run"] {
        let (guard, pid) = bot(&stage, start(&stage, &["run"], "./dev-room.sh"), stage.folder());
        is_refused(&stage, &guard, pid, started, "ROOM");
        end(&stage, guard, pid);
        both_live(&stage, "./dev-room-waits.sh", started, "ROOM");
    }
    for makes in ["make dev", "make export-dev"] {
        let (guard, pid) = bot(&stage, start(&stage, &["run"], makes), stage.folder());
        is_refused(&stage, &guard, pid, "python3 main.py", "ROOM");
        end(&stage, guard, pid);
        is_taken_over(&stage, makes, makes);
    }
    for line in ["./dev-room.sh", "./dev-room-waits.sh"] {
        is_taken_over(&stage, line, line);
        is_taken_over(&stage, line, &format!("sh {line}"));
        is_taken_over(&stage, line, "ROOM=dev python3 main.py");
    }
    // A launcher of the guard itself.
    write(&stage, "guarded.sh", "#!/bin/sh\nROOM=dev \"$@\"\nexit 0\n");
    let launched = start(&stage, &["run"], "python3 main.py").through(&["sh", "guarded.sh"]);
    let (shell, pid) = bot(&stage, launched, stage.folder());
    is_refused(&stage, &shell, pid, "python3 main.py", "ROOM");
    end(&stage, shell, pid);
}

#[test]
fn what_the_words_of_one_command_set_counts_although_the_other_has_none() {
    let stage = folder();
    let scripts = r#"{"scripts": {"dev": "NODE_ENV=dev node main.js", "start": "node main.js",
        "worker": "WORKER=1 node main.js", "queue": "env QUEUE=1 node main.js"}}"#;
    write(&stage, "package.json", scripts);
    for (with, without) in [
        ("sh -c STAGE=dev python3 main.py", "python3 main.py"),
        ("sh -c export STAGE=dev; exec python3 main.py", "python3 main.py"),
        ("env STAGE=dev python3 main.py", "python3 main.py"),
        ("env PYTHON_ENV=dev python3 main.py", "python3 main.py"),
        ("npm run dev", "node main.js"),
        ("npm run dev", "npm start"),
        ("npm run worker", "node main.js"),
        ("npm run worker", "npm start"),
        ("npm run queue", "npm start"),
    ] {
        let variables = ["PYTHON_ENV", "STAGE"];
        let variable = match with {
            "npm run worker" => "WORKER",
            "npm run queue" => "QUEUE",
            _ => variables.into_iter().find(|it| with.contains(it)).unwrap_or("NODE_ENV"),
        };
        let (process, pid) = bot(&stage, running(&stage, without), stage.folder());
        is_refused(&stage, &process, pid, with, variable);
        end(&stage, process, pid);
        let (guard, pid) = bot(&stage, start(&stage, &["run"], with), stage.folder());
        is_refused(&stage, &guard, pid, without, variable);
        end(&stage, guard, pid);
        if with.starts_with("npm") {
            let (process, pid) = bot(&stage, running(&stage, with), stage.folder());
            is_refused(&stage, &process, pid, without, variable);
            end(&stage, process, pid);
        }
        is_taken_over(&stage, with, with);
        is_taken_over(&stage, without, without);
    }
    // Options of a runtime, and an unknown option that only one command has, choose nothing.
    for harmless in ["env PYTHONUNBUFFERED=1 TZ=UTC python3 main.py", "env A=1 python3 main.py"] {
        is_taken_over(&stage, harmless, "python3 main.py");
        is_taken_over(&stage, "python3 main.py", harmless);
    }
}

#[test]
fn an_inherited_variable_that_names_the_bot_or_its_environment_may_be_unset() {
    let stage = folder();
    let line = "python3 main.py";
    for name in
        ["ENV", "BOT", "NODE_ENV", "RUN_MODE", "IS_PROD", "CONFIG_DIR", "PYTHON_ENV", "env", "mode"]
    {
        both_live(&stage, line, &format!("{name}=test {line}"), name);
        both_live(&stage, &format!("{name}=test {line}"), line, name);
        is_taken_over(&stage, &format!("{name}=test {line}"), &format!("{name}=test {line}"));
    }
    for name in ["DATABASE_URL", "CREDENTIALS_DIRECTORY", "PYTHONPATH", "ROLE"] {
        is_taken_over(&stage, line, &format!("{name}=a {line}"));
        is_taken_over(&stage, &format!("{name}=a {line}"), line);
        both_live(&stage, &format!("{name}=a {line}"), &format!("{name}=b {line}"), name);
    }
    is_taken_over(&stage, &format!("ENV= {line}"), line);
    // A service has it where a shell has nothing.
    let production = format!("NODE_ENV=production {line}");
    is_taken_over(&stage, &production, line);
    is_taken_over(&stage, line, &production);
    both_live(&stage, &production, &format!("NODE_ENV=development {line}"), "NODE_ENV");
}

#[test]
fn only_what_pm2_itself_sets_is_no_doubt() {
    let stage = folder();
    let line = "python3 main.py";
    both_live(&stage, &format!("env=dev {line}"), &format!("env=prod {line}"), "env");
    let namespaces = ["a", "b"].map(|name| format!("namespace={name} {line}"));
    both_live(&stage, &namespaces[0], &namespaces[1], "namespace");
    is_taken_over(&stage, &format!("env=prod {line}"), line);
    // PM2 names its own settings so.
    let in_pm2 =
        format!("exec_mode=fork_mode instance_var=NODE_APP_INSTANCE namespace=default {line}");
    for (theirs, mine) in [(&*in_pm2, line), (line, &in_pm2)] {
        let (process, pid) = bot(&stage, pm2_env(running(&stage, theirs)), stage.folder());
        let (new, own) = bot(&stage, start(&stage, &["run"], mine), stage.folder());
        assert!(!is_alive(pid) && is_alive(own), "{theirs} / {mine}");
        end(&stage, new, own);
        drop(process);
    }
    let (process, pid) = bot(&stage, pm2_env(running(&stage, line)), stage.folder());
    is_refused(&stage, &process, pid, &format!("env=dev {line}"), "env");
}

/// Adds the text that PM2 makes of its table of variables.
fn pm2_env(start: Start<'_>) -> Start<'_> {
    start.env("env", "[object Object]")
}

#[test]
fn what_a_session_or_a_service_has_is_no_doubt() {
    let stage = folder();
    let line = "python3 main.py";
    let session = "AWS_PROFILE=me VIRTUAL_ENV=/v GITHUB_ENV=/tmp/x ITERM_PROFILE=d \
                   GNOME_SHELL_SESSION_MODE=ubuntu VSCODE_PROFILE=p DIRENV_DIR=/d ENV=/etc/shrc \
                   INVOCATION_ID=1 CONFIGURATION_DIRECTORY=/etc/b NODE_APP_INSTANCE=0 TMUX=/t,1,0";
    is_taken_over(&stage, &format!("{session} {line}"), line);
    is_taken_over(&stage, line, &format!("{session} {line}"));
    write(&stage, "tools.sh", "#!/bin/sh\nexport NVM_DIR=\"$HOME/.nvm\"\nexec python3 main.py\n");
    is_taken_over(&stage, "./tools.sh", line);
    is_taken_over(&stage, line, "./tools.sh");
    // Neither of two bots with a cleared environment has a variable of its session.
    let cleared = format!("env -i PATH={} python3 main.py", path());
    let (_running, pid) = bot(&stage, running(&stage, &cleared), stage.folder());
    let run = start(&stage, &["run"], &format!("ENV=test {cleared}"));
    let (_new, own) = bot(&stage, run, stage.folder());
    assert!(!is_alive(pid) && is_alive(own));
}

#[test]
fn the_token_and_a_given_name_say_more_than_an_unset_variable() {
    let stage = folder();
    let line = "python3 main.py";
    let mine = token();
    let (_process, pid) =
        bot(&stage, running(&stage, line).env("BOT_TOKEN", &mine), stage.folder());
    let run = start(&stage, &["run"], &format!("ENV=test {line}")).env("BOT_TOKEN", &mine);
    let (new, own) = bot(&stage, run, stage.folder());
    assert!(!is_alive(pid) && is_alive(own));
    end(&stage, new, own);
    let named = |line: &str| start(&stage, &["--instance", "voice", "run"], line);
    let (_first, pid) = bot(&stage, named(&format!("NODE_ENV=staging {line}")), stage.folder());
    let (_second, own) = bot(&stage, named(line), stage.folder());
    assert!(!is_alive(pid) && is_alive(own));
}

/// A loader of `.env` files reads there what a systemd unit or `. ./.env` puts into the
/// environment.
#[test]
fn a_variable_of_the_env_file_is_the_value_of_a_bot_that_has_none() {
    let stage = folder();
    write(&stage, ".env", "ENV=stage\nBOT_ENV=stage\n");
    let (plain, loaded) = ("python3 main.py", "ENV=stage BOT_ENV=stage python3 main.py");
    is_taken_over(&stage, loaded, plain);
    is_taken_over(&stage, plain, loaded);
    both_live(&stage, plain, "ENV=test python3 main.py", "ENV");
    both_live(&stage, "ENV=test python3 main.py", plain, "ENV");
}

#[test]
fn a_variable_of_one_target_of_a_makefile_chooses_the_bot() {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let target = |name: &str| format!("{name}: export ROOM={name}\n{name}:\n\tpython3 main.py\n");
    write(&stage, "Makefile", &[target("alice"), target("bob")].concat());
    both_live(&stage, "make alice", "make bob", "ROOM");
    is_taken_over(&stage, "make alice", "make alice");
}

#[test]
fn a_mode_that_a_script_or_recipe_sets_may_choose_the_bot() {
    let stage = folder();
    write(&stage, "debug.sh", "#!/bin/sh\nexport DEBUG=1\npython3 main.py\n");
    write(&stage, "Makefile", "debug:\n\tDEBUG=1 python3 main.py\nrun:\n\tpython3 main.py\n");
    both_live(&stage, "sh debug.sh", "python3 main.py", "DEBUG");
    both_live(&stage, "make debug", "make run", "DEBUG");
}
