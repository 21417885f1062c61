//! Start scripts as COMMAND: what they become is found wherever it was started from, and what their
//! text does not tell is in doubt.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use monopoll_test_bots::stage::{Stage, Start, is_alive};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};

/// Starts a command in a folder as a shell would that entered it by this path.
fn within<'a>(start: Start<'a>, folder: &Path) -> Start<'a> {
    start.current_dir(folder).env("PWD", folder)
}

fn plan_in(stage: &Stage, folder: &Path, line: &str) -> Value {
    plan(within(unnamed(stage, &["plan"], line), folder))
}

pub(crate) fn near_misses(plan: &Value) -> Vec<u64> {
    plan["near_misses"].as_array().unwrap().iter().filter_map(|it| it["pid"].as_u64()).collect()
}

#[track_caller]
fn is_near(plan: &Value, pid: u32) {
    assert_eq!((&plan["verdict"], found(plan)), (&"clear".into(), vec![]), "{plan:#}");
    assert!(near_misses(plan).contains(&u64::from(pid)), "{plan:#}");
}

#[track_caller]
fn is_not_named(plan: &Value, pid: u32) {
    assert_eq!(plan["verdict"], "clear", "{plan:#}");
    assert!(!near_misses(plan).contains(&u64::from(pid)), "{plan:#}");
}

#[test]
fn a_start_script_behind_a_link_that_was_moved_is_in_doubt() {
    let stage = Stage::new();
    let current = stage.folder().join("current");
    for release in ["1", "2"] {
        write(&stage, &format!("{release}/main.py"), PYTHON);
        for (name, last) in [("exec", "exec python3 main.py"), ("waits", "python3 main.py; true")] {
            let text = format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\n{last}\n");
            write(&stage, &format!("{release}/{name}"), &text);
        }
    }
    let move_to = |release: &str| {
        let _ = fs::remove_file(&current);
        symlink(release, &current).unwrap();
    };
    let root = stage.folder();
    for name in ["exec", "waits"] {
        let absolute = format!("{}/{name}", current.display());
        for (line, folder) in [
            (&format!("current/{name}"), root),
            (&absolute, root),
            (&format!("./{name}"), &current),
        ] {
            move_to("1");
            let (running, pid) = bot(&stage, within(program(&stage, line), folder), &current);
            let before = plan_in(&stage, folder, line);
            assert!(found(&before).contains(&u64::from(pid)), "{line}: {before:#}");
            move_to("2");
            let after = plan_in(&stage, folder, line);
            assert!(found(&after).contains(&u64::from(pid)), "{line}: {after:#}");
            if name == "exec" {
                assert!(refusal(&after).contains("$PWD"), "{line}: {after:#}");
            }
            within(unnamed(&stage, &["run"], line), folder).end().exits(75);
            assert!(is_alive(pid));
            // A shell that waits is also known by its own path, which now leads to this script.
            if name == "exec" {
                let physical = plan_in(&stage, root, "2/exec");
                assert_eq!(physical["verdict"], "clear", "{line}: {physical:#}");
            }
            end(&stage, running, pid);
        }
    }
}

#[test]
fn what_a_start_script_runs_is_in_doubt_if_it_was_started_from_another_folder() {
    let stage = Stage::new();
    let root = stage.folder().display().to_string();
    for folder in ["app", "other"] {
        write(&stage, &format!("{folder}/main.py"), PYTHON);
        write(&stage, &format!("{folder}/{folder}.py"), &format!("{PYTHON}# {folder}\n"));
    }
    write(&stage, "home/.keep", "");
    let by_path = format!("#!/bin/sh\nexec python3 {root}/app/main.py \"$@\"\n");
    write(&stage, "app/by_path", &by_path);
    let by_itself = "#!/bin/sh\nexec python3 \"$(dirname \"$0\")/main.py\" \"$@\"\n";
    write(&stage, "app/by_itself", by_itself);
    let reads = format!("#!/bin/sh\n. ./bot.env\nexec python3 {root}/app/main.py \"$@\"\n");
    write(&stage, "app/reads", &reads);
    let [app, home] = ["app", "home"].map(|name| stage.folder().join(name));
    for (line, is_found) in [
        (format!("{root}/app/by_path"), true),
        (format!("python3 {root}/app/main.py"), true),
        (format!("python3 {root}/other/other.py"), false),
        (format!("python3 {root}/app/main.py --all"), false),
    ] {
        let (running, pid) = bot(&stage, within(program(&stage, &line), &home), &home);
        for start in ["./by_path", "./by_itself", "./reads"] {
            let plan = plan_in(&stage, &app, start);
            if is_found {
                assert!(refusal(&plan).contains("end it first (`kill"), "{start}: {plan:#}");
                assert_eq!(found(&plan), [u64::from(pid)], "{start}: {plan:#}");
            } else {
                is_not_named(&plan, pid);
            }
        }
        end(&stage, running, pid);
    }
    // The script with other arguments, in this folder.
    let (running, pid) = bot(&stage, within(program(&stage, "./by_path --all"), &app), &app);
    is_near(&plan_in(&stage, &app, "./by_path"), pid);
    end(&stage, running, pid);
}

