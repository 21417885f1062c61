//! Systems other than Linux: processes as sysinfo shows them.
//!
//! A process is identified by its pid and the second in which it started, which are verified right
//! before each signal. The holder of a lock is known only from the record. Ends and changes are
//! noticed within 50 ms.
#![expect(clippy::disallowed_methods, reason = "this is the machine itself")]

mod describe;
mod find_processes;
mod running_programs;
mod scanner;
pub(crate) mod tree_reader;

use std::path::Path;
use std::sync::Arc;

pub(crate) use find_processes::describe_processes;
pub(crate) use running_programs::running_programs;
pub(crate) use scanner::Scanner;

use crate::engine::process::ProcessId;
use crate::scan::capabilities::Capabilities;
use crate::scan::env_marker::EnvMarker;
use crate::scan::own_container::PrivateFolder;
use crate::state::lock_file::LockFile;
use crate::state::lock_folder::LockFolder;
use crate::state::record::HostProcess;
use crate::state::state_dir::StateDir;
use crate::sys::portable::process_handle::ProcessHandle;
use crate::sys::portable::process_table::{ProcessTable, TableFields};

pub(crate) fn process_id(pid: u32) -> Option<ProcessId> {
    ProcessTable::of(&[pid], TableFields::Parents).ok()?.id(pid)
}

/// Returns the guard named by this process's own marker, if it is an ancestor, alive, and has the
/// lock according to its record.
pub(crate) fn find_guard_above(marker: &EnvMarker) -> Option<ProcessHandle> {
    let table = ProcessTable::all(TableFields::Parents).ok()?;
    let (me, guard) = (std::process::id(), marker.guard);
    let is_above = guard.pid != me && table.ancestors(me).any(|pid| pid == guard.pid);
    let folder = Arc::new(LockFolder::open_existing(marker.lock.parent()?).ok()??);
    let name = marker.lock.file_name()?.to_str()?;
    let record = StateDir::new(Arc::clone(&folder), name).record()?;
    let is_recorded = record.ticket == marker.ticket && record.holder.process == guard;
    let is_held = !LockFile::open_existing(&folder, name).ok()??.probe_is_free();
    (is_above && is_recorded && is_held && table.id(guard.pid) == Some(guard))
        .then_some(ProcessHandle { id: guard })
}

pub(crate) fn is_in_guard_tree(pid: u32, guard: ProcessId) -> bool {
    ProcessTable::all(TableFields::Parents).is_ok_and(|table| {
        table.id(guard.pid) == Some(guard)
            && pid != guard.pid
            && table.ancestors(pid).any(|above| above == guard.pid)
    })
}

/// Nothing depends on the machine's settings on these systems.
pub fn detect_capabilities() -> std::io::Result<Option<Capabilities>> {
    Ok(None)
}

pub fn private_folder(_folder: &Path) -> Option<PrivateFolder> {
    None
}

pub fn is_in_other_pid_namespace(_process: &HostProcess) -> bool {
    false
}

/// Finding the holders would require taking the lock.
pub fn visible_holders(_lock: &LockFile) -> Option<Vec<u32>> {
    None
}
