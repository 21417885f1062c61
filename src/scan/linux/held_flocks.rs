//! The locks of flock(1) that a process holds itself: `flock -F a.lock ./bot` leaves no other
//! trace.

use std::path::Path;

use crate::engine::likeness::CommandDoubt;
use crate::scan::command::Command;
use crate::scan::command_context::LOCK_FILE;
use crate::scan::linux::lock_holders::hands_lock_on;
use crate::sys::file_id::is_same_file;
use crate::sys::linux::proc_fs::ProcFs;

/// Returns the doubt about a process to which a flock has handed locks, but not COMMAND's.
pub(super) fn doubt_by_flock(proc: &ProcFs, command: &Command, pid: u32) -> Option<CommandDoubt> {
    let mine = command.lock_file()?;
    let descriptors = proc.descriptors(pid).ok()?.into_iter();
    let held = descriptors.filter(|it| hands_lock_on(proc, pid, *it));
    let mut files = held.filter_map(|it| proc.link(pid, &format!("fd/{it}")).ok()).peekable();
    files.peek()?;
    let has_mine = files.any(|file| is_same_file(&file, Path::new(mine)));
    (!has_mine).then(|| CommandDoubt::Option(LOCK_FILE.to_owned()))
}
