//! What to look for: one pass over all processes finds the few that a closer look is worth.

use std::{
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{
    engine::{action::SameToken, pattern::Pattern, token_search::may_be_in},
    scan::{
        command::{Command, ProgramKind},
        lock_probe::ScanScope,
        request::{Relevance, ScanRequest},
    },
    sys::{file_id::FileId, linux::proc_fs::ProcFs},
};

/// What a pass keeps from one process to the next.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffers {
    pub(crate) args: Vec<u8>,
    pub(crate) environ: Vec<u8>,
    /// My own program, where a process that runs it has no other executable.
    own: Option<FileId>,
    /// Whose environment was read last.
    environ_of: Option<u32>,
    /// The last one had no executable. Kernel threads come in rows.
    in_a_row: bool,
}

impl ReadBuffers {
    /// For a pass with this query.
    pub(crate) fn of(query: &ScanRequest) -> ReadBuffers {
        let own = query.command.as_ref().and_then(|command| match command.kind {
            ProgramKind::Binary => FileId::at(&command.program),
            ProgramKind::Script(_) => None,
        });
        ReadBuffers { own, ..ReadBuffers::default() }
    }

    /// Whether a process provably runs something else than my own program.
    fn runs_another(&self, proc: &ProcFs, pid: u32) -> bool {
        self.own.is_some_and(|own| {
            proc.file_behind(pid, "exe").is_ok_and(|(dev, ino)| FileId { dev, ino } != own)
        })
    }

    /// The environment of a process, read once however often it is asked for in a row.
    pub(crate) fn environ(&mut self, proc: &ProcFs, pid: u32) -> Option<&[u8]> {
        if self.environ_of != Some(pid) {
            self.environ_of = None;
            proc.read(pid, "environ", &mut self.environ).ok()?;
            self.environ_of = Some(pid);
        }
        Some(&self.environ)
    }

    /// Whether the process that was asked about last is a kernel thread, or one that has ended.
    pub(crate) fn last_was_bare(&self) -> bool {
        self.in_a_row
    }
}

impl ScanRequest {
    /// How close a look `pid` is worth. Reads no more than the answer needs; what cannot be read is
    /// no reason.
    pub(crate) fn concern(
        &self,
        proc: &ProcFs,
        pid: u32,
        me: u32,
        breadth: ScanScope,
        buffers: &mut ReadBuffers,
    ) -> Relevance {
        match self.concern_of_a_program(proc, pid, breadth, buffers) {
            // Many may wait, each with my token in its environment.
            Relevance::Suspect | Relevance::Candidate
                if self.is_a_monopoll(proc, pid, executable(proc, pid).as_deref(), me) =>
            {
                Relevance::None
            }
            concern => concern,
        }
    }

    /// Whether `pid`, which runs `exe`, is a start in progress or a guard: it is known by its
    /// ticket, never by pattern or token.
    pub(crate) fn is_a_monopoll(
        &self,
        proc: &ProcFs,
        pid: u32,
        exe: Option<&Path>,
        me: u32,
    ) -> bool {
        let own = self.wrapper.as_deref().and_then(Path::file_name);
        let program = |pid| proc.file_behind(pid, "exe").ok();
        own.is_some() && exe.and_then(Path::file_name) == own
            || self.library.is_some() && program(pid).is_some_and(|it| program(me) == Some(it))
    }

