//! The quick first pass over all processes, which selects the few to describe.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memchr::memmem;

use crate::engine::action::SameToken;
use crate::engine::carried_tokens::may_be_in;
use crate::engine::fact::{Fact, Truth};
use crate::engine::likeness::{CommandDifference, CommandLikeness};
use crate::engine::pattern::PatternFacts;
use crate::scan::linux::process_links::{executable, file_behind, folder};
use crate::scan::linux::read_buffers::{ReadBuffers, logical_folder};
use crate::scan::same_command::RunningCommand;
use crate::scan::scan_request::{Relevance, ScanRequest, ScanScope};
use crate::scan::starts_again::may_start_commands;
use crate::sys::file_id::FileId;
use crate::sys::linux::proc_fs::ProcFs;

/// The descriptors of the open script: bash's, and that of dash and `BusyBox`.
const SCRIPT_FDS: [&str; 2] = ["fd/255", "fd/10"];

/// The ends of the names of shells and watchers, and of what runs watchers.
const PROGRAMS: [&[u8]; 6] = [b"sh", b"node", b"nodejs", b"bun", b"nodemon", b"watchexec"];

pub(super) type Environ = Vec<(OsString, OsString)>;

impl ScanRequest {
    /// Returns the relevance of a process, and reads as little as possible. Unreadable facts make
    /// nothing relevant.
    pub(super) fn relevance(
        &self,
        proc: &ProcFs,
        pid: u32,
        me: u32,
        scope: ScanScope,
        buffers: &mut ReadBuffers,
    ) -> Relevance {
        let is_monopoll = || self.is_monopoll(proc, pid, executable(proc, pid).as_deref(), me);
        match self.relevance_of_program(proc, pid, scope, buffers) {
            // Many starts may be waiting, each with the token in its environment.
            Relevance::Suspect | Relevance::Candidate if is_monopoll() => Relevance::None,
            Relevance::None
                if scope == ScanScope::All && buffers.is_nearby(proc, pid) && !is_monopoll() =>
            {
                Relevance::InFolder
            }
            relevance => relevance,
        }
    }

    /// Returns whether a process that runs `exe` is a start or a guard. These are recognized by
    /// their ticket, never by a pattern or token.
    pub(super) fn is_monopoll(&self, proc: &ProcFs, pid: u32, exe: Option<&Path>, me: u32) -> bool {
        let tool_name = self.tool_name.as_deref();
        let program = |pid| file_behind(proc, pid, "exe");
        tool_name.is_some() && exe.and_then(Path::file_name) == tool_name
            || self.library_exe.is_some() && program(pid).is_some_and(|it| program(me) == Some(it))
    }

    fn relevance_of_program(
        &self,
        proc: &ProcFs,
        pid: u32,
        scope: ScanScope,
        buffers: &mut ReadBuffers,
    ) -> Relevance {
        // Checking the executable first skips a kernel thread with one system call instead of four.
        buffers.had_no_executable = buffers.had_no_executable && proc.has_no_executable(pid);
        if buffers.had_no_executable {
            return Relevance::None;
        }
        if proc.read(pid, "cmdline", &mut buffers.args).is_err() {
            buffers.args.clear();
            return Relevance::None;
        }
        let token = self.tokens.mine.as_ref().filter(|_| self.policy.same_token != SameToken::Off);
        if token.is_some_and(|token| may_be_in(token, &buffers.args)) {
            return Relevance::Candidate;
        }
        // Kernel threads and zombies have no arguments and nothing else to read.
        if buffers.args.is_empty()
            && let Err(error) = proc.link(pid, "exe")
        {
            buffers.had_no_executable = error.kind() == io::ErrorKind::NotFound;
            return Relevance::None;
        }
        let facts = LazyFacts { proc, pid, args: &buffers.args };
        let mut entries = self.policy.matches.iter();
        if entries.any(|it| it.pattern.matches(&facts) == Truth::True) {
            return Relevance::Candidate;
        }
        let compared = self.likeness(proc, pid, buffers);
        let likeness = compared.unwrap_or_default();
        let similar = match (likeness, scope) {
            (CommandLikeness::Same, _) => return Relevance::Candidate,
            (CommandLikeness::Near(_), ScanScope::All) => Relevance::Suspect,
            (CommandLikeness::Near(_) | CommandLikeness::Different, _) => Relevance::None,
        };
        let Some(token) = token else { return similar };
        // Reading an environment costs more than everything before.
        if scope == ScanScope::Conflicts && compared.is_none() {
            return similar;
        }
        if !buffers.environ.of(proc, pid).is_some_and(|environ| may_be_in(token, environ)) {
            return similar;
        }
        let runs_command = likeness == CommandLikeness::Near(CommandDifference::RewrittenTitle)
            || compared.is_some()
                && self.command.as_ref().is_some_and(|command| {
                    let cwd = folder(proc, pid);
                    running(proc, pid, &buffers.args, cwd.as_deref(), |it| {
                        command.is_same_program(it)
                    })
                });
        match scope {
            _ if runs_command => Relevance::Candidate,
            ScanScope::All => Relevance::Suspect,
            ScanScope::Conflicts => Relevance::None,
        }
    }

