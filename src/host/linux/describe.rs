//! A closer look at one process: pinned first, so that every fact is its own.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use nix::sys::signal::Signal;

use super::{
    handle::{Handle, Pin},
    lineage::Stats,
    proc::{Proc, Stat, strings},
    query::{Buffers, executable, name_of},
    wait::Alarm,
};
use crate::{
    engine::{
        fact::Fact,
        snapshot::{CarriedToken, Kin, Launcher, ManagedBy, Process, ProcessId, Role, RunState, User},
    },
    host::{
        clock,
        query::Query,
        supervisors::{self, Told},
        surroundings,
    },
    report::mask,
};

/// How long the kernel may take over the end of a process that has nothing left to read about.
const LEAVING: Duration = Duration::from_millis(100);

/// The widest that the command of a launcher is shown, in characters.
const WIDEST: usize = 60;

/// What all descriptions of one look share.
pub(super) struct Describer<'a> {
    pub(super) proc: &'a Proc,
    pub(super) query: &'a Query,
    pub(super) stats: &'a Stats,
    pub(super) me: u32,
    /// What this process itself is in.
    my_cgroup: Option<String>,
    users: BTreeMap<u32, User>,
    /// The command lines of those above whom was described.
    args: RefCell<BTreeMap<u32, Rc<Vec<String>>>>,
}

impl<'a> Describer<'a> {
    pub(super) fn new(proc: &'a Proc, query: &'a Query, stats: &'a Stats, me: u32) -> Self {
        let users = query.user.id.parse().map(|uid| (uid, query.user.clone())).into_iter().collect();
        let my_cgroup = cgroup(proc, me, &mut Vec::new());
        Describer { proc, query, stats, me, my_cgroup, users, args: RefCell::default() }
    }

    /// Describes `pid`; `None` where it has ended.
    pub(super) fn describe(&mut self, pid: u32, holds_lock: Fact<bool>, buffers: &mut Buffers) -> Option<(Process, Handle)> {
        let pin = Pin::new(pid).map_err(|error| self.proc.note(error)).ok()?;
        let stat = self.proc.stat(pid, &mut buffers.args).ok()?;
        let handle = pin.into_handle(ProcessId { pid, start: stat.start });
        let process = self.facts(handle.id, stat, holds_lock, buffers);
        if self.is_leaving(&process, buffers) {
            Alarm::doze(None, None, &[&handle], Some(clock::patience() + LEAVING));
        }
        (!handle.has_ended()).then_some((process, handle))
    }

    /// Whether it has nothing left to read about because it is ending: then it is nobody's riddle, it only takes a moment more. One
    /// whose first thread alone has ended looks alike, and stays.
    fn is_leaving(&self, process: &Process, buffers: &mut Buffers) -> bool {
        let has_nothing_left = process.args.known().is_none_or(Vec::is_empty) || process.token == Fact::Unknown;
        has_nothing_left && self.proc.stat(process.id.pid, &mut buffers.args).is_ok_and(Stat::is_exiting)
    }

