//! Describes a process. Facts that the system does not show stay unknown.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use sysinfo::ProcessStatus;

use crate::engine::carried_tokens::{TokenOwner, carried_tokens};
use crate::engine::choosing_variables::{Proof, SetVariables};
use crate::engine::fact::Fact;
use crate::engine::managed_by::ManagedBy;
use crate::engine::process::{Process, ProcessId, Role, RunState};
use crate::engine::token::CarriedTokens;
use crate::scan::ancestors::{Ancestry, Descendant};
use crate::scan::never_the_bot::{is_tool, serves_others};
use crate::scan::same_command::{Comparison, RunningCommand};
use crate::scan::scan_request::ScanRequest;
use crate::scan::supervisors::SupervisorEnv;
use crate::sys::file_id::is_same_file;
use crate::sys::portable::process_table::ProcessTable;
use crate::sys::portable::system;

pub(super) struct Describer<'a> {
    table: &'a ProcessTable,
    request: &'a ScanRequest,
    me: u32,
}

impl<'a> Describer<'a> {
    pub(super) fn new(table: &'a ProcessTable, request: &'a ScanRequest, me: u32) -> Self {
        Describer { table, request, me }
    }

    pub(super) fn describe(&self, pid: u32, holds_lock: Fact<bool>) -> Option<Process> {
        let id = self.table.id(pid)?;
        let seen = self.table.process(pid)?;
        // An empty command line means that it cannot be read.
        let args = Some(seen.cmd()).filter(|args| !args.is_empty());
        let exe = seen.exe().filter(|path| !path.as_os_str().is_empty());
        let cwd = seen.cwd().filter(|path| !path.as_os_str().is_empty());
        let parent = self.table.parent(pid).unwrap_or_default();
        let of = Descendant { pid, parent, session: None };
        // launchd and the Windows service manager do not show what they manage.
        let managed_by = self.supervisor(of).map_or(Fact::Unknown, |by| Fact::Known(Some(by)));
        let environ_bytes: Vec<u8> = seen
            .environ()
            .iter()
            .flat_map(|entry| entry.as_encoded_bytes().iter().chain(&[0]))
            .copied()
            .collect();
        let restarts = match &managed_by {
            Fact::Known(by) => Fact::Known(by.as_ref().is_some_and(ManagedBy::may_restart)),
            // Unmanaged as far as can be seen. Without the name of a manager, this causes no
            // refusal.
            Fact::Unknown => Fact::Unknown,
        };
        let user = system::user_of(seen, &self.request.user);
        let owner = match &user {
            Some(user) if user.id == self.request.user.id => TokenOwner::Me,
            Some(_) | None => TokenOwner::AnotherUser,
        };
        let comparison = self.compare(exe, args, cwd, &environ_bytes);
        let same_program = comparison.as_ref().map(|it| it.same_program).into();
        let mut process = Process {
            id,
            parent: Fact::Known(parent),
            name: name(exe, args).into(),
            role: self.role(pid, exe, args, same_program),
            // Without a subreaper, a daemon is never below a guard.
            server: None,
            same_program,
            may_be_spawned: exe.map(|exe| self.request.may_be_spawned(exe)).into(),
            likeness: comparison.as_ref().map(|it| it.likeness).into(),
            compared: comparison.as_ref().map(|it| it.compared.clone()).into(),
            command_doubt: match &comparison {
                Some(it) => Fact::Known(it.doubt.clone()),
                // Without a comparison, it is not the same command.
                None => Fact::Known(None),
            },
            user: user.into(),
            container: container(),
            state: run_state(seen.status()),
            age: Fact::Known(Duration::from_secs(seen.run_time())),
            orphaned: self.orphaned(of, &managed_by),
            managed_by,
            launchers: self.launchers(of),
            holds_lock,
            blocks_reads: false,
            tokens: self.tokens(args, &environ_bytes, owner),
            relation: Fact::Known(self.relation(of)),
            other_variable: if environ_bytes.is_empty() {
                Fact::Unknown
            } else {
                let by_words = comparison.as_ref().map_or(&[][..], |it| &it.variables);
                let set = SetVariables { by_words, ..SetVariables::default() };
                let variables = &self.request.variables;
                Fact::Known(variables.first_difference(set, &environ_bytes, Proof::Nothing))
            },
            // A marker's guard cannot be confirmed without the kernel's start times.
            guard: Fact::Known(None),
            connected: Fact::Unknown,
            restarts,
            found_by: None,
            args: args.map(text).into(),
            exe: exe.map(PathBuf::from).into(),
            cwd: cwd.map(PathBuf::from).into(),
            env_file_bot: Fact::Known(None),
            copied_configuration: None,
            moved_folder: None,
            is_connected_nearby: false,
        };
        process.env_file_bot = self.request.env_file_bot(&process, Path::new("/"), None);
        process.copied_configuration = self.request.copied_configuration(&process, Path::new("/"));
        process.moved_folder = self.request.moved_folder(&process, Path::new("/"));
        Some(process)
    }

