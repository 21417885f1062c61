//! What is above a process: its parents, what started it, and what would start it again.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use nix::sys::signal::Signal;

use crate::{
    engine::{
        fact::Fact,
        managed_by::ManagedBy,
        process::{Launcher, ProcessId, Relation},
    },
    scan::{
        cgroup,
        linux::parents::Stats,
        supervisor_detection::{self, SupervisorEnv},
    },
    sys::linux::proc_fs::{ProcFs, ProcStat, strings},
    text::short_command_line,
};

/// The widest that the command of a launcher is shown, in characters.
const WIDEST: usize = 60;

/// Those above whom one look describes.
pub(crate) struct Ancestors<'a> {
    proc: &'a ProcFs,
    stats: &'a Stats,
    me: u32,
    /// The command lines that were read.
    args: RefCell<BTreeMap<u32, Rc<Vec<String>>>>,
}

impl<'a> Ancestors<'a> {
    pub(crate) fn new(proc: &'a ProcFs, stats: &'a Stats, me: u32) -> Self {
        Ancestors { proc, stats, me, args: RefCell::default() }
    }

    /// The supervisor, the service or the container above it; nothing that monopoll is in itself.
    pub(crate) fn managed_by(
        &self,
        parent: u32,
        pid: u32,
        cgroup: Option<&str>,
        my_cgroup: Option<&str>,
    ) -> Fact<Option<ManagedBy>> {
        let (Some(theirs), Some(mine)) = (cgroup, my_cgroup) else { return Fact::Unknown };
        let by = cgroup::manager(theirs, mine)
            .filter(|by| Some(by) != cgroup::manager(mine, mine).as_ref());
        // A supervisor in another container can be told nothing from here.
        if matches!(by, Some(ManagedBy::Container(_))) {
            return Fact::Known(by);
        }
        let mut child = pid;
        for above in self.ancestors(parent) {
            let args = self.args(above);
            let cwd = || self.proc.link(above, "cwd").ok();
            if let Some(supervisor) =
                supervisor_detection::supervisor(&args, cwd, || self.told(child, pid))
            {
                return Fact::Known(Some(supervisor));
            }
            child = above;
        }
        Fact::Known(by)
    }

    /// What a supervisor told its own child; where that is somebody else's, what is left of it
    /// below.
    fn told(&self, child: u32, pid: u32) -> SupervisorEnv {
        let mut buffer = Vec::new();
        let readable =
            [child, pid].into_iter().any(|pid| self.proc.read(pid, "environ", &mut buffer).is_ok());
        if readable {
            SupervisorEnv::by(buffer.split(|byte| *byte == 0))
        } else {
            SupervisorEnv::default()
        }
    }

    /// Those above it, up to the first that only adopted it, that starts things for people, or that
    /// is above monopoll too.
    pub(crate) fn launchers(&self, stat: ProcStat, pid: u32) -> Fact<Vec<Launcher>> {
        let mut launchers = Vec::new();
        let mut buffer = Vec::new();
        for above in self.ancestors(stat.parent) {
            let Some(seen) = self.stats.get(&above) else { return Fact::Unknown };
            let args = self.args(above);
            let adopted =
                above == stat.parent && stat.session != pid && stat.session != seen.session;
            let no_launcher = supervisor_detection::adopts_orphans(&args)
                || supervisor_detection::serves_people(&args);
            if above == 1
                || adopted
                || no_launcher
                || self.ancestors(self.me).any(|mine| mine == above)
            {
                break;
            }
            if args.is_empty() {
                return Fact::Unknown;
            }
            let end = self.end(above, &mut buffer);
            launchers.push(Launcher {
                id: ProcessId { pid: above, start: seen.start },
                command: short_command_line(&args, WIDEST),
                end,
            });
        }
        Fact::Known(launchers)
    }

    /// What ends a process: an interactive shell ignores SIGTERM, and what `nohup` started SIGHUP.
    fn end(&self, pid: u32, buffer: &mut Vec<u8>) -> String {
        let ignored = self.proc.read(pid, "status", buffer).ok().and_then(|()| {
            let text = String::from_utf8_lossy(buffer);
            u64::from_str_radix(
                text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?.trim(),
                16,
            )
            .ok()
        });
        let hears = |signal: Signal| ignored.unwrap_or_default() & (1 << (signal as i32 - 1)) == 0;
        match (hears(Signal::SIGTERM), hears(Signal::SIGHUP)) {
            (true, _) => format!("kill {pid}"),
            (false, true) => format!("kill -HUP {pid}"),
            (false, false) => format!("kill -KILL {pid}"),
        }
    }

    fn args(&self, pid: u32) -> Rc<Vec<String>> {
        let read = || {
            let mut buffer = Vec::new();
            self.proc
                .read(pid, "cmdline", &mut buffer)
                .map(|()| strings(&buffer))
                .unwrap_or_default()
        };
        Rc::clone(self.args.borrow_mut().entry(pid).or_insert_with(|| Rc::new(read())))
    }

    /// `pid`, its parent, its parent's parent, …
    fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32> {
        // A chain that is longer than there are processes was put together from different moments.
        std::iter::successors(Some(pid), |pid| self.stats.get(pid).map(|stat| stat.parent))
            .take(self.stats.len() + 1)
            .filter(|pid| *pid != 0)
    }

    /// A process keeps its session when it is adopted: one that has neither its own nor its
    /// parent's was adopted.
    pub(crate) fn orphaned(
        &self,
        stat: ProcStat,
        pid: u32,
        managed_by: Option<&ManagedBy>,
    ) -> Fact<bool> {
        if managed_by.is_some() || stat.parent == 0 {
            return Fact::Known(false);
        }
        let Some(parent) = self.stats.get(&stat.parent) else { return Fact::Unknown };
        let adopted = stat.session != pid && stat.session != parent.session;
        let by_an_adopter = || supervisor_detection::adopts_orphans(&self.args(stat.parent));
        Fact::Known(stat.parent == 1 || adopted || by_an_adopter())
    }

    pub(crate) fn relation(&self, pid: u32, stat: ProcStat) -> Fact<Relation> {
        if stat.is_kernel_thread() {
            return Fact::Known(Relation::Kernel);
        }
        let relation = match pid {
            1 => Relation::Init,
            pid if pid == self.me => Relation::Myself,
            pid if self.ancestors(self.me).any(|ancestor| ancestor == pid) => Relation::Ancestor,
            _ if self.ancestors(stat.parent).any(|ancestor| ancestor == self.me) => {
                Relation::Descendant
            }
            _ => Relation::None,
        };
        Fact::Known(relation)
    }
}
