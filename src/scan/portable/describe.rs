//! A closer look at one process; what this system does not say stays unknown.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use sysinfo::ProcessStatus;

use crate::{
    engine::{
        fact::Fact,
        managed_by::ManagedBy,
        process::{Launcher, Process, ProcessId, Relation, Role, RunState},
        token::{CarriedToken, TokenPlace},
        token_search::carried_token,
    },
    scan::{
        command::{Command, ProgramKind},
        portable::system::{self, Users},
        request::ScanRequest,
        supervisor_detection::{self, SupervisorEnv},
    },
    sys::portable::process_table::ProcessTable,
    text::short_command_line,
};

/// The widest that the command of a launcher is shown, in characters.
const WIDEST: usize = 60;

/// What all descriptions of one look share.
pub(crate) struct Describer<'a> {
    table: &'a ProcessTable,
    query: &'a ScanRequest,
    me: u32,
    users: Users,
}

impl<'a> Describer<'a> {
    pub(crate) fn new(table: &'a ProcessTable, query: &'a ScanRequest, me: u32) -> Self {
        Describer { table, query, me, users: Users::known() }
    }

    /// Describes `pid`; `None` where it has ended or cannot be told from others.
    pub(crate) fn describe(&self, pid: u32, holds_lock: Fact<bool>) -> Option<Process> {
        let id = self.table.id(pid)?;
        let seen = self.table.process(pid)?;
        // A process without arguments is one whose arguments may not be read.
        let args = Some(text(seen.cmd())).filter(|args| !args.is_empty());
        let exe = seen.exe().filter(|path| !path.as_os_str().is_empty());
        let cwd = seen.cwd().filter(|path| !path.as_os_str().is_empty());
        let parent = self.table.parent(pid).unwrap_or_default();
        let managed_by = self.managed_by(pid, parent);
        Some(Process {
            id,
            parent: Fact::Known(parent),
            name: name(exe, args.as_deref()).into(),
            same_program: self.runs(exe, args.as_deref(), cwd, Command::runs_in),
            same_command: self.runs(exe, args.as_deref(), cwd, Command::is_twin),
            user: self.users.of(seen).into(),
            container: container(),
            state: state(seen.status()),
            age: Fact::Known(Duration::from_secs(seen.run_time())),
            orphaned: self.orphaned(parent, &managed_by),
            managed_by,
            launchers: self.launchers(parent),
            holds_lock,
            token: self.token(args.as_deref(), seen.environ()),
            relation: Fact::Known(self.relation(id)),
            role: self.role(exe),
            args: args.into(),
            exe: exe.map(PathBuf::from).into(),
            cwd: cwd.map(PathBuf::from).into(),
        })
    }

    fn runs(
        &self,
        exe: Option<&Path>,
        args: Option<&[String]>,
        cwd: Option<&Path>,
        test: impl Fn(&Command, &Path, &[String], &Path) -> bool,
    ) -> Fact<bool> {
        match (&self.query.command, exe, args, cwd) {
            (None, ..) => Fact::Known(false),
            (Some(command), Some(exe), Some(args), Some(cwd)) => {
                Fact::Known(test(command, exe, args, cwd))
            }
            (Some(_), ..) => Fact::Unknown,
        }
    }

    /// An empty environment is one that may not be read: the arguments alone can prove a token, not
    /// its absence.
    fn token(&self, args: Option<&[String]>, environ: &[OsString]) -> Fact<CarriedToken> {
        let Some(token) = &self.query.token else { return Fact::Known(CarriedToken::NotLookedFor) };
        let Some(args) = args else { return Fact::Unknown };
        let environ_bytes: Vec<u8> = environ
            .iter()
            .flat_map(|entry| entry.as_encoded_bytes().iter().chain(&[0]))
            .copied()
            .collect();
        let carried =
            carried_token(token, args.join("\0").as_bytes(), &environ_bytes, &self.query.token_env);
        let proven = matches!(carried, CarriedToken::Mine(TokenPlace::CommandLine));
        if proven || !environ.is_empty() { Fact::Known(carried) } else { Fact::Unknown }
    }

    /// A supervisor shows itself by its command line; launchd and the service manager of Windows do
    /// not show what they manage.
    fn managed_by(&self, pid: u32, parent: u32) -> Fact<Option<ManagedBy>> {
        let mut child = pid;
        for above in self.table.ancestors(parent) {
            let Some(process) = self.table.process(above) else { continue };
            let cwd = || process.cwd().map(Path::to_path_buf);
            if let Some(supervisor) =
                supervisor_detection::supervisor(&text(process.cmd()), cwd, || {
                    self.told(child, pid)
                })
            {
                return Fact::Known(Some(supervisor));
            }
            child = above;
        }
        Fact::Unknown
    }

    /// What a supervisor told its own child; where that is somebody else's, what is left of it
    /// below.
    fn told(&self, child: u32, pid: u32) -> SupervisorEnv {
        let environ = [child, pid]
            .into_iter()
            .filter_map(|pid| self.table.process(pid))
            .map(sysinfo::Process::environ);
        SupervisorEnv::by(
            environ
                .into_iter()
                .find(|it| !it.is_empty())
                .unwrap_or_default()
                .iter()
                .map(|entry| entry.as_encoded_bytes()),
        )
    }