#[test]
fn a_copy_of_the_start_script_is_a_near_miss() {
    let stage = Stage::new();
    let root = stage.folder().display().to_string();
    for folder in ["app", "copy"] {
        let text = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\npython3 main.py\ntrue\n";
        write(&stage, &format!("{folder}/main.py"), PYTHON);
        write(&stage, &format!("{folder}/start"), text);
        let stays = "#!/bin/sh\npython3 main.py\ntrue\n";
        write(&stage, &format!("{folder}/stays"), stays);
    }
    write(&stage, "copy/other", "#!/bin/sh\npython3 main.py # other\ntrue\n");
    let [app, copy] = ["app", "copy"].map(|name| stage.folder().join(name));
    let started = |line: &str, folder: &Path, at: &Path| {
        let (running, pid) = bot(&stage, within(program(&stage, line), folder), at);
        let shell = running.pid();
        (running, pid, shell)
    };
    let (running, pid, shell) = started(&format!("{root}/copy/start"), &app, &copy);
    let seen = plan_in(&stage, &app, "./start");
    is_near(&seen, pid);
    is_near(&seen, shell);
    end(&stage, running, pid);
    // In this folder, the bot is that of this folder, whatever the path of the script.
    let (running, pid, shell) = started(&format!("{root}/copy/stays"), &app, &app);
    let seen = plan_in(&stage, &app, "./stays");
    assert!(found(&seen).contains(&u64::from(pid)), "{seen:#}");
    let explained = unnamed(&stage, &["explain", &shell.to_string()], "./stays");
    let explained = within(explained, &app).end();
    assert!(explained.out.contains("another folder"), "{explained:?}");
    end(&stage, running, pid);
}

/// A program of the current folder that is named like make, and is another one.
#[test]
fn a_program_is_found_in_the_folder_in_which_it_is_executed() {
    let stage = Stage::new();
    write(&stage, "x/main.py", PYTHON);
    write(&stage, "x/make", &format!("{PYTHON}# another program\n"));
    write(&stage, "x/Makefile", "run:\n\tpython3 main.py\n");
    let x = stage.folder().join("x");
    // A script that has nothing of make but its name.
    write(&stage, "make", PYTHON);
    let line = "./make -C x";
    let (running, pid) = bot(&stage, program(&stage, line), stage.folder());
    for (start, is_found) in [(line, true), ("./make -C y", false), ("./make", false)] {
        let seen = plan(unnamed(&stage, &["plan"], start));
        assert_eq!(found(&seen).contains(&u64::from(pid)), is_found, "{start}: {seen:#}");
    }
    end(&stage, running, pid);
    let (running, pid) = bot(&stage, program(&stage, "./make -C x").current_dir(&x), &x);
    is_not_named(&plan(unnamed(&stage, &["plan"], line)), pid);
    end(&stage, running, pid);

    // make itself, by a relative path.
    let Some(make) = std::env::split_paths(&crate::same_command::path())
        .map(|folder| folder.join("make"))
        .find(|path| path.is_file())
    else {
        return;
    };
    fs::copy(make, stage.folder().join("make")).unwrap();
    let (running, pid) = bot(&stage, program(&stage, "./make -C x"), &x);
    for line in ["./make -C x", "nice ./make -C x", "python3 x/../x/main.py"] {
        let folder = if line.starts_with("python3") { x.clone() } else { stage.folder().into() };
        let line = line.replace("x/../x/", "");
        let seen = plan_in(&stage, &folder, &line);
        assert!(found(&seen).contains(&u64::from(pid)), "{line}: {seen:#}");
        let is_make = line.contains("make");
        assert_eq!(found(&seen).contains(&u64::from(running.pid())), is_make, "{line}: {seen:#}");
    }
    end(&stage, running, pid);
}

#[test]
fn the_arguments_of_a_start_script_choose_what_it_starts() {
    let stage = Stage::new();
    for name in ["main.py", "other.py"] {
        write(&stage, name, PYTHON);
    }
    let text = "#!/bin/sh\ncase \"$1\" in\n  start|run) exec python3 main.py ;;\n  \
                other) exec python3 other.py ;;\n  *) echo usage; exit 1 ;;\nesac\n";
    write(&stage, "bot", text);
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    for line in ["./bot start", "sh bot run"] {
        let seen = plan_in(&stage, stage.folder(), line);
        assert!(refusal(&seen).contains("end it first (`kill"), "{line}: {seen:#}");
        assert_eq!(found(&seen), [u64::from(pid)], "{line}: {seen:#}");
    }
    for line in ["./bot other", "./bot stop", "./bot"] {
        is_near(&plan_in(&stage, stage.folder(), line), pid);
    }
    end(&stage, running, pid);
}
