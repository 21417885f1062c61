//! The first, quick look at each process: finds the few that are worth a description.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::engine::action::SameToken;
use crate::engine::pattern::Pattern;
use crate::engine::token_search::may_be_in;
use crate::scan::command::{Command, ProgramKind};
use crate::scan::request::{Relevance, ScanRequest, ScanScope};
use crate::scan::same_command::RunningCommand;
use crate::sys::file_id::FileId;
use crate::sys::linux::proc_fs::ProcFs;

#[derive(Debug, Default)]
pub(super) struct ReadBuffers {
    pub(super) args: Vec<u8>,
    pub(super) environ: Vec<u8>,
    /// COMMAND's executable; `None` for a script, which runs as its interpreter.
    own_executable: Option<FileId>,
    environ_of: Option<u32>,
    /// The last process had no executable. Kernel threads come in rows.
    had_no_executable: bool,
}

impl ReadBuffers {
    pub(super) fn for_request(request: &ScanRequest) -> ReadBuffers {
        let own_executable = request.command.as_ref().and_then(|command| match command.kind {
            ProgramKind::Binary => FileId::at(&command.program),
            ProgramKind::Script(_) => None,
        });
        ReadBuffers { own_executable, ..ReadBuffers::default() }
    }

    /// Returns whether a process provably runs another program than COMMAND's.
    fn runs_another(&self, proc: &ProcFs, pid: u32) -> bool {
        self.own_executable
            .is_some_and(|own| file_behind(proc, pid, "exe").is_some_and(|exe| exe != own))
    }

    /// Returns the environment of a process, read once however often it is asked for in a row.
    pub(super) fn environ(&mut self, proc: &ProcFs, pid: u32) -> Option<&[u8]> {
        if self.environ_of != Some(pid) {
            self.environ_of = None;
            proc.read(pid, "environ", &mut self.environ).ok()?;
            self.environ_of = Some(pid);
        }
        Some(&self.environ)
    }

    /// Returns whether the last process was a kernel thread, or has ended.
    pub(super) fn last_had_no_executable(&self) -> bool {
        self.had_no_executable
    }
}

impl ScanRequest {
    /// Returns the relevance of a process. Reads no more than the answer needs; what cannot be read
    /// makes nothing relevant.
    pub(super) fn relevance(
        &self,
        proc: &ProcFs,
        pid: u32,
        me: u32,
        scope: ScanScope,
        buffers: &mut ReadBuffers,
    ) -> Relevance {
        match self.relevance_of_program(proc, pid, scope, buffers) {
            // Many starts may wait, each with the token in its environment.
            Relevance::Suspect | Relevance::Candidate
                if self.is_monopoll(proc, pid, executable(proc, pid).as_deref(), me) =>
            {
                Relevance::None
            }
            relevance => relevance,
        }
    }

    /// Returns whether a process, which runs `exe`, is a start or a guard: these are known by their
    /// ticket, never by pattern or token.
    pub(super) fn is_monopoll(&self, proc: &ProcFs, pid: u32, exe: Option<&Path>, me: u32) -> bool {
        let own = self.wrapper.as_deref().and_then(Path::file_name);
        let program = |pid| file_behind(proc, pid, "exe");
        own.is_some() && exe.and_then(Path::file_name) == own
            || self.library.is_some() && program(pid).is_some_and(|it| program(me) == Some(it))
    }

    fn relevance_of_program(
        &self,
        proc: &ProcFs,
        pid: u32,
        scope: ScanScope,
        buffers: &mut ReadBuffers,
    ) -> Relevance {
        // With its executable first, a kernel thread takes one system call instead of four.
        buffers.had_no_executable = buffers.had_no_executable && proc.has_no_executable(pid);
        if buffers.had_no_executable {
            return Relevance::None;
        }
        if proc.read(pid, "cmdline", &mut buffers.args).is_err() {
            return Relevance::None;
        }
        let token = self.token.as_ref().filter(|_| self.policy.same_token != SameToken::Off);
        if token.is_some_and(|token| may_be_in(token, &buffers.args)) {
            return Relevance::Candidate;
        }
        // Kernel threads and zombies have no arguments, and nothing else to read either.
        if buffers.args.is_empty()
            && let Err(error) = proc.link(pid, "exe")
        {
            buffers.had_no_executable = error.kind() == io::ErrorKind::NotFound;
            return Relevance::None;
        }
        if self.matches(proc, pid, &buffers.args) {
            return Relevance::Candidate;
        }
        let Some(token) = token else { return Relevance::None };
        let carries_token = |buffers: &mut ReadBuffers| {
            buffers.environ(proc, pid).is_some_and(|environ| may_be_in(token, environ))
        };
        let runs_command = |buffers: &ReadBuffers| {
            self.command.as_ref().is_some_and(|command| {
                let cwd = proc.link(pid, "cwd").ok();
                running(proc, pid, &buffers.args, cwd.as_deref(), |it| command.is_same_program(it))
            })
        };
        match scope {
            ScanScope::All if !carries_token(buffers) => Relevance::None,
            ScanScope::All if runs_command(buffers) => Relevance::Candidate,
            ScanScope::All => Relevance::Suspect,
            // To read an environment costs twice as much as to compare the executable.
            ScanScope::Conflicts if buffers.runs_another(proc, pid) => Relevance::None,
            ScanScope::Conflicts if carries_token(buffers) && runs_command(buffers) => {
                Relevance::Candidate
            }
            ScanScope::Conflicts => Relevance::None,
        }
    }

