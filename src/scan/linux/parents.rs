//! Who is whose parent.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::Duration,
};

use crate::sys::{
    clock,
    linux::{
        proc_fs::{ProcFs, ProcStat},
        reader_pool::ReadTask,
    },
};

/// What `/proc/PID/stat` says, by pid.
pub(crate) type Stats = BTreeMap<u32, ProcStat>;

/// With fewer processes a second thread costs more than it saves.
pub(crate) const WORTH_A_SECOND_THREAD: usize = 64;

/// Everybody, read in one go.
#[derive(Debug)]
pub(crate) struct ParentMap {
    stats: Stats,
    began: Duration,
    ended: Duration,
}

impl ParentMap {
    /// Of everybody there is.
    ///
    /// # Errors
    /// The processes cannot be listed, or there were too few descriptors for them.
    pub(crate) fn read(proc: &Arc<ProcFs>, me: u32) -> io::Result<ParentMap> {
        let lineage = ParentMap::of(proc, &proc.pids()?, me);
        proc.insist_on_all().map(|()| lineage)
    }

    fn of(proc: &Arc<ProcFs>, pids: &[u32], me: u32) -> ParentMap {
        let began = clock::patience();
        let stats = stats_of_all(proc, pids, me);
        ParentMap { stats, began, ended: clock::patience() }
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether reading it again would hardly show more: the first of those lines would be as old as
    /// the last one here is now.
    pub(crate) fn is_fresh(&self) -> bool {
        clock::patience().saturating_sub(self.ended) <= self.ended.saturating_sub(self.began)
    }
}

/// By two threads, where a second one is there already: it takes longer to begin one than to read
/// about a hundred. Nobody hangs here: to say who is whose parent takes no look into anybody's
/// memory.
fn stats_of_all(proc: &Arc<ProcFs>, pids: &[u32], me: u32) -> Stats {
    if pids.len() < WORTH_A_SECOND_THREAD || !proc.readers().has_idle() {
        return stats(proc, pids);
    }
    let (mine, theirs) = pids.split_at(pids.len() / 2);
    let (its_proc, its_pids) = (Arc::clone(proc), theirs.to_vec());
    let other = ReadTask::begin(proc, move |_, _| stats(&its_proc, &its_pids));
    let mut all = stats(proc, mine);
    let other = other.and_then(|other| other.finish(proc, me, &mut BTreeSet::new()));
    // Where there is no second thread to be had, one reads them all.
    all.extend(other.unwrap_or_else(|_| stats(proc, theirs)));
    // A parent that had ended when it was asked has given its children away, and they may have been
    // asked before that.
    let orphans: Vec<u32> = all
        .iter()
        .filter(|(_, stat)| stat.parent != 0 && !all.contains_key(&stat.parent))
        .map(|(pid, _)| *pid)
        .collect();
    all.extend(stats(proc, &orphans));
    all
}

fn stats(proc: &ProcFs, pids: &[u32]) -> Stats {
    let mut buffer = Vec::new();
    pids.iter()
        .filter_map(|pid| proc.stat(*pid, &mut buffer).ok().map(|stat| (*pid, stat)))
        .collect()
}

/// A process and everything above it.
pub(crate) fn chain(proc: &ProcFs, pid: u32) -> Stats {
    let mut buffer = Vec::new();
    let mut chain = Stats::new();
    let mut at = pid;
    while let Ok(stat) = proc.stat(at, &mut buffer)
        && chain.insert(at, stat).is_none()
    {
        at = stat.parent;
    }
    chain
}

/// These and everything below them, but for what is below `me`.
pub(crate) fn with_descendants(roots: BTreeSet<u32>, stats: &Stats, me: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, stat) in stats {
        children.entry(stat.parent).or_default().push(*pid);
    }
    let mut all = roots;
    let mut open: Vec<u32> = all.iter().copied().collect();
    while let Some(pid) = open.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            if child != me && all.insert(child) {
                open.push(child);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_came_later_is_in_the_next_reading_and_the_old_one_is_not_fresh_any_more() {
        let (proc, me) = (Arc::new(ProcFs::open().unwrap()), std::process::id());
        let before = ParentMap::read(&proc, me).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        std::thread::sleep(2 * before.ended.saturating_sub(before.began));
        let after = ParentMap::read(&proc, me).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!before.is_fresh());
        assert!(!before.stats().contains_key(&child.id()));
        assert_eq!(after.stats()[&child.id()].parent, me);
        assert!(with_descendants(BTreeSet::from([me]), after.stats(), 0).contains(&child.id()));
    }
}
