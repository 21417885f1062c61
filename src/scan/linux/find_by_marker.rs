//! Finds guards by the marker in the environments of their trees, which is all that is left if a
//! lock and its record were both deleted.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::engine::process::ProcessId;
use crate::engine::snapshot::GuardView;
use crate::scan::announcement::announcements;
use crate::scan::env_marker::{EnvMarker, HELD};
use crate::scan::linux::guard_arguments::command_of;
use crate::scan::linux::lock_holders::{self, LockTable};
use crate::scan::linux::process_links::{executable, file_behind};
use crate::scan::linux::read_buffers::ReadBuffers;
use crate::sys::file_id::FileId;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_stat::{age, strings};
use crate::sys::linux::process_handle::{PinnedPid, ProcessHandle};
use crate::sys::{clock, host_names, users};
use crate::text::command_line;

/// The maximum number of ancestors. A longer chain must be a cycle of pids read at different times.
const MAX_ANCESTORS: usize = 1000;

/// The search for guards of any of these locks. It reads every environment, so it is used only if a
/// lock file is new.
pub(crate) struct MarkerSearch {
    /// The locks of this start. Its record is next to the first one.
    pub(crate) locks: Vec<PathBuf>,
    /// The base name of the guards' executable.
    pub(crate) tool_name: OsString,
    pub(crate) me: u32,
}

/// What the marker or the announcement of a process leads to.
pub(crate) enum FoundByMarker {
    Guard(ProcessId, GuardView),
    /// The guard of this process has ended, but it still holds a lock of this name, which was
    /// deleted.
    LeftWithLock,
}

impl MarkerSearch {
    pub(crate) fn find(
        &self,
        proc: &ProcFs,
        pid: u32,
        buffers: &mut ReadBuffers,
    ) -> Option<FoundByMarker> {
        let marker = buffers.environ.of(proc, pid).and_then(marker);
        let marker = marker.filter(|it| it.guard.pid != self.me);
        let guard = marker.as_ref().and_then(|marker| self.guard_of(proc, pid, marker));
        let guard = guard.or_else(|| self.announced_by(proc, pid, buffers));
        match guard.and_then(|guard| Some((guard.process?, guard))) {
            Some((id, guard)) => Some(FoundByMarker::Guard(id, guard)),
            None => marker
                .is_some_and(|marker| self.has_held_one(proc, pid, &marker))
                .then_some(FoundByMarker::LeftWithLock),
        }
    }

    /// Returns the living guard named by a process's marker. The marker alone proves nothing,
    /// because any process can carry one, and its path may mean another file in a container.
    fn guard_of(&self, proc: &ProcFs, pid: u32, marker: &EnvMarker) -> Option<GuardView> {
        let is_confirmed = is_guard(proc, marker.guard, &self.tool_name)
            && is_below(proc, pid, marker.guard.pid)
            && self.has_held_one(proc, marker.guard.pid, marker);
        is_confirmed.then(|| self.view(proc, marker, pid))
    }

    /// Returns the guard that this process announces to be.
    fn announced_by(
        &self,
        proc: &ProcFs,
        pid: u32,
        buffers: &mut ReadBuffers,
    ) -> Option<GuardView> {
        if pid == self.me || !buffers.executes(proc, pid, &self.tool_name) {
            return None;
        }
        let start = proc.stat(pid, &mut Vec::new()).ok()?.start;
        let is_its_own =
            |it: &EnvMarker| it.guard.start == start && self.has_held_one(proc, pid, it);
        let found = announcements(proc, pid).into_iter().find(is_its_own)?;
        // It knows its pid in its own PID namespace.
        let marker = EnvMarker { guard: ProcessId { pid, start }, ..found };
        Some(self.view(proc, &marker, pid))
    }

    fn view(&self, proc: &ProcFs, marker: &EnvMarker, pid: u32) -> GuardView {
        let mut view = guard_view(proc, marker, pid);
        view.other_lock.take_if(|lock| self.locks.first() == Some(lock));
        view
    }

    /// Returns whether a process has the same user, sees the folder of one of the locks at the same
    /// path, and has locked that file, even if it was moved or deleted.
    fn has_held_one(&self, proc: &ProcFs, pid: u32, marker: &EnvMarker) -> bool {
        let is_seen = |lock: &Path| lock.parent().is_some_and(|folder| sees(proc, pid, folder));
        let is_one = |file: &Path| self.locks.iter().any(|lock| lock == file && is_seen(lock));
        let user = proc.status(pid, &mut Vec::new()).ok().and_then(|status| status.effective_user);
        user == Some(rustix::process::geteuid().as_raw())
            && self.locked_files(proc, pid, &marker.lock).iter().any(|file| is_one(file))
    }

    /// Returns the files of the locks' names that a process has locked, at the paths that they had
    /// then, as far as its marker tells. The folder of the lock that it names may have been moved.
    fn locked_files(&self, proc: &ProcFs, pid: u32, first_lock: &Path) -> Vec<PathBuf> {
        let wanted = self.locks.iter().map(PathBuf::as_path).chain([first_lock]);
        let has_name = |name: Option<&OsStr>| wanted.clone().any(|it| it.file_name() == name);
        let mut files = lock_holders::locked_files(proc, pid, has_name);
        if files.iter().any(|file| file == first_lock) {
            return files;
        }
        let moved = files.iter().find(|file| file.file_name() == first_lock.file_name());
        let Some(folder) = moved.and_then(|file| file.parent()).map(Path::to_owned) else {
            return files;
        };
        for file in files.iter_mut().filter(|file| file.parent() == Some(&folder)) {
            *file = first_lock.with_file_name(file.file_name().unwrap_or_default());
        }
        files
    }
}

