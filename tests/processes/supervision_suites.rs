//! A bot under runit, s6 or `OpenRC`: refused, with the command that stops it for good.
//! `.ci/run` unpacks runit and `OpenRC` below `target/peers`, and installs s6.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, Start, is_root, skip};

use crate::supervisors::{goes_through, peer, refused};

/// Writes the `run` file of a service, which is started in the folder of the service.
fn write_run(stage: &Stage, folder: &Path, line: &str) {
    fs::create_dir_all(folder).unwrap();
    let text = format!("#!/bin/sh\ncd {}\n{line}\n", stage.folder().display());
    write_program(&folder.join("run"), &text);
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Checks that a start is refused until `shell` has run the command that it names.
#[track_caller]
fn is_refused(stage: &Stage, by: &Running<'_>, name: &str, command: &str, shell: Start<'_>) {
    stage.ready(1);
    let plan = stage.plan(&[]).flag("--json").end();
    assert!(plan.out.contains(&format!("\"managed_by\": \"{name}\"")), "{plan:?}");
    let named = refused(stage, &format!("{name} would start it again"));
    assert_eq!(named, command);
    shell.argument(&named).end().exits(0);
    goes_through(stage);
    assert!(by.is_alive());
}

#[track_caller]
fn runit(line: &str) {
    let Some(runsvdir) = peer("unpacked/usr/bin/runsvdir") else { return };
    let stage = Stage::new();
    let service = stage.folder().join("services/voice bot");
    write_run(&stage, &service, line);
    let tools = runsvdir.parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let services = service.parent().unwrap().to_str().unwrap();
    let runsvdir = stage.program(&runsvdir, &["-P", services]).env("PATH", &path).start();
    let command = format!("sv down '{}'", service.display());
    let shell = stage.program("sh", &["-c"]).env("PATH", &path);
    is_refused(&stage, &runsvdir, "runit:voice bot", &command, shell);
}

#[test]
fn runit_is_named_with_the_command_that_stops_the_bot_for_good() {
    runit(&format!("exec {}", testbot().display()));
}

#[test]
fn runit_is_named_also_above_the_shell_that_starts_the_bot() {
    runit(&format!("{}; sleep 1", testbot().display()));
}

#[track_caller]
fn s6(line: &str) {
    if Command::new("s6-svscan").arg("-?").output().is_err() {
        return skip("s6 is missing; `.ci/run` installs it");
    }
    let stage = Stage::new();
    let service = stage.folder().join("services/voice");
    write_run(&stage, &service, line);
    let services = service.parent().unwrap().to_str().unwrap();
    let svscan = stage.program("s6-svscan", &[services]).start();
    let command = format!("s6-svc -d {}", service.display());
    is_refused(&stage, &svscan, "s6:voice", &command, stage.program("sh", &["-c"]));
}

#[test]
fn s6_is_named_with_the_command_that_stops_the_bot_for_good() {
    s6(&format!("exec {}", testbot().display()));
}

#[test]
fn s6_is_named_also_above_the_shell_that_starts_the_bot() {
    s6(&format!("{}; sleep 1", testbot().display()));
}

/// Makes the machine look as if it were booted by `OpenRC`, in a mount namespace of its own, and
/// starts the service `voice`.
const BOOT: &str = r#"
set -e
mount -t overlay overlay -o lowerdir="$1/lib:/usr/lib" /usr/lib
mount -t overlay overlay -o lowerdir="$1/sbin:/usr/sbin" /usr/sbin
mount -t tmpfs tmpfs /run
mount --bind "$2" /etc/init.d
for state in starting started stopping inactive wasinactive failed hotplugged \
    daemons options exclusive scheduled init.d tmp; do
    mkdir -p "/run/openrc/$state"
done
touch /run/openrc/softlevel
rc-service voice start
exec sleep 600
"#;

#[test]
fn openrc_is_named_with_the_command_that_stops_the_bot_for_good() {
    if !is_root() {
        return;
    }
    let Some(daemon) = peer("unpacked/sbin/supervise-daemon") else { return };
    let unpacked: PathBuf = daemon.ancestors().nth(2).unwrap().to_owned();
    let stage = Stage::new();
    let services = stage.folder().join("init.d");
    fs::create_dir(&services).unwrap();
    let folder = stage.folder().display();
    // OpenRC clears the environment.
    let service = format!(
        "#!/sbin/openrc-run\nexport TESTBOT_STAGE={folder} TESTBOT_SOCKET={folder}\n\
         export TESTBOT_LOG={folder}/bots.log\nsupervisor=supervise-daemon\ncommand={}\n\
         directory={folder}\nrespawn_delay=1\n",
        testbot().display()
    );
    write_program(&services.join("voice"), &service);
    let (unpacked, services) = (unpacked.to_str().unwrap(), services.to_str().unwrap());
    let openrc =
        stage.program("unshare", &["--mount", "sh", "-c", BOOT, "sh", unpacked, services]).start();
    let namespace = format!("--mount=/proc/{}/ns/mnt", openrc.pid());
    let shell = stage.program("nsenter", &[&namespace, "sh", "-c"]);
    is_refused(&stage, &openrc, "openrc:voice", "rc-service voice stop", shell);
}
