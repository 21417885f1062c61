//! The lock is the kernel's: other tools see it and hold it, and its file is never changed.

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, is_alive};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// flock(1) has the lock, and a program below it.
fn flock(stage: &Stage) -> Running<'_> {
    let _ = fs::create_dir(stage.locks());
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    let bot = testbot().display().to_string();
    let holder = stage.program("flock", &["locks/x.lock", &bot, "--as", "stranger"]).start();
    stage.nth_pid_of(1, "stranger");
    holder
}

#[test]
fn a_foreign_lock_holder_refuses_a_start() {
    let stage = Stage::new();
    let holder = flock(&stage);
    stage.run(&[]).on_conflict("refuse").end().exits(75).says("holds the lock");
    assert!(holder.is_alive());
}

#[test]
fn a_foreign_lock_holder_is_ended_with_its_tree() {
    let stage = Stage::new();
    let holder = flock(&stage);
    let below = stage.nth_pid_of(1, "stranger");
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(1);
    assert!(!holder.is_alive() && !is_alive(below));
    assert_eq!(stage.times(below, "got SIGTERM"), 1);
}

#[test]
fn a_foreign_lock_holder_can_be_waited_for() {
    let stage = Stage::new();
    let holder = flock(&stage);
    let below = stage.nth_pid_of(1, "stranger");
    let second = stage.run(&[]).on_conflict("wait").start();
    second.wait_for("waiting for");
    monopoll_test_bots::stage::send(below, nix::sys::signal::Signal::SIGTERM);
    stage.ready(1);
    holder.end().exits(0);
}

#[test]
fn a_lock_that_is_released_without_a_close_is_taken() {
    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    let line =
        "exec 7> locks/x.lock; flock 7; echo has > has; read line < go; flock -u 7; sleep 60";
    stage.program("mkfifo", &["go"]).end().exits(0);
    let holder = stage.program("bash", &["-c", line]).start();
    stage.wait_until("the lock", || stage.folder().join("has").exists().then_some(()));
    let second = stage.run(&[]).on_conflict("wait").start();
    second.wait_for("waiting for");
    fs::write(stage.folder().join("go"), "\n").unwrap();
    stage.ready(1);
    assert!(holder.is_alive());
}

#[test]
fn other_tools_see_the_lock() {
    let stage = Stage::new();
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    stage.program("flock", &["--nonblock", "locks/x.lock", "true"]).end().exits(1);
    assert!(!stage.lock_is_free());
}