    fn concern_of_a_program(
        &self,
        proc: &ProcFs,
        pid: u32,
        breadth: ScanScope,
        buffers: &mut ReadBuffers,
    ) -> Relevance {
        // Asked for its executable first, a kernel thread takes one system call instead of four.
        buffers.in_a_row = buffers.in_a_row && proc.is_bare(pid);
        if buffers.in_a_row {
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
            buffers.in_a_row = error.kind() == io::ErrorKind::NotFound;
            return Relevance::None;
        }
        if self.looks_like_a_candidate(proc, pid, &buffers.args) {
            return Relevance::Candidate;
        }
        let Some(token) = token else { return Relevance::None };
        let carries = |buffers: &mut ReadBuffers| {
            buffers.environ(proc, pid).is_some_and(|environ| may_be_in(token, environ))
        };
        let is_own_program = |buffers: &ReadBuffers| {
            let cwd = || proc.link(pid, "cwd").ok();
            self.command
                .as_ref()
                .is_some_and(|command| command.runs_in(proc, pid, &buffers.args, cwd().as_deref()))
        };
        match breadth {
            ScanScope::Everybody if !carries(buffers) => Relevance::None,
            ScanScope::Everybody if is_own_program(buffers) => Relevance::Candidate,
            ScanScope::Everybody => Relevance::Suspect,
            // An environment costs twice what it takes to see whose program it is.
            ScanScope::InTheWay if buffers.runs_another(proc, pid) => Relevance::None,
            ScanScope::InTheWay if carries(buffers) && is_own_program(buffers) => {
                Relevance::Candidate
            }
            ScanScope::InTheWay => Relevance::None,
        }
    }

    fn looks_like_a_candidate(&self, proc: &ProcFs, pid: u32, args: &[u8]) -> bool {
        if self.policy.matches.is_empty() {
            return self.command.as_ref().is_some_and(|command| {
                command.has_same_arguments(args)
                    && command.is_twin(proc, pid, args, proc.link(pid, "cwd").ok().as_deref())
            });
        }
        self.policy.matches.iter().any(|entry| meets(&entry.pattern, proc, pid, args))
    }
}

/// The same answer as [`Pattern::matches`] where that is "yes", with no more read than it takes.
fn meets(pattern: &Pattern, proc: &ProcFs, pid: u32, args: &[u8]) -> bool {
    let cmdline = pattern.cmdline.as_ref().is_none_or(|cmdline| {
        let text: Vec<u8> = args
            .strip_suffix(&[0])
            .unwrap_or(args)
            .iter()
            .map(|byte| if *byte == 0 { b' ' } else { *byte })
            .collect();
        cmdline.matches(&String::from_utf8_lossy(&text))
    });
    if !cmdline {
        return false;
    }
    if pattern.name.is_some() || pattern.exe.is_some() {
        let exe = executable(proc, pid);
        let name = name_of(exe.as_deref(), args);
        let holds = pattern
            .exe
            .as_ref()
            .is_none_or(|glob| exe.as_deref().is_some_and(|exe| glob.matches(exe)))
            && pattern
                .name
                .as_ref()
                .is_none_or(|regex| name.is_some_and(|name| regex.matches(&name)));
        if !holds {
            return false;
        }
    }
    pattern
        .cwd
        .as_ref()
        .is_none_or(|glob| proc.link(pid, "cwd").is_ok_and(|cwd| glob.matches_at_or_below(&cwd)))
}

/// The executable's path, also of one that was replaced since.
pub(crate) fn executable(proc: &ProcFs, pid: u32) -> Option<PathBuf> {
    let path = proc.link(pid, "exe").ok()?;
    let bytes = path.as_os_str().as_bytes();
    match bytes.strip_suffix(b" (deleted)") {
        Some(original) => Some(PathBuf::from(std::ffi::OsStr::from_bytes(original))),
        None => Some(path),
    }
}

/// The executable's base name, else that of its first argument.
pub(crate) fn name_of(exe: Option<&Path>, args: &[u8]) -> Option<String> {
    let base = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let first = || args.split(|byte| *byte == 0).next().filter(|first| !first.is_empty());
    exe.and_then(base)
        .or_else(|| first().and_then(|first| base(Path::new(std::ffi::OsStr::from_bytes(first)))))
}

