//! The users of processes by id, and signals.

use rustix::io::Errno;
use rustix::process::Pid;
use sysinfo::Process;

use crate::engine::process::User;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::sys::{signal_numbers, users};

pub(crate) fn user_of(process: &Process, _current: &User) -> Option<User> {
    process.user_id().map(|uid| users::user(**uid))
}

/// The process was identified just before.
pub(crate) fn send(process: &Process, signal: SignalToSend) -> SignalResult {
    let pid = i32::try_from(process.pid().as_u32()).ok().and_then(Pid::from_raw);
    let sent = pid.map(|pid| rustix::process::kill_process(pid, signal_numbers::to_send(signal)));
    match sent {
        Some(Ok(())) => SignalResult::Delivered,
        Some(Err(Errno::PERM | Errno::ACCESS)) => SignalResult::Denied,
        Some(Err(_)) | None => SignalResult::Gone,
    }
}