#[test]
fn a_lock_file_keeps_its_content_and_its_inode_and_becomes_private() {
    use std::os::unix::fs::MetadataExt;

    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    fs::set_permissions(stage.locks(), PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(stage.lock(), "somebody's note").unwrap();
    fs::set_permissions(stage.lock(), PermissionsExt::from_mode(0o666)).unwrap();
    let before = fs::metadata(stage.lock()).unwrap().ino();
    stage.run(&["--exit", "0"]).end().exits(0);
    let after = fs::metadata(stage.lock()).unwrap();
    assert_eq!((after.ino(), after.mode() & 0o7777), (before, 0o600));
    assert_eq!(fs::read_to_string(stage.lock()).unwrap(), "somebody's note");
}

#[test]
fn files_that_monopoll_creates_are_private() {
    let stage = Stage::new();
    let _guard = stage.run(&[]).start();
    stage.ready(1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&stage.locks()), 0o700);
    for (path, _) in monopoll_test_bots::stage::contents(&stage.locks()) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn two_locks_in_opposite_orders_never_deadlock() {
    let stage = Stage::new();
    let paths = |one: &str, other: &str| {
        let folder = stage.locks().display().to_string();
        format!("lock.paths=[\"{folder}/{one}.lock\", \"{folder}/{other}.lock\"]")
    };
    for _ in 0..5 {
        let one = stage.run(&["--for", "30"]).set(&paths("a", "b")).on_conflict("wait").start();
        let other = stage.run(&["--for", "30"]).set(&paths("b", "a")).on_conflict("wait").start();
        one.end().exits(0);
        other.end().exits(0);
    }
    stage.assert_no_overlap();
}

#[test]
fn one_of_two_locks_is_enough_for_a_conflict() {
    let stage = Stage::new();
    let holder = flock(&stage);
    let both = format!("lock.paths=[\"{0}/a.lock\", \"{0}/x.lock\"]", stage.locks().display());
    stage.run(&[]).set(&both).end().exits(75);
    stage.program("flock", &["--nonblock", "locks/a.lock", "true"]).end().exits(0);
    assert!(holder.is_alive());
}

#[test]
fn locks_in_two_folders_are_both_held() {
    let stage = Stage::new();
    let both =
        format!("lock.paths=[\"{0}/one/a.lock\", \"{0}/two/b.lock\"]", stage.folder().display());
    let _guard = stage.run(&[]).set(&both).start();
    stage.ready(1);
    for lock in ["one/a.lock", "two/b.lock"] {
        stage.program("flock", &["--nonblock", lock, "true"]).end().exits(1);
    }
    let second = stage.run(&[]).set(&both).on_conflict("graceful").start();
    stage.ready(2);
    assert!(second.is_alive());
    stage.assert_no_overlap();
}

#[test]
fn a_start_mutex_that_another_process_keeps_refuses_a_start_in_time() {
    let stage = Stage::new();
    stage.run(&["--exit", "0"]).end().exits(0);
    let line = "exec 7<> locks/x.lock.turnstile; flock 7; echo > has; exec sleep 60";
    let _keeper = stage.program("bash", &["-c", line]).start();
    stage.wait_until("the lock", || stage.folder().join("has").exists().then_some(()));
    stage.run(&[]).on_conflict("refuse").end().exits(75).says("another start is in progress");
    assert!(stage.lock_is_free());
}

#[test]
fn a_monopoll_that_only_reads_is_not_taken_for_a_holder() {
    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    // What a look from a PID namespace does for an instant: by its executable's name a monopoll,
    // with a shared lock.
    let looker = stage.folder().join("monopoll");
    fs::copy("/usr/bin/flock", &looker).unwrap();
    let holder = stage
        .program(
            &looker,
            &["--shared", "--close", "locks/x.lock", "sh", "-c", "echo > has; exec sleep 60"],
        )
        .start();
    stage.wait_until("the shared lock", || stage.folder().join("has").exists().then_some(()));
    fs::set_permissions(stage.locks(), fs::Permissions::from_mode(0o700)).unwrap();
    stage.run(&[]).on_conflict("force").end().exits(75).says("its holder cannot be identified");
    assert!(holder.is_alive());
}

/// Sets the locks of a start: some of these, next to the stage's own lock.
fn locks(stage: &Stage, names: &[&str]) -> String {
    let paths: Vec<String> =
        names.iter().map(|name| format!("'{}/{name}'", stage.locks().display())).collect();
    format!("lock.paths=[{}]", paths.join(", "))
}

#[test]
fn a_guard_with_fewer_or_more_locks_is_asked_wherever_its_files_are() {
    let sets = [["x.lock"].as_slice(), &["x.lock", "a.lock"], &["x.lock", "z.lock"]];
    for (old, new) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        for action in ["graceful", "force"] {
            let stage = Stage::new();
            let [old, new] = [old, new].map(|at| locks(&stage, sets[at]));
            let first = stage.run(&[]).set(&old).start();
            let bot = stage.ready(1);
            let plan = stage.plan(&[]).set(&new).on_conflict(action).end().exits(0);
            assert!(plan.out.contains("ask the guard to end it"), "{old} {new}\n{plan:?}");
            let _second = stage.run(&[]).set(&new).on_conflict(action).start();
            stage.ready(2);
            let ended = first.end().exits(0);
            assert!(ended.err.contains("took over"), "{old} {new} {action}\n{ended:?}");
            assert_eq!(stage.times(bot, "got SIGTERM"), usize::from(action == "graceful"));
            stage.assert_no_overlap();
        }
    }
}

#[test]
fn status_and_stop_know_a_guard_with_fewer_or_more_locks() {
    let sets = [["x.lock"].as_slice(), &["x.lock", "a.lock"]];
    for (old, new) in [(0, 1), (1, 0)] {
        let stage = Stage::new();
        let [old, new] = [old, new].map(|at| locks(&stage, sets[at]));
        let guard = stage.run(&[]).set(&old).start();
        let bot = stage.ready(1);
        let status = stage.monopoll(&["status", "--json"]).set(&new).end().exits(0);
        let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
        assert_eq!(status["state"], "running", "{status:#}");
        assert_eq!(status["holder"]["pid"], guard.pid(), "{status:#}");
        assert_eq!(status["holder"]["child_pid"], bot, "{status:#}");
        stage.monopoll(&["stop"]).set(&new).end().exits(0);
        let ended = guard.end().exits(0);
        assert!(ended.err.contains("ended it"), "{ended:?}");
        assert!(!is_alive(bot));
    }
}

#[test]
fn starts_that_have_a_lock_in_common_take_turns() {
    for round in 0..3 {
        let stage = Stage::new();
        let names = [
            ["x.lock"].as_slice(),
            &["x.lock", "a.lock"],
            &["z.lock", "x.lock"],
            &["a.lock", "x.lock", "z.lock"],
        ];
        let action = ["graceful", "force", "refuse"][round];
        let starts: Vec<Running<'_>> = (0..8)
            .map(|at| {
                let locks = locks(&stage, names[at % names.len()]);
                stage.run(&[]).set(&locks).on_conflict(action).start()
            })
            .collect();
        stage.wait_until("one start that is left", || {
            (starts.iter().filter(|start| start.is_alive()).count() == 1).then_some(())
        });
        let last = starts.iter().find(|start| start.is_alive()).unwrap();
        last.wait_for("lock acquired");
        assert!(last.is_alive());
        stage.assert_no_overlap();
    }
}

