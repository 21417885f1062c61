//! Settings that make has written for a process: `make alice` and `make bob` write one `.env`.

use std::ffi::OsString;
use std::path::Path;

use crate::engine::likeness::CommandDoubt;
use crate::scan::command::Command;
use crate::scan::linux::process_links::folder;
use crate::scan::makefile;
use crate::scan::settings_writer::doubt_below_make;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_stat::strings;

/// Of more ancestors, the rest is not read.
const MAX_ANCESTORS: usize = 4;

/// Returns the doubt about a process below make, whose other goals may have written other settings
/// for COMMAND since. COMMAND's own lines have been compared.
pub(super) fn doubt_by_make(proc: &ProcFs, command: &Command, parent: u32) -> Option<CommandDoubt> {
    if command.has_setup() {
        return None;
    }
    let is_some = |pid: &u32| *pid != 0;
    let above = |pid: &u32| {
        let stat = proc.stat(*pid, &mut Vec::new());
        stat.ok().map(|it| it.parent).filter(is_some)
    };
    let ancestors = std::iter::successors(Some(parent).filter(is_some), above);
    ancestors.take(MAX_ANCESTORS).find_map(|pid| {
        let mut args = Vec::new();
        proc.read(pid, "cmdline", &mut args).ok()?;
        let words: Vec<OsString> = strings(&args).into_iter().map(OsString::from).collect();
        let (first, rest) = words.split_first()?;
        if !makefile::is_make(Path::new(first)) {
            return None;
        }
        // It has already entered its folder.
        let (_, rest) = makefile::enters(rest);
        doubt_below_make(&makefile::read(&rest, &folder(proc, pid)?)?)
    })
}
