//! Shells and watchers that start COMMAND, among the processes that were found.

use std::collections::BTreeSet;

use crate::engine::fact::{Fact, Truth};
use crate::engine::likeness::{CommandDoubt, CommandLikeness};
use crate::scan::linux::find_by_marker::is_below;
use crate::scan::linux::find_processes::{FoundProcesses, ScanResult};
use crate::sys::linux::proc_fs::ProcFs;

impl FoundProcesses {
    /// Returns the starters that this process, `me`, did not start itself.
    pub(super) fn unrelated_starters(&self, proc: &ProcFs, me: u32) -> BTreeSet<u32> {
        self.starters.iter().filter(|pid| !is_below(proc, **pid, me)).copied().collect()
    }

    /// Puts those of these starters in doubt that have no bot now: they start it, now or again. The
    /// bot of another one is found itself. The forks of a shell have its words.
    pub(super) fn mark_starters(&self, result: &mut ScanResult, starters: &BTreeSet<u32>) {
        if starters.is_empty() {
            return;
        }
        let Some(parents) = &result.parents else { return };
        let parent = |pid: &u32| parents.stats.get(pid).map(|stat| stat.parent);
        let ancestors =
            |pid: u32| std::iter::successors(parent(&pid), parent).take(parents.stats.len());
        let top = |pid: u32| ancestors(pid).filter(|it| starters.contains(it)).last();
        let mut with_bot = BTreeSet::new();
        for process in &result.processes {
            let pid = process.id.pid;
            let is_bot = self.is_candidate(pid) || process.is_same_command() == Truth::True;
            if is_bot && !starters.contains(&pid) {
                with_bot.extend(ancestors(pid).filter(|it| starters.contains(it)));
            }
        }
        let marked: BTreeSet<u32> = starters
            .iter()
            .copied()
            .filter(|pid| top(*pid).is_none() && !with_bot.contains(pid))
            .collect();
        for process in &mut result.processes {
            let is_below_guard = !matches!(process.guard, Fact::Known(None));
            if marked.contains(&process.id.pid) && !is_below_guard {
                process.likeness = Fact::Known(CommandLikeness::Same);
                process.command_doubt = Fact::Known(Some(CommandDoubt::StartsAgain));
            }
        }
    }
}
