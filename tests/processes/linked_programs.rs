//! One program that is linked into the folders of two bots, which may read the settings beside its
//! own name (`dirname(sys.argv[0])`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Stage, is_alive};
use serde_json::Value;

use crate::other_bots::{plan, refusal, starts, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, end, found, program, write};

const BY_NAME: &str = "by a link with another name or in another folder";

/// A stage with a script and a compiled program in `common`, which other folders link to.
fn linked() -> Stage {
    let stage = Stage::new();
    write(&stage, "common/main.py", PYTHON);
    write(&stage, "common/main.js", JAVASCRIPT);
    write(&stage, "common/run.sh", "#!/bin/sh\n> ready-$$\nwhile :; do sleep 60; done\n");
    fs::copy(testbot(), stage.folder().join("common/app")).unwrap();
    let folder = |name: &str| {
        let folder = stage.folder().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    };
    for name in ["main.py", "main.js", "run.sh", "app"] {
        for bot in ["alice", "bob"] {
            symlink(format!("../common/{name}"), folder(bot).join(name)).unwrap();
        }
        for bot in ["carol", "dave"] {
            let to = folder(bot).join(name);
            fs::hard_link(stage.folder().join("common").join(name), to).unwrap();
        }
    }
    symlink("common", stage.folder().join("current")).unwrap();
    stage
}

/// Returns the plan of a start in `folder` while the other line runs there, and whether it finds
/// it.
#[track_caller]
fn planned(stage: &Stage, folder: &Path, running: &str, started: &str) -> (Value, bool) {
    let process = program(stage, running).current_dir(folder).start();
    let pid = process.pid();
    let is_app = running.ends_with("/app");
    let ready = folder.join(format!("ready-{pid}"));
    stage.wait_until("the program", || {
        let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        (ready.exists() || is_app && exe.ends_with("app")).then_some(())
    });
    let seen = plan(unnamed(stage, &["plan"], started).current_dir(folder));
    let is_found = found(&seen).contains(&u64::from(pid));
    end(stage, process, pid);
    (seen, is_found)
}

#[test]
fn a_program_that_is_linked_into_two_folders_is_in_doubt() {
    let stage = linked();
    let srv = stage.folder().display().to_string();
    let pairs = [("alice", "bob"), ("common", "bob"), ("alice", "common"), ("carol", "dave")];
    for line in ["python3 F/main.py", "node F/main.js", "F/run.sh", "sh F/run.sh", "F/app"] {
        for (running, started) in pairs {
            // The folders are below the one that both start in.
            let relative = |bot: &str| line.replace('F', &format!("./{bot}"));
            let [running, started] = [running, started].map(relative);
            let (seen, is_found) = planned(&stage, stage.folder(), &running, &started);
            let reason = refusal(&seen);
            assert!(is_found && reason.contains(BY_NAME), "{running} / {started}: {reason}");
        }
        // They start in a folder that is none of both.
        let elsewhere = stage.folder().join("elsewhere");
        fs::create_dir_all(&elsewhere).unwrap();
        let absolute = |bot: &str| line.replace('F', &format!("{srv}/{bot}"));
        let (seen, is_found) = planned(&stage, &elsewhere, &absolute("alice"), &absolute("bob"));
        assert!(is_found && refusal(&seen).contains(BY_NAME), "{line}: {seen:#}");
    }
}

#[test]
fn a_link_of_a_parent_folder_is_the_same_program() {
    let stage = linked();
    let srv = stage.folder().display().to_string();
    for line in ["python3 F/main.py", "node F/main.js", "F/run.sh", "F/app"] {
        for (running, started) in
            [("./current", "./common"), ("./common", "./current"), ("./alice", "./alice")]
        {
            let absolute = format!("{srv}/{}", &started[2..]);
            for started in [started, &absolute] {
                let [running, started] = [running, started].map(|it| line.replace('F', it));
                let (seen, is_found) = planned(&stage, stage.folder(), &running, &started);
                assert!(is_found, "{running} / {started}: {seen:#}");
                assert_eq!(seen["verdict"], "act", "{running} / {started}: {seen:#}");
            }
        }
    }
}

#[test]
fn a_guard_does_not_end_that_of_a_link_in_another_folder() {
    let stage = linked();
    let start = |bot: &str| unnamed(&stage, &["run"], &format!("python3 ./{bot}/main.py"));
    let (first, pid) = starts(&stage, start("alice"));
    start("bob").end().exits(75).says(BY_NAME);
    assert!(first.is_alive() && is_alive(pid));
}
