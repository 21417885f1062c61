//! `monopoll.ensure()` and `monopoll.status()` in a bot that runs as another user than its guard,
//! as under `monopoll run -- setpriv --reuid=bot python3 main.py`. That user can read neither the
//! guard's descriptors nor its lock folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use monopoll_test_bots::programs::python_package;
use monopoll_test_bots::stage::{Ended, Stage, Start, is_root, skip};

use crate::same_command::write;

/// An unused user id.
const USER: u32 = 54331;

/// A Python that every user can run; the newest one may be in root's home.
const PYTHON: &str = "/usr/bin/python3";

const BOT: &str = "\
import os
import monopoll
monopoll.ensure()
print('guarded', os.getuid())
";

/// Returns a stage whose bot each user can start, with a lock folder of this mode.
fn stage(lock_folder: u32) -> Option<Stage> {
    if !is_root() {
        return None;
    }
    let is_usable = Command::new("setpriv").args(as_user(&["-c", "import os"])).status();
    if !is_usable.is_ok_and(|status| status.success()) {
        skip(&format!("another user cannot run {PYTHON}"));
        return None;
    }
    let stage = Stage::new();
    set_mode(stage.folder(), 0o755);
    let site = python_package(stage.folder());
    // Another user may be unable to read the build folder.
    let tool = site.join("bin/monopoll").display().to_string();
    stage.program("cp", &["--remove-destination", env!("CARGO_BIN_EXE_monopoll"), &tool]).end();
    write(&stage, "main.py", BOT);
    fs::create_dir(stage.locks()).unwrap();
    set_mode(&stage.locks(), lock_folder);
    Some(stage)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Returns the arguments of setpriv(1) that run Python as the other user.
fn as_user(args: &[&str]) -> Vec<String> {
    let id = USER.to_string();
    let before = ["--reuid", &id, "--regid", &id, "--clear-groups", PYTHON];
    before.iter().chain(args).map(|word| (*word).to_owned()).collect()
}

/// Runs the bot under a guard of root, through a line of sh(1) that changes what the bot sees.
fn through_shell<'a>(stage: &'a Stage, line: &str) -> Start<'a> {
    let words = as_user(&["main.py"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // `:` keeps the shell as the bot's parent.
    let line = format!("{line}\nsetpriv \"$@\"; status=$?; :; exit $status");
    let args: Vec<&str> = ["-c", &line, "sh"].into_iter().chain(words).collect();
    with_package(stage, stage.run_command("sh", &args))
}

fn with_package<'a>(stage: &'a Stage, start: Start<'a>) -> Start<'a> {
    let start = start.env("PYTHONPATH", stage.folder().join("site"));
    start.env("PYTHONDONTWRITEBYTECODE", "1")
}

fn is_refused(end: &Ended) -> bool {
    !end.out.contains("guarded")
        && end.err.contains("MONOPOLL_HELD is set, but its guard is not above this process")
}

#[test]
fn a_bot_of_another_user_below_the_guard_is_guarded() {
    // A folder of which nothing can be read, and one whose lock file can be found.
    for lock_folder in [0o700, 0o755] {
        let Some(stage) = stage(lock_folder) else { return };
        let end = through_shell(&stage, "").end().exits(0);
        assert_eq!(end.out, format!("guarded {USER}\n"), "{end:?}");
    }
}

/// It looked in the folder of its own locks, and said that the bot was stopped.
#[test]
fn a_bot_of_another_user_cannot_tell_the_status_of_its_guard() {
    for lock_folder in [0o700, 0o755] {
        let Some(stage) = stage(lock_folder) else { return };
        let bot = "import monopoll\nit = monopoll.status()\nprint(it.instance, it.state)\n";
        write(&stage, "main.py", bot);
        let end = through_shell(&stage, "").end().exits(0);
        assert_eq!(end.out, "test unknown\n", "{end:?}");
    }
}

#[test]
fn a_marker_that_names_another_ancestor_is_an_error() {
    // This shell is above the bot and of another user, but it is no guard.
    let forge = "stat=$(cat /proc/$$/stat); set_start() { shift 21; start=$1; }; set_start $stat
        export MONOPOLL_HELD=test:1:$$:$start:${MONOPOLL_HELD#*:*:*:*:}";
    for lock_folder in [0o700, 0o755] {
        let Some(stage) = stage(lock_folder) else { return };
        let end = through_shell(&stage, forge).end();
        assert!(is_refused(&end), "{end:?}");
    }
}

#[test]
fn a_marker_with_another_start_time_or_lock_is_an_error() {
    let start = "marker=$MONOPOLL_HELD
        tail=${marker#*:*:*:*:}; head=${marker%\":$tail\"}
        export MONOPOLL_HELD=\"${head%:*}:1:$tail\"";
    let lock = |file: &str| format!("export MONOPOLL_HELD=\"${{MONOPOLL_HELD%x.lock}}{file}\"");
    let missing = lock("missing.lock");
    let other = format!("{}\n: > \"${{MONOPOLL_HELD#*:*:*:*:}}\"", lock("other.lock"));
    for (lock_folder, line) in [(0o700, start), (0o755, start), (0o755, &missing), (0o755, &other)]
    {
        let Some(stage) = stage(lock_folder) else { return };
        let end = through_shell(&stage, line).end();
        assert!(is_refused(&end), "{line}: {end:?}");
    }
}

#[test]
fn a_guard_of_another_user_that_is_not_above_is_an_error() {
    let Some(stage) = stage(0o700) else { return };
    let show = "echo $MONOPOLL_HELD; exec sleep 600";
    let guard = stage.run_command("sh", &["-c", show]).start();
    let marker =
        stage.wait_until("the marker", || guard.stdout().lines().next().map(str::to_owned));
    let words = as_user(&["main.py"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let start = with_package(&stage, stage.program("setpriv", &words));
    let end = start.env("MONOPOLL_HELD", marker).end();
    assert!(is_refused(&end), "{end:?}");
}
