//! The process table, as sysinfo shows it at one moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use sysinfo::{
    Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind,
};

use crate::engine::{process::ProcessId, stop_progress::JobState};

/// What is read of each process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFields {
    /// Who it is, its parent and its state.
    Lineage,
    /// That and its environment.
    Environment,
    /// Everything that a description needs.
    Everything,
}

/// Processes that were looked at.
pub(crate) struct ProcessTable {
    system: System,
}

impl ProcessTable {
    /// Looks at everybody.
    pub(crate) fn all(depth: TableFields) -> io::Result<ProcessTable> {
        Self::look(ProcessesToUpdate::All, depth)
    }

    /// Looks at these alone.
    pub(crate) fn of(pids: &[u32], depth: TableFields) -> io::Result<ProcessTable> {
        let pids: Vec<Pid> = pids.iter().copied().map(Pid::from_u32).collect();
        Self::look(ProcessesToUpdate::Some(&pids), depth)
    }

    fn look(whom: ProcessesToUpdate<'_>, depth: TableFields) -> io::Result<ProcessTable> {
        let mut system = System::new().map_err(io::Error::other)?;
        let lineage = ProcessRefreshKind::nothing().without_tasks();
        let always = UpdateKind::Always;
        let what = match depth {
            TableFields::Lineage => lineage,
            TableFields::Environment => lineage.with_environ(always),
            TableFields::Everything => lineage
                .with_cmd(always)
                .with_exe(always)
                .with_cwd(always)
                .with_user(always)
                .with_environ(always),
        };
        system.refresh_processes_specifics(whom, true, what);
        Ok(ProcessTable { system })
    }

    /// Everybody who lives and can be told from others.
    pub(crate) fn ids(&self) -> BTreeMap<u32, ProcessId> {
        self.system
            .processes()
            .keys()
            .filter_map(|pid| Some((pid.as_u32(), self.id(pid.as_u32())?)))
            .collect()
    }

    /// One that lives, with what was read of it.
    pub(crate) fn process(&self, pid: u32) -> Option<&Process> {
        let ended = |process: &&Process| {
            matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
        };
        self.system.process(Pid::from_u32(pid)).filter(|process| !ended(process))
    }

    /// Who has this pid, if it lives. Without a start time it cannot be told from others, and is
    /// nobody.
    pub(crate) fn id(&self, pid: u32) -> Option<ProcessId> {
        let start = self.process(pid)?.start_time();
        (start != 0).then_some(ProcessId { pid, start })
    }

    /// Its parent. Windows keeps the number of one that has ended, and gives it to others: who is
    /// younger than the child is not its parent.
    pub(crate) fn parent(&self, pid: u32) -> Option<u32> {
        let process = self.process(pid)?;
        let parent = process.parent()?.as_u32();
        let younger = self.id(parent).is_some_and(|it| it.start > process.start_time());
        (!younger).then_some(parent)
    }

    /// `pid`, its parent, its parent's parent, …
    pub(crate) fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32> {
        // A chain that is longer than there are processes was put together from different moments.
        std::iter::successors(Some(pid), |pid| self.parent(*pid))
            .take(self.system.processes().len() + 1)
    }

    /// These and everything below them, but for what is below `me`.
    pub(crate) fn with_descendants(&self, roots: BTreeSet<u32>, me: u32) -> BTreeSet<u32> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for pid in self.system.processes().keys().map(|pid| pid.as_u32()) {
            if let Some(parent) = self.parent(pid) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let mut all = roots;
        let mut open: Vec<u32> = all.iter().copied().collect();
        while let Some(pid) = open.pop() {
            for &child in children.get(&pid).into_iter().flatten() {
                if child != me && all.insert(child) {
                    open.push(child);
                }
            }
        }
        all
    }

    /// Whether it can hear a signal.
    pub(crate) fn job_state(&self, pid: u32) -> JobState {
        match self.process(pid).map(Process::status) {
            Some(ProcessStatus::Stop | ProcessStatus::Tracing) => JobState::Stopped,
            Some(_) | None => JobState::Running,
        }
    }
}
