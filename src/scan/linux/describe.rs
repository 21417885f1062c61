//! Describes one process: pinned first, so that all facts are about the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::carried_tokens::{TokenOwner, carried_tokens};
use crate::engine::choosing_variables::{Proof, SetVariables, Variable};
use crate::engine::fact::Fact;
use crate::engine::instance::NameSource;
use crate::engine::likeness::{CommandDifference, CommandDoubt, CommandLikeness, ComparedCommand};
use crate::engine::managed_by::ManagedBy;
use crate::engine::process::{
    GuardedInstance, OtherGuard, Process, ProcessId, Relation, Role, RunState, User,
};
use crate::engine::snapshot::GuardView;
use crate::scan::ancestors::{Ancestry, Descendant};
use crate::scan::cgroup;
use crate::scan::command::Command;
use crate::scan::env_marker::EnvMarker;
use crate::scan::invocation::Invocation;
use crate::scan::linux::ancestors::Ancestors;
use crate::scan::linux::connections::{Connections, needs_connection};
use crate::scan::linux::find_by_marker;
use crate::scan::linux::guard_arguments::command_of;
use crate::scan::linux::guarded_command::GuardedCommands;
use crate::scan::linux::held_flocks::doubt_by_flock;
use crate::scan::linux::launcher_variables::{MAX_WRAPPERS, set_by_launchers};
use crate::scan::linux::make_settings::doubt_by_make;
use crate::scan::linux::parents::Stats;
use crate::scan::linux::prefilter::{
    is_own, name_of, running, running_with_environ, sees, variables,
};
use crate::scan::linux::process_links::{executable, folder};
use crate::scan::linux::read_buffers::ReadBuffers;
use crate::scan::never_the_bot::{is_tool, server, serves_others};
use crate::scan::same_command::{Comparison, RunningCommand};
use crate::scan::scan_request::ScanRequest;
use crate::scan::wrapper_programs::CommandRole;
use crate::sys::file_id::FileId;
use crate::sys::linux::poll::Poller;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_stat::{ProcStat, age, arguments};
use crate::sys::linux::process_handle::{PinnedPid, ProcessHandle};
use crate::sys::{clock, users};

/// The wait for the end of a process that has no facts left.
const EXIT_TIME: Duration = Duration::from_millis(100);