    /// Those above it, up to the first that only adopts, that starts things for people, or that is
    /// above monopoll too.
    fn launchers(&self, parent: u32) -> Fact<Vec<Launcher>> {
        let mut launchers = Vec::new();
        for above in self.table.ancestors(parent) {
            let (Some(id), Some(process)) = (self.table.id(above), self.table.process(above))
            else {
                return Fact::Unknown;
            };
            let args = text(process.cmd());
            let no_launcher = supervisor_detection::adopts_orphans(&args)
                || supervisor_detection::serves_people(&args);
            if Some(above) == system::INIT
                || no_launcher
                || self.table.ancestors(self.me).any(|mine| mine == above)
            {
                break;
            }
            if args.is_empty() {
                return Fact::Unknown;
            }
            let end = if cfg!(windows) {
                format!("taskkill /F /PID {above}")
            } else {
                format!("kill {above}")
            };
            launchers.push(Launcher { id, command: short_command_line(&args, WIDEST), end });
        }
        Fact::Known(launchers)
    }

    /// A child of PID 1 may have been started by it or adopted; a child of anybody else who lives
    /// was started there.
    fn orphaned(&self, parent: u32, managed_by: &Fact<Option<ManagedBy>>) -> Fact<bool> {
        if matches!(managed_by, Fact::Known(Some(_))) {
            return Fact::Known(false);
        }
        match self.table.process(parent) {
            Some(process)
                if Some(parent) != system::INIT
                    && !supervisor_detection::adopts_orphans(&text(process.cmd())) =>
            {
                Fact::Known(false)
            }
            Some(_) | None => Fact::Unknown,
        }
    }

    fn relation(&self, id: ProcessId) -> Relation {
        match id.pid {
            pid if Some(pid) == system::INIT => Relation::Init,
            pid if pid == self.me => Relation::Myself,
            pid if self.table.ancestors(self.me).any(|ancestor| ancestor == pid) => {
                Relation::Ancestor
            }
            pid if self.table.ancestors(pid).any(|ancestor| ancestor == self.me) => {
                Relation::Descendant
            }
            _ => Relation::None,
        }
    }

    fn role(&self, exe: Option<&Path>) -> Role {
        let own = self.query.wrapper.as_deref().and_then(Path::file_name);
        let wrapper = own.is_some() && exe.and_then(Path::file_name) == own;
        let library =
            || exe.zip(self.query.library.as_deref()).is_some_and(|(exe, own)| same_file(exe, own));
        if wrapper || library() { Role::Monopoll } else { Role::Program }
    }
}

impl Command {
    /// Whether the process is what this command would become: the same program with the same
    /// arguments, in the same place.
    fn is_twin(&self, exe: &Path, args: &[String], cwd: &Path) -> bool {
        let mine = text(self.args.get(1..).unwrap_or_default());
        // Mine are all that stand behind the name, or behind the script: one without any ends every
        // line.
        let same_arguments = match (&self.kind, args.strip_suffix(mine.as_slice())) {
            (ProgramKind::Binary, Some([_name])) => true,
            (ProgramKind::Script(_), Some([_interpreter, .., script])) => {
                self.is_script(script, cwd)
            }
            (ProgramKind::Binary | ProgramKind::Script(_), _) => false,
        };
        same_arguments && same_file(cwd, &self.cwd) && self.runs_in(exe, args, cwd)
    }

    /// Whether the process runs this command's own program, through a `#!` line too.
    fn runs_in(&self, exe: &Path, args: &[String], cwd: &Path) -> bool {
        match &self.kind {
            ProgramKind::Binary => same_file(exe, &self.program),
            ProgramKind::Script(interpreters) => {
                // A launcher such as a version manager's shim runs something else under its own
                // name.
                let first = args.first().map(Path::new).and_then(Path::file_name);
                let same_name = first.is_some()
                    && first == self.args.first().map(Path::new).and_then(Path::file_name);
                // The kernel puts the script's path behind its interpreter and at most one option;
                // `env` may add more. Whoever has it there and is none of these only reads it.
                let interprets = interpreters.iter().any(|program| {
                    same_file(exe, program) || first.is_some() && first == program.file_name()
                });
                let position = args.len().checked_sub(self.args.len());
                let mut at_its_place =
                    position.into_iter().chain(1..4).filter_map(|at| args.get(at));
                same_name || interprets && at_its_place.any(|arg| self.is_script(arg, cwd))
            }
        }
    }

    /// Whether an argument names my script.
    fn is_script(&self, arg: &str, cwd: &Path) -> bool {
        !arg.is_empty() && same_file(&cwd.join(arg), &self.program)
    }
}

#[cfg(unix)]
fn same_file(one: &Path, other: &Path) -> bool {
    use crate::sys::file_id::FileId;
    one == other || FileId::at(one).is_some_and(|id| FileId::at(other) == Some(id))
}

#[cfg(windows)]
fn same_file(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn text(args: &[OsString]) -> Vec<String> {
    args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect()
}

/// The executable's base name, else that of its first argument.
fn name(exe: Option<&Path>, args: Option<&[String]>) -> Option<String> {
    let base = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    exe.and_then(base).or_else(|| base(Path::new(args?.first()?)))
}

/// Containers of macOS and Windows are machines of their own and show nothing here; the table of a
/// BSD shows its jails' processes, and does not say so.
fn container() -> Fact<Option<String>> {
    if cfg!(any(target_os = "macos", windows, target_os = "linux")) {
        Fact::Known(None)
    } else {
        Fact::Unknown
    }
}

/// Windows says the same of everybody.
fn state(status: ProcessStatus) -> Fact<RunState> {
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
