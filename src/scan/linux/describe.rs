//! Describes one process: pinned first, so that all facts are about the same one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::fact::Fact;
use crate::engine::likeness::CommandLikeness;
use crate::engine::process::{Process, ProcessId, Relation, Role, RunState, User};
use crate::engine::token::CarriedToken;
use crate::engine::token_search::carried_token;
use crate::scan::ancestors::{Ancestry, Descendant};
use crate::scan::cgroup;
use crate::scan::linux::ancestors::Ancestors;
use crate::scan::linux::connections::{Connections, needs_connection};
use crate::scan::linux::parents::Stats;
use crate::scan::linux::prefilter::{ReadBuffers, executable, folder, name_of, running};
use crate::scan::request::ScanRequest;
use crate::scan::same_command::RunningCommand;
use crate::sys::linux::pidfd::{PinnedPid, ProcessHandle};
use crate::sys::linux::poll::Poller;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_stat::{ProcStat, strings};
use crate::sys::{clock, host};

/// The wait for the end of a process that has no facts left.
const EXIT_TIME: Duration = Duration::from_millis(100);

pub(super) struct Describer<'a> {
    proc: &'a ProcFs,
    request: &'a ScanRequest,
    me: u32,
    own_cgroup: Option<String>,
    users: BTreeMap<u32, User>,
    ancestors: Ancestors<'a>,
    connections: Connections<'a>,
}

impl<'a> Describer<'a> {
    pub(super) fn new(
        proc: &'a ProcFs,
        request: &'a ScanRequest,
        stats: &'a Stats,
        me: u32,
    ) -> Self {
        let users =
            request.user.id.parse().map(|uid| (uid, request.user.clone())).into_iter().collect();
        let own_cgroup = cgroup(proc, me, &mut Vec::new());
        let ancestors = Ancestors::new(proc, stats, me);
        let connections = Connections::new(proc, &request.bot_api, me);
        Describer { proc, request, me, own_cgroup, users, ancestors, connections }
    }

    pub(super) fn describe(
        &mut self,
        pid: u32,
        holds_lock: Fact<bool>,
        buffers: &mut ReadBuffers,
    ) -> Option<(Process, ProcessHandle)> {
        let pin = PinnedPid::new(pid).map_err(|error| self.proc.note_error(error)).ok()?;
        let stat = self.proc.stat(pid, &mut buffers.args).ok()?;
        let handle = pin.into_handle(ProcessId { pid, start: stat.start });
        let process = self.facts(handle.id, stat, holds_lock, buffers);
        if self.is_exiting(&process, buffers) {
            Poller::poll(None, None, &[&handle], Some(clock::monotonic() + EXIT_TIME));
        }
        (!handle.has_ended()).then_some((process, handle))
    }