pub(super) struct Describer<'a> {
    proc: &'a ProcFs,
    request: &'a ScanRequest,
    me: u32,
    own_cgroup: Option<String>,
    users: BTreeMap<u32, User>,
    /// The living guards above the processes that were described, by their markers.
    pub(super) guards: BTreeMap<ProcessId, GuardView>,
    /// The COMMANDs of the guards that this scan looked at.
    pub(super) guarded: GuardedCommands,
    ancestors: Ancestors<'a>,
    connections: Connections<'a>,
    /// Processes of this start's folders that are connected, whatever they run.
    pub(super) connected_nearby: BTreeSet<u32>,
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
        let (guards, guarded) = (BTreeMap::new(), GuardedCommands::default());
        Describer {
            proc,
            request,
            me,
            own_cgroup,
            users,
            guards,
            guarded,
            ancestors,
            connections,
            connected_nearby: BTreeSet::new(),
        }
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
        let mut process = self.facts(handle.id, stat, holds_lock, buffers);
        let (exe, args) = (process.exe.known(), process.args.known());
        process.server =
            args.and_then(|args| server(exe.map(PathBuf::as_path), args, stat.session == pid));
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        process.is_connected_nearby = self.connected_nearby.contains(&pid);
        let guard = process.guard.known().and_then(Option::as_ref);
        let guard = guard.filter(|guard| guard.guards == GuardedInstance::Mine);
        let guard_folder = guard.and_then(|guard| folder(self.proc, guard.process.pid));
        process.env_file_bot = self.request.env_file_bot(&process, &root, guard_folder);
        process.copied_configuration = self.request.copied_configuration(&process, &root);
        process.moved_folder = self.request.moved_folder(&process, &root);
        if self.is_exiting(&process, buffers) {
            Poller::poll(None, None, &[&handle], Some(clock::monotonic() + EXIT_TIME));
        }
        (!handle.has_ended()).then_some((process, handle))
    }

    /// Returns whether a process has no facts left because it is about to end. A process of which
    /// only the first thread has ended looks the same, but stays.
    fn is_exiting(&self, process: &Process, buffers: &mut ReadBuffers) -> bool {
        let has_no_facts =
            process.args.known().is_none_or(Vec::is_empty) || process.tokens.other == Fact::Unknown;
        has_no_facts
            && self.proc.stat(process.id.pid, &mut buffers.args).is_ok_and(ProcStat::is_exiting)
    }

    /// Compares a process with COMMAND.
    fn compare(
        &self,
        id: Descendant,
        args: Option<&[u8]>,
        environ: Option<&[u8]>,
        cwd: Option<&Path>,
        role: Role,
    ) -> ComparisonFacts {
        let Some(command) = &self.request.command else { return Comparison::default().into() };
        let Some(args) = args else { return ComparisonFacts::default() };
        let environ = || environ.map(variables).unwrap_or_default();
        let compare = |pid, args: &[u8], cwd: Option<&Path>| {
            running_with_environ(self.proc, pid, args, cwd, environ, |process| match role {
                Role::Monopoll => Comparison {
                    variables: variables_of_guard(args, cwd),
                    ..command.compare(process)
                },
                Role::Program | Role::ServesOthers => command.compare(process),
            })
        };
        let mut it = compare(id.pid, args, cwd);
        if cwd.is_none() && !it.likeness.is_same() && is_own(self.proc, id.pid) {
            let assumed = compare(id.pid, args, Some(&command.runs_in));
            if assumed.likeness.is_same() {
                it = Comparison { doubt: Some(CommandDoubt::UnreadableFolder), ..assumed };
            }
        }
        // A wrapper that started this process may have consumed the options, and a shell may wait
        // for it in the folder that it left, or in a script that is not understood.
        if let Some(
            CommandDoubt::Option(_)
            | CommandDoubt::Setup(_)
            | CommandDoubt::SetupCommand(_)
            | CommandDoubt::Folder
            | CommandDoubt::CallerFolder
            | CommandDoubt::OtherFolder
            | CommandDoubt::EntryPoint
            | CommandDoubt::GoRun
            | CommandDoubt::RemovedRelease
            | CommandDoubt::Script
            | CommandDoubt::PartOfScript
            | CommandDoubt::Variable(_)
            | CommandDoubt::Launcher
            | CommandDoubt::UnclearScript,
        ) = it.doubt
            && self.is_below_the_same(command, id.parent)
        {
            it.doubt = None;
        } else if it.likeness.is_same() && it.doubt.is_none() {
            it.doubt = doubt_by_make(self.proc, command, id.parent)
                .or_else(|| doubt_by_flock(self.proc, command, id.pid))
                .filter(|_| !self.is_below_the_same(command, id.parent));
        }
        if it.likeness.is_same() || role == Role::Monopoll {
            let (proc, request) = (self.proc, self.request);
            let set = set_by_launchers(proc, request, self.me, id.parent, cwd, &environ());
            it.set_by_scripts.extend(set);
        }
        if role == Role::Monopoll {
            it.doubt = it.doubt.or_else(|| self.question_of_guard(id.pid, args));
        }
        // If the folder is unknown, only absolute paths can be compared.
        if cwd.is_some() || it.likeness.is_same() {
            it.into()
        } else {
            ComparisonFacts {
                compared: Fact::Known(it.compared),
                doubt: Fact::Known(None),
                ..ComparisonFacts::default()
            }
        }
    }

    /// Returns the doubt that the guard of a script leaves that asks which bot it starts. Its lock
    /// does not say what was answered.
    fn question_of_guard(&self, guard: u32, args: &[u8]) -> Option<CommandDoubt> {
        let command = self.request.command.as_ref();
        command.filter(|command| command.asks)?;
        let compared = self.request.compare_guarded(self.proc, guard, args)?;
        compared.doubt.filter(|doubt| *doubt == CommandDoubt::Question)
    }

    /// Returns whether a process, or one of its ancestors, is the same command without a doubt.
    /// Stops at the first that is not the same command.
    fn is_below_the_same(&self, command: &Command, pid: u32) -> bool {
        let parent = |pid: &u32| self.proc.stat(*pid, &mut Vec::new()).ok().map(|it| it.parent);
        std::iter::successors(Some(pid), parent)
            .take_while(|pid| *pid != 0)
            .take(MAX_WRAPPERS)
            .map_while(|pid| {
                let (mut args, cwd) = (Vec::new(), folder(self.proc, pid));
                self.proc.read(pid, "cmdline", &mut args).ok()?;
                let compare = |process: &RunningCommand<'_>| command.compare(process);
                let it = running(self.proc, pid, &args, cwd.as_deref(), compare);
                it.likeness.is_same().then(|| it.doubt.is_none())
            })
            .any(|is_certain| is_certain)
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
            .map(|()| arguments(&buffers.args))
            .into();
        let environ = self.proc.read(pid, "environ", &mut buffers.environ.buffer);
        let status = self.proc.status(pid, &mut buffers.status).unwrap_or_default();
        let user = status.real_user.map(|uid| self.user(uid));
        let owner = match &user {
            Some(user) if user.id == self.request.user.id => TokenOwner::Me,
            Some(_) | None => TokenOwner::AnotherUser,
        };
        let readable = args.known().map(|_| buffers.args.as_slice());
        let environ = environ.is_ok().then_some(buffers.environ.buffer.as_slice());
        let tokens = carried_tokens(&self.request.tokens, readable, environ, owner);
        let marker = environ.map(|environ| self.guard_above(pid, environ));
        let guard = marker.as_ref().map(|marker| marker.as_ref().map(|it| self.other_guard(it)));
        // Exclude this guard's own children: they may be adopted orphans of COMMAND, which can run
        // any program.
        let is_started_by_guard = marker
            .as_ref()
            .and_then(Option::as_ref)
            .is_some_and(|it| it.guard.pid == stat.parent && it.guard.pid != self.me);
        let guarded_as_mine = (is_started_by_guard
            && self.proc.read(stat.parent, "cmdline", &mut buffers.status).is_ok())
        .then(|| self.guarded.compare(self.request, self.proc, stat.parent, &buffers.status))
        .flatten();
        let runs_another = self.guard_runs_another(marker.as_ref(), &mut buffers.status);
        if let Some(marker) = marker.flatten() {
            let view = || find_by_marker::guard_view(self.proc, &marker, pid);
            self.guards.entry(marker.guard).or_insert_with(view);
        }
        let known_args = args.known().map_or(&[][..], Vec::as_slice);
        let role = self.role(pid, exe.as_deref(), known_args);
        let of = Descendant { pid, parent: stat.parent, session: Some(stat.session) };
        let comparison = match guarded_as_mine {
            Some(comparison) => ComparisonFacts::from(comparison),
            None if runs_another => {
                self.compare(of, readable, environ, cwd.as_deref(), role).without_suggestions()
            }
            None => self.compare(of, readable, environ, cwd.as_deref(), role),
        };
        let is_my_program = comparison.same_program == Fact::Known(true);
        let is_tool = !is_my_program && is_tool(exe.as_deref(), known_args);
        let role = if is_tool && role == Role::Program { Role::ServesOthers } else { role };
        let above = guard.as_ref().and_then(Option::as_ref);
        let set = comparison.set_variables();
        let other_variable = self.other_variable(environ, set, holds_lock, above);
        let ComparisonFacts { same_program, likeness, compared, doubt, .. } = comparison;
        let cwd = if self.is_my_folder_elsewhere(pid, cwd.as_deref()) { None } else { cwd };
        let needs_connection = needs_connection(&tokens, likeness)
            || self.needs_connection(pid, likeness, cwd.as_deref());
        let connected = if needs_connection {
            self.connections.is_connected(pid, environ)
        } else {
            Fact::Unknown
        };
        let cgroup = cgroup(self.proc, pid, &mut buffers.environ.buffer);
        let managed_by =
            self.ancestors.managed_by(of, cgroup.as_deref(), self.own_cgroup.as_deref());
        let restarts = match &managed_by {
            // This depends on the unit. systemd is asked later, and only if it matters.
            Fact::Known(Some(by)) if by.is_systemd() => Fact::Unknown,
            Fact::Known(by) => Fact::Known(by.as_ref().is_some_and(ManagedBy::may_restart)),
            Fact::Unknown => Fact::Unknown,
        };
        Process {
            id,
            parent: Fact::Known(stat.parent),
            name: name_of(exe.as_deref(), &buffers.args).into(),
            same_program,
            may_be_spawned: exe.as_deref().map(|exe| self.request.may_be_spawned(exe)).into(),
            likeness,
            compared,
            args,
            user: user.into(),
            container: self.container(status.pid_namespaces, cgroup.as_deref()),
            state: run_state(stat.state),
            age: Fact::Known(age(stat.start)),
            orphaned: self.ancestors.orphaned(of, &managed_by),
            managed_by,
            launchers: self.ancestors.launchers(of),
            holds_lock,
            blocks_reads: self.proc.is_own_and_blocks(pid),
            tokens,
            other_variable,
            command_doubt: doubt,
            guard: guard.into(),
            connected,
            restarts,
            relation: Fact::Known(if stat.is_kernel_thread() {
                Relation::Kernel
            } else {
                self.ancestors.relation(of)
            }),
            role,
            exe: exe.into(),
            cwd: cwd.into(),
            ..Process::default()
        }
    }

    /// Returns whether a process runs under a guard whose COMMAND is another one than this start's.
    fn guard_runs_another(
        &mut self,
        marker: Option<&Option<EnvMarker>>,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let Some(guard) = marker.and_then(Option::as_ref).map(|it| it.guard.pid) else {
            return false;
        };
        guard != self.me
            && self.request.command.is_some()
            && self.proc.read(guard, "cmdline", buffer).is_ok()
            && self.guarded.compare(self.request, self.proc, guard, buffer).is_none()
    }

    /// Returns whether it matters if a process that runs something else is connected: in this
    /// start's folder, where it was found to be, or is asked about.
    fn needs_connection(
        &self,
        pid: u32,
        likeness: Fact<CommandLikeness>,
        cwd: Option<&Path>,
    ) -> bool {
        let is_asked = self.request.asked == Some(pid)
            && likeness == Fact::Known(CommandLikeness::Different)
            && cwd.is_some_and(|cwd| Some(cwd) == self.request.cwd.as_deref());
        is_asked || self.connected_nearby.contains(&pid)
    }

    fn role(&self, pid: u32, exe: Option<&Path>, args: &[String]) -> Role {
        if self.request.is_monopoll(self.proc, pid, exe, self.me) {
            Role::Monopoll
        } else if serves_others(exe, args, pid) {
            Role::ServesOthers
        } else {
            Role::Program
        }
    }

    /// Returns the living guard above a process that its marker names.
    fn guard_above(&self, pid: u32, environ: &[u8]) -> Option<EnvMarker> {
        let tool_name = self.request.tool_name.as_deref()?;
        find_by_marker::living_guard(self.proc, pid, environ, tool_name)
    }

    fn other_guard(&self, marker: &EnvMarker) -> OtherGuard {
        let name_source = NameSource::by_form(&marker.instance);
        // A bot's number is unique everywhere; any other name may be used for two instances.
        let has_my_lock =
            || self.request.locks.iter().any(|lock| is_same_entry(lock, &marker.lock));
        let is_mine = marker.instance == self.request.instance
            && (name_source == NameSource::Token || has_my_lock());
        OtherGuard {
            instance: marker.instance.clone(),
            name_source,
            process: marker.guard,
            guards: if is_mine { GuardedInstance::Mine } else { GuardedInstance::Another },
        }
    }

    /// Returns a variable that has another value in a process. A lock of a given name, or of a
    /// bot's number, says more than a variable that only one of both has.
    fn other_variable(
        &self,
        environ: Option<&[u8]>,
        set: SetVariables<'_>,
        holds_lock: Fact<bool>,
        guard: Option<&OtherGuard>,
    ) -> Fact<Option<String>> {
        let is_mine = holds_lock == Fact::Known(true)
            || guard.is_some_and(|it| it.guards == GuardedInstance::Mine);
        let proof = match self.request.name_source {
            NameSource::Given if is_mine => Proof::Name,
            // A variable may choose the token of another bot.
            NameSource::Token if is_mine && !self.request.variables.may_choose_a_token() => {
                Proof::Name
            }
            NameSource::Given | NameSource::Token | NameSource::Command => Proof::Nothing,
        };
        environ.map(|environ| self.request.variables.first_difference(set, environ, proof)).into()
    }

    /// Returns whether a process's folder has the same path as this start's, but is a different
    /// folder because of other mounts.
    fn is_my_folder_elsewhere(&self, pid: u32, cwd: Option<&Path>) -> bool {
        let mine = self.request.cwd.as_deref();
        mine.zip(cwd).is_some_and(|(mine, cwd)| mine == cwd && !sees(self.proc, pid, cwd, mine))
    }

    fn user(&mut self, uid: u32) -> User {
        self.users.entry(uid).or_insert_with(|| users::user(uid)).clone()
    }

    /// A process that `/proc` shows is in this PID namespace or in one below.
    fn container(
        &self,
        pid_namespaces: Option<usize>,
        cgroup: Option<&str>,
    ) -> Fact<Option<String>> {
        let (theirs, own) =
            (cgroup.unwrap_or_default(), self.own_cgroup.as_deref().unwrap_or_default());
        let is_same = || cgroup::containers(theirs) == cgroup::containers(own);
        match (pid_namespaces, cgroup::container(theirs, own)) {
            (Some(1), _) if theirs == own || is_same() => Fact::Known(None),
            (Some(_), Some(container)) => Fact::Known(Some(container.id)),
            (Some(_), None) => Fact::Known(Some("another PID namespace".to_owned())),
            (None, _) => Fact::Unknown,
        }
    }
}

