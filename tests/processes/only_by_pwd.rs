//! Processes that are the same command only by their `$PWD`: after they left their folder, or after
//! a link to it was moved. `$PWD` may be inherited from a launcher, so these are in doubt.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use monopoll_test_bots::stage::{Stage, Start, is_alive, token};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{JAVASCRIPT, PYTHON, bot, end, found, program, write};

const DOUBT: &str = "only its $PWD says that it was started in this one";

/// Starts a command in a folder as a shell would that entered it by this path.
pub(crate) fn within<'a>(start: Start<'a>, folder: &Path) -> Start<'a> {
    start.current_dir(folder).env("PWD", folder)
}

fn plan_in(stage: &Stage, folder: &Path, line: &str) -> Value {
    plan(within(unnamed(stage, &["plan"], line), folder))
}

#[track_caller]
fn is_doubted(plan: &Value, pid: u32) {
    assert!(refusal(plan).contains(DOUBT), "{plan:#}");
    assert!(found(plan).contains(&u64::from(pid)), "{plan:#}");
}

#[track_caller]
fn is_left_alone(plan: &Value) {
    assert_eq!((found(plan), &plan["verdict"]), (vec![], &"clear".into()), "{plan:#}");
}

#[track_caller]
fn would_end(plan: &Value, pid: u32) {
    assert_eq!(plan["verdict"], "act", "{plan:#}");
    assert!(found(plan).contains(&u64::from(pid)), "{plan:#}");
}

/// Two bots that enter another folder once they run.
fn two_that_leave() -> (Stage, [PathBuf; 2]) {
    let stage = Stage::new();
    let chdir = PYTHON.replace("time.sleep", "os.chdir('/'); time.sleep");
    let folders = ["a", "b"].map(|name| {
        write(&stage, &format!("{name}/main.py"), &chdir);
        stage.folder().join(name)
    });
    (stage, folders)
}

fn wait_until_gone(stage: &Stage, pid: u32) {
    let cwd = format!("/proc/{pid}/cwd");
    let is_gone = || (fs::read_link(&cwd).unwrap() == Path::new("/")).then_some(());
    stage.wait_until("it goes", is_gone);
}

#[test]
fn a_bot_that_went_to_another_folder_is_in_doubt() {
    let (stage, [a, b]) = two_that_leave();
    for line in ["python3 main.py", "python3 -m main"] {
        let (running, pid) = bot(&stage, within(program(&stage, line), &a), &a);
        wait_until_gone(&stage, pid);
        is_doubted(&plan_in(&stage, &a, line), pid);
        is_left_alone(&plan_in(&stage, &b, line));
        end(&stage, running, pid);
    }

    let absolute = format!("python3 {}/main.py", a.display());
    let (running, pid) = bot(&stage, within(program(&stage, &absolute), &a), &a);
    wait_until_gone(&stage, pid);
    let seen = plan_in(&stage, &a, &absolute);
    assert!(refusal(&seen).contains("the same script from another folder"), "{seen:#}");
    assert_eq!(found(&seen), [u64::from(pid)], "{seen:#}");
    end(&stage, running, pid);
}

#[test]
fn a_bot_that_went_to_another_folder_is_known_by_its_token_guard_or_shell() {
    let (stage, [a, _]) = two_that_leave();
    let (line, mine) = ("python3 main.py", token());
    let (running, pid) = bot(&stage, within(program(&stage, line), &a).env("BOT_TOKEN", &mine), &a);
    wait_until_gone(&stage, pid);
    let start = within(unnamed(&stage, &["plan"], line), &a).env("BOT_TOKEN", &mine);
    would_end(&plan(start), pid);
    end(&stage, running, pid);

    let shell = within(program(&stage, "sh -c python3 main.py; exit $?"), &a);
    let (running, pid) = bot(&stage, shell, &a);
    wait_until_gone(&stage, pid);
    is_doubted(&plan_in(&stage, &a, line), pid);
    end(&stage, running, pid);

    let (guard, pid) = bot(&stage, within(unnamed(&stage, &["run"], line), &a), &a);
    wait_until_gone(&stage, pid);
    let (_second, _) = bot(&stage, within(unnamed(&stage, &["run"], line), &a), &a);
    guard.end().exits(0);
    assert!(!is_alive(pid));
}

#[test]
fn a_bot_whose_launcher_was_in_this_folder_is_not_ended() {
    let (stage, [a, b]) = two_that_leave();
    let launcher = format!(
        "import subprocess\nsubprocess.run(['python3', 'main.py'], cwd='{}')\n",
        b.display()
    );
    write(&stage, "a/launcher.py", &launcher);
    let (launcher, pid) = bot(&stage, within(program(&stage, "python3 launcher.py"), &a), &b);
    wait_until_gone(&stage, pid);
    let start = |line: &str| within(unnamed(&stage, &["run"], line), &a);
    start("python3 main.py").end().exits(75).says(DOUBT);
    assert!(launcher.is_alive() && is_alive(pid));
}

