//! The environment of the measurements: a PID namespace with tini as its first process.
//!
//! Not every machine's first process reaps orphans at once; some do so only every other second.
//! Programs that wait for a pid to disappear, such as start-stop-daemon and psutil, would wait for
//! that, while programs that wait for a pidfd would not, so the ratios would depend on the machine.
//! A namespace also has exactly the number of processes that a row shows.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::bench::Failure;
use rustix::process::getuid;

/// Executes this program again in such a namespace, unless it already runs there.
pub(crate) fn insist() -> Result<(), Failure> {
    if env::args().any(|arg| arg == INSIDE) {
        return Ok(());
    }
    let mut unshare = Command::new("unshare");
    if !getuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc", "tini", "-s", "--"]);
    let failure = unshare.arg(env::current_exe()?).args(env::args_os().skip(1)).arg(INSIDE).exec();
    Err(format!("`unshare`: {failure}; it is in util-linux").into())
}

/// Marks a process in the namespace.
pub(crate) const INSIDE: &str = "--inside";