    fn facts(&mut self, id: ProcessId, stat: Stat, holds_lock: Fact<bool>, buffers: &mut Buffers) -> Process {
        let pid = id.pid;
        let (exe, cwd) = (executable(self.proc, pid), self.proc.link(pid, "cwd").ok());
        let args: Fact<Vec<String>> = self.proc.read(pid, "cmdline", &mut buffers.args).ok().map(|()| strings(&buffers.args)).into();
        let environ_is_known = self.proc.read(pid, "environ", &mut buffers.environ).is_ok();
        let token = match (&self.query.token, &args) {
            (None, _) => Fact::Known(CarriedToken::NotLookedFor),
            (Some(token), Fact::Known(_)) if environ_is_known => {
                Fact::Known(token.carried(&buffers.args, &buffers.environ, &self.query.token_env))
            }
            (Some(_), _) => Fact::Unknown,
        };
        let is_known = args.known().is_some();
        let status = self.status(pid, &mut buffers.environ);
        let cgroup = cgroup(self.proc, pid, &mut buffers.environ);
        let managed_by = self.managed_by(stat.parent, pid, cgroup.as_deref());
        let command = self.query.command.as_ref();
        let runs = |twin: bool| match command {
            None => Fact::Known(false),
            Some(_) if !is_known || cwd.is_none() => Fact::Unknown,
            Some(command) if twin => Fact::Known(command.is_twin(self.proc, pid, &buffers.args, cwd.as_deref())),
            Some(command) => Fact::Known(command.runs_in(self.proc, pid, &buffers.args, cwd.as_deref())),
        };
        Process {
            id,
            parent: Fact::Known(stat.parent),
            name: name_of(exe.as_deref(), &buffers.args).into(),
            own_program: runs(false),
            twin: runs(true),
            args,
            user: status.uid.map(|uid| self.user(uid)).into(),
            container: self.container(status.levels, cgroup.as_deref()),
            state: state(stat.state),
            age: Fact::Known(age(stat.start)),
            orphaned: self.orphaned(stat, pid, managed_by.known().cloned().flatten().as_ref()),
            managed_by,
            launchers: self.launchers(stat, pid),
            holds_lock,
            token,
            kin: self.kin(pid, stat),
            role: if self.query.is_a_monopoll(self.proc, pid, exe.as_deref(), self.me) { Role::Monopoll } else { Role::Program },
            exe: exe.into(),
            cwd: cwd.into(),
        }
    }