/// Returns the marker of a process if its guard is alive and an ancestor. The marker alone proves
/// nothing, because any process can carry one.
pub(super) fn living_guard(
    proc: &ProcFs,
    pid: u32,
    environ: &[u8],
    tool_name: &OsStr,
) -> Option<EnvMarker> {
    let marker = marker(environ)?;
    let is_confirmed =
        is_guard(proc, marker.guard, tool_name) && is_below(proc, pid, marker.guard.pid);
    is_confirmed.then_some(marker)
}

/// Returns the guard named by this process's own marker, if it is an ancestor, alive, and has the
/// lock.
pub(crate) fn find_guard_above(marker: &EnvMarker) -> Option<ProcessHandle> {
    let (proc, me, guard) = (ProcFs::open().ok()?, std::process::id(), marker.guard);
    proc.require_own_namespace(me).ok()?;
    let handle = PinnedPid::new(guard.pid).ok()?.into_handle(guard);
    let is_guard_above = proc.stat_of(guard).is_some()
        && is_below(&proc, me, guard.pid)
        && has_lock(&proc, marker)
        && !handle.has_ended();
    is_guard_above.then_some(handle)
}

/// Returns whether the guard that a marker names has the lock.
fn has_lock(proc: &ProcFs, marker: &EnvMarker) -> bool {
    let pid = marker.guard.pid;
    match FileId::of_entry_or_error(&marker.lock) {
        Ok(id) if proc.descriptors(pid).is_ok() => {
            !lock_holders::holders_among(proc, id, &BTreeSet::from([pid])).is_empty()
        }
        // COMMAND runs as another user, who can read neither the guard's descriptors nor, usually,
        // its folder. The kernel lists the locks of all users.
        Ok(id) => LockTable::lists(pid, Some(id)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            LockTable::lists(pid, None)
        }
        Err(_) => false,
    }
}

pub(crate) fn is_in_guard_tree(pid: u32, guard: ProcessId) -> bool {
    ProcFs::open()
        .is_ok_and(|proc| proc.stat_of(guard).is_some() && is_below(&proc, pid, guard.pid))
}

fn marker(environ: &[u8]) -> Option<EnvMarker> {
    static SEARCH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(HELD));
    let name = HELD.as_bytes();
    SEARCH.find(environ)?;
    let value = environ
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name)?.strip_prefix(b"="))?;
    EnvMarker::parse(OsStr::from_bytes(value))
}

fn is_guard(proc: &ProcFs, guard: ProcessId, tool_name: &OsStr) -> bool {
    let lives = proc.stat_of(guard).is_some_and(|stat| !stat.has_ended());
    lives && executable(proc, guard.pid).is_some_and(|exe| exe.file_name() == Some(tool_name))
}

/// Returns whether a process is a descendant of another one, such as a guard. As a subreaper, a
/// guard stays an ancestor of everything that it started.
pub(super) fn is_below(proc: &ProcFs, pid: u32, other: u32) -> bool {
    let parent = |pid: &u32| {
        proc.stat(*pid, &mut Vec::new()).ok().map(|stat| stat.parent).filter(|parent| *parent != 0)
    };
    std::iter::successors(parent(&pid), parent).take(MAX_ANCESTORS).any(|above| above == other)
}

/// Returns whether a folder is the same for a process as for this one. If it does not exist,
/// compares its first existing ancestor.
fn sees(proc: &ProcFs, pid: u32, folder: &Path) -> bool {
    let theirs = |path: &Path| {
        let mut name = OsString::from("root");
        name.push(path);
        file_behind(proc, pid, &name.to_string_lossy())
    };
    folder
        .ancestors()
        .find_map(|folder| Some((folder, FileId::at(folder)?)))
        .is_some_and(|(folder, own)| theirs(folder) == Some(own))
}

/// Returns the guard that the marker of a process below it names, with its COMMAND, or with the
/// process's own command if the guard has none in its arguments.
#[expect(clippy::disallowed_types, reason = "a start time to be printed")]
pub(super) fn guard_view(proc: &ProcFs, marker: &EnvMarker, pid: u32) -> GuardView {
    let read = |pid| {
        let mut line = Vec::new();
        proc.read(pid, "cmdline", &mut line).ok().map(|()| line)
    };
    let of_guard = || Some(command_of(&read(marker.guard.pid)?)?.join(OsStr::new("\0")).into_vec());
    let command = of_guard().or_else(|| read(pid)).unwrap_or_default();
    GuardView {
        process: Some(marker.guard),
        ticket: Some(marker.ticket),
        command: command_line(&strings(&command)),
        user: proc
            .owner(marker.guard.pid)
            .map_or_else(|_| "unknown".to_owned(), |uid| users::user(uid).name),
        host: host_names::host_name(),
        since: clock::WallClock::seconds().saturating_sub(age(marker.guard.start).as_secs()),
        other_lock: Some(marker.lock.clone()),
    }
}
