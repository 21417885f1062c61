//! Reads the programs of this guard's tree.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use crate::scan::linux::parents::ParentMap;
use crate::scan::linux::prefilter::environ;
use crate::scan::linux::process_links::{executable, folder};
use crate::scan::process_tree::with_descendants;
use crate::scan::running_program::RunningProgram;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::reader_pool::ReadTask;

/// Returns the programs that this process has started, directly or not, except those below another
/// guard. What cannot be read is left out.
pub(crate) fn running_programs() -> io::Result<Vec<RunningProgram>> {
    let (proc, me) = (Arc::new(ProcFs::open()?), std::process::id());
    let parents = ParentMap::read(&proc)?;
    let pairs = parents.stats.iter().map(|(pid, stat)| (*pid, stat.parent));
    let mut pids = with_descendants(BTreeSet::from([me]), pairs, me);
    pids.remove(&me);
    let children: BTreeSet<u32> =
        parents.stats.iter().filter(|(_, stat)| stat.parent == me).map(|(pid, _)| *pid).collect();
    let its_proc = Arc::clone(&proc);
    let read = move || {
        let programs =
            pids.iter().filter_map(|pid| program(&its_proc, *pid, children.contains(pid)));
        programs.filter(|program| !program.is_below_another_guard(me)).collect()
    };
    let task = ReadTask::start(&proc.readers, read)?;
    let programs = task.finish(&proc.readers);
    proc.readers.end_threads();
    programs
}

fn program(proc: &ProcFs, pid: u32, is_child: bool) -> Option<RunningProgram> {
    let mut args = Vec::new();
    proc.read(pid, "cmdline", &mut args).ok()?;
    let args = args.strip_suffix(&[0]).unwrap_or(&args);
    Some(RunningProgram {
        pid,
        args: args.split(|byte| *byte == 0).map(|arg| OsStr::from_bytes(arg).to_owned()).collect(),
        exe: executable(proc, pid)?,
        cwd: folder(proc, pid)?,
        environment: environ(proc, pid),
        is_child,
    })
}
