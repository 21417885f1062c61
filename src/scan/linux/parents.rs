//! The parents of all processes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::sys::clock;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::proc_stat::ProcStat;
use crate::sys::linux::reader_pool::ReadTask;

pub(super) type Stats = BTreeMap<u32, ProcStat>;

/// With fewer processes a second thread costs more than it saves.
pub(super) const WORTH_A_SECOND_THREAD: usize = 64;

pub(crate) struct ParentMap {
    pub(super) stats: Stats,
    /// Every process that was listed could be read, and so could its parent.
    pub(super) is_complete: bool,
    /// The time before the processes were listed.
    pub(super) listed: Duration,
    /// The pid that was assigned last before that, if it is known.
    pub(super) last_pid: Option<u32>,
    began: Duration,
    ended: Duration,
}

impl ParentMap {
    pub(super) fn read(proc: &Arc<ProcFs>) -> io::Result<ParentMap> {
        let (listed, last_pid) = (clock::monotonic(), proc.last_pid().ok());
        let pids = proc.pids()?;
        let began = clock::monotonic();
        let stats = read_all(proc, &pids);
        let has_parent = |stat: &ProcStat| stat.parent == 0 || stats.contains_key(&stat.parent);
        let is_complete = stats.len() == pids.len() && stats.values().all(has_parent);
        let ended = clock::monotonic();
        let parents = ParentMap { stats, is_complete, listed, last_pid, began, ended };
        proc.require_complete().map(|()| parents)
    }

    /// Returns whether the table is fresh enough to reuse: its last line is no older than the first
    /// line of a new table would be once that was read.
    pub(super) fn is_fresh(&self) -> bool {
        clock::monotonic().saturating_sub(self.ended) <= self.ended.saturating_sub(self.began)
    }
}

/// Reads with two threads if a second one is idle: starting one takes longer than reading a hundred
/// lines. No thread hangs here: a stat line needs no access to the memory of its process.
fn read_all(proc: &Arc<ProcFs>, pids: &[u32]) -> Stats {
    if pids.len() < WORTH_A_SECOND_THREAD || !proc.readers.has_idle() {
        return read(proc, pids);
    }
    let (first, second) = pids.split_at(pids.len() / 2);
    let (its_proc, its_pids) = (Arc::clone(proc), second.to_vec());
    let other = ReadTask::start(&proc.readers, move || read(&its_proc, &its_pids));
    let mut all = read(proc, first);
    let other = other.and_then(|other| other.finish(&proc.readers));
    all.extend(other.unwrap_or_else(|_| read(proc, second)));
    read_again(proc, &mut all);
    all
}

/// Reads the processes without a parent again: they may have been read before their parent ended
/// and was missed.
fn read_again(proc: &ProcFs, stats: &mut Stats) {
    let orphans: Vec<u32> = stats
        .iter()
        .filter(|(_, stat)| stat.parent != 0 && !stats.contains_key(&stat.parent))
        .map(|(pid, _)| *pid)
        .collect();
    stats.extend(read(proc, &orphans));
}

fn read(proc: &ProcFs, pids: &[u32]) -> Stats {
    let mut buffer = Vec::new();
    pids.iter()
        .filter_map(|pid| proc.stat(*pid, &mut buffer).ok().map(|stat| (*pid, stat)))
        .collect()
}

/// Reads these processes and their parents.
pub(super) fn read_with_parents(proc: &ProcFs, pids: &[u32]) -> io::Result<Stats> {
    let mut stats = read(proc, pids);
    let read_parents = |stats: &mut Stats| {
        let parents = stats.values().map(|stat| stat.parent);
        let parents: Vec<u32> = parents.filter(|parent| !stats.contains_key(parent)).collect();
        stats.extend(read(proc, &parents));
    };
    read_parents(&mut stats);
    read_again(proc, &mut stats);
    read_parents(&mut stats);
    proc.require_complete().map(|()| stats)
}

pub(super) fn with_ancestors(proc: &ProcFs, pid: u32) -> Stats {
    let mut buffer = Vec::new();
    let mut stats = Stats::new();
    let mut at = pid;
    while let Ok(stat) = proc.stat(at, &mut buffer)
        && stats.insert(at, stat).is_none()
    {
        at = stat.parent;
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_child_is_in_the_next_reading_and_the_old_one_is_not_fresh_any_more() {
        let (proc, me) = (Arc::new(ProcFs::open().unwrap()), std::process::id());
        let before = ParentMap::read(&proc).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        std::thread::sleep(2 * before.ended.saturating_sub(before.began));
        let after = ParentMap::read(&proc).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!before.is_fresh());
        assert!(!before.stats.contains_key(&child.id()));
        assert_eq!(after.stats[&child.id()].parent, me);
    }
}