    /// Returns whether the last process is a shell or watcher that starts COMMAND, now or again,
    /// and not an ancestor of this start. Only one in a folder of COMMAND, or with such a folder
    /// in its words, is looked at.
    pub(super) fn is_starter(
        &self,
        proc: &ProcFs,
        pid: u32,
        me: u32,
        buffers: &mut ReadBuffers,
    ) -> bool {
        let Some(command) = &self.command else { return false };
        let ReadBuffers { args, folder, above_me, had_no_executable, .. } = buffers;
        let args = args.strip_suffix(&[0]).unwrap_or(args);
        let Some(end) = memchr::memchr(0, args) else { return false };
        let may_be = |first: &[u8]| PROGRAMS.iter().any(|end| first.ends_with(end));
        if !args.get(..end).is_some_and(may_be) {
            return false;
        }
        let words: Vec<&OsStr> = args.split(|byte| *byte == 0).map(OsStr::from_bytes).collect();
        if *had_no_executable || !may_start_commands(&words) {
            return false;
        }
        let Some(cwd) = folder.of(proc, pid).map(Path::to_owned) else { return false };
        let is_named = |folder: &Path| memmem::find(args, folder.as_os_str().as_bytes()).is_some();
        let is_near = command.may_run_in(&cwd)
            || command.runs_in.parent() == Some(&*cwd)
            || is_named(&command.runs_in)
            || is_named(&command.folder);
        is_near
            && !above_me.include(proc, me, pid)
            && is_own(proc, pid)
            && executable(proc, pid).is_some_and(|exe| command.is_started_by(&words, exe, cwd))
    }

    /// Compares a process with COMMAND. `None` if it has none of COMMAND's names, and either cannot
    /// run it by another or is in none of its folders: then nothing else is read.
    fn likeness(
        &self,
        proc: &ProcFs,
        pid: u32,
        buffers: &mut ReadBuffers,
    ) -> Option<CommandLikeness> {
        let command = self.command.as_ref()?;
        let has_name = buffers.has_name();
        if !has_name && !buffers.may_run_by_another_name(proc, pid) {
            return None;
        }
        // Assume COMMAND's folder if it hides its own; `describe` then puts it in doubt.
        let assumed = || is_own(proc, pid).then(|| command.runs_in.clone());
        let cwd = buffers.folder.of(proc, pid).map(Path::to_owned).or_else(assumed);
        // A link to the script may have any name, and so may a program.
        let is_here = || cwd.as_deref().is_some_and(|cwd| command.may_run_in(cwd));
        let is_compared = has_name
            || is_here()
            || buffers.runs_interpreter(proc, pid)
                && buffers
                    .environ
                    .of(proc, pid)
                    .and_then(logical_folder)
                    .is_some_and(|folder| command.may_run_in(folder));
        let compare = |it: &RunningCommand<'_>| command.compare(it).likeness;
        is_compared.then(|| {
            let ReadBuffers { args, environ, .. } = buffers;
            let environ = RefCell::new(environ);
            let known = || environ.borrow_mut().of(proc, pid).map(variables).unwrap_or_default();
            running_with_environ(proc, pid, args, cwd.as_deref(), known, compare)
        })
    }
}

