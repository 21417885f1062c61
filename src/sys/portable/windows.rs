//! What only Windows has: users by SID, and no way to ask a process to end.

use std::{collections::BTreeSet, path::Path};

use known_folders::{KnownFolder, get_known_folder_path};
use sysinfo::Process;

use crate::{
    engine::{
        process::User,
        signal::{SignalResult, SignalToSend},
        snapshot::SignalSupport,
    },
    sys::portable::{
        pidfd::ProcessHandle,
        process_table::{ProcessTable, TableFields},
    },
};

/// What one process may send to another.
pub(crate) const REACH: SignalSupport = SignalSupport::KillAlone;

/// Nobody adopts orphans here.
pub(crate) const INIT: Option<u32> = None;

/// The user of this process.
pub(crate) fn myself() -> User {
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

/// Whether this process may end everybody's processes: never assumed.
pub(crate) fn is_privileged() -> bool {
    false
}

/// The users of processes. sysinfo's list of accounts is undefined behaviour where the system
/// refuses it (0.40, Wine), so mine is known by its profile's name, and everybody else by the SID.
#[derive(Debug)]
pub(crate) struct Users {
    me: User,
}

impl Users {
    /// Mine is looked up beforehand.
    pub(crate) fn known() -> Users {
        Users { me: myself() }
    }

    /// Whose `process` is.
    pub(crate) fn of(&self, process: &Process) -> Option<User> {
        let id = process.user_id()?.to_string();
        Some(if id == self.me.id { self.me.clone() } else { User { name: id.clone(), id } })
    }
}

/// Ends a process that was identified just now; while `process` lives, its handle keeps the pid
/// from being used again.
pub(crate) fn send(process: &Process, signal: SignalToSend) -> SignalResult {
    match signal {
        // Nothing is ever stopped here.
        SignalToSend::Continue => SignalResult::Delivered,
        SignalToSend::Signal(_) => SignalResult::Denied,
        SignalToSend::Kill if process.kill() => SignalResult::Delivered,
        SignalToSend::Kill => {
            let pid = process.pid().as_u32();
            let lives = ProcessTable::of(&[pid], TableFields::Lineage)
                .is_ok_and(|table| table.id(pid).is_some());
            if lives { SignalResult::Denied } else { SignalResult::Gone }
        }
    }
}

/// Ends a child of ours and everything that can be seen below it.
pub(crate) fn kill_tree(root: u32) {
    let Ok(table) = ProcessTable::all(TableFields::Lineage) else { return };
    for pid in table.with_descendants(BTreeSet::from([root]), std::process::id()) {
        if let Some(id) = table.id(pid) {
            // It may just have ended by itself.
            let _ = ProcessHandle { id }.send(SignalToSend::Kill);
        }
    }
}
