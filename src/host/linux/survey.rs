//! The process table in two passes: a fast one that finds the few that matter, a close one that describes them.
//!
//! Reading about a process that hangs in the kernel can hang as well (its memory is locked). So a thread of its own looks,
//! and one that hangs is left behind: the look starts again without the process that it hangs at.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use super::{
    describe::{Describer, Stats},
    handle::Handle,
    proc::Proc,
    query::{Buffers, Concern, Query},
};
use crate::engine::{fact::Fact, snapshot::Process};

/// Longer than this for one process is a hang; a healthy one takes some microseconds.
const HANG: Duration = Duration::from_millis(250);

/// What was seen of the processes.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) processes: Vec<Process>,
    pub(super) handles: BTreeMap<u32, Handle>,
}

/// Looks for whoever concerns `query`, and describes these processes and those of `known` with all their descendants.
pub(super) fn survey(proc: &Arc<Proc>, query: &Arc<Query>, known: &BTreeSet<u32>, me: u32) -> std::io::Result<Survey> {
    let mut hanging = BTreeSet::new();
    loop {
        let at = Arc::new(AtomicU32::new(0));
        let (send, receive) = mpsc::sync_channel(1);
        let look =
            Look { proc: Arc::clone(proc), query: Arc::clone(query), known: known.clone(), me, skip: hanging.clone(), at: Arc::clone(&at) };
        std::thread::Builder::new().name("look".to_owned()).spawn(move || {
            // Nobody listens to a thread that was left behind.
            let _ = send.send(look.run());
        })?;
        let mut before = 0;
        loop {
            match receive.recv_timeout(HANG) {
                Ok(survey) => return survey,
                Err(RecvTimeoutError::Disconnected) => return Err(std::io::Error::other("the look at the process table failed")),
                Err(RecvTimeoutError::Timeout) => {
                    let now = at.load(Ordering::Relaxed);
                    if now == before && now != 0 {
                        hanging.insert(now);
                        break;
                    }
                    before = now;
                }
            }
        }
    }
}

struct Look {
    proc: Arc<Proc>,
    query: Arc<Query>,
    known: BTreeSet<u32>,
    me: u32,
    skip: BTreeSet<u32>,
    /// Where it is, for whoever watches.
    at: Arc<AtomicU32>,
}

impl Look {
    fn run(self) -> std::io::Result<Survey> {
        let mut buffers = Buffers::default();
        let pids = self.proc.pids()?;
        let mut candidates = self.known.clone();
        let mut suspects = BTreeSet::new();
        for &pid in &pids {
            self.at.store(pid, Ordering::Relaxed);
            if pid == self.me || self.skip.contains(&pid) {
                continue;
            }
            match self.query.concern(&self.proc, pid, &mut buffers) {
                Concern::None => {}
                Concern::Suspect => drop(suspects.insert(pid)),
                Concern::Candidate => drop(candidates.insert(pid)),
            }
        }
        // Who is whose parent matters for everybody only where there is a tree to be gathered.
        let stats = match (candidates.is_empty(), suspects.is_empty()) {
            (true, true) => return self.proc.insist_on_all().map(|()| Survey::default()),
            (true, false) => suspects.iter().chain([&self.me]).flat_map(|pid| chain(&self.proc, *pid)).collect(),
            (false, _) => stats(&self.proc, &pids),
        };
        let mut all = with_descendants(candidates, &stats, self.me);
        all.extend(suspects);
        let mut describer = Describer::new(&self.proc, &self.query, &stats, self.me);
        let mut survey = Survey::default();
        for pid in all.into_iter().filter(|pid| !self.skip.contains(pid)) {
            self.at.store(pid, Ordering::Relaxed);
            let holds_lock = Fact::Known(self.known.contains(&pid));
            if let Some((process, handle)) = describer.describe(pid, holds_lock, &mut buffers) {
                survey.processes.push(process);
                survey.handles.insert(pid, handle);
            }
        }
        self.proc.insist_on_all()?;
        Ok(survey)
    }
}

/// Everybody's parents.
pub(super) fn stats(proc: &Proc, pids: &[u32]) -> Stats {
    let mut buffer = Vec::new();
    pids.iter().filter_map(|pid| proc.stat(*pid, &mut buffer).ok().map(|stat| (*pid, stat))).collect()
}

/// A process and everything above it.
fn chain(proc: &Proc, pid: u32) -> Stats {
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
pub(super) fn with_descendants(roots: BTreeSet<u32>, stats: &Stats, me: u32) -> BTreeSet<u32> {
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
