//! The process tree of a guard: COMMAND and everything that it started.

use std::collections::BTreeSet;
use std::io;

use crate::engine::process::ProcessId;
use crate::scan::machine::tree_reader::TreeReader;
use crate::scan::process_tree::{GuardMembers, PinnedProcesses};

pub(crate) struct GuardTree {
    reader: TreeReader,
    /// Children that this process already had: a shell started them and then replaced itself with
    /// this process (`exec`).
    other_children: BTreeSet<ProcessId>,
    pub(crate) pinned: PinnedProcesses,
}

impl GuardTree {
    /// Creates the tree of everything this process starts from now on. Fails if its present
    /// children cannot be listed, because later ones could not be told apart.
    pub(crate) fn of_this_process() -> io::Result<GuardTree> {
        let reader = TreeReader::open()?;
        let other_children = reader.children()?;
        Ok(GuardTree { reader, other_children, pinned: PinnedProcesses::default() })
    }

    /// Returns the living members. If the process table cannot be read, returns those seen last.
    pub(crate) fn members(&mut self) -> GuardMembers {
        if let Ok(look) = self.reader.guard_members(&self.other_children, &mut self.pinned) {
            return look;
        }
        self.pinned.forget_ended();
        let members = self.pinned.assume_alive(self.pinned.handles().map(|handle| &handle.id));
        GuardMembers { members, is_proof: false }
    }
}
