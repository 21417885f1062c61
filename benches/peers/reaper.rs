//! Where everything is measured: in a PID namespace of its own, with a tini as its first process.
//!
//! Not every machine's first process reaps orphans at once; one here looks every other second. Who
//! waits for a pid to be gone, as start-stop-daemon and psutil do, would wait for that, and who
//! waits for a pidfd would not: the ratios would be the machine's and nobody's merit. And so there
//! are exactly as many processes as a row says.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::bench::Failure;
use rustix::process::getuid;

/// Becomes this program once more, in such a namespace, unless it is there.
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

/// Says that this is done.
pub(crate) const INSIDE: &str = "--inside";
