//! Guards by the mark that their trees carry: the last trace of one whose lock and record were
//! taken away together.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{
    engine::{process::ProcessId, snapshot::GuardView},
    scan::{
        env_marker::{EnvMarker, HELD},
        linux::{
            describe::{age, user},
            lock_holders,
            prefilter::ReadBuffers,
        },
    },
    sys::{
        clock,
        file_id::FileId,
        linux::{
            pidfd::{PinnedPid, ProcessHandle},
            proc_fs::{ProcFs, strings},
        },
    },
    text::command_line,
};

/// The most that are looked at above a process: a chain that is longer was put together from
/// different moments.
const DEEPEST: usize = 1000;

/// Guards that hold a lock for somebody. To find them takes a look into every environment that may
/// be read: it is worth that where a lock file is new.
#[derive(Debug)]
pub(crate) struct MarkerSearch {
    /// Where the lock is.
    pub(crate) lock: PathBuf,
    /// How a guard's executable is called.
    pub(crate) wrapper: OsString,
    /// Who asks.
    pub(crate) me: u32,
}

impl MarkerSearch {
    /// The living guard whose mark this process carries. A mark alone is nobody's proof: anybody
    /// can carry any, and a path means another file in a container that has a folder of its own
    /// there.
    pub(crate) fn guard_of(
        &self,
        proc: &ProcFs,
        pid: u32,
        buffers: &mut ReadBuffers,
    ) -> Option<GuardView> {
        let mark = buffers.environ(proc, pid).and_then(mark)?;
        let is_it = mark.lock == self.lock
            && mark.guard.pid != self.me
            && is_a_guard(proc, mark.guard, &self.wrapper)
            && is_below(proc, pid, mark.guard.pid)
            && held_it(proc, mark.guard.pid, &self.lock);
        is_it.then(|| view(proc, &mark, pid))
    }
}

/// The guard that this process's own mark names, if it is above this process, lives, and has the
/// lock.
pub(crate) fn guard_above(mark: &EnvMarker) -> Option<ProcessHandle> {
    let (proc, me, mut stat) = (ProcFs::open().ok()?, std::process::id(), Vec::new());
    proc.insist_on_mine(me).ok()?;
    let handle = PinnedPid::new(mark.guard.pid).ok()?.into_handle(mark.guard);
    let is_it =
        proc.stat(mark.guard.pid, &mut stat).is_ok_and(|stat| stat.start == mark.guard.start);
    let mut above = std::iter::successors(Some(me), |pid| {
        proc.stat(*pid, &mut stat).ok().map(|stat| stat.parent).filter(|pid| *pid != 0)
    });
    let is_above = above.any(|pid| pid == mark.guard.pid);
    let has_it = || {
        let lock = FileId::lies_at(&mark.lock);
        lock.is_some_and(|lock| {
            !lock_holders::holders_among(&proc, lock, &BTreeSet::from([mark.guard.pid])).is_empty()
        })
    };
    (is_it && is_above && mark.guard.pid != me && has_it() && !handle.has_ended()).then_some(handle)
}

fn mark(environ: &[u8]) -> Option<EnvMarker> {
    let name = HELD.as_bytes();
    memchr::memmem::find(environ, name)?;
    let value = environ
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name)?.strip_prefix(b"="))?;
    EnvMarker::parse(OsStr::from_bytes(value))
}

/// Whoever has this pid now, if it is the one that left the mark.
fn is_a_guard(proc: &ProcFs, guard: ProcessId, wrapper: &OsStr) -> bool {
    let lives = proc
        .stat(guard.pid, &mut Vec::new())
        .is_ok_and(|stat| stat.start == guard.start && !matches!(stat.state, b'Z' | b'X'));
    lives
        && crate::scan::linux::prefilter::executable(proc, guard.pid)
            .is_some_and(|exe| exe.file_name() == Some(wrapper))
}

/// Whether a guard started this process, or something above it: as their subreaper it stays above
/// all that it started.
fn is_below(proc: &ProcFs, pid: u32, guard: u32) -> bool {
    let parent = |pid: &u32| {
        proc.stat(*pid, &mut Vec::new()).ok().map(|stat| stat.parent).filter(|parent| *parent != 0)
    };
    std::iter::successors(parent(&pid), parent).take(DEEPEST).any(|above| above == guard)
}

/// Whether a guard is one of mine, sees the lock's folder where I do, and has a file of that name
/// locked, wherever it lies now.
fn held_it(proc: &ProcFs, guard: u32, lock: &Path) -> bool {
    let mut buffer = Vec::new();
    let is_mine =
        proc.effective_user(guard, &mut buffer) == Some(rustix::process::geteuid().as_raw());
    is_mine
        && lock.parent().is_some_and(|folder| sees(proc, guard, folder))
        && lock_holders::has_locked_one_named(proc, guard, lock)
}

/// Whether a folder is the same for a process as for me; where I see none, whether it would be.
fn sees(proc: &ProcFs, pid: u32, folder: &Path) -> bool {
    let theirs = |path: &Path| {
        let mut name = OsString::from("root");
        name.push(path);
        proc.file_behind(pid, &name.to_string_lossy()).ok().map(|(dev, ino)| FileId { dev, ino })
    };
    folder
        .ancestors()
        .find_map(|folder| Some((folder, FileId::at(folder)?)))
        .is_some_and(|(folder, mine)| theirs(folder) == Some(mine))
}

#[expect(clippy::disallowed_types, reason = "since when, to be printed")]
fn view(proc: &ProcFs, mark: &EnvMarker, carrier: u32) -> GuardView {
    let mut args = Vec::new();
    let command = proc.read(carrier, "cmdline", &mut args).map(|()| command_line(&strings(&args)));
    GuardView {
        process: Some(mark.guard),
        ticket: Some(mark.ticket),
        command: command.unwrap_or_default(),
        user: proc
            .owner(mark.guard.pid)
            .map_or_else(|_| "unknown".to_owned(), |uid| user(uid).name),
        host: crate::scan::linux::host_name(),
        since: clock::WallClock::seconds().saturating_sub(age(mark.guard.start).as_secs()),
    }
}
