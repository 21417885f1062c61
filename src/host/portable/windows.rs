//! What only Windows has: users by SID, and no way to ask a process to end.

use std::collections::BTreeSet;

use sysinfo::{Process, Users as Accounts};

use super::{
    handle::Handle,
    table::{Depth, Table},
};
use crate::{
    engine::{
        plan::Blow,
        snapshot::{Reach, User},
    },
    host::seam::Sent,
};

/// What one process may send to another.
pub(super) const REACH: Reach = Reach::KillAlone;

/// Nobody adopts orphans here.
pub(super) const INIT: Option<u32> = None;

/// The user of this process.
pub(super) fn myself() -> User {
    let pid = std::process::id();
    let user = Table::of(&[pid], Depth::Everything).ok().and_then(|table| Users::default().of(table.process(pid)?));
    user.unwrap_or_else(|| User { id: "unknown".to_owned(), name: "unknown".to_owned() })
}

/// Whether this process may end everybody's processes: never assumed.
pub(super) fn is_privileged() -> bool {
    false
}

/// The users of processes, with the names that the system has for them.
#[derive(Debug)]
pub(super) struct Users(Option<Accounts>);

impl Default for Users {
    fn default() -> Self {
        Users(Accounts::new_with_refreshed_list().ok())
    }
}

impl Users {
    /// Whose `process` is.
    pub(super) fn of(&self, process: &Process) -> Option<User> {
        let sid = process.user_id()?;
        let id = sid.to_string();
        let account = self.0.as_ref().and_then(|accounts| accounts.get_user_by_id(sid));
        Some(User { name: account.map_or_else(|| id.clone(), |account| account.name().to_owned()), id })
    }
}

/// Ends a process that was identified just now; while `process` lives, its handle keeps the pid from being used again.
pub(super) fn send(process: &Process, blow: Blow) -> Sent {
    match blow {
        // Nothing is ever stopped here.
        Blow::Continue => Sent::Delivered,
        Blow::Signal(_) => Sent::Denied,
        Blow::Kill if process.kill() => Sent::Delivered,
        Blow::Kill => {
            let pid = process.pid().as_u32();
            let lives = Table::of(&[pid], Depth::Lineage).is_ok_and(|table| table.id(pid).is_some());
            if lives { Sent::Denied } else { Sent::Gone }
        }
    }
}

/// Ends a child of ours and everything that can be seen below it.
pub(crate) fn kill_tree(root: u32) {
    let Ok(table) = Table::all(Depth::Lineage) else { return };
    for pid in table.with_descendants(BTreeSet::from([root]), std::process::id()) {
        if let Some(id) = table.id(pid) {
            // It may just have ended by itself.
            let _ = Handle { id }.send(Blow::Kill);
        }
    }
}
