//! A closer look at one process: pinned first, so that every fact is its own.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    engine::{
        fact::Fact,
        process::{Process, ProcessId, Role, RunState, User},
        token::CarriedToken,
        token_search::carried_token,
    },
    scan::{
        cgroup,
        linux::{
            ancestors::Ancestors,
            parents::Stats,
            prefilter::{ReadBuffers, executable, name_of},
        },
        request::ScanRequest,
    },
    sys::{
        clock,
        linux::{
            pidfd::{PinnedPid, ProcessHandle},
            poll::Poller,
            proc_fs::{ProcFs, ProcStat, strings},
        },
    },
};

/// How long the kernel may take over the end of a process that has nothing left to read about.
const LEAVING: Duration = Duration::from_millis(100);

/// What all descriptions of one look share.
pub(crate) struct Describer<'a> {
    proc: &'a ProcFs,
    query: &'a ScanRequest,
    me: u32,
    /// What this process itself is in.
    my_cgroup: Option<String>,
    users: BTreeMap<u32, User>,
    above: Ancestors<'a>,
}

impl<'a> Describer<'a> {
    pub(crate) fn new(proc: &'a ProcFs, query: &'a ScanRequest, stats: &'a Stats, me: u32) -> Self {
        let users =
            query.user.id.parse().map(|uid| (uid, query.user.clone())).into_iter().collect();
        let my_cgroup = cgroup(proc, me, &mut Vec::new());
        Describer { proc, query, me, my_cgroup, users, above: Ancestors::new(proc, stats, me) }
    }

    /// Describes `pid`; `None` where it has ended.
    pub(crate) fn describe(
        &mut self,
        pid: u32,
        holds_lock: Fact<bool>,
        buffers: &mut ReadBuffers,
    ) -> Option<(Process, ProcessHandle)> {
        let pin = PinnedPid::new(pid).map_err(|error| self.proc.note(error)).ok()?;
        let stat = self.proc.stat(pid, &mut buffers.args).ok()?;
        let handle = pin.into_handle(ProcessId { pid, start: stat.start });
        let process = self.facts(handle.id, stat, holds_lock, buffers);
        if self.is_leaving(&process, buffers) {
            Poller::doze(None, None, &[&handle], Some(clock::patience() + LEAVING));
        }
        (!handle.has_ended()).then_some((process, handle))
    }

    /// Whether it has nothing left to read about because it is ending: then it is nobody's riddle,
    /// it only takes a moment more. One whose first thread alone has ended looks alike, and stays.
    fn is_leaving(&self, process: &Process, buffers: &mut ReadBuffers) -> bool {
        let has_nothing_left =
            process.args.known().is_none_or(Vec::is_empty) || process.token == Fact::Unknown;
        has_nothing_left
            && self.proc.stat(process.id.pid, &mut buffers.args).is_ok_and(ProcStat::is_exiting)
    }

