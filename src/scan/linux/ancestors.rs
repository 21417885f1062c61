//! The ancestors of processes, by `/proc`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use crate::engine::fact::Fact;
use crate::engine::managed_by::ManagedBy;
use crate::engine::process::ProcessId;
use crate::scan::ancestors::{Ancestry, Descendant};
use crate::scan::cgroup;
use crate::scan::linux::parents::Stats;
use crate::scan::supervisors::SupervisorEnv;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_stat::arguments;

pub(super) struct Ancestors<'a> {
    proc: &'a ProcFs,
    stats: &'a Stats,
    me: u32,
    args: RefCell<BTreeMap<u32, Rc<Vec<String>>>>,
}

impl<'a> Ancestors<'a> {
    pub(super) fn new(proc: &'a ProcFs, stats: &'a Stats, me: u32) -> Self {
        Ancestors { proc, stats, me, args: RefCell::default() }
    }

    /// Returns the supervisor, service or container that a process runs in, unless monopoll runs in
    /// it too.
    pub(super) fn managed_by(
        &self,
        of: Descendant,
        cgroup: Option<&str>,
        own_cgroup: Option<&str>,
    ) -> Fact<Option<ManagedBy>> {
        let (Some(cgroup), Some(own)) = (cgroup, own_cgroup) else { return Fact::Unknown };
        let manager = |cgroup| cgroup::manager(cgroup, own);
        let by = if cgroup == own { None } else { manager(cgroup) };
        let by = by.filter(|by| Some(by) != manager(own).as_ref());
        // A supervisor in another container cannot be controlled from here.
        if matches!(by, Some(ManagedBy::Container(_))) {
            return Fact::Known(by);
        }
        Fact::Known(self.supervisor(of).or(by))
    }
}

impl Ancestry for Ancestors<'_> {
    fn me(&self) -> u32 {
        self.me
    }

    fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32> {
        // A longer chain must be a cycle of pids read at different times.
        std::iter::successors(Some(pid), |pid| self.stats.get(pid).map(|stat| stat.parent))
            .take(self.stats.len() + 1)
            .filter(|pid| *pid != 0)
    }

    fn id(&self, pid: u32) -> Option<ProcessId> {
        self.stats.get(&pid).map(|stat| ProcessId { pid, start: stat.start })
    }

    fn session(&self, pid: u32) -> Option<u32> {
        self.stats.get(&pid).map(|stat| stat.session)
    }

    fn args(&self, pid: u32) -> Rc<Vec<String>> {
        let read = || {
            let mut buffer = Vec::new();
            let read = self.proc.read(pid, "cmdline", &mut buffer);
            read.map(|()| arguments(&buffer)).unwrap_or_default()
        };
        Rc::clone(self.args.borrow_mut().entry(pid).or_insert_with(|| Rc::new(read())))
    }

    fn cwd(&self, pid: u32) -> Option<PathBuf> {
        self.proc.link(pid, "cwd").ok()
    }

    fn supervisor_env(&self, pid: u32) -> Option<SupervisorEnv> {
        let mut environ = Vec::new();
        self.proc.read(pid, "environ", &mut environ).ok()?;
        Some(SupervisorEnv::new(environ.split(|byte| *byte == 0)))
    }
}
