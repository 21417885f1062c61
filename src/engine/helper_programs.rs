//! Programs that run beside a bot in the tree of its guard and are no bots.

use crate::engine::fact::Fact;
use crate::engine::process::{Process, RunState};

/// The base names of executables.
const HELPERS: &[&[&str]] = &[
    // Filters: they write what they read, to a file, a log or a terminal.
    &["tee", "cat", "grep", "egrep", "rg", "sed", "awk", "gawk", "mawk", "ts", "tail", "head"],
    &["jq", "less", "logger", "systemd-cat", "rotatelogs", "cronolog", "multilog", "s6-log"],
    &["svlogd", "ccze", "lolcat"],
    // Started by what starts a program in a session of its own.
    &["Xvfb", "dbus-daemon", "ssh-agent", "gpg-agent"],
];

/// One executable with many programs; the first argument names the one that runs.
const MULTI_CALL: &[&str] = &["busybox", "toybox", "coreutils"];

/// Python starts this beside the processes of `multiprocessing`.
const RESOURCE_TRACKER: &str = "multiprocessing.resource_tracker";

/// Returns whether a process may be a bot, or start one. An unknown program may be anything, and a
/// shell may start a bot again after a pause.
pub(super) fn may_be_a_bot(process: &Process) -> bool {
    let args = process.args.known().map_or(&[][..], Vec::as_slice);
    let is_helper = |name: &str| HELPERS.iter().any(|names| names.contains(&name));
    let is_multi_call = |name: &str| {
        let applet = || args.iter().map(|arg| arg.rsplit('/').next().unwrap_or(arg)).next();
        MULTI_CALL.contains(&name) && applet().is_some_and(is_helper)
    };
    let tracks_resources = || args.iter().any(|arg| arg.contains(RESOURCE_TRACKER));
    let is_helper = process.name.known().is_some_and(|name| is_helper(name) || is_multi_call(name))
        || tracks_resources();
    process.state != Fact::Known(RunState::Zombie) && !is_helper
}
