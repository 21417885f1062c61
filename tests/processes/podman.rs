//! A bot in a real container of Podman. `.ci/run` installs `podman` and `busybox-static`.

use std::fs;
use std::path::Path;
use std::process::Command;

use monopoll_test_bots::stage::{Running, Stage, Start, is_alive, is_root, skip, state};
use nix::sys::signal::Signal;

use crate::other_bots::plan;

const BUSYBOX: &str = "/bin/busybox";

/// Starts a container, without version 2 of control groups in sight: Podman's runtime refuses a
/// machine that has both versions.
const RUN: &str = r#"
set -e
umount /sys/fs/cgroup/unified 2>/dev/null || true
mkdir -p root/bin root/srv
cp "$1" root/bin/busybox
ln -s busybox root/bin/sh
echo 'trap exit TERM; : > /out/ready; busybox sleep 600 & wait' > root/srv/main.sh
# Low limits, because root may not raise them everywhere.
exec $PODMAN run --name voice --restart=always --network=none --volume "$PWD/out:/out" \
    --env TESTBOT_STAGE --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
    --rootfs "$PWD/root" /bin/sh /srv/main.sh
"#;

/// A container with a bot, and the pid of the bot outside of it.
struct Container<'a> {
    stage: &'a Stage,
    podman: Running<'a>,
    bot: u32,
}

impl<'a> Container<'a> {
    fn start(stage: &'a Stage) -> Option<Container<'a>> {
        if !is_root() {
            return None;
        }
        if Command::new("podman").arg("--version").output().is_err() || !Path::new(BUSYBOX).exists()
        {
            skip("Podman or busybox is missing; `.ci/run` installs both");
            return None;
        }
        fs::create_dir(stage.folder().join("out")).unwrap();
        let start = stage.program("unshare", &["--mount", "sh", "-c", RUN, "sh", BUSYBOX]);
        let podman = start.env("PODMAN", podman_line(stage)).start();
        let is_bot = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line == b"/bin/sh\0/srv/main.sh\0"
        };
        let bot = stage.wait_until("the bot in the container", || {
            let has_ended = state(podman.pid()) == Some('Z');
            let bot = stage.marked().into_iter().find(is_bot);
            let bot = bot.filter(|_| stage.folder().join("out/ready").exists());
            bot.map(Some).or(has_ended.then_some(None))
        });
        let Some(bot) = bot else {
            skip(&format!("Podman cannot run a container here: {}", podman.stderr()));
            return None;
        };
        Some(Container { stage, podman, bot: u32::try_from(bot).unwrap() })
    }

    /// Runs a line in the mount namespace of Podman, where `podman` is this test's.
    fn shell(&self, line: &str) -> Start<'a> {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.podman.pid());
        let line = format!("podman() {{ command {} \"$@\"; }}; {line}", podman_line(self.stage));
        self.stage.program("nsenter", &[&namespace, "sh", "-c", &line])
    }
}

/// Returns the command line of a Podman that keeps everything in the stage's folder.
fn podman_line(stage: &Stage) -> String {
    let folder = stage.folder().display();
    format!(
        "podman --root {folder}/graph --runroot {folder}/podman --tmpdir {folder}/tmp \
         --storage-driver vfs --cgroup-manager cgroupfs --events-backend none"
    )
}

#[test]
fn a_bot_in_a_container_is_left_alone_or_refused_with_the_command_that_stops_it() {
    let stage = Stage::new();
    let Some(container) = Container::start(&stage) else { return };
    let bot = container.bot;
    let entry = |limit: &str| format!("[[match]]\ncmdline = '^/bin/sh /srv/main'\n{limit}\n");
    let run = |limit: &str| stage.run(&[]).on_conflict("force").config(&entry(limit));
    let plan = plan(stage.plan(&[]).config(&entry("")));
    let shielded = plan["shielded"].as_array().unwrap();
    assert!(shielded.iter().any(|it| it["pid"] == bot), "{plan:#}");
    let guard = run("").start();
    end(&stage, guard, 1);
    assert!(is_alive(bot));
    let ended = run("container = \"any\"").end().exits(75);
    let ended = ended.says(" would start it again; stop it for good with `podman stop ");
    assert!(is_alive(bot));
    let command = ended.err.rsplit('`').nth(1).unwrap();
    let id = command.strip_prefix("podman stop ").unwrap();
    assert!(ended.err.contains(&format!("and container:{id} would")), "{ended:?}");
    container.shell(command).end().exits(0);
    stage.wait_until("the bot's end", || (!is_alive(bot)).then_some(()));
    let guard = run("container = \"any\"").start();
    end(&stage, guard, 2);
    assert!(!container.podman.is_alive());
}

/// Waits until the n-th bot of a guard polls, and ends the guard.
#[track_caller]
fn end(stage: &Stage, guard: Running<'_>, n: usize) {
    stage.ready(n);
    guard.signal(Signal::SIGTERM);
    guard.end().exits(0);
}