#[test]
fn a_start_waits_for_another_that_has_one_of_its_locks() {
    let stage = Stage::new();
    stage.run(&["--exit", "0"]).end().exits(0);
    // The start mutex of the shared lock, which is not the first one.
    let line = "exec 7<> locks/x.lock.turnstile; flock 7; echo > has; exec sleep 60";
    let _keeper = stage.program("bash", &["-c", line]).start();
    stage.wait_until("the lock", || stage.folder().join("has").exists().then_some(()));
    let both = locks(&stage, &["x.lock", "a.lock"]);
    stage.run(&[]).set(&both).end().exits(75).says("another start is in progress");
}

#[test]
fn two_locks_that_are_one_file_are_refused() {
    if !monopoll_test_bots::stage::is_root() {
        return;
    }
    let stage = Stage::new();
    for folder in ["real", "bound"] {
        fs::create_dir(stage.folder().join(folder)).unwrap();
    }
    let bound = |what: &str| {
        let line = format!("mount --bind real{what} bound{what} && exec \"$@\"");
        ["unshare", "--mount", "sh", "-c", &line, "sh"].map(str::to_owned)
    };
    let both = |bound: &str| {
        format!("lock.paths=['{0}/real/x.lock', '{0}/bound/{bound}']", stage.folder().display())
    };
    fs::write(stage.folder().join("real/x.lock"), "").unwrap();
    fs::write(stage.folder().join("bound/x.lock"), "").unwrap();
    for (mounted, other, why) in [
        ("", "x.lock", "it is the same file as"),
        ("/x.lock", "x.lock", "it is the same file as"),
        ("", "x.lock.record", "it may be a file of monopoll's next to"),
    ] {
        let prefix = bound(mounted);
        let prefix: Vec<&str> = prefix.iter().map(String::as_str).collect();
        for command in [stage.run(&[]), stage.plan(&[])] {
            let ended = command.set(&both(other)).through(&prefix).end().exits(73).says(why);
            assert!(ended.err.contains("remove one of them from `lock.paths`"), "{ended:?}");
        }
        assert_eq!(fs::read(stage.folder().join("real/x.lock")).unwrap(), b"");
    }
}

/// A crontab with `* * * * * flock -n x.lock ./bot`, beside a service that runs monopoll.
#[test]
fn a_line_of_cron_with_flock_and_monopoll_share_one_lock_in_both_directions() {
    let stage = Stage::new();
    let bot = testbot().display().to_string();
    let cron = || stage.program("flock", &["-n", "locks/x.lock", &bot]);
    let guard = stage.run(&[]).start();
    let guarded = stage.ready(1);
    for _ in 0..3 {
        cron().end().exits(1);
    }
    assert!(is_alive(guarded));
    guard.signal(nix::sys::signal::Signal::SIGTERM);
    guard.end();
    let line = cron().start();
    let started = stage.ready(2);
    stage.run(&[]).on_conflict("refuse").end().exits(75).says("holds the lock");
    assert!(is_alive(started));
    let _second = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(3);
    assert!(!line.is_alive() && !is_alive(started));
    cron().end().exits(1);
    stage.assert_no_overlap();
}

/// A bot that restarts itself by a start of monopoll.
#[test]
fn a_start_from_within_the_bot_does_not_end_the_bot_above_it() {
    let stage = Stage::new();
    let monopoll = env!("CARGO_BIN_EXE_monopoll");
    let text = format!(
        "import os, subprocess, sys, time\nopen(f'ready-{{os.getpid()}}', 'w').close()\n\
         code = subprocess.call(['{monopoll}', '--instance', 'test', '--on-conflict', sys.argv[1], \
         '--set', 'lock.paths=[\"{}\"]', 'run', '--', 'python3', 'main.py', sys.argv[1]])\n\
         open('code', 'w').write(str(code))\ntime.sleep(600)\n",
        stage.lock().display()
    );
    fs::write(stage.folder().join("main.py"), text).unwrap();
    for action in ["refuse", "graceful", "force"] {
        let guard = stage.run_command("python3", &["main.py", action]).start();
        let code = stage.wait_until("the end of the start", || {
            fs::read_to_string(stage.folder().join("code")).ok().filter(|it| !it.is_empty())
        });
        assert_eq!(code, "75", "{action}: {}", guard.stderr());
        assert!(guard.is_alive(), "{action}");
        fs::remove_file(stage.folder().join("code")).unwrap();
        guard.signal(nix::sys::signal::Signal::SIGTERM);
        guard.end();
    }
}
