//! Guards by the mark that their trees carry: the last trace of one whose lock and record were taken away together.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::Arc,
};

use super::{
    describe::{age, user},
    errand::Errand,
    handle::{Handle, Pin},
    locks,
    proc::{Proc, strings},
};
use crate::{
    engine::snapshot::{GuardView, ProcessId},
    host::{
        clock,
        file_id::FileId,
        mark::{HELD, Mark},
    },
    report::mask,
};

/// The living guards, run from an executable of this name, that hold `lock` for somebody. To find them takes a look into every
/// environment that may be read: it is worth that where a lock file is new.
pub(super) fn guards(proc: &Arc<Proc>, me: u32, lock: &Path, wrapper: &OsStr) -> std::io::Result<Vec<GuardView>> {
    let (its_proc, lock, wrapper) = (Arc::clone(proc), lock.to_owned(), wrapper.to_owned());
    let errand = Errand::begin(proc, move |progress, skip| {
        let (mut found, mut environ) = (BTreeMap::new(), Vec::new());
        for pid in its_proc.pids().unwrap_or_default() {
            if pid == me || skip.contains(&pid) {
                continue;
            }
            progress.at(pid);
            if let Some(mark) = mark(&its_proc, pid, &mut environ).filter(|mark| mark.lock == lock && mark.guard.pid != me)
                && is_a_guard(&its_proc, mark.guard, &wrapper)
            {
                found.entry(mark.guard).or_insert_with(|| view(&its_proc, &mark, pid));
            }
        }
        found.into_values().collect()
    })?;
    errand.finish(proc, me, &mut BTreeSet::new())
}

/// The guard that this process's own mark names, if it is above this process, lives, and has the lock.
pub(crate) fn guard_above(mark: &Mark) -> Option<Handle> {
    let (proc, me, mut stat) = (Proc::open().ok()?, std::process::id(), Vec::new());
    proc.insist_on_mine(me).ok()?;
    let handle = Pin::new(mark.guard.pid).ok()?.into_handle(mark.guard);
    let is_it = proc.stat(mark.guard.pid, &mut stat).is_ok_and(|stat| stat.start == mark.guard.start);
    let mut above = std::iter::successors(Some(me), |pid| proc.stat(*pid, &mut stat).ok().map(|stat| stat.parent).filter(|pid| *pid != 0));
    let is_above = above.any(|pid| pid == mark.guard.pid);
    let has_it = || {
        let lock = FileId::lies_at(&mark.lock);
        lock.is_some_and(|lock| !locks::holders_among(&proc, lock, &BTreeSet::from([mark.guard.pid])).is_empty())
    };
    (is_it && is_above && mark.guard.pid != me && has_it() && !handle.has_ended()).then_some(handle)
}

fn mark(proc: &Proc, pid: u32, environ: &mut Vec<u8>) -> Option<Mark> {
    proc.read(pid, "environ", environ).ok()?;
    let name = HELD.as_bytes();
    let value = environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(name)?.strip_prefix(b"="))?;
    Mark::parse(OsStr::from_bytes(value))
}

/// Whoever has this pid now, if it is the one that left the mark.
fn is_a_guard(proc: &Proc, guard: ProcessId, wrapper: &OsStr) -> bool {
    let lives = proc.stat(guard.pid, &mut Vec::new()).is_ok_and(|stat| stat.start == guard.start && !matches!(stat.state, b'Z' | b'X'));
    lives && super::query::executable(proc, guard.pid).is_some_and(|exe| exe.file_name() == Some(wrapper))
}

fn view(proc: &Proc, mark: &Mark, carrier: u32) -> GuardView {
    let mut args = Vec::new();
    let command = proc.read(carrier, "cmdline", &mut args).map(|()| mask::command(&strings(&args)));
    GuardView {
        process: Some(mark.guard),
        ticket: Some(mark.ticket),
        command: command.unwrap_or_default(),
        user: proc.owner(mark.guard.pid).map_or_else(|_| "unknown".to_owned(), |uid| user(uid).name),
        host: super::host_name(),
        since: clock::wall_seconds().saturating_sub(age(mark.guard.start).as_secs()),
    }
}
