//! A start in surroundings where the user may hardly read or write: the working directory, the
//! root, the home, the umask. It works, or ends with a documented status and says why.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use monopoll_test_bots::programs;
use monopoll_test_bots::stage::{Ended, Stage, Start, is_root, send};
use nix::sys::signal::Signal;

/// No other test limits what this user may do.
const USER: u32 = 54_325;

/// Returns a stage that belongs to a user without an entry in the user database.
fn stage_of_user() -> Stage {
    let stage = Stage::new();
    fs::copy(programs::monopoll(), stage.folder().join("monopoll")).unwrap();
    chown(stage.folder(), Some(USER), Some(USER)).unwrap();
    stage
}

/// `monopoll ARGS`, as this user.
fn as_user<'a>(stage: &'a Stage, user: u32, args: &[&str]) -> Start<'a> {
    let monopoll = stage.folder().join("monopoll");
    let id = user.to_string();
    let line = ["--reuid", &id, "--regid", &id, "--clear-groups", monopoll.to_str().unwrap()];
    stage.program("setpriv", &[line.as_slice(), args].concat())
}

/// `monopoll run -- sh -c 'exit 7'`, as this user with this lock.
fn run_as_user<'a>(stage: &'a Stage, lock: &Path) -> Start<'a> {
    let lock = format!("lock.paths=['{}']", lock.display());
    let run = ["run", "--instance", "test", "--set", &lock, "--", "sh", "-c", "umask; exit 7"];
    as_user(stage, USER, &run)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_working_directory_that_may_not_be_read_stops_no_bot() {
    if !is_root() {
        return;
    }
    let stage = stage_of_user();
    let dark = stage.folder().join("dark");
    fs::create_dir(&dark).unwrap();
    chown(&dark, Some(USER), Some(USER)).unwrap();
    for mode in [0o000, 0o400, 0o100] {
        fs::set_permissions(&dark, PermissionsExt::from_mode(mode)).unwrap();
        let ended = run_as_user(&stage, &stage.lock()).current_dir(&dark).end().exits(7);
        if mode & 0o100 == 0 {
            for said in ["./monopoll.toml is not read", "/dark/.env cannot be read (Permission"] {
                assert!(ended.err.contains(said), "{ended:?}");
            }
            let relative = as_user(&stage, USER, &["run", "--instance", "test", "--", "./bot"]);
            relative.current_dir(&dark).end().exits(126).says("COMMAND `./bot` cannot be executed");
        }
    }
}

/// The shell line that makes everything read-only except for the given folder, and runs its
/// arguments.
fn read_only_except(folder: &str) -> String {
    let mount = format!("mount -t tmpfs -o mode=700,uid={USER} none {folder}");
    let mount = if folder.is_empty() { "true" } else { &*mount };
    format!("mount --bind . . && cd \"$PWD\" && {mount}")
        + " && mount -o remount,ro,bind . && mount -o remount,ro,bind /\n\
        for folder in /run /var /var/tmp; do\n\
        \x20   ! mountpoint -q $folder || mount -o remount,ro,bind $folder || exit 1\n\
        done\n\
        ! touch touched /run/touched /var/tmp/touched 2>/dev/null && exec \"$@\""
}

#[test]
fn on_a_read_only_system_a_folder_that_can_be_written_is_enough() {
    if !is_root() {
        return;
    }
    let stage = stage_of_user();
    fs::create_dir(stage.locks()).unwrap();
    let line = read_only_except("locks");
    let through = ["unshare", "--mount", "bash", "-c", &line, "bash"];
    run_as_user(&stage, &stage.lock()).through(&through).end().exits(7);
    assert_eq!(fs::read_dir(stage.locks()).unwrap().count(), 0, "it is below the mount");
}

#[test]
fn where_nothing_can_be_written_a_start_is_refused_and_names_the_folder() {
    if !is_root() {
        return;
    }
    let stage = stage_of_user();
    let line = read_only_except("");
    let through = ["unshare", "--mount", "bash", "-c", &line, "bash"];
    let refused = |ended: Ended, folder: &str| {
        ended.exits(73).says("Read-only file system").says(folder).says("in `lock.paths`");
    };
    let run = ["run", "--", "sh", "-c", "exit 7"];
    let user = as_user(&stage, USER, &run).through(&through).end();
    refused(user, &format!("/var/tmp/monopoll-{USER}"));
    let root = stage.program(programs::monopoll(), &run).through(&through).end();
    refused(root, "/run/monopoll");
    refused(run_as_user(&stage, &stage.lock()).through(&through).end(), "/locks");
}

