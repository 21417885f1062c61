//! Recognizes COMMAND among what another guard started, even if a script has since been replaced by
//! another program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::scan::command::{Certainty, Command, logical};
use crate::scan::linux::command_search::first_argument;
use crate::scan::linux::find_by_marker;
use crate::scan::linux::guard_arguments::command_of;
use crate::scan::linux::launcher_variables::values;
use crate::scan::linux::prefilter::{environ, sees};
use crate::scan::linux::process_links::{executable, folder};
use crate::scan::linux::read_buffers::ReadBuffers;
use crate::scan::same_command::{Comparison, RunningCommand};
use crate::scan::scan_request::ScanRequest;
use crate::sys::file_id::is_same_file;
use crate::sys::linux::proc_fs::ProcFs;

/// The comparisons of one scan, cached by the guards' pids and arguments, because finding a COMMAND
/// means searching `$PATH`.
#[derive(Debug, Clone, Default)]
pub(super) struct GuardedCommands(BTreeMap<(u32, Vec<u8>), Option<Comparison>>);

impl GuardedCommands {
    /// Compares the COMMAND of the guard with these arguments; `None` if it is a different one.
    pub(super) fn compare(
        &mut self,
        request: &ScanRequest,
        proc: &ProcFs,
        guard: u32,
        args: &[u8],
    ) -> Option<Comparison> {
        let compare = || request.compare_guarded(proc, guard, args);
        self.0.entry((guard, args.to_vec())).or_insert_with(compare).clone()
    }

    pub(super) fn extend(&mut self, more: GuardedCommands) {
        self.0.extend(more.0);
    }
}

impl ScanRequest {
    /// Returns the processes that the guard with these arguments started as the same COMMAND. A
    /// start that still waits has not started any.
    pub(super) fn guarded_as_mine(
        &self,
        proc: &ProcFs,
        guard: u32,
        buffers: &ReadBuffers,
        me: u32,
        compared: &mut GuardedCommands,
    ) -> Vec<u32> {
        let (Some(tool_name), Some(command)) = (self.tool_name.as_deref(), &self.command) else {
            return Vec::new();
        };
        let args = buffers.args.as_slice();
        let first = first_argument(args);
        let folder_of_tool = first.strip_suffix(tool_name.as_bytes());
        let is_named_so = folder_of_tool.is_some_and(|it| it.is_empty() || it.ends_with(b"/"));
        let is_here = || folder(proc, guard).is_some_and(|cwd| command.may_run_in(&cwd));
        if !is_named_so
            || !(buffers.has_name() || is_here())
            || !self.is_monopoll(proc, guard, executable(proc, guard).as_deref(), me)
            || compared.compare(self, proc, guard, args).is_none()
        {
            return Vec::new();
        }
        let mut environ = Vec::new();
        let mut is_its_own = |pid: &u32| {
            proc.read(*pid, "environ", &mut environ).is_ok()
                && find_by_marker::living_guard(proc, *pid, &environ, tool_name)
                    .is_some_and(|marker| marker.guard.pid == guard)
        };
        children(proc, guard).into_iter().filter(|pid| is_its_own(pid)).collect()
    }

    pub(super) fn compare_guarded(
        &self,
        proc: &ProcFs,
        guard: u32,
        args: &[u8],
    ) -> Option<Comparison> {
        let mine = self.command.as_ref()?;
        let cwd = folder(proc, guard)?;
        let their_args = command_of(args)?;
        let found;
        let theirs = if their_args == mine.args && cwd == mine.cwd {
            mine
        } else {
            let logical = logical(&cwd);
            found = Command::find_without_started(their_args, cwd, logical).ok()?;
            &found
        };
        let process = RunningCommand {
            args: theirs.args.iter().map(OsString::as_os_str).collect(),
            cwd: Some(&theirs.cwd),
            exe: &|| Some(theirs.program.clone()),
            executes: &|program| is_same_file(program, &theirs.program),
            environ: &|| environ(proc, guard),
            sees: &|theirs, mine| sees(proc, guard, theirs, mine),
            opens: &|_| false,
        };
        let mut comparison = mine.compare_command(theirs.runs.clone(), &process);
        if comparison.likeness.is_same() {
            // Both scripts set the same, so what counts is what they were given.
            comparison.set_by_scripts = values(mine.names_passed_on(), &environ(proc, guard));
            return Some(comparison);
        }
        // What COMMAND certainly starts is compared with the guard's processes themselves.
        let uncertain = mine.started.iter().filter(|it| it.certainty != Certainty::Certain);
        let mut comparisons = uncertain.map(|it| {
            let comparison = it.command.compare_command(theirs.runs.clone(), &process);
            comparison.likeness.is_same().then(|| it.with_certainty(comparison))
        });
        comparisons
            .find_map(|comparison| comparison)
            .or_else(|| mine.unclear_comparison(&theirs.runs, &process, |it| it.name().is_some()))
            .filter(|it| it.likeness.is_same())
    }
}

/// Returns the children of a process. Some kernels are built without the list of children.
fn children(proc: &ProcFs, pid: u32) -> Vec<u32> {
    let mut list = Vec::new();
    if proc.read(pid, &format!("task/{pid}/children"), &mut list).is_ok() {
        let pids = String::from_utf8_lossy(&list);
        return pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    }
    let Ok(pids) = proc.pids() else { return Vec::new() };
    let is_child = |child: &u32| proc.stat(*child, &mut list).is_ok_and(|stat| stat.parent == pid);
    pids.into_iter().filter(is_child).collect()
}
