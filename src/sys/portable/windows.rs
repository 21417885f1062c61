//! The users of processes by SID. Windows has no signal that asks a process to end.
#![expect(clippy::disallowed_methods, reason = "reads which process this is")]

use std::path::Path;

use known_folders::{KnownFolder, get_known_folder_path};
use sysinfo::Process;

use crate::engine::process::User;
use crate::engine::signal::{SignalResult, SignalToSend};
use crate::sys::portable::process_table::{ProcessTable, TableFields};

pub(crate) fn current_user() -> User {
    let pid = std::process::id();
    let id = ProcessTable::of(&[pid], TableFields::Everything)
        .ok()
        .and_then(|table| Some(table.process(pid)?.user_id()?.to_string()));
    let id = id.unwrap_or_else(|| "unknown".to_owned());
    let profile = get_known_folder_path(KnownFolder::Profile);
    let name = profile
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    User { name: name.unwrap_or_else(|| id.clone()), id }
}

/// Unknown, so never assumed.
pub(crate) fn is_privileged() -> bool {
    false
}

/// sysinfo's list of accounts is undefined behavior if the system refuses it (0.40, Wine). So the
/// current user is named by the profile, and others by their SID.
pub(crate) fn user_of(process: &Process, current: &User) -> Option<User> {
    let id = process.user_id()?.to_string();
    Some(if id == current.id { current.clone() } else { User { name: id.clone(), id } })
}

/// Ends a process that was identified just before. The handle in `process` keeps its pid from being
/// reused.
pub(crate) fn send(process: &Process, signal: SignalToSend) -> SignalResult {
    match signal {
        // Processes are never stopped on Windows.
        SignalToSend::Continue => SignalResult::Delivered,
        SignalToSend::Signal(_) => SignalResult::Denied,
        SignalToSend::Kill if process.kill() => SignalResult::Delivered,
        SignalToSend::Kill => {
            let pid = process.pid().as_u32();
            let lives = ProcessTable::of(&[pid], TableFields::Parents)
                .is_ok_and(|table| table.id(pid).is_some());
            if lives { SignalResult::Denied } else { SignalResult::Gone }
        }
    }
}