/// The comparison of a process with COMMAND. What cannot be compared is unknown.
#[derive(Default)]
struct ComparisonFacts {
    same_program: Fact<bool>,
    likeness: Fact<CommandLikeness>,
    compared: Fact<ComparedCommand>,
    doubt: Fact<Option<CommandDoubt>>,
    chooses_another: bool,
    variables: Vec<Variable>,
    set_by_scripts: Vec<Variable>,
}

impl ComparisonFacts {
    fn set_variables(&self) -> SetVariables<'_> {
        SetVariables { by_scripts: &self.set_by_scripts, by_words: &self.variables }
    }

    /// Ignores what only a script suggests, and what another value of a choosing variable speaks
    /// against too: the guard says that the process runs another command.
    fn without_suggestions(self) -> ComparisonFacts {
        let doubts =
            [CommandDoubt::Script, CommandDoubt::PartOfScript, CommandDoubt::UnclearScript];
        let is_suggested = doubts.into_iter().any(|it| self.doubt == Fact::Known(Some(it)))
            || self.likeness == Fact::Known(CommandLikeness::Near(CommandDifference::PartOfScript));
        if !(is_suggested || self.chooses_another) {
            return self;
        }
        ComparisonFacts {
            same_program: Fact::Known(false),
            likeness: Fact::Known(CommandLikeness::Different),
            doubt: Fact::Known(None),
            ..self
        }
    }
}