#[test]
fn a_user_without_a_home_has_one_lock_folder_whatever_home_says() {
    if !is_root() {
        return;
    }
    let stage = stage_of_user();
    let private = "mount -t tmpfs -o mode=1777 none /var/tmp && exec \"$@\"";
    for user in [USER, 65_534] {
        let folder = format!("/var/tmp/monopoll-{user}/test.lock");
        fs::set_permissions(stage.folder(), PermissionsExt::from_mode(0o755)).unwrap();
        for home in ["-uHOME", "HOME=", "HOME=/nonexistent", "HOME=relative", "HOME=/root"] {
            let through = ["unshare", "--mount", "sh", "-c", private, "sh", "env", home];
            let run = ["run", "--instance", "test", "--", "sh", "-c", "ls /var/tmp/*; exit 7"];
            let ended = as_user(&stage, user, &run).through(&through).end().exits(7);
            assert!(ended.out.contains("test.lock.record"), "{home}: {ended:?}");
            let show = ["config", "show", "--changed", "--instance", "test", "--", "sh"];
            let shown = as_user(&stage, user, &show).through(&["env", home]).end().exits(0);
            assert!(shown.out.contains(&folder), "{home}: {shown:?}");
        }
    }
}

/// Becomes the user and takes all inotify instances that it may have.
const HOG: &str = "import ctypes, os, signal, sys\n\
    os.setgid(int(sys.argv[1]))\n\
    os.setuid(int(sys.argv[1]))\n\
    while ctypes.CDLL(None).inotify_init1(0) >= 0: pass\n\
    open('bots.log', 'a').write(f'{os.getpid()} has all\\n')\n\
    signal.pause()";

#[test]
fn without_a_free_inotify_instance_a_takeover_and_a_wait_work() {
    if !is_root() {
        return;
    }
    for action in ["graceful", "wait"] {
        let stage = stage_of_user();
        fs::copy(programs::testbot(), stage.folder().join("testbot")).unwrap();
        let id = USER.to_string();
        let _hog = stage.program("python3", &["-c", HOG, &id]).start();
        stage.nth_pid_of(1, "has all");
        let lock = format!("lock.paths=['{}']", stage.lock().display());
        let run = ["run", "--instance", "test", "--set", &lock, "--on-conflict", action];
        let start = || as_user(&stage, USER, &[&run[..], &["--", "./testbot"]].concat()).start();
        let old = start();
        let bot = stage.ready(1);
        stage.wait_for_start_mutex();
        let new = start();
        if action == "wait" {
            new.wait_for("waiting for");
            send(bot, Signal::SIGTERM);
        }
        let bot = stage.ready(2);
        old.end().exits(0);
        send(bot, Signal::SIGTERM);
        new.end().exits(0);
        stage.assert_no_overlap();
    }
}

#[test]
fn any_umask_leaves_a_lock_folder_that_its_user_can_use() {
    if !is_root() {
        return;
    }
    for umask in ["0000", "0077", "0177", "0277", "0777"] {
        let stage = stage_of_user();
        let folder = stage.folder().join("outer/inner");
        let through = ["sh", "-c", "umask \"$0\" && exec \"$@\"", umask];
        let mut tickets = Vec::new();
        for _ in 0..3 {
            let start = run_as_user(&stage, &folder.join("x.lock")).through(&through);
            let ended = start.end().exits(7);
            assert_eq!(ended.out, format!("{umask}\n"), "COMMAND has the umask too");
            tickets.push(fs::read_to_string(folder.join("x.lock.counter")).unwrap());
        }
        assert!(tickets.is_sorted_by(|one, next| one < next), "{umask}: {tickets:?}");
        assert_eq!((mode(folder.parent().unwrap()), mode(&folder)), (0o700, 0o700), "{umask}");
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            assert_eq!(mode(&file), 0o600, "{umask}: {}", file.display());
        }
    }
}
