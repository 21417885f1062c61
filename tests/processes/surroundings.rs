//! Kernels without a call, full control groups, access control lists, and many processes.

use std::fs;
use std::path::{Path, PathBuf};

use monopoll_test_bots::stage::{Running, Stage, Start, is_root, skip};
use nix::sys::signal::Signal;

/// Makes this call of monopoll, and not of COMMAND, fail as on a kernel that lacks it.
fn without<'a>(call: &str, start: Start<'a>) -> Start<'a> {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error=ENOSYS"));
    start.through(&[
        "strace", "-f", "-qq", "-b", "execve", "-o", "calls", "-e", &trace, "-e", &inject,
    ])
}

#[test]
fn without_pidfds_conflicts_are_ended_too() {
    let stage = Stage::new();
    let other = stage.bot(&[]).start();
    stage.ready(1);
    let guard = without("pidfd_open", stage.run(&[]).on_conflict("force")).start();
    stage.ready(2);
    other.end();
    let _new = without("pidfd_open", stage.run(&[]).on_conflict("graceful")).start();
    stage.ready(3);
    guard.end();
    stage.assert_no_overlap();
    calls_failed(&stage, "pidfd_open");
}

/// Requires that calls did fail.
#[track_caller]
fn calls_failed(stage: &Stage, call: &str) {
    let calls = fs::read_to_string(stage.folder().join("calls")).unwrap();
    assert!(calls.contains(call) && calls.contains("(INJECTED)"), "{calls}");
}

#[test]
fn without_inotify_a_takeover_and_a_wait_work() {
    for action in ["graceful", "wait"] {
        let stage = Stage::new();
        let old = without("inotify_init1", stage.run(&[])).start();
        let bot = stage.ready(1);
        stage.wait_for_start_mutex();
        let _new = without("inotify_init1", stage.run(&[]).on_conflict(action)).start();
        if action == "wait" {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(bot.cast_signed()), Signal::SIGTERM)
                .unwrap();
        }
        stage.ready(2);
        old.end();
        stage.assert_no_overlap();
        calls_failed(&stage, "inotify_init1");
    }
}

/// A control group that allows few processes, removed on drop.
struct SmallGroup(PathBuf);

impl SmallGroup {
    fn new(stage: &Stage, most: u32) -> Option<SmallGroup> {
        let name = stage.folder().file_name().unwrap();
        let groups = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let group = groups.map(|it| Path::new(it).join(name)).into_iter().find(|group| {
            let made = fs::create_dir(group).is_ok();
            let limited = fs::write(group.join("pids.max"), most.to_string()).is_ok();
            if made && !limited {
                let _ = fs::remove_dir(group);
            }
            limited
        });
        if group.is_none() {
            skip("no control group of processes can be made");
        }
        group.map(SmallGroup)
    }

    fn start<'a>(&self, start: Start<'a>) -> Running<'a> {
        let line = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        start.through(&["sh", "-c", &line, "sh"]).start()
    }
}

impl Drop for SmallGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_fork_bomb_in_a_full_control_group_is_ended_completely() {
    let stage = Stage::new();
    let Some(group) = SmallGroup::new(&stage, 60) else { return };
    let bomb = "bomb() { bomb | bomb & wait; }; echo $$ bomb >> bots.log; while :; do bomb; done";
    let old = group.start(stage.run_command("bash", &["-c", bomb]));
    stage.nth_pid_of(1, "bomb");
    let procs = || fs::read_to_string(group.0.join("cgroup.procs")).unwrap().lines().count();
    stage.wait_until("a full group", || (procs() >= 55).then_some(()));
    // A start in the group finds no room for its threads or its COMMAND.
    let full = group.start(stage.run_command("bash", &["-c", bomb]).on_conflict("refuse")).end();
    assert!(matches!(full.code, Some(75 | 2 | 254)), "{full:?}");
    let new = stage
        .run(&[])
        .on_conflict("force")
        .set("timeouts.force='10s'")
        .set("timeouts.graceful='10s'")
        .start();
    stage.ready(1);
    old.end();
    assert_eq!(procs(), 0);
    assert!(new.is_alive());
}

#[test]
#[ignore = "every other test would scan them too"]
fn among_five_thousand_processes_the_bot_is_found_and_ended() {
    let stage = Stage::new();
    let many = "import os, signal, sys\n\
        sys.stdout.flush()\n\
        for _ in range(5000):\n\
        \x20   if os.fork() == 0: signal.pause()\n\
        open('bots.log', 'a').write(f'{os.getpid()} forked\\n')\n\
        signal.pause()";
    let crowd = stage.program("python3", &["-c", many]).own_process_group().start();
    stage.nth_pid_of(1, "forked");
    let other = stage.bot(&[]).start();
    stage.ready(1);
    let _new = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    other.end();
    stage.assert_no_overlap();
    assert!(crowd.is_alive());
    nix::sys::signal::killpg(
        nix::unistd::Pid::from_raw(crowd.pid().cast_signed()),
        Signal::SIGKILL,
    )
    .unwrap();
}

#[test]
fn an_access_control_list_that_lets_others_write_to_the_lock_folder_refuses_the_start() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    stage.run(&["--exit", "7"]).end().exits(7);
    let setfacl = |args: &[&str]| {
        stage.program("setfacl", &[args, &["locks"]].concat()).end().exits(0);
    };
    setfacl(&["-m", "u:65534:rwx"]);
    let refused = stage.run(&["--exit", "7"]).end();
    assert!(refused.code.is_some_and(|code| code == 73 || code == 77), "{refused:?}");
    assert!(refused.err.contains("locks"), "{refused:?}");
    setfacl(&["-b"]);
    // Files that inherit an entry are closed to that user by their mode.
    setfacl(&["-d", "-m", "u:65534:rwx"]);
    fs::remove_file(stage.lock()).unwrap();
    stage.run(&["--exit", "7"]).end().exits(7);
    let try_to_open = ["--reuid", "65534", "--clear-groups", "cat", "locks/x.lock"];
    let denied = stage.program("setpriv", &try_to_open).end();
    assert!(denied.err.contains("Permission denied"), "{denied:?}");
}