impl From<Comparison> for ComparisonFacts {
    fn from(it: Comparison) -> ComparisonFacts {
        ComparisonFacts {
            same_program: Fact::Known(it.same_program),
            likeness: Fact::Known(it.likeness),
            compared: Fact::Known(it.compared),
            doubt: Fact::Known(it.doubt),
            chooses_another: it.chooses_another,
            variables: it.variables,
            set_by_scripts: it.set_by_scripts,
        }
    }
}

/// Returns the variables that the COMMAND of a guard sets.
fn variables_of_guard(args: &[u8], cwd: Option<&Path>) -> Vec<Variable> {
    let Some(command) = command_of(args) else { return Vec::new() };
    let words: Vec<&OsStr> = command.iter().map(OsString::as_os_str).collect();
    Invocation::of(&words, cwd, CommandRole::Mine).context.variables
}

/// Returns whether two paths lead to the same entry of a folder. Folders that do not exist are the
/// same only by their path.
fn is_same_entry(one: &Path, other: &Path) -> bool {
    let folder = |path: &Path| path.parent().and_then(FileId::at);
    let in_one_folder = || folder(one).is_some_and(|it| folder(other) == Some(it));
    one.file_name() == other.file_name() && (one == other || in_one_folder())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_in_two_missing_folders_are_two_locks() {
        let outer = tempfile::tempdir().unwrap();
        let [one, other] = ["one/x.lock", "other/x.lock"].map(|name| outer.path().join(name));
        assert!(is_same_entry(&one, &one));
        assert!(!is_same_entry(&one, &other));
        std::fs::create_dir(outer.path().join("one")).unwrap();
        std::os::unix::fs::symlink("one", outer.path().join("other")).unwrap();
        assert!(is_same_entry(&one, &other));
    }
}
