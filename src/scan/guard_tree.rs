//! The processes that a guard is responsible for: COMMAND and everything that it started.

use std::collections::BTreeSet;
use std::io;

use crate::engine::process::ProcessId;
use crate::scan::machine::tree_reader::TreeReader;
use crate::scan::process_tree::{GuardMembers, PinnedProcesses};

pub(crate) struct GuardTree {
    reader: TreeReader,
    /// Children that this process had before it started anything: a shell that had started them was
    /// replaced by it (`exec`).
    other_children: BTreeSet<ProcessId>,
    pub(crate) pinned: PinnedProcesses,
}

impl GuardTree {
    /// Begins the tree of what this process starts from now on. Fails where its children cannot be
    /// listed, and so not be told from later ones.
    pub(crate) fn of_this_process() -> io::Result<GuardTree> {
        let reader = TreeReader::open()?;
        let other_children = reader.children()?;
        Ok(GuardTree { reader, other_children, pinned: PinnedProcesses::default() })
    }

    /// Returns the living members. If the process table cannot be read, those that were seen
    /// before.
    pub(crate) fn members(&mut self) -> GuardMembers {
        if let Ok(look) = self.reader.guard_members(&self.other_children, &mut self.pinned) {
            return look;
        }
        self.pinned.forget_ended();
        let members = self.pinned.assume_alive(self.pinned.handles().map(|handle| &handle.id));
        GuardMembers { members, is_proof: false }
    }
}
