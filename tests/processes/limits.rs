//! Surroundings that take something away: limits, missing file systems, closed streams, a full
//! control group, a full process table. A start either works, or ends with a documented status,
//! says why, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use monopoll_test_bots::programs;
use monopoll_test_bots::stage::{Ended, Running, Stage, Start, is_root, skip};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Runs `monopoll run -- testbot --exit 7` through a shell line that takes something away.
fn run_after(stage: &Stage, line: &str) -> Ended {
    let line = format!("{line} && exec \"$@\"");
    stage.run(&["--exit", "7"]).through(&["bash", "-c", &line, "bash"]).end()
}

/// Requires that the start worked, or that it ended with this status and a reason.
#[track_caller]
fn works_or_says_why(stage: &Stage, ended: &Ended, status: i32, why: &str) {
    match ended.code {
        Some(7) => {}
        Some(code) if code == status => assert!(ended.err.contains(why), "{ended:?}"),
        _ => panic!("{ended:?}"),
    }
    assert!(!stage.state_file("record").exists());
}

#[test]
fn with_few_descriptors_a_start_works_or_may_be_tried_again() {
    let stage = Stage::new();
    stage.run(&["--exit", "7"]).end().exits(7);
    let mut worked = Vec::new();
    for most in 4..24 {
        let ended = run_after(&stage, &format!("ulimit -n {most}"));
        works_or_says_why(&stage, &ended, 75, "Too many open files");
        worked.push(ended.code == Some(7));
    }
    assert!(worked.is_sorted() && worked.ends_with(&[true]), "{worked:?}");
}

/// The limit counts all processes of the user: no other test may have it.
#[test]
fn with_few_processes_a_start_works_or_may_be_tried_again() {
    const USER: &str = "54326";
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let (id, lock) = (USER.parse().unwrap(), format!("lock.paths=['{}']", stage.lock().display()));
    chown(stage.folder(), Some(id), Some(id)).unwrap();
    fs::copy(programs::monopoll(), stage.folder().join("monopoll")).unwrap();
    let mut worked = Vec::new();
    for most in 1..10 {
        let most = format!("--nproc={most}");
        let user = ["--reuid", USER, "--regid", USER, "--clear-groups", "prlimit", &most];
        let run = ["./monopoll", "run", "--instance", "test", "--set", &lock];
        let command = ["--", "sh", "-c", "exit 7"];
        let ended = stage.program("setpriv", &[&user[..], &run, &command].concat()).end();
        works_or_says_why(&stage, &ended, 75, "try again later");
        worked.push(ended.code == Some(7));
    }
    assert!(worked.is_sorted() && !worked[0] && worked.ends_with(&[true]), "{worked:?}");
}

#[test]
fn with_little_memory_a_start_works_or_may_be_tried_again() {
    let stage = Stage::new();
    for kilobytes in [36_000, 40_000, 60_000, 100_000, 200_000] {
        let ended = run_after(&stage, &format!("ulimit -v {kilobytes}"));
        works_or_says_why(&stage, &ended, 75, "try again later");
    }
}

#[test]
fn a_small_stack_and_a_large_environment_are_enough() {
    let stage = Stage::new();
    run_after(&stage, "ulimit -s 512").exits(7);
    let mut start = stage.run(&["--exit", "7"]);
    for number in 0..12 {
        start = start.env(&format!("LARGE_{number}"), "x".repeat(120_000));
    }
    start.end().exits(7);
}

#[test]
fn full_and_closed_streams_stop_no_bot() {
    let stage = Stage::new();
    for streams in [
        "exec >/dev/full",
        "exec 2>/dev/full",
        "exec <&-",
        "exec >&-",
        "exec 2>&-",
        "exec <&- >&-",
        "exec <&- 2>&-",
        "exec >&- 2>&-",
        "exec <&- >&- 2>&-",
    ] {
        run_after(&stage, streams).exits(7);
    }
    let document = stage.monopoll(&["status", "--json"]);
    let line = "exec \"$@\" >/dev/full";
    let ended = document.through(&["bash", "-c", line, "bash"]).end().exits(1);
    assert!(ended.err.contains("cannot write standard output"), "{ended:?}");
}

#[test]
fn a_working_directory_that_is_gone_is_named() {
    let stage = Stage::new();
    let ended = run_after(&stage, "mkdir gone && cd gone && rmdir ../gone").exits(64);
    assert!(ended.err.contains("the working directory cannot be read"), "{ended:?}");
}

