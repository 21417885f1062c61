//! A start script that enters another folder and waits there for its bot: the identical start takes
//! it over, and the same script of another folder is not mixed up with it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use monopoll_test_bots::stage::{Stage, Start, is_alive};
use serde_json::Value;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};

/// Scripts that leave their folder and do not replace themselves.
const SCRIPTS: [&str; 8] = [
    "cd app\npython3 main.py",
    "cd app || exit 1\npython3 main.py",
    "cd \"$(dirname \"$0\")/app\"\npython3 main.py",
    "pushd app > /dev/null\npython3 main.py",
    "cd app\npython3 main.py | tee bot.log",
    "cd app\nwhile true; do python3 main.py; sleep 1; done",
    "cd app\npython3 main.py &\nwait",
    "cd app && python3 main.py\necho \"ended with $?\"",
];

fn within<'a>(start: Start<'a>, folder: &Path) -> Start<'a> {
    start.current_dir(folder).env("PWD", folder)
}

fn plan_in(stage: &Stage, folder: &Path, line: &str) -> Value {
    plan(within(unnamed(stage, &["plan"], line), folder))
}

fn stage_with(script: &str) -> Stage {
    let stage = Stage::new();
    write(&stage, "app/main.py", PYTHON);
    write(&stage, "start.sh", &format!("#!/bin/bash\n{script}\n"));
    stage
}

#[test]
fn a_script_that_waits_in_another_folder_is_taken_over_by_the_identical_start() {
    for script in SCRIPTS {
        let stage = stage_with(script);
        let app = stage.folder().join("app");
        let whole = format!("{}/start.sh", stage.folder().display());
        let usual = ["./start.sh", "bash start.sh", &whole];
        for (running, started) in usual.map(|it| (it, it)).into_iter().chain([
            ("./start.sh", &*whole),
            (&*whole, "./start.sh"),
            ("bash start.sh", "./start.sh"),
        ]) {
            let start = within(program(&stage, running), stage.folder());
            let (process, pid) = bot(&stage, start, &app);
            let seen = plan_in(&stage, stage.folder(), started);
            assert_eq!(seen["verdict"], "act", "{script} / {running} / {started}: {seen:#}");
            assert!(found(&seen).contains(&u64::from(process.pid())), "{seen:#}");
            end(&stage, process, pid);
        }
    }
    let stage = stage_with(SCRIPTS[0]);
    let app = stage.folder().join("app");
    let start = within(program(&stage, "./start.sh"), stage.folder());
    let (old, pid) = bot(&stage, start, &app);
    let guard = within(unnamed(&stage, &["run"], "./start.sh"), stage.folder());
    let (_guard, own) = bot(&stage, guard, &app);
    assert!(!is_alive(pid) && is_alive(own));
    drop(old);
}

#[test]
fn a_relative_script_that_the_shell_has_open_says_where_an_unknown_folder_was_entered_from() {
    for script in
        ["cd $(ls -d ap*)\npython3 main.py", "for d in app; do cd $d; python3 main.py; done"]
    {
        let stage = stage_with(script);
        let app = stage.folder().join("app");
        // A service may have any `$PWD`.
        let start = program(&stage, "./start.sh").env("PWD", "/");
        let (process, pid) = bot(&stage, start, &app);
        let seen = plan_in(&stage, stage.folder(), "./start.sh");
        assert_eq!(seen["verdict"], "act", "{script}: {seen:#}");
        end(&stage, process, pid);
    }
}

/// Both scripts enter one folder, and the launcher of the second one had the first folder's `$PWD`.
#[test]
fn the_script_of_another_folder_that_enters_the_same_one_is_not_ended() {
    let stage = Stage::new();
    write(&stage, "app/main.py", PYTHON);
    let app = stage.folder().join("app");
    let script =
        format!("#!/bin/bash\nset -a\n. ./settings\ncd {}\npython3 main.py\n", app.display());
    let [a, b] = ["a", "b"].map(|name| stage.folder().join(name));
    for folder in ["a", "b"] {
        write(&stage, &format!("{folder}/start.sh"), &script);
        write(&stage, &format!("{folder}/settings"), &format!("TENANT={folder}\n"));
    }
    let is_not_ended = |line: &str| {
        let start = program(&stage, line).current_dir(&b).env("PWD", &a);
        let (process, pid) = bot(&stage, start, &app);
        let seen = plan_in(&stage, &a, line);
        assert_ne!(seen["verdict"], "act", "{line}: {seen:#}");
        end(&stage, process, pid);
    };
    is_not_ended("./start.sh");
    is_not_ended("bash start.sh");
    // One script that both folders have a link to.
    write(&stage, "start.sh", &script);
    for folder in [&a, &b] {
        fs::remove_file(folder.join("start.sh")).unwrap();
        symlink("../start.sh", folder.join("start.sh")).unwrap();
    }
    is_not_ended("./start.sh");
    is_not_ended("bash ../start.sh");
}

#[test]
fn the_script_of_another_folder_is_not_ended_in_its_own() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.folder().join(name));
    for folder in ["a", "b"] {
        write(&stage, &format!("{folder}/app/main.py"), PYTHON);
        write(&stage, &format!("{folder}/start.sh"), "#!/bin/bash\ncd app\npython3 main.py\n");
    }
    write(&stage, "start.sh", "#!/bin/bash\ncd app\npython3 main.py\n");
    let whole = format!("{}/start.sh", stage.folder().display());
    for line in ["./start.sh", &whole] {
        for pwd in [&a, &b] {
            let start = program(&stage, line).current_dir(&b).env("PWD", pwd);
            let (process, pid) = bot(&stage, start, &b.join("app"));
            let seen = plan_in(&stage, &a, line);
            assert_ne!(seen["verdict"], "act", "{line} / {}: {seen:#}", pwd.display());
            end(&stage, process, pid);
        }
    }
}

#[test]
fn a_script_with_several_programs_is_taken_over_by_the_identical_start() {
    for script in [
        "python3 web.py & python3 main.py",
        "python3 web.py &\npython3 main.py &\nwait",
        "python3 web.py &\nWEB=$!\npython3 main.py\nkill $WEB",
        "cd app\npython3 main.py & python3 main.py --web",
    ] {
        let stage = stage_with(script);
        for name in ["main.py", "web.py"] {
            write(&stage, name, PYTHON);
        }
        let folder = if script.starts_with("cd") { "app" } else { "" };
        let folder = fs::canonicalize(stage.folder().join(folder)).unwrap();
        let start = within(program(&stage, "./start.sh"), stage.folder());
        let (process, pid) = bot(&stage, start, &folder);
        let seen = plan_in(&stage, stage.folder(), "./start.sh");
        assert_eq!(seen["verdict"], "act", "{script}: {seen:#}");
        assert!(found(&seen).contains(&u64::from(process.pid())), "{script}: {seen:#}");
        drop((process, pid));
        // Without its script, nothing says which of them a program is.
        if folder == stage.folder() {
            let stage = stage_with(script);
            write(&stage, "web.py", PYTHON);
            write(&stage, "main.py", PYTHON);
            let (process, pid) = bot(&stage, program(&stage, "python3 web.py"), stage.folder());
            let seen = plan_in(&stage, stage.folder(), "./start.sh");
            assert!(refusal(&seen).contains("starts several programs"), "{script}: {seen:#}");
            end(&stage, process, pid);
        }
    }
}
