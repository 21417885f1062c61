//! A closer look at one process: pinned first, so that every fact is its own.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use nix::sys::signal::Signal;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::{
    handle::{Handle, Pin},
    proc::{Proc, Stat, strings},
    query::{Buffers, name_of},
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

/// The widest that the command of a launcher is shown, in characters.
const WIDEST: usize = 60;

/// Who is whose parent, from one pass over all processes.
pub(super) type Stats = BTreeMap<u32, Stat>;

/// What all descriptions of one look share.
pub(super) struct Describer<'a> {
    pub(super) proc: &'a Proc,
    pub(super) query: &'a Query,
    pub(super) stats: &'a Stats,
    pub(super) me: u32,
    system: Option<System>,
    users: BTreeMap<u32, User>,
}

impl<'a> Describer<'a> {
    pub(super) fn new(proc: &'a Proc, query: &'a Query, stats: &'a Stats, me: u32) -> Self {
        Describer { proc, query, stats, me, system: System::new().ok(), users: BTreeMap::new() }
    }

    /// Describes `pid`; `None` where it has ended.
    pub(super) fn describe(&mut self, pid: u32, holds_lock: Fact<bool>, buffers: &mut Buffers) -> Option<(Process, Handle)> {
        let pin = Pin::new(pid).map_err(|error| self.proc.note(error)).ok()?;
        let stat = self.proc.stat(pid, &mut buffers.args).ok()?;
        let handle = pin.into_handle(ProcessId { pid, start: stat.start });
        let process = self.facts(handle.id, stat, holds_lock, buffers);
        (!handle.has_ended()).then_some((process, handle))
    }

    fn facts(&mut self, id: ProcessId, stat: Stat, holds_lock: Fact<bool>, buffers: &mut Buffers) -> Process {
        let pid = id.pid;
        let seen = self.seen_by_sysinfo(pid);
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
        let container = self.container(pid, &mut buffers.environ);
        let managed_by = self.managed_by(stat.parent, pid, &mut buffers.environ);
        let cwd = seen.cwd.as_deref();
        let command = self.query.command.as_ref();
        let runs = |twin: bool| match command {
            None => Fact::Known(false),
            Some(_) if !is_known || cwd.is_none() => Fact::Unknown,
            Some(command) if twin => Fact::Known(command.is_twin(self.proc, pid, &buffers.args, cwd)),
            Some(command) => Fact::Known(command.runs_in(self.proc, pid, &buffers.args, cwd)),
        };
        Process {
            id,
            parent: Fact::Known(stat.parent),
            name: name_of(seen.exe.as_deref(), &buffers.args).into(),
            own_program: runs(false),
            twin: runs(true),
            args,
            user: seen.uid.map(|uid| self.user(uid)).into(),
            container,
            state: state(stat.state),
            age: Fact::Known(age(stat.start)),
            orphaned: self.orphaned(stat, pid, managed_by.known().cloned().flatten().as_ref()),
            managed_by,
            launchers: self.launchers(stat, pid),
            holds_lock,
            token,
            kin: self.kin(pid, stat),
            role: self.role(pid, seen.exe.as_deref()),
            exe: seen.exe.into(),
            cwd: seen.cwd.into(),
        }
    }

    fn seen_by_sysinfo(&mut self, pid: u32) -> Seen {
        let Some(system) = &mut self.system else { return Seen::default() };
        let id = Pid::from_u32(pid);
        let what = ProcessRefreshKind::nothing()
            .with_exe(UpdateKind::Always)
            .with_cwd(UpdateKind::Always)
            .with_user(UpdateKind::Always)
            .without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), false, what);
        let Some(process) = system.process(id) else { return Seen::default() };
        let path = |path: Option<&std::path::Path>| path.filter(|path| !path.as_os_str().is_empty()).map(PathBuf::from);
        Seen { exe: path(process.exe()), cwd: path(process.cwd()), uid: process.user_id().map(|uid| **uid) }
    }

    fn user(&mut self, uid: u32) -> User {
        self.users.entry(uid).or_insert_with(|| user(uid)).clone()
    }

    /// A process that `/proc` shows is in this PID namespace or in one below; `NSpid` has a number for each level.
    fn container(&self, pid: u32, buffer: &mut Vec<u8>) -> Fact<Option<String>> {
        if self.proc.read(pid, "status", buffer).is_err() {
            return Fact::Unknown;
        }
        let levels = String::from_utf8_lossy(buffer)
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:").map(|pids| pids.split_whitespace().count()));
        let theirs = self.cgroup(pid, buffer).unwrap_or_default();
        let mine = self.cgroup(self.me, buffer).unwrap_or_default();
        let alike = surroundings::containers(&theirs) == surroundings::containers(&mine);
        match (levels, surroundings::container(&theirs, &mine)) {
            (Some(1), _) if alike => Fact::Known(None),
            (Some(_), Some(container)) => Fact::Known(Some(container.id)),
            (Some(_), None) => Fact::Known(Some("another PID namespace".to_owned())),
            (None, _) => Fact::Unknown,
        }
    }

    fn cgroup(&self, pid: u32, buffer: &mut Vec<u8>) -> Option<String> {
        self.proc.read(pid, "cgroup", buffer).ok()?;
        Some(String::from_utf8_lossy(buffer).into_owned())
    }

    /// The supervisor, the service or the container above it; nothing that monopoll is in itself.
    fn managed_by(&self, parent: u32, pid: u32, buffer: &mut Vec<u8>) -> Fact<Option<ManagedBy>> {
        let (Some(theirs), Some(mine)) = (self.cgroup(pid, buffer), self.cgroup(self.me, buffer)) else { return Fact::Unknown };
        let by = surroundings::manager(&theirs, &mine).filter(|by| Some(by) != surroundings::manager(&mine, &mine).as_ref());
        // A supervisor in another container can be told nothing from here.
        if matches!(by, Some(ManagedBy::Container(_))) {
            return Fact::Known(by);
        }
        let mut child = pid;
        for above in self.ancestors(parent) {
            let args = self.args(above, buffer);
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
            let args = self.args(above, &mut buffer);
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

    fn args(&self, pid: u32, buffer: &mut Vec<u8>) -> Vec<String> {
        match self.proc.read(pid, "cmdline", buffer) {
            Ok(()) => strings(buffer),
            Err(_) => Vec::new(),
        }
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
        let by_an_adopter = || supervisors::adopts_orphans(&self.args(stat.parent, &mut Vec::new()));
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

    fn role(&self, pid: u32, exe: Option<&std::path::Path>) -> Role {
        let own = self.query.wrapper.as_deref().and_then(std::path::Path::file_name);
        let wrapper = own.is_some() && exe.and_then(std::path::Path::file_name) == own;
        let program = |pid| self.proc.file_behind(pid, "exe").ok();
        let library = || self.query.library.is_some() && program(pid).is_some_and(|it| program(self.me) == Some(it));
        if wrapper || library() { Role::Monopoll } else { Role::Program }
    }
}

/// What sysinfo found out.
#[derive(Default)]
struct Seen {
    exe: Option<PathBuf>,
    cwd: Option<PathBuf>,
    uid: Option<u32>,
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
