//! The kernel's facts about recorded processes, from `/proc`.

use std::collections::BTreeSet;

use crate::engine::snapshot::{GuardView, LockView};
use crate::scan::linux::lock_holders::{self, holders_among};
use crate::scan::linux::scanner::Scanner;
use crate::scan::lock_views::{DisplacedOwner, FoundRecord};
use crate::scan::recorded_guard::{self, RecordedProcesses};
use crate::state::lock_file::HeldLock;
use crate::state::record::{HostProcess, Record};
use crate::sys::file_id::FileId;

impl RecordedProcesses for Scanner {
    fn host_process(&self) -> &HostProcess {
        &self.host_process
    }

    fn start_time(&self, pid: u32) -> Option<u64> {
        self.tree.proc.stat(pid, &mut Vec::new()).ok().map(|stat| stat.start)
    }

    fn has_lock(&self, pid: u32, file: FileId) -> bool {
        !holders_among(&self.tree.proc, file, &BTreeSet::from([pid])).is_empty()
    }

    fn inner_pid(&self, pid: u32) -> Option<(u32, u64)> {
        let (proc, mut buffer) = (&self.tree.proc, Vec::new());
        let inner = proc.status(pid, &mut buffer).ok()?.innermost_pid?;
        Some((inner, lock_holders::pid_namespace(proc, pid).ok()?))
    }
}

impl Scanner {
    pub(super) fn guard(&self, found: &FoundRecord, views: &[LockView]) -> Option<GuardView> {
        recorded_guard::recorded_guard(self, found, views)
    }

    pub(crate) fn displaced_by(&self, record: &Record, held: &[HeldLock]) -> DisplacedOwner {
        recorded_guard::displaced_by(self, record, held)
    }
}
