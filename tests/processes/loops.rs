//! Shells and watchers that have no bot at the moment, and start it again.

use std::path::Path;

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, token};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, write};
use crate::supervisors::peer;

const BOT: &str = "python3 main.py";

/// Takes the place of `sleep`, and tells that the pause has begun.
const PAUSE: &str = "touch ready-$$; sleep 600";

fn main_py() -> Stage {
    let stage = Stage::new();
    for name in ["main.py", "other.py"] {
        write(&stage, name, PYTHON);
    }
    write(&stage, "sub/.keep", "");
    stage
}

/// Starts a shell, and waits until it is in its pause. Its own pid is in the name of the file.
#[track_caller]
fn shell<'a>(start: Start<'a>, stage: &'a Stage, folder: &Path) -> (Running<'a>, u32) {
    let (running, pid) = bot(stage, start, folder);
    assert_eq!(running.pid(), pid);
    (running, pid)
}

fn plan_of(stage: &Stage, line: &str) -> Value {
    plan(unnamed(stage, &["plan"], line))
}

fn code(text: &str) -> String {
    text.replace("PAUSE", PAUSE)
}

#[test]
fn a_shell_that_starts_the_bot_again_is_in_doubt_while_it_has_none() {
    let stage = main_py();
    write(&stage, "loop.sh", &code("while true; do PAUSE; python3 main.py; done\n"));
    write(&stage, "build.sh", &code("#!/bin/bash\nPAUSE\nexec python3 main.py\n"));
    let root = stage.folder().display();
    let loop_by_path = format!("{root}/loop.sh");
    let from_elsewhere = code(&format!("cd {root}; PAUSE; python3 main.py"));
    let own = stage.folder();
    for (args, folder) in [
        (&["-c", &code("while true; do PAUSE; python3 main.py; done")][..], own),
        (&["-c", &code("PAUSE; exec python3 -u main.py")], own),
        (&["loop.sh"], own),
        (&[&loop_by_path], own),
        (&["build.sh"], own),
        (&["-c", &from_elsewhere], Path::new("/")),
    ] {
        let start = stage.program("/bin/bash", args).current_dir(folder);
        let (running, pid) = shell(start, &stage, own);
        let seen = plan_of(&stage, BOT);
        let reason = refusal(&seen);
        assert!(
            reason.contains(&format!("(pid {pid}) seems to be between two runs of this bot"))
                && reason.contains("if it is this bot, end"),
            "{args:?}: {seen:#}"
        );
        assert!(found(&seen).contains(&u64::from(pid)), "{args:?}: {seen:#}");
        unnamed(&stage, &["run"], BOT).end().exits(75);
        assert!(is_alive(pid));
        end(&stage, running, pid);
    }
}

#[test]
fn a_shell_that_starts_something_else_or_has_run_the_bot_does_not_refuse() {
    let stage = main_py();
    write(
        &stage,
        "guarded.sh",
        &code("while true; do PAUSE; monopoll run -- python3 main.py; done"),
    );
    let own = stage.folder();
    let sub = stage.folder().join("sub");
    for (args, folder) in [
        (&["-c", &code("while true; do PAUSE; python3 other.py; done")][..], own),
        (&["-c", &code("while true; do PAUSE; python3 main.py --all; done")], own),
        (&["-c", &code("python3 --version main.py; PAUSE; true")], own),
        (&["-c", &code("while true; do PAUSE; python3 main.py; done")], &sub),
        (&["guarded.sh"], own),
    ] {
        let start = stage.program("/bin/bash", args).current_dir(folder);
        let (running, pid) = shell(start, &stage, folder);
        let seen = plan_of(&stage, BOT);
        assert_eq!(
            (&seen["verdict"], found(&seen)),
            (&"clear".into(), vec![]),
            "{args:?}: {seen:#}"
        );
        end(&stage, running, pid);
    }
}

#[test]
fn a_shell_whose_bot_runs_or_of_another_bot_or_above_the_start_does_not_refuse() {
    let stage = main_py();
    // The bot runs: it is found itself, and ended.
    let running = "while true; do python3 main.py; sleep 600; done";
    let (looping, pid) = bot(&stage, stage.program("/bin/bash", &["-c", running]), stage.folder());
    let seen = plan_of(&stage, BOT);
    assert_eq!(seen["verdict"], "act", "{seen:#}");
    assert!(found(&seen).contains(&u64::from(pid)), "{seen:#}");
    // It is in its pause now, because its bot was ended.
    let (guard, own) = bot(&stage, unnamed(&stage, &["run"], BOT), stage.folder());
    assert!(!is_alive(pid) && looping.is_alive());
    end(&stage, guard, own);
    drop(looping);
    // With the token of another bot.
    let pauses = code("while true; do PAUSE; python3 main.py; done");
    let start = stage.program("/bin/bash", &["-c", &pauses]).env("BOT_TOKEN", token());
    let (other, shell_pid) = shell(start, &stage, stage.folder());
    let seen = plan(unnamed(&stage, &["plan"], BOT).env("BOT_TOKEN", token()));
    assert_eq!(seen["verdict"], "clear", "{seen:#}");
    end(&stage, other, shell_pid);
    // The loop that starts monopoll also starts the bot alone.
    let above = "while true; do \"$@\"; exit $?; python3 main.py; done";
    let start = unnamed(&stage, &["plan"], BOT).through(&["/bin/bash", "-c", above, "sh"]);
    assert_eq!(plan(start)["verdict"], "clear");
}

#[test]
fn a_watcher_that_waits_for_a_change_is_in_doubt() {
    let Some(nodemon) = peer("npm/node_modules/.bin/nodemon") else { return };
    let stage = Stage::new();
    let crashes = "const fs = require('fs');\n\
                   if (fs.existsSync('crash')) { fs.writeFileSync(`ready-${process.ppid}`, ''); \
                   process.exit(1); }\nsetTimeout(() => {}, 600000);\n";
    write(&stage, "main.js", crashes);
    for name in ["crash", "other.js"] {
        write(&stage, name, "");
    }
    let nodemon = nodemon.display().to_string();
    let (running, pid) =
        bot(&stage, stage.program("node", &[&nodemon, "-w", "crash", "main.js"]), stage.folder());
    let seen = stage.wait_until("the end of its bot", || {
        let seen = plan_of(&stage, "node main.js");
        (seen["verdict"] == "refuse").then_some(seen)
    });
    assert!(refusal(&seen).contains("between two runs of this bot"), "{seen:#}");
    assert!(found(&seen).contains(&u64::from(running.pid())), "{seen:#}");
    assert_eq!(plan_of(&stage, "node other.js")["verdict"], "clear");
    end(&stage, running, pid);
}
