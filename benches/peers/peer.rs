//! The command lines of monopoll and its alternatives.

use crate::bench::Failure;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MONOPOLL: &str = env!("CARGO_BIN_EXE_monopoll");
const TOKEN: &str = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1";

/// Requires that all programs are installed.
pub(crate) fn insist() -> Result<(), Failure> {
    let python = python();
    let peers = [
        ("flock", "--version"),
        ("pgrep", "--version"),
        ("start-stop-daemon", "--version"),
        ("tini", "--version"),
        ("cc", "--version"),
    ];
    let missing: Vec<&str> = peers
        .iter()
        .filter(|(peer, arg)| !runs(Command::new(peer).arg(arg)))
        .map(|(peer, _)| *peer)
        .collect();
    if !missing.is_empty() {
        return Err(
            format!("not installed: {}; `.ci/run` installs them", missing.join(", ")).into()
        );
    }
    if runs(Command::new(&python).args(["-c", "import psutil, filelock"])) {
        Ok(())
    } else {
        Err(format!("{} has no psutil and filelock; `.ci/run` installs them", python.display())
            .into())
    }
}

fn runs(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs monopoll with its defaults and a token.
pub(crate) fn monopoll(lock: &Path, args: &[&str], command: &[PathBuf]) -> Command {
    let mut monopoll = quiet(MONOPOLL);
    monopoll.env("BOT_TOKEN", TOKEN).env("MONOPOLL_LOCK__PATHS", format!("['{}']", lock.display()));
    monopoll.args(args).args(command);
    monopoll
}

/// Runs `flock`, which refuses or waits.
pub(crate) fn flock(lock: &Path, args: &[&str], command: &[PathBuf]) -> Command {
    let mut flock = quiet("flock");
    flock.args(args).arg(lock).args(command);
    flock
}

/// Runs the start of start-stop-daemon, which is everything if nothing runs yet.
pub(crate) fn daemon_start(pid_file: &Path, command: &[PathBuf]) -> Command {
    let mut daemon = quiet("start-stop-daemon");
    daemon.args(["--start", "--background", "--make-pidfile", "--pidfile"]).arg(pid_file);
    daemon.arg("--exec").args(&command[..1]).arg("--").args(&command[1..]);
    daemon
}

/// Runs the stop of start-stop-daemon.
pub(crate) fn daemon_stop(pid_file: &Path) -> Command {
    let mut daemon = quiet("start-stop-daemon");
    daemon.args(["--stop", "--oknodo", "--retry", "TERM/30/KILL/5", "--pidfile"]).arg(pid_file);
    daemon
}

/// Runs a typical handwritten guard.
pub(crate) fn guard(lock: &Path, command: &[PathBuf]) -> Command {
    let mut guard = quiet(python());
    guard
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/guard.py"))
        .arg(lock)
        .args(command);
    guard
}

/// Runs a supervisor of one child that takes no lock.
pub(crate) fn tini(command: &[PathBuf]) -> Command {
    let mut tini = quiet("tini");
    tini.args(["-s", "--"]).args(command);
    tini
}

/// Runs the bare system calls.
pub(crate) fn floor(program: &Path, args: &[&OsStr]) -> Command {
    let mut floor = quiet(program);
    floor.args(args);
    floor
}

/// Runs an unguarded bot whose parent is this program.
pub(crate) fn unguarded(command: &[PathBuf]) -> Command {
    let mut bot = quiet(&command[0]);
    bot.args(&command[1..]).env("BOT_TOKEN", TOKEN);
    bot
}

/// Runs an unguarded bot whose parent has ended.
pub(crate) fn orphan(command: &[PathBuf]) -> Command {
    let mut shell = quiet("sh");
    shell.args(["-c", "\"$@\" &", "sh"]).args(command).env("BOT_TOKEN", TOKEN);
    shell
}

/// Runs any other program without output.
pub(crate) fn quiet(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_remove("BOT_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv/bin/python")
}