    /// Returns whether a process has no facts left because it is ending: it only takes a moment
    /// more. One whose first thread alone has ended looks alike, and stays.
    fn is_exiting(&self, process: &Process, buffers: &mut ReadBuffers) -> bool {
        let has_no_facts =
            process.args.known().is_none_or(Vec::is_empty) || process.token == Fact::Unknown;
        has_no_facts
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
        let (exe, cwd) = (executable(self.proc, pid), folder(self.proc, pid));
        let args: Fact<Vec<String>> = self
            .proc
            .read(pid, "cmdline", &mut buffers.args)
            .ok()
            .map(|()| without_padding(strings(&buffers.args)))
            .into();
        let environ_is_known = self.proc.read(pid, "environ", &mut buffers.environ).is_ok();
        let token = match (&self.request.token, &args) {
            (None, _) => Fact::Known(CarriedToken::NotLookedFor),
            (Some(token), Fact::Known(_)) if environ_is_known => Fact::Known(carried_token(
                token,
                &buffers.args,
                &buffers.environ,
                &self.request.token_env,
            )),
            (Some(_), _) => Fact::Unknown,
        };
        let connected = if needs_connection(&token) {
            let environ = environ_is_known.then_some(buffers.environ.as_slice());
            self.connections.is_connected(pid, environ)
        } else {
            Fact::Unknown
        };
        let status = self.proc.status(pid, &mut buffers.environ).unwrap_or_default();
        let cgroup = cgroup(self.proc, pid, &mut buffers.environ);
        let of = Descendant { pid, parent: stat.parent, session: Some(stat.session) };
        let managed_by =
            self.ancestors.managed_by(of, cgroup.as_deref(), self.own_cgroup.as_deref());
        let command = self.request.command.as_ref();
        let (same_program, likeness) = match command {
            None => (Fact::Known(false), Fact::Known(CommandLikeness::Different)),
            Some(_) if args.known().is_none() || cwd.is_none() => (Fact::Unknown, Fact::Unknown),
            Some(command) => {
                let compare = |process: &RunningCommand<'_>| {
                    (
                        Fact::Known(command.is_same_program(process)),
                        Fact::Known(command.likeness(process)),
                    )
                };
                running(self.proc, pid, &buffers.args, cwd.as_deref(), compare)
            }
        };
        Process {
            id,
            parent: Fact::Known(stat.parent),
            name: name_of(exe.as_deref(), &buffers.args).into(),
            same_program,
            likeness,
            args,
            user: status.real_user.map(|uid| self.user(uid)).into(),
            container: self.container(status.pid_namespaces, cgroup.as_deref()),
            state: run_state(stat.state),
            age: Fact::Known(age(stat.start)),
            orphaned: self.ancestors.orphaned(of, &managed_by),
            managed_by,
            launchers: self.ancestors.launchers(of),
            holds_lock,
            token,
            connected,
            relation: Fact::Known(if stat.is_kernel_thread() {
                Relation::Kernel
            } else {
                self.ancestors.relation(of)
            }),
            role: if self.request.is_monopoll(self.proc, pid, exe.as_deref(), self.me) {
                Role::Monopoll
            } else {
                Role::Program
            },
            exe: exe.into(),
            cwd: cwd.into(),
        }
    }

    fn user(&mut self, uid: u32) -> User {
        self.users.entry(uid).or_insert_with(|| host::user(uid)).clone()
    }

    /// A process that `/proc` shows is in this PID namespace or in one below.
    fn container(
        &self,
        pid_namespaces: Option<usize>,
        cgroup: Option<&str>,
    ) -> Fact<Option<String>> {
        let (theirs, own) =
            (cgroup.unwrap_or_default(), self.own_cgroup.as_deref().unwrap_or_default());
        let is_same = cgroup::containers(theirs) == cgroup::containers(own);
        match (pid_namespaces, cgroup::container(theirs, own)) {
            (Some(1), _) if is_same => Fact::Known(None),
            (Some(_), Some(container)) => Fact::Known(Some(container.id)),
            (Some(_), None) => Fact::Known(Some("another PID namespace".to_owned())),
            (None, _) => Fact::Unknown,
        }
    }
}

/// A title that a process writes over its command line leaves NULs behind it.
fn without_padding(mut args: Vec<String>) -> Vec<String> {
    if args.len() > 2 && args.iter().skip(1).all(String::is_empty) {
        args.truncate(1);
    }
    args
}

fn cgroup(proc: &ProcFs, pid: u32, buffer: &mut Vec<u8>) -> Option<String> {
    proc.read(pid, "cgroup", buffer).ok()?;
    Some(String::from_utf8_lossy(buffer).into_owned())
}

fn run_state(letter: u8) -> Fact<RunState> {
    match letter {
        b'R' => Fact::Known(RunState::Running),
        b'S' | b'I' => Fact::Known(RunState::Sleeping),
        b'T' | b't' => Fact::Known(RunState::Stopped),
        b'Z' | b'X' => Fact::Known(RunState::Zombie),
        b'D' => Fact::Known(RunState::Uninterruptible),
        _ => Fact::Unknown,
    }
}

/// Returns the time since a process started, by its start time in ticks since boot.
pub(super) fn age(start: u64) -> Duration {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let started = Duration::from_millis(start.saturating_mul(1000) / ticks);
    clock::since_boot().saturating_sub(started)
}