    /// What `/proc/PID/status` says, as far as it matters here.
    fn status(&self, pid: u32, buffer: &mut Vec<u8>) -> Status {
        if self.proc.read(pid, "status", buffer).is_err() {
            return Status::default();
        }
        let text = String::from_utf8_lossy(buffer);
        let numbers = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::split_whitespace);
        Status { uid: numbers("Uid:").and_then(|mut uids| uids.next()?.parse().ok()), levels: numbers("NSpid:").map(Iterator::count) }
    }

    fn user(&mut self, uid: u32) -> User {
        self.users.entry(uid).or_insert_with(|| user(uid)).clone()
    }

    /// A process that `/proc` shows is in this PID namespace or in one below.
    fn container(&self, levels: Option<usize>, cgroup: Option<&str>) -> Fact<Option<String>> {
        let (theirs, mine) = (cgroup.unwrap_or_default(), self.my_cgroup.as_deref().unwrap_or_default());
        let alike = surroundings::containers(theirs) == surroundings::containers(mine);
        match (levels, surroundings::container(theirs, mine)) {
            (Some(1), _) if alike => Fact::Known(None),
            (Some(_), Some(container)) => Fact::Known(Some(container.id)),
            (Some(_), None) => Fact::Known(Some("another PID namespace".to_owned())),
            (None, _) => Fact::Unknown,
        }
    }

    /// The supervisor, the service or the container above it; nothing that monopoll is in itself.
    fn managed_by(&self, parent: u32, pid: u32, cgroup: Option<&str>) -> Fact<Option<ManagedBy>> {
        let (Some(theirs), Some(mine)) = (cgroup, self.my_cgroup.as_deref()) else { return Fact::Unknown };
        let by = surroundings::manager(theirs, mine).filter(|by| Some(by) != surroundings::manager(mine, mine).as_ref());
        // A supervisor in another container can be told nothing from here.
        if matches!(by, Some(ManagedBy::Container(_))) {
            return Fact::Known(by);
        }
        let mut child = pid;
        for above in self.ancestors(parent) {
            let args = self.args(above);
            let cwd = || self.proc.link(above, "cwd").ok();
            if let Some(supervisor) = supervisors::supervisor(&args, cwd, || self.told(child, pid)) {
                return Fact::Known(Some(supervisor));
            }
            child = above;
        }
        Fact::Known(by)
    }

    /// What a supervisor told its own child; where that is somebody else's, what is left of it below.
    fn told(&self, child: u32, pid: u32) -> Told {
        let mut buffer = Vec::new();
        let readable = [child, pid].into_iter().any(|pid| self.proc.read(pid, "environ", &mut buffer).is_ok());
        if readable { Told::by(buffer.split(|byte| *byte == 0)) } else { Told::default() }
    }

    /// Those above it, up to the first that only adopted it, that starts things for people, or that is above monopoll too.
    fn launchers(&self, stat: Stat, pid: u32) -> Fact<Vec<Launcher>> {
        let mut launchers = Vec::new();
        let mut buffer = Vec::new();
        for above in self.ancestors(stat.parent) {
            let Some(seen) = self.stats.get(&above) else { return Fact::Unknown };
            let args = self.args(above);
            let adopted = above == stat.parent && stat.session != pid && stat.session != seen.session;
            let no_launcher = supervisors::adopts_orphans(&args) || supervisors::serves_people(&args);
            if above == 1 || adopted || no_launcher || self.ancestors(self.me).any(|mine| mine == above) {
                break;
            }
            if args.is_empty() {
                return Fact::Unknown;
            }
            let end = self.end(above, &mut buffer);
            launchers.push(Launcher { id: ProcessId { pid: above, start: seen.start }, command: mask::shorten(&args, WIDEST), end });
        }
        Fact::Known(launchers)
    }

    /// What ends a process: an interactive shell ignores SIGTERM, and what `nohup` started SIGHUP.
    fn end(&self, pid: u32, buffer: &mut Vec<u8>) -> String {
        let ignored = self.proc.read(pid, "status", buffer).ok().and_then(|()| {
            let text = String::from_utf8_lossy(buffer);
            u64::from_str_radix(text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?.trim(), 16).ok()
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
            self.proc.read(pid, "cmdline", &mut buffer).map(|()| strings(&buffer)).unwrap_or_default()
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

    /// A process keeps its session when it is adopted: one that has neither its own nor its parent's was adopted.
    fn orphaned(&self, stat: Stat, pid: u32, managed_by: Option<&ManagedBy>) -> Fact<bool> {
        if managed_by.is_some() || stat.parent == 0 {
            return Fact::Known(false);
        }
        let Some(parent) = self.stats.get(&stat.parent) else { return Fact::Unknown };
        let adopted = stat.session != pid && stat.session != parent.session;
        let by_an_adopter = || supervisors::adopts_orphans(&self.args(stat.parent));
        Fact::Known(stat.parent == 1 || adopted || by_an_adopter())
    }

    fn kin(&self, pid: u32, stat: Stat) -> Fact<Kin> {
        if stat.is_kernel_thread() {
            return Fact::Known(Kin::Kernel);
        }
        let kin = match pid {
            1 => Kin::Init,
            pid if pid == self.me => Kin::Myself,
            pid if self.ancestors(self.me).any(|ancestor| ancestor == pid) => Kin::Ancestor,
            _ if self.ancestors(stat.parent).any(|ancestor| ancestor == self.me) => Kin::Descendant,
            _ => Kin::None,
        };
        Fact::Known(kin)
    }
}

/// The lines of `/proc/PID/status` that matter here.
#[derive(Default)]
struct Status {
    /// Whose process it is: the real user.
    uid: Option<u32>,
    /// In how many PID namespaces it has a number: `NSpid` has one for each.
    levels: Option<usize>,
}

fn cgroup(proc: &Proc, pid: u32, buffer: &mut Vec<u8>) -> Option<String> {
    proc.read(pid, "cgroup", buffer).ok()?;
    Some(String::from_utf8_lossy(buffer).into_owned())
}

/// A user by number, with the name that the user database has for it.
pub(super) fn user(uid: u32) -> User {
    let name = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
    User { id: uid.to_string(), name: name.unwrap_or_else(|| uid.to_string()) }
}

/// The letters of proc(5).
fn state(letter: u8) -> Fact<RunState> {
    match letter {
        b'R' => Fact::Known(RunState::Running),
        b'S' | b'I' => Fact::Known(RunState::Sleeping),
        b'T' | b't' => Fact::Known(RunState::Stopped),
        b'Z' | b'X' => Fact::Known(RunState::Zombie),
        b'D' => Fact::Known(RunState::Uninterruptible),
        _ => Fact::Unknown,
    }
}

pub(super) fn age(start: u64) -> Duration {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let started = Duration::from_millis(start.saturating_mul(1000) / ticks);
    clock::since_boot().saturating_sub(started)
}