#[test]
fn without_proc_or_with_that_of_others_a_start_is_refused() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let hide = "mount -t tmpfs none /proc";
    let line = format!("{hide} && exec \"$@\"");
    let start = || stage.run(&["--exit", "7"]);
    let ended = start().through(&["unshare", "--mount", "bash", "-c", &line, "bash"]).end();
    assert!(ended.code == Some(1) && ended.err.contains("mount /proc"), "{ended:?}");
    // A PID namespace that sees the processes of the one above.
    let ended = start().through(&["unshare", "--pid", "--fork", "--kill-child"]).end();
    assert!(ended.code == Some(1) && ended.err.contains("/proc"), "{ended:?}");
    assert!(!stage.state_file("record").exists());
}

#[test]
fn where_proc_hides_other_users_and_in_a_user_namespace_a_start_works() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let hidden = "mount -t proc -o hidepid=2 none /proc && exec \"$@\"";
    let through =
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", hidden, "bash"];
    stage.run(&["--exit", "7"]).through(&through).end().exits(7);
    stage.run(&["--exit", "7"]).through(&["unshare", "--user", "--map-root-user"]).end().exits(7);
}

#[test]
fn a_read_only_lock_folder_is_refused_before_anything_is_touched() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    fs::create_dir(stage.locks()).unwrap();
    let line = "mount --bind locks locks && mount -o remount,ro,bind locks && exec \"$@\"";
    let start =
        stage.run(&["--exit", "7"]).through(&["unshare", "--mount", "bash", "-c", line, "bash"]);
    let ended = start.end().exits(73);
    assert!(ended.err.contains("Read-only file system"), "{ended:?}");
    assert_eq!(fs::read_dir(stage.locks()).unwrap().count(), 0);
}

/// A control group with a limit of its own for processes, removed on drop.
struct LimitedGroup(PathBuf);

impl LimitedGroup {
    fn new(stage: &Stage, most: u32) -> Option<LimitedGroup> {
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
        group.map(LimitedGroup)
    }

    fn start<'a>(&self, start: Start<'a>) -> Running<'a> {
        let line = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        start.through(&["sh", "-c", &line, "sh"]).start()
    }

    fn processes(&self) -> usize {
        fs::read_to_string(self.0.join("cgroup.procs")).unwrap().lines().count()
    }
}

impl Drop for LimitedGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_fork_bomb_in_a_full_control_group_is_ended_completely() {
    let stage = Stage::new();
    let Some(group) = LimitedGroup::new(&stage, 60) else { return };
    let bomb = "bomb() { bomb | bomb & wait; }; echo $$ bomb >> bots.log; while :; do bomb; done";
    let old = group.start(stage.run_command("bash", &["-c", bomb]));
    stage.nth_pid_of(1, "bomb");
    stage.wait_until("a full group", || (group.processes() >= 55).then_some(()));
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
    assert_eq!(group.processes(), 0);
    assert!(new.is_alive());
}

#[test]
#[ignore = "every other test would scan them too"]
fn among_five_thousand_processes_the_bot_is_found_and_ended() {
    let stage = Stage::new();
    // systemd allows the processes of one scope 15 % of all PIDs, often 4,915.
    let Some(group) = LimitedGroup::new(&stage, 5_100) else { return };
    let many = "import os, signal\n\
        try:\n\
        \x20   for _ in range(5000):\n\
        \x20       if os.fork() == 0: signal.pause()\n\
        except OSError: os.killpg(0, signal.SIGKILL)\n\
        open('bots.log', 'a').write(f'{os.getpid()} forked\\n')\n\
        signal.pause()";
    let crowd = group.start(stage.program("python3", &["-c", many]).own_process_group());
    stage.nth_pid_of(1, "forked");
    let other = stage.bot(&[]).start();
    stage.ready(1);
    let _new = stage.run(&[]).on_conflict("graceful").start();
    stage.ready(2);
    other.end();
    stage.assert_no_overlap();
    assert!(crowd.is_alive());
    killpg(Pid::from_raw(crowd.pid().cast_signed()), Signal::SIGKILL).unwrap();
    stage.wait_until("the end of the crowd", || (group.processes() == 0).then_some(()));
}
