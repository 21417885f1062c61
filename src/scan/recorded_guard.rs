//! Finds the guard named in a record, and guards that have lost their lock. A record counts only as
//! far as the kernel confirms it.

use crate::engine::process::ProcessId;
use crate::engine::snapshot::{GuardView, LockState, LockView};
use crate::scan::lock_views::{DisplacedOwner, FoundRecord, guard_view, holders};
use crate::state::lock_file::HeldLock;
use crate::state::record::{HostProcess, Record};
use crate::sys::file_id::FileId;

/// The kernel's facts about processes that a record may name.
pub trait RecordedProcesses {
    fn host_process(&self) -> &HostProcess;

    /// Returns the start time of a process; `None` if it has ended.
    fn start_time(&self, pid: u32) -> Option<u64>;

    fn has_lock(&self, pid: u32, file: FileId) -> bool;

    /// Returns the pid of a process in its own PID namespace, and that namespace.
    fn inner_pid(&self, pid: u32) -> Option<(u32, u64)>;
}

/// Returns the recorded process, if it belongs to this boot and PID namespace and is not this
/// process.
pub fn process_here(kernel: &dyn RecordedProcesses, record: &Record) -> Option<ProcessId> {
    let HostProcess { boot, pid_namespace, process } = &record.holder;
    let me = kernel.host_process();
    let is_here = *boot == me.boot && *pid_namespace == me.pid_namespace && *process != me.process;
    is_here.then_some(*process)
}

/// Returns the guard of a record. The record counts if its process is alive and has the lock, or if
/// the guard is in another PID namespace and the lock is held.
pub fn recorded_guard(
    kernel: &dyn RecordedProcesses,
    found: &FoundRecord,
    views: &[LockView],
) -> Option<GuardView> {
    let record = &found.record;
    let held: Vec<u32> = views.iter().flat_map(holders).copied().collect();
    let is_held = views.iter().any(|view| matches!(view.state, LockState::Held(_)));
    let same_namespace = record.holder.pid_namespace == kernel.host_process().pid_namespace;
    let process = held
        .iter()
        .find_map(|pid| recorded_process(kernel, record, *pid, same_namespace))
        .or_else(|| displaced_guard(kernel, record));
    let counts = process.is_some() || (is_held && !same_namespace && held.is_empty());
    counts.then(|| guard_view(found, process))
}

/// Returns the living guard of a record if it still has a recorded lock open, even if that file was
/// deleted.
fn displaced_guard(kernel: &dyn RecordedProcesses, record: &Record) -> Option<ProcessId> {
    let guard = process_here(kernel, record)?;
    let has_lock = |file: &FileId| kernel.has_lock(guard.pid, *file);
    (kernel.start_time(guard.pid)? == guard.start && record.locks.iter().any(has_lock))
        .then_some(guard)
}

/// Returns the owner of a record that lost its lock to this process: its lock file was deleted or
/// replaced, and this process holds the new one. The record of a guard in another PID namespace is
/// trusted, because the guard itself is invisible.
pub fn displaced_by(
    kernel: &dyn RecordedProcesses,
    record: &Record,
    held: &[HeldLock],
) -> DisplacedOwner {
    let (of, me) = (&record.holder, kernel.host_process());
    if of.boot != me.boot || of == me {
        DisplacedOwner::Gone
    } else if of.pid_namespace == me.pid_namespace {
        match displaced_guard(kernel, record) {
            Some(_) => DisplacedOwner::Guard,
            None => DisplacedOwner::Gone,
        }
    } else {
        let mut files = held.iter().filter_map(|held| held.file().known_id());
        if record.locks.is_empty() || files.any(|file| record.locks.contains(&file)) {
            DisplacedOwner::Gone
        } else {
            DisplacedOwner::Unseen
        }
    }
}

/// Returns the process with this pid if it is the recorded one, whose recorded pid may be that of
/// another PID namespace.
fn recorded_process(
    kernel: &dyn RecordedProcesses,
    record: &Record,
    pid: u32,
    same_namespace: bool,
) -> Option<ProcessId> {
    let found = ProcessId { pid, start: kernel.start_time(pid)? };
    let recorded = record.holder.process;
    if same_namespace {
        return (found == recorded).then_some(found);
    }
    let (inner, namespace) = kernel.inner_pid(pid)?;
    (inner == recorded.pid && namespace == record.holder.pid_namespace).then_some(found)
}
