//! Finds the guard named in a record, and guards that have lost their lock.

use std::collections::BTreeSet;

use crate::engine::process::ProcessId;
use crate::engine::snapshot::{GuardView, LockState, LockView};
use crate::scan::linux::lock_holders::{self, holders_among};
use crate::scan::linux::scanner::Scanner;
use crate::scan::lock_views::{DisplacedOwner, FoundRecord, guard_view, holders};
use crate::state::lock_file::HeldLock;
use crate::state::record::{HostProcess, Record};
use crate::sys::file_id::FileId;

impl Scanner {
    /// Returns the recorded process, if it belongs to this boot and PID namespace and is not this
    /// process.
    pub(super) fn process_here(&self, record: &Record) -> Option<ProcessId> {
        let HostProcess { boot, pid_namespace, process } = &record.holder;
        let is_here = *boot == self.host_process.boot
            && *pid_namespace == self.host_process.pid_namespace
            && *process != self.host_process.process;
        is_here.then_some(*process)
    }

    pub(super) fn has_lock(&self, pid: u32, file: FileId) -> bool {
        !holders_among(&self.tree.proc, file, &BTreeSet::from([pid])).is_empty()
    }

    /// Returns the guard of a record. The record counts if its process is alive and has the lock,
    /// or if the guard is in another PID namespace and the lock is held.
    pub(super) fn guard(&self, found: &FoundRecord, views: &[LockView]) -> Option<GuardView> {
        let record = &found.record;
        let held: Vec<u32> = views.iter().flat_map(holders).copied().collect();
        let is_held = views.iter().any(|view| matches!(view.state, LockState::Held(_)));
        let same_namespace = record.holder.pid_namespace == self.host_process.pid_namespace;
        let process = held
            .iter()
            .find_map(|pid| self.recorded_process(record, *pid, same_namespace))
            .or_else(|| self.displaced_guard(record));
        let counts = process.is_some() || (is_held && !same_namespace && held.is_empty());
        counts.then(|| guard_view(found, process))
    }

    /// Returns the living guard of a record if it still has a recorded lock open, even if that file
    /// was deleted.
    fn displaced_guard(&self, record: &Record) -> Option<ProcessId> {
        let guard = self.process_here(record)?;
        let stat = self.tree.proc.stat(guard.pid, &mut Vec::new()).ok()?;
        let has_lock = |file: &FileId| self.has_lock(guard.pid, *file);
        (stat.start == guard.start && record.locks.iter().any(has_lock)).then_some(guard)
    }

    /// Returns the owner of a record that lost its lock to this process: its lock file was deleted
    /// or replaced, and this process holds the new one. The record of a guard in another PID
    /// namespace is trusted, because the guard itself is invisible.
    pub(crate) fn displaced_by(&self, record: &Record, held: &[HeldLock]) -> DisplacedOwner {
        let of = &record.holder;
        if of.boot != self.host_process.boot || *of == self.host_process {
            DisplacedOwner::Gone
        } else if of.pid_namespace == self.host_process.pid_namespace {
            match self.displaced_guard(record) {
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

    /// Returns the process with this pid if it is the recorded one, whose recorded pid may be that
    /// of another PID namespace.
    fn recorded_process(
        &self,
        record: &Record,
        pid: u32,
        same_namespace: bool,
    ) -> Option<ProcessId> {
        let (proc, mut buffer) = (&self.tree.proc, Vec::new());
        let found = ProcessId { pid, start: proc.stat(pid, &mut buffer).ok()?.start };
        let recorded = record.holder.process;
        if same_namespace {
            return (found == recorded).then_some(found);
        }
        let inner = proc.status(pid, &mut buffer).ok()?.innermost_pid?;
        let namespace = lock_holders::pid_namespace(proc, pid).ok()?;
        (inner == recorded.pid && namespace == record.holder.pid_namespace).then_some(found)
    }
}