pub(super) fn running<T>(
    proc: &ProcFs,
    pid: u32,
    args: &[u8],
    cwd: Option<&Path>,
    test: impl Fn(&RunningCommand<'_>) -> T,
) -> T {
    running_with_environ(proc, pid, args, cwd, || environ(proc, pid), test)
}

/// Like `running`, but with an environment that may have been read. It reads each fact once.
pub(super) fn running_with_environ<T>(
    proc: &ProcFs,
    pid: u32,
    args: &[u8],
    cwd: Option<&Path>,
    environ: impl Fn() -> Environ,
    test: impl Fn(&RunningCommand<'_>) -> T,
) -> T {
    let (exe, path) = (OnceCell::new(), OnceCell::new());
    let (known_environ, other_mounts) = (OnceCell::new(), OnceCell::new());
    let has_other_mounts = || *other_mounts.get_or_init(|| has_other_mounts(proc, pid));
    let exe = || *exe.get_or_init(|| file_behind(proc, pid, "exe"));
    let path = || path.get_or_init(|| executable(proc, pid));
    let words = args.strip_suffix(&[0]).unwrap_or(args).split(|byte| *byte == 0);
    test(&RunningCommand {
        args: words.map(OsStr::from_bytes).collect(),
        cwd,
        exe: &|| path().clone(),
        executes: &|program| exe().is_some_and(|exe| FileId::at(program) == Some(exe)),
        environ: &|| known_environ.get_or_init(&environ).clone(),
        sees: &|theirs, mine| !has_other_mounts() || sees_there(proc, pid, theirs, mine),
        opens: &|script| {
            let script = FileId::at(script);
            script.is_some() && SCRIPT_FDS.iter().any(|fd| file_behind(proc, pid, fd) == script)
        },
    })
}

/// Returns whether the absolute path `theirs` resolves, in the process's mount namespace, to the
/// file `mine`. In a container, or a unit with its own folders, it may be another file.
pub(super) fn sees(proc: &ProcFs, pid: u32, theirs: &Path, mine: &Path) -> bool {
    !has_other_mounts(proc, pid) || sees_there(proc, pid, theirs, mine)
}

/// Processes whose mounts cannot be read belong to other users.
fn has_other_mounts(proc: &ProcFs, pid: u32) -> bool {
    proc.has_other_mounts(pid) == Some(true)
}

fn sees_there(proc: &ProcFs, pid: u32, theirs: &Path, mine: &Path) -> bool {
    let seen = proc.file_in_root_of(pid, theirs).ok().map(|(dev, ino)| FileId { dev, ino });
    seen.is_some() && FileId::at(mine) == seen
}

/// Returns the initial environment of a process; empty if it cannot be read.
pub(super) fn environ(proc: &ProcFs, pid: u32) -> Environ {
    let mut environ = Vec::new();
    match proc.read(pid, "environ", &mut environ) {
        Ok(()) => variables(&environ),
        Err(_) => Environ::new(),
    }
}

pub(super) fn variables(environ: &[u8]) -> Environ {
    let variable = |entry: &[u8]| {
        let (name, value) = entry.split_at(memchr::memchr(b'=', entry)?);
        Some((OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(value.get(1..)?).to_owned()))
    };
    environ.split(|byte| *byte == 0).filter_map(variable).collect()
}

/// Returns whether a process is of this user, which it shows even if it hides all else.
pub(super) fn is_own(proc: &ProcFs, pid: u32) -> bool {
    let user = proc.status(pid, &mut Vec::new()).ok().and_then(|status| status.real_user);
    user == Some(rustix::process::getuid().as_raw())
}

/// The facts of a process that are read on demand. Its command line has already been read.
struct LazyFacts<'a> {
    proc: &'a ProcFs,
    pid: u32,
    args: &'a [u8],
}

impl PatternFacts for LazyFacts<'_> {
    fn name(&self) -> Fact<Cow<'_, str>> {
        let exe = executable(self.proc, self.pid);
        name_of(exe.as_deref(), self.args).map(Cow::from).into()
    }

    fn cmdline(&self) -> Fact<Cow<'_, str>> {
        let end = self.args.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let title = self.args.get(..end).filter(|it| memchr::memchr(0, it).is_none());
        let args = title.or(self.args.strip_suffix(&[0])).unwrap_or(self.args).iter();
        let text: Vec<u8> = args.map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
        Fact::Known(String::from_utf8_lossy(&text).into_owned().into())
    }

    fn exe(&self) -> Fact<Cow<'_, Path>> {
        executable(self.proc, self.pid).map(Cow::from).into()
    }

    fn cwd(&self) -> Fact<Cow<'_, Path>> {
        folder(self.proc, self.pid).map(Cow::from).into()
    }
}

/// Returns the base name of the executable, else of the first argument.
pub(super) fn name_of(exe: Option<&Path>, args: &[u8]) -> Option<String> {
    let base = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let first = || args.split(|byte| *byte == 0).next().filter(|first| !first.is_empty());
    exe.and_then(base)
        .or_else(|| first().and_then(|first| base(Path::new(OsStr::from_bytes(first)))))
}
