//! Variables of a session, of the log and of a search path in start scripts: those with which a
//! program finds its settings tell two bots apart, and the others do not.

use monopoll_test_bots::stage::Stage;

use crate::other_bots::refusal;
use crate::same_command::{PYTHON, write};
use crate::script_variables::{is_the_same, planned};

fn stage_with(scripts: &[(&str, &str)]) -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    write(&stage, "src/part.py", "");
    for (name, lines) in scripts {
        write(&stage, name, &format!("#!/bin/sh\n{lines}\n"));
    }
    stage
}

#[track_caller]
fn is_in_doubt(stage: &Stage, running: &str, started: &str, variable: &str) {
    let (seen, is_found) = planned(stage, running, started);
    assert!(is_found && refusal(&seen).contains(variable), "{running} / {started}: {seen:#}");
}

#[test]
fn a_script_that_gives_its_bot_other_settings_by_a_variable_of_a_session_is_another_bots() {
    for (name, line) in [
        ("XDG_CONFIG_HOME", "export XDG_CONFIG_HOME=$PWD/WHO"),
        ("XDG_DATA_HOME", "export XDG_DATA_HOME=/data/WHO"),
        ("AWS_PROFILE", "export AWS_PROFILE=WHO"),
        ("GH_CONFIG_DIR", "export GH_CONFIG_DIR=WHO"),
        ("LANGUAGE", "export LANGUAGE=WHO"),
    ] {
        for last in ["exec python3 main.py", "python3 main.py"] {
            let lines = |who: &str| format!("{}\n{last}", line.replace("WHO", who));
            let (alice, bob, one) = (lines("alice"), lines("bob"), lines("$1"));
            let scripts = [("alice.sh", &*alice), ("bob.sh", &bob), ("one.sh", &one)];
            let stage = stage_with(&scripts);
            let variable = format!("another value of ${name}");
            is_in_doubt(&stage, "./alice.sh", "./bob.sh", &variable);
            is_in_doubt(&stage, "./one.sh alice", "./one.sh bob", &variable);
            is_in_doubt(&stage, "python3 main.py", "./bob.sh", &variable);
            is_the_same(&stage, "./one.sh alice", "./one.sh alice");
        }
    }
    // The tools of a session.
    let venv = "export VIRTUAL_ENV=$PWD/.venv NVM_DIR=$HOME/.nvm\nexec python3 main.py";
    is_the_same(&stage_with(&[("start.sh", venv)]), "python3 main.py", "./start.sh");
}

#[test]
fn the_file_or_folder_of_the_log_in_a_script_alone_says_nothing() {
    for name in ["LOG_FILE", "LOG_DIR", "LOGFILE", "LOG_FORMAT"] {
        let lines = |value: &str| format!("export {name}={value}\nexec python3 main.py");
        let (one, by_argument) = (lines("bot"), lines("$1"));
        let stage = stage_with(&[("start.sh", &one), ("one.sh", &by_argument)]);
        is_the_same(&stage, "python3 main.py", "./start.sh");
        is_the_same(&stage, "./start.sh", "python3 main.py");
        is_in_doubt(&stage, "./one.sh alice", "./one.sh bob", name);
    }
}

#[test]
fn one_search_path_may_be_spelled_in_several_ways() {
    let lines = |value: &str| format!("export PYTHONPATH={value}\nexec python3 main.py");
    for value in ["src", "$PWD/src", "$(pwd)/src", "\"$(dirname \"$0\")/src\"", "./src:$PYTHONPATH"]
    {
        let script = lines(value);
        let stage = stage_with(&[("start.sh", &script)]);
        let whole = format!("PYTHONPATH={}/src python3 main.py", stage.folder().display());
        for running in ["./start.sh", &whole, "PYTHONPATH=src python3 main.py"] {
            is_the_same(&stage, running, "./start.sh");
        }
        let other = format!("PYTHONPATH={}/bob python3 main.py", stage.folder().display());
        is_in_doubt(&stage, &other, "./start.sh", "PYTHONPATH");
    }
}
