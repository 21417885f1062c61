//! Reads the programs of this guard's tree.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;

use crate::scan::process_tree::with_descendants;
use crate::scan::running_program::RunningProgram;
use crate::sys::portable::process_table::{ProcessTable, TableFields};

/// Returns the programs that this process has started, directly or not, except those below another
/// guard. What cannot be read is left out.
pub(crate) fn running_programs() -> io::Result<Vec<RunningProgram>> {
    let (table, me) = (ProcessTable::all(TableFields::Everything)?, std::process::id());
    let mut pids = with_descendants(BTreeSet::from([me]), table.parents(), me);
    pids.remove(&me);
    let children: BTreeSet<u32> =
        table.parents().filter(|(_, parent)| *parent == me).map(|(pid, _)| pid).collect();
    let programs = pids.into_iter().filter_map(|pid| program(&table, pid, children.contains(&pid)));
    Ok(programs.filter(|program| !program.is_below_another_guard(me)).collect())
}

fn program(table: &ProcessTable, pid: u32, is_child: bool) -> Option<RunningProgram> {
    let process = table.process(pid)?;
    Some(RunningProgram {
        pid,
        args: Some(process.cmd().to_vec()).filter(|args| !args.is_empty())?,
        exe: process.exe()?.to_owned(),
        cwd: process.cwd()?.to_owned(),
        environment: process.environ().iter().filter_map(variable).collect(),
        is_child,
    })
}

fn variable(entry: &OsString) -> Option<(OsString, OsString)> {
    let (name, value) = entry.to_str()?.split_once('=')?;
    Some((name.into(), value.into()))
}