impl Command {
    /// Whether these arguments can be mine: all behind a program's name, or the last ones behind a
    /// script's interpreter.
    fn has_same_arguments(&self, args: &[u8]) -> bool {
        let mine = || self.args.iter().skip(1).map(|arg| arg.as_bytes());
        let length: usize = mine().map(|arg| arg.len() + 1).sum();
        let Some((before, behind)) =
            args.len().checked_sub(length).and_then(|at| args.split_at_checked(at))
        else {
            return false;
        };
        let are_mine = || {
            mine().try_fold(behind, |rest, arg| rest.strip_prefix(arg)?.strip_prefix(&[0]))
                == Some(&[])
        };
        let is_their_place = match &self.kind {
            ProgramKind::Binary => {
                memchr::memchr(0, args).is_some_and(|end| end + 1 == before.len())
            }
            ProgramKind::Script(_) => before.last() == Some(&0),
        };
        is_their_place && are_mine()
    }

    /// Whether the process is what this command would become: the same program with the same
    /// arguments, in the same place.
    pub(crate) fn is_twin(&self, proc: &ProcFs, pid: u32, args: &[u8], cwd: Option<&Path>) -> bool {
        let same_place = cwd.is_some_and(|cwd| cwd == self.cwd);
        same_place
            && self.has_same_arguments(args)
            && self.runs_in(proc, pid, args, cwd)
            && self.has_no_more_arguments(args, cwd)
    }

    /// Whether my arguments are all that stand behind the name, or behind the script: one without
    /// any ends every line.
    fn has_no_more_arguments(&self, args: &[u8], cwd: Option<&Path>) -> bool {
        let strings: Vec<&[u8]> = args.split(|byte| *byte == 0).collect();
        let name = strings.len().checked_sub(self.args.len() + 1);
        match (&self.kind, name) {
            (ProgramKind::Binary, _) | (ProgramKind::Script(_), Some(0)) => true,
            (ProgramKind::Script(_), Some(at)) => {
                strings.get(at).is_some_and(|arg| self.is_script(arg, cwd))
            }
            (ProgramKind::Script(_), None) => false,
        }
    }

    /// Whether an argument names my script.
    fn is_script(&self, arg: &[u8], cwd: Option<&Path>) -> bool {
        let own = FileId::at(&self.program);
        let path = Path::new(std::ffi::OsStr::from_bytes(arg));
        !arg.is_empty()
            && own.is_some()
            && cwd.is_some_and(|cwd| FileId::at(&cwd.join(path)) == own)
    }

    /// Whether the process runs this command's own program, through a `#!` line too.
    pub(crate) fn runs_in(&self, proc: &ProcFs, pid: u32, args: &[u8], cwd: Option<&Path>) -> bool {
        let exe = proc.file_behind(pid, "exe").ok().map(|(dev, ino)| FileId { dev, ino });
        let executes = |program: &Path| exe.is_some() && exe == FileId::at(program);
        let strings: Vec<&[u8]> = args.split(|byte| *byte == 0).collect();
        let name =
            strings.first().and_then(|arg| Path::new(std::ffi::OsStr::from_bytes(arg)).file_name());
        match &self.kind {
            ProgramKind::Binary => executes(&self.program),
            ProgramKind::Script(interpreters) => {
                // A launcher such as a version manager's shim runs something else under its own
                // name.
                let same_name = name.is_some()
                    && name == self.args.first().map(Path::new).and_then(Path::file_name);
                // The kernel puts the script's path behind its interpreter and at most one option;
                // `env` may add more. Whoever has it there and is none of these – an editor, `tail`
                // – only reads it.
                let interprets = interpreters.iter().any(|program| {
                    executes(program) || name.is_some() && name == program.file_name()
                });
                let position = strings.len().checked_sub(self.args.len() + 1);
                let at_its_place =
                    position.into_iter().chain(1..4).filter_map(|at| strings.get(at));
                same_name
                    || interprets && at_its_place.into_iter().any(|arg| self.is_script(arg, cwd))
            }
        }
    }
}