    /// Compares the process with COMMAND; `None` if that is impossible.
    fn compare(
        &self,
        exe: Option<&Path>,
        args: Option<&[OsString]>,
        cwd: Option<&Path>,
        environ: &[u8],
    ) -> Option<Comparison> {
        let Some(command) = &self.request.command else { return Some(Comparison::default()) };
        let exe = exe?;
        let process = RunningCommand {
            args: args?.iter().map(OsString::as_os_str).collect(),
            cwd: Some(cwd?),
            exe: &|| Some(exe.to_path_buf()),
            executes: &|program| is_same_file(exe, program),
            environ: &|| {
                let environ = String::from_utf8_lossy(environ);
                let variables = environ.split('\0').filter_map(|entry| entry.split_once('='));
                variables.map(|(name, value)| (name.into(), value.into())).collect()
            },
            sees: &|_, _| true,
            opens: &|_| false,
        };
        Some(command.compare(&process))
    }

    /// An empty `environ` means that it cannot be read.
    fn tokens(
        &self,
        args: Option<&[OsString]>,
        environ: &[u8],
        owner: TokenOwner,
    ) -> CarriedTokens {
        let args = args.map(|args| text(args).join("\0"));
        let (args, environ) =
            (args.as_ref().map(String::as_bytes), (!environ.is_empty()).then_some(environ));
        carried_tokens(&self.request.tokens, args, environ, owner)
    }

    fn role(
        &self,
        pid: u32,
        exe: Option<&Path>,
        args: Option<&[OsString]>,
        same_program: Fact<bool>,
    ) -> Role {
        let known_args = args.map(text).unwrap_or_default();
        let tool_name = self.request.tool_name.as_deref();
        let is_monopoll = tool_name.is_some() && exe.and_then(Path::file_name) == tool_name;
        let library = exe.zip(self.request.library_exe.as_deref());
        let is_library = || library.is_some_and(|(exe, own)| is_same_file(exe, own));
        if is_monopoll || is_library() {
            Role::Monopoll
        } else if serves_others(exe, &known_args, pid)
            || same_program != Fact::Known(true) && is_tool(exe, &known_args)
        {
            Role::ServesOthers
        } else {
            Role::Program
        }
    }
}

impl Ancestry for Describer<'_> {
    fn me(&self) -> u32 {
        self.me
    }

    fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32> {
        self.table.ancestors(pid)
    }

    fn id(&self, pid: u32) -> Option<ProcessId> {
        self.table.id(pid)
    }

    fn session(&self, _pid: u32) -> Option<u32> {
        None
    }

    fn args(&self, pid: u32) -> Rc<Vec<String>> {
        Rc::new(self.table.process(pid).map(|process| text(process.cmd())).unwrap_or_default())
    }

    fn cwd(&self, pid: u32) -> Option<PathBuf> {
        self.table.process(pid)?.cwd().map(Path::to_path_buf)
    }

    fn supervisor_env(&self, pid: u32) -> Option<SupervisorEnv> {
        let environ = self.table.process(pid)?.environ();
        let entries = environ.iter().map(|entry| entry.as_encoded_bytes());
        (!environ.is_empty()).then(|| SupervisorEnv::new(entries))
    }
}

fn text(args: &[OsString]) -> Vec<String> {
    args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect()
}

/// Returns the base name of the executable, else of the first argument.
fn name(exe: Option<&Path>, args: Option<&[OsString]>) -> Option<String> {
    let base = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    exe.and_then(base).or_else(|| base(Path::new(args?.first()?)))
}

/// Containers on macOS and Windows are virtual machines whose processes are invisible. A BSD
/// process table includes the processes of jails without marking them.
fn container() -> Fact<Option<String>> {
    if cfg!(any(target_os = "macos", windows, target_os = "linux")) {
        Fact::Known(None)
    } else {
        Fact::Unknown
    }
}

/// Windows reports the same state for all processes.
fn run_state(status: ProcessStatus) -> Fact<RunState> {
    if cfg!(windows) {
        return Fact::Unknown;
    }
    match status {
        ProcessStatus::Run => Fact::Known(RunState::Running),
        ProcessStatus::Sleep | ProcessStatus::Idle => Fact::Known(RunState::Sleeping),
        ProcessStatus::Stop | ProcessStatus::Tracing => Fact::Known(RunState::Stopped),
        ProcessStatus::Zombie | ProcessStatus::Dead => Fact::Known(RunState::Zombie),
        ProcessStatus::UninterruptibleDiskSleep => Fact::Known(RunState::Uninterruptible),
        _ => Fact::Unknown,
    }
}
