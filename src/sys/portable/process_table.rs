//! The process table as sysinfo shows it at one moment.

use std::collections::BTreeMap;
use std::io;

use sysinfo::{
    Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind,
};

use crate::engine::process::ProcessId;
use crate::engine::signal_sequence::JobState;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFields {
    Parents,
    Environment,
    Everything,
}

pub(crate) struct ProcessTable {
    system: System,
}

impl ProcessTable {
    pub(crate) fn all(fields: TableFields) -> io::Result<ProcessTable> {
        Self::read(ProcessesToUpdate::All, fields)
    }

    pub(crate) fn of(pids: &[u32], fields: TableFields) -> io::Result<ProcessTable> {
        let pids: Vec<Pid> = pids.iter().copied().map(Pid::from_u32).collect();
        Self::read(ProcessesToUpdate::Some(&pids), fields)
    }

    fn read(processes: ProcessesToUpdate<'_>, fields: TableFields) -> io::Result<ProcessTable> {
        let mut system = System::new().map_err(io::Error::other)?;
        let parents = ProcessRefreshKind::nothing().without_tasks();
        let always = UpdateKind::Always;
        let kind = match fields {
            TableFields::Parents => parents,
            TableFields::Environment => parents.with_environ(always),
            TableFields::Everything => parents
                .with_cmd(always)
                .with_exe(always)
                .with_cwd(always)
                .with_user(always)
                .with_environ(always),
        };
        system.refresh_processes_specifics(processes, true, kind);
        Ok(ProcessTable { system })
    }

    pub(crate) fn ids(&self) -> BTreeMap<u32, ProcessId> {
        self.system
            .processes()
            .keys()
            .filter_map(|pid| Some((pid.as_u32(), self.id(pid.as_u32())?)))
            .collect()
    }

    pub(crate) fn process(&self, pid: u32) -> Option<&Process> {
        let ended = |process: &&Process| {
            matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
        };
        self.system.process(Pid::from_u32(pid)).filter(|process| !ended(process))
    }

    /// Returns the identity of a living process; `None` if its start time is unknown.
    pub(crate) fn id(&self, pid: u32) -> Option<ProcessId> {
        let start = self.process(pid)?.start_time();
        (start != 0).then_some(ProcessId { pid, start })
    }

    /// Windows keeps the pid of a parent that has ended, and reuses it. So a process younger than
    /// the child is not its parent.
    pub(crate) fn parent(&self, pid: u32) -> Option<u32> {
        let process = self.process(pid)?;
        let parent = process.parent()?.as_u32();
        let younger = self.id(parent).is_some_and(|it| it.start > process.start_time());
        (!younger).then_some(parent)
    }

    pub(crate) fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32> {
        // A longer chain must be a cycle of pids read at different times.
        std::iter::successors(Some(pid), |pid| self.parent(*pid))
            .take(self.system.processes().len() + 1)
    }

    pub(crate) fn parents(&self) -> impl Iterator<Item = (u32, u32)> {
        let pids = self.system.processes().keys().map(|pid| pid.as_u32());
        pids.filter_map(|pid| Some((pid, self.parent(pid)?)))
    }

    pub(crate) fn job_state(&self, pid: u32) -> JobState {
        match self.process(pid).map(Process::status) {
            Some(ProcessStatus::Stop | ProcessStatus::Tracing) => JobState::Stopped,
            Some(_) | None => JobState::Running,
        }
    }
}