    fn matches(&self, proc: &ProcFs, pid: u32, args: &[u8]) -> bool {
        if self.policy.matches.is_empty() {
            return self.command.as_ref().is_some_and(|command| {
                command.may_be_same_command(args) && {
                    let cwd = proc.link(pid, "cwd").ok();
                    running(proc, pid, args, cwd.as_deref(), |it| command.likeness(it)).is_same()
                }
            });
        }
        self.policy.matches.iter().any(|entry| meets(&entry.pattern, proc, pid, args))
    }
}

impl Command {
    /// Returns whether a process may run the same command, by its arguments alone: allocates
    /// nothing.
    fn may_be_same_command(&self, args: &[u8]) -> bool {
        let own = || self.args.iter().skip(1).map(|arg| arg.as_bytes());
        let length: usize = own().map(|arg| arg.len() + 1).sum();
        let Some((before, after)) =
            args.len().checked_sub(length).and_then(|at| args.split_at_checked(at))
        else {
            return false;
        };
        let is_same = || {
            own().try_fold(after, |rest, arg| rest.strip_prefix(arg)?.strip_prefix(&[0]))
                == Some(&[])
        };
        let has_place = match &self.kind {
            ProgramKind::Binary => {
                memchr::memchr(0, args).is_some_and(|end| end + 1 == before.len())
            }
            ProgramKind::Script(_) => before.last() == Some(&0),
        };
        has_place && is_same()
    }
}

pub(super) fn running<T>(
    proc: &ProcFs,
    pid: u32,
    args: &[u8],
    cwd: Option<&Path>,
    test: impl Fn(&RunningCommand<'_>) -> T,
) -> T {
    let exe = file_behind(proc, pid, "exe");
    let args = args.strip_suffix(&[0]).unwrap_or(args).split(|byte| *byte == 0);
    test(&RunningCommand {
        args: args.map(OsStr::from_bytes).collect(),
        cwd,
        executes: &|program| exe.is_some() && exe == FileId::at(program),
    })
}

/// Gives the same answer as [`Pattern::matches`] where that is "yes", and reads no more than it
/// takes.
fn meets(pattern: &Pattern, proc: &ProcFs, pid: u32, args: &[u8]) -> bool {
    let text = || {
        let args = args.strip_suffix(&[0]).unwrap_or(args).iter();
        args.map(|byte| if *byte == 0 { b' ' } else { *byte }).collect::<Vec<u8>>()
    };
    let exe = || executable(proc, pid);
    let name = || name_of(exe().as_deref(), args);
    let cwd = || proc.link(pid, "cwd").ok();
    pattern.cmdline.as_ref().is_none_or(|it| it.matches(&String::from_utf8_lossy(&text())))
        && pattern.exe.as_ref().is_none_or(|it| exe().is_some_and(|exe| it.matches(&exe)))
        && pattern.name.as_ref().is_none_or(|it| name().is_some_and(|name| it.matches(&name)))
        && pattern
            .cwd
            .as_ref()
            .is_none_or(|it| cwd().is_some_and(|cwd| it.matches_at_or_below(&cwd)))
}

pub(super) fn file_behind(proc: &ProcFs, pid: u32, link: &str) -> Option<FileId> {
    proc.file_behind(pid, link).ok().map(|(dev, ino)| FileId { dev, ino })
}

pub(super) fn executable(proc: &ProcFs, pid: u32) -> Option<PathBuf> {
    let path = proc.link(pid, "exe").ok()?;
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(original) => Some(PathBuf::from(OsStr::from_bytes(original))),
        None => Some(path),
    }
}

/// Returns the base name of the executable, else that of the first argument.
pub(super) fn name_of(exe: Option<&Path>, args: &[u8]) -> Option<String> {
    let base = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let first = || args.split(|byte| *byte == 0).next().filter(|first| !first.is_empty());
    exe.and_then(base)
        .or_else(|| first().and_then(|first| base(Path::new(OsStr::from_bytes(first)))))
}