/// Two releases, and a link to the first.
fn releases() -> (Stage, PathBuf) {
    let stage = Stage::new();
    for release in ["1", "2"] {
        let file = |name: &str| format!("releases/{release}/{name}");
        write(&stage, &file("main.py"), PYTHON);
        write(&stage, &file("index.js"), JAVASCRIPT);
        write(&stage, &file("package.json"), r#"{"scripts": {"start": "node index.js"}}"#);
    }
    let current = stage.folder().join("current");
    move_to("1", &current);
    (stage, current)
}

fn move_to(release: &str, current: &Path) {
    let _ = fs::remove_file(current);
    symlink(format!("releases/{release}"), current).unwrap();
}

#[test]
fn a_bot_behind_a_link_that_was_moved_is_in_doubt() {
    let (stage, current) = releases();
    let physical = stage.folder().join("releases/2");
    let absolute = format!("python3 {}/main.py", current.display());
    for line in ["python3 main.py", "python3 -m main", &absolute, "npm start"] {
        move_to("1", &current);
        let (running, pid) = bot(&stage, within(program(&stage, line), &current), &current);
        would_end(&plan_in(&stage, &current, line), pid);
        move_to("2", &current);
        is_doubted(&plan_in(&stage, &current, line), pid);
        is_left_alone(&plan_in(&stage, &current, &format!("{line} other")));
        let in_physical = plan_in(&stage, &physical, line);
        if line == absolute {
            // Its path leads to the script of that folder.
            assert!(refusal(&in_physical).contains("another folder"), "{in_physical:#}");
        } else {
            is_left_alone(&in_physical);
        }
        let start = within(unnamed(&stage, &["run"], line), &current);
        start.end().exits(75).says(DOUBT);
        assert!(is_alive(pid));
        end(&stage, running, pid);
    }
}

#[test]
fn a_bot_that_only_inherited_the_path_of_a_link_is_not_ended() {
    let (stage, current) = releases();
    write(&stage, "b/main.py", PYTHON);
    let b = stage.folder().join("b");
    let line = "python3 main.py";
    // A version manager's shim is a shell, which would correct `$PWD`.
    let inherits = program(&stage, "/usr/bin/python3 main.py");
    let inherits = inherits.current_dir(&b).env("PWD", &current);
    let (inherits, pid) = bot(&stage, inherits, &b);
    is_doubted(&plan_in(&stage, &current, line), pid);
    end(&stage, inherits, pid);
    let (_elsewhere, _) = bot(&stage, within(program(&stage, line), &b), &b);
    is_left_alone(&plan_in(&stage, &current, line));
}

#[test]
fn a_guard_behind_a_link_that_was_moved_is_taken_over() {
    for env in [String::new(), format!("BOT_TOKEN={}\nADMIN_BOT_TOKEN={}\n", token(), token())] {
        let (stage, current) = releases();
        for release in ["1", "2"] {
            write(&stage, &format!("releases/{release}/.env"), &env);
        }
        let start = || within(unnamed(&stage, &["run"], "python3 main.py"), &current);
        let (guard, pid) = bot(&stage, start(), &current);
        move_to("2", &current);
        let (_second, _) = bot(&stage, start(), &current);
        guard.end().exits(0);
        assert!(!is_alive(pid), "{env}");
    }
}

#[test]
fn a_bot_whose_folder_a_deploy_swapped_and_removed_is_in_doubt() {
    let stage = Stage::new();
    let [app, old, new] = ["app", "old", "new"].map(|name| stage.folder().join(name));
    write(&stage, "app/main.py", PYTHON);
    write(&stage, "new/main.py", PYTHON);
    let line = "python3 main.py";
    let (running, pid) = bot(&stage, within(program(&stage, line), &app), &app);
    fs::rename(&app, &old).unwrap();
    fs::rename(&new, &app).unwrap();
    fs::remove_dir_all(&old).unwrap();
    is_doubted(&plan_in(&stage, &app, line), pid);
    end(&stage, running, pid);
}

#[test]
fn a_program_that_moves_to_the_folder_of_its_script_is_the_same_command() {
    let stage = Stage::new();
    let moves = "import os, time\nfolder = os.getcwd()\n\
                 os.chdir(os.path.dirname(os.path.abspath(__file__)))\n\
                 open(f'{folder}/ready-{os.getpid()}', 'w').close()\ntime.sleep(600)\n";
    write(&stage, "bot/main.py", moves);
    write(&stage, "other/main.py", moves);
    let line = |folder: &str| format!("python3 {}/{folder}/main.py", stage.folder().display());
    let here = stage.folder();
    let (process, pid) = bot(&stage, within(program(&stage, &line("bot")), here), here);
    would_end(&plan_in(&stage, here, &line("bot")), pid);
    is_left_alone(&plan_in(&stage, here, &line("other")));
    end(&stage, process, pid);
    // It was started in another folder, which may have its settings.
    let elsewhere = here.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let start = within(program(&stage, &line("bot")), &elsewhere);
    let (process, pid) = bot(&stage, start, &elsewhere);
    let seen = plan_in(&stage, here, &line("bot"));
    assert_eq!(seen["verdict"], "refuse", "{seen:#}");
    end(&stage, process, pid);
}