    fn facts(
        &mut self,
        id: ProcessId,
        stat: ProcStat,
        holds_lock: Fact<bool>,
        buffers: &mut ReadBuffers,
    ) -> Process {
        let pid = id.pid;
        let (exe, cwd) = (executable(self.proc, pid), self.proc.link(pid, "cwd").ok());
        let args: Fact<Vec<String>> = self
            .proc
            .read(pid, "cmdline", &mut buffers.args)
            .ok()
            .map(|()| strings(&buffers.args))
            .into();
        let environ_is_known = self.proc.read(pid, "environ", &mut buffers.environ).is_ok();
        let token = match (&self.query.token, &args) {
            (None, _) => Fact::Known(CarriedToken::NotLookedFor),
            (Some(token), Fact::Known(_)) if environ_is_known => Fact::Known(carried_token(
                token,
                &buffers.args,
                &buffers.environ,
                &self.query.token_env,
            )),
            (Some(_), _) => Fact::Unknown,
        };
        let is_known = args.known().is_some();
        let status = self.status(pid, &mut buffers.environ);
        let cgroup = cgroup(self.proc, pid, &mut buffers.environ);
        let managed_by =
            self.above.managed_by(stat.parent, pid, cgroup.as_deref(), self.my_cgroup.as_deref());
        let command = self.query.command.as_ref();
        let runs = |same_command: bool| match command {
            None => Fact::Known(false),
            Some(_) if !is_known || cwd.is_none() => Fact::Unknown,
            Some(command) if same_command => {
                Fact::Known(command.is_twin(self.proc, pid, &buffers.args, cwd.as_deref()))
            }
            Some(command) => {
                Fact::Known(command.runs_in(self.proc, pid, &buffers.args, cwd.as_deref()))
            }
        };
        Process {
            id,
            parent: Fact::Known(stat.parent),
            name: name_of(exe.as_deref(), &buffers.args).into(),
            same_program: runs(false),
            same_command: runs(true),
            args,
            user: status.uid.map(|uid| self.user(uid)).into(),
            container: self.container(status.levels, cgroup.as_deref()),
            state: state(stat.state),
            age: Fact::Known(age(stat.start)),
            orphaned: self.above.orphaned(
                stat,
                pid,
                managed_by.known().cloned().flatten().as_ref(),
            ),
            managed_by,
            launchers: self.above.launchers(stat, pid),
            holds_lock,
            token,
            relation: self.above.relation(pid, stat),
            role: if self.query.is_a_monopoll(self.proc, pid, exe.as_deref(), self.me) {
                Role::Monopoll
            } else {
                Role::Program
            },
            exe: exe.into(),
            cwd: cwd.into(),
        }
    }

    /// What `/proc/PID/status` says, as far as it matters here.
    fn status(&self, pid: u32, buffer: &mut Vec<u8>) -> ProcStatus {
        if self.proc.read(pid, "status", buffer).is_err() {
            return ProcStatus::default();
        }
        let text = String::from_utf8_lossy(buffer);
        let numbers = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).map(str::split_whitespace)
        };
        ProcStatus {
            uid: numbers("Uid:").and_then(|mut uids| uids.next()?.parse().ok()),
            levels: numbers("NSpid:").map(Iterator::count),
        }
    }

    fn user(&mut self, uid: u32) -> User {
        self.users.entry(uid).or_insert_with(|| user(uid)).clone()
    }

    /// A process that `/proc` shows is in this PID namespace or in one below.
    fn container(&self, levels: Option<usize>, cgroup: Option<&str>) -> Fact<Option<String>> {
        let (theirs, mine) =
            (cgroup.unwrap_or_default(), self.my_cgroup.as_deref().unwrap_or_default());
        let alike = cgroup::containers(theirs) == cgroup::containers(mine);
        match (levels, cgroup::container(theirs, mine)) {
            (Some(1), _) if alike => Fact::Known(None),
            (Some(_), Some(container)) => Fact::Known(Some(container.id)),
            (Some(_), None) => Fact::Known(Some("another PID namespace".to_owned())),
            (None, _) => Fact::Unknown,
        }
    }
}

/// The lines of `/proc/PID/status` that matter here.
#[derive(Default)]
struct ProcStatus {
    /// Whose process it is: the real user.
    uid: Option<u32>,
    /// In how many PID namespaces it has a number: `NSpid` has one for each.
    levels: Option<usize>,
}

fn cgroup(proc: &ProcFs, pid: u32, buffer: &mut Vec<u8>) -> Option<String> {
    proc.read(pid, "cgroup", buffer).ok()?;
    Some(String::from_utf8_lossy(buffer).into_owned())
}

/// A user by number, with the name that the user database has for it.
pub(crate) fn user(uid: u32) -> User {
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

pub(crate) fn age(start: u64) -> Duration {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let started = Duration::from_millis(start.saturating_mul(1000) / ticks);
    clock::since_boot().saturating_sub(started)
}
