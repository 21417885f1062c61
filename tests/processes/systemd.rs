//! A bot as a service of a real `systemd --user`: refused if the unit would restart it, else taken
//! over.

use std::os::unix::net::UnixStream;
use std::path::Path;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, is_alive, is_root, skip};
use nix::sys::signal::Signal;

const SYSTEMD: &str = "/lib/systemd/systemd";

/// Starts systemd in a mount namespace in which the machine seems to be booted by systemd, and in a
/// cgroup like that of `user@1000.service`.
const START: &str = r#"
mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system
own="monopoll-$$/user@$$.service"
for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    if [ -f "$root/cgroup.procs" ]; then
        mkdir -p "$root/$own" && echo $$ > "$root/$own/cgroup.procs"
    fi
done
"$1" --user &
trap 'kill -TERM $!' TERM
wait; wait
for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    if [ -f "$root/cgroup.procs" ]; then
        echo $$ > "$root/cgroup.procs"
        find "$root/${own%/*}" -depth -type d -exec rmdir {} \;
    fi
done 2>/dev/null
"#;

/// A user's systemd with one unit.
pub(crate) struct Systemd<'a> {
    stage: &'a Stage,
    running: Running<'a>,
}

impl<'a> Systemd<'a> {
    /// Starts systemd with the unit `bot.service`. Without root or systemd, prints that the test is
    /// skipped.
    pub(crate) fn start(stage: &'a Stage, service: &str) -> Option<Systemd<'a>> {
        if !is_root() {
            return None;
        }
        if !Path::new(SYSTEMD).exists() {
            skip(&format!("{SYSTEMD} is missing"));
            return None;
        }
        let folder = stage.folder();
        let units = folder.join("config/systemd/user");
        std::fs::create_dir_all(&units).unwrap();
        std::fs::create_dir(folder.join("run")).unwrap();
        let unit = format!(
            "[Service]\nWorkingDirectory={0}\nEnvironment=TESTBOT_LOG={0}/bots.log\n\
             Environment=TESTBOT_SOCKET={0}\n{service}\n",
            folder.display()
        );
        std::fs::write(units.join("bot.service"), unit).unwrap();
        let start = stage
            .program("unshare", &["--mount", "sh", "-c", START, "sh", SYSTEMD])
            .env("XDG_RUNTIME_DIR", folder.join("run"))
            .env("XDG_CONFIG_HOME", folder.join("config"));
        let systemd = Systemd { stage, running: start.start() };
        stage.wait_until("systemd's socket", || {
            UnixStream::connect(folder.join("run/systemd/private")).ok()
        });
        systemd.systemctl("systemctl --user start bot.service");
        stage.ready(1);
        Some(systemd)
    }

    pub(crate) fn systemctl(&self, command: &str) {
        let runtime = self.stage.folder().join("run");
        let command = self.stage.program("sh", &["-c", command]).env("XDG_RUNTIME_DIR", runtime);
        command.end().exits(0);
    }

    pub(crate) fn end(self) {
        self.running.signal(Signal::SIGTERM);
        self.running.end();
    }
}

/// Starts with `graceful`, in the session of that systemd's user.
pub(crate) fn graceful(stage: &Stage) -> monopoll_test_bots::stage::Start<'_> {
    let start = stage.run(&[]).on_conflict("graceful");
    start.env("XDG_RUNTIME_DIR", stage.folder().join("run"))
}

#[track_caller]
fn is_refused(service: &str) {
    let stage = Stage::new();
    let Some(systemd) = Systemd::start(&stage, service) else { return };
    let bot = stage.ready(1);
    let stop = "stop it for good with `systemctl --user stop bot.service`";
    graceful(&stage)
        .end()
        .exits(75)
        .says("systemd-user:bot.service would start it again")
        .says(stop);
    assert!(is_alive(bot) && stage.times(bot, "got SIGTERM") == 0);
    systemd.systemctl("systemctl --user stop bot.service");
    let start = graceful(&stage).start();
    stage.ready(2);
    start.signal(Signal::SIGTERM);
    start.end();
    systemd.end();
    stage.assert_no_overlap();
}

#[track_caller]
fn is_taken_over(service: &str) {
    let stage = Stage::new();
    let Some(systemd) = Systemd::start(&stage, service) else { return };
    let bot = stage.ready(1);
    let start = graceful(&stage).start();
    stage.ready(2);
    assert_eq!((is_alive(bot), stage.times(bot, "got SIGTERM")), (false, 1));
    start.signal(Signal::SIGTERM);
    start.end();
    systemd.end();
    stage.assert_no_overlap();
}

#[test]
fn the_main_process_of_a_unit_that_restarts_is_refused() {
    is_refused(&format!("ExecStart={}\nRestart=on-failure\nRestartSec=5", testbot().display()));
}

#[test]
fn a_bot_below_the_main_shell_of_a_unit_that_restarts_is_refused() {
    let bot = testbot().display().to_string();
    is_refused(&format!("ExecStart=/bin/sh -c '{bot}; exit $?'\nRestart=always\nRestartSec=5"));
}

#[test]
fn a_service_that_does_not_restart_is_taken_over() {
    is_taken_over(&format!("ExecStart={}\nRestart=no", testbot().display()));
}

#[test]
fn a_bot_that_the_main_process_of_a_unit_only_started_is_taken_over() {
    let start = "import subprocess, time; subprocess.Popen([\"\"]); time.sleep(99)";
    let start = start.replace("\"\"", &format!("\"{}\"", testbot().display()));
    is_taken_over(&format!("ExecStart=/usr/bin/python3 -c '{start}'\nRestart=always"));
}

#[test]
fn a_systemd_that_cannot_be_asked_is_refused() {
    let stage = Stage::new();
    let service = format!("ExecStart={}\nRestart=no", testbot().display());
    let Some(systemd) = Systemd::start(&stage, &service) else { return };
    let by = "systemd-user:bot.service would start it again";
    let elsewhere = stage.folder().join("elsewhere");
    graceful(&stage).env("XDG_RUNTIME_DIR", elsewhere).end().exits(75).says(by);
    assert_eq!(stage.times(stage.ready(1), "got SIGTERM"), 0);
    systemd.end();
}

#[test]
fn systemd_is_not_asked_where_the_policy_ends_nothing() {
    let stage = Stage::new();
    let service = format!("ExecStart={}\nRestart=no", testbot().display());
    let Some(systemd) = Systemd::start(&stage, &service) else { return };
    let tools = stage.folder().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let asked = stage.folder().join("asked");
    let tool = tools.join("systemctl");
    let script = format!("#!/bin/sh\necho \"$@\" >> {}\nexec sleep 60\n", asked.display());
    std::fs::write(&tool, script).unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    stage.run(&[]).on_conflict("refuse").env("PATH", &path).end().exits(75);
    assert!(!asked.exists());
    let by = "systemd-user:bot.service would start it again";
    graceful(&stage).env("PATH", &path).end().exits(75).says(by);
    assert_eq!(std::fs::read_to_string(asked).unwrap().lines().count(), 1, "once");
    systemd.end();
}
