//! The process table in two passes: a fast one that finds the few that matter, a close one that
//! describes them.
//!
//! Both read on threads of their own (see `errand`), the first on two, because it is all of the
//! work where nobody is found.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use tracing::trace;

use crate::{
    engine::{
        fact::Fact,
        process::{Process, ProcessId},
        snapshot::GuardView,
    },
    scan::{
        linux::{
            describe::Describer,
            find_by_marker::MarkerSearch,
            parents::{ParentMap, Stats, WORTH_A_SECOND_THREAD, chain, with_descendants},
            pid_feed::{PidFeed, PidFeedEnd},
            prefilter::ReadBuffers,
        },
        lock_probe::ScanScope,
        request::{Relevance, ScanRequest},
    },
    sys::linux::{
        pidfd::ProcessHandle,
        proc_fs::ProcFs,
        reader_pool::{ReadProgress, ReadTask},
    },
};

/// How much of the list of processes is waited for before they are read about, in bytes: about a
/// hundred of them.
const AT_ONCE: usize = 4 << 10;

/// What was seen of the processes.
#[derive(Debug, Default)]
pub(crate) struct ScanResult {
    pub(crate) processes: Vec<Process>,
    pub(crate) handles: BTreeMap<u32, ProcessHandle>,
    /// Who was whose parent, where that was read of everybody.
    pub(crate) lineage: Option<ParentMap>,
}

/// A look through all processes that has begun.
pub(crate) struct RunningScan {
    processes: usize,
    sieves: Vec<ReadTask<Findings>>,
}

impl RunningScan {
    /// Begins to look for whoever concerns `query`.
    ///
    /// # Errors
    /// The processes cannot be listed, or there is no thread to be had.
    pub(crate) fn begin(
        proc: &Arc<ProcFs>,
        query: &Arc<ScanRequest>,
        breadth: ScanScope,
        wanted: Option<MarkerSearch>,
        me: u32,
    ) -> io::Result<RunningScan> {
        let sieve = Arc::new(Prefilter { query: Arc::clone(query), breadth, wanted, me });
        let (feed, mut sieves) = (Arc::new(PidFeed::default()), Vec::new());
        let listing = PidFeedEnd(&feed);
        proc.list(AT_ONCE, &mut |pids| {
            feed.extend(pids);
            if sieves.is_empty() && !pids.is_empty() {
                let shares = if pids.len() < WORTH_A_SECOND_THREAD { 1 } else { 2 };
                sieves = (0..shares)
                    .map(|share| sieve.begin(proc, &feed, share, shares))
                    .collect::<Result<_, _>>()?;
            }
            Ok(())
        })?;
        drop(listing);
        Ok(RunningScan { processes: feed.len(), sieves })
    }

    /// Waits for what was found.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn finish(self, proc: &ProcFs, me: u32) -> io::Result<Sieved> {
        let (mut skip, mut found) = (BTreeSet::new(), Findings::default());
        for sieve in self.sieves {
            let more = sieve.finish(proc, me, &mut skip)?;
            found.candidates.extend(more.candidates);
            found.suspects.extend(more.suspects);
            found.guards.extend(more.guards);
        }
        let (processes, candidates, suspects) =
            (self.processes, found.candidates.len(), found.suspects.len());
        trace!(
            processes,
            candidates, suspects, "of {processes} processes {candidates} may be in the way"
        );
        Ok(Sieved { skip, found })
    }
}

/// What a look through all processes has found.
pub(crate) struct Sieved {
    /// Who could not be read about.
    skip: BTreeSet<u32>,
    found: Findings,
}

impl Sieved {
    /// The guards that were wanted.
    pub(crate) fn guards(&mut self) -> Vec<GuardView> {
        std::mem::take(&mut self.found.guards).into_values().collect()
    }

    /// Describes those that were found and those of `known` with all their descendants; whoever
    /// `query` asks for is described too, alone.
    ///
    /// # Errors
    /// Something was not seen that may be there.
    pub(crate) fn describe(
        self,
        proc: &Arc<ProcFs>,
        query: &Arc<ScanRequest>,
        known: &BTreeSet<u32>,
        me: u32,
    ) -> io::Result<ScanResult> {
        let Sieved { skip, mut found } = self;
        found.candidates.extend(known);
        if found.candidates.is_empty() && found.suspects.is_empty() && query.asked.is_none() {
            return proc.insist_on_all().map(|()| ScanResult::default());
        }
        let (its_proc, its_query, known) = (Arc::clone(proc), Arc::clone(query), known.clone());
        let describe = move |progress: &ReadProgress, caught: &BTreeSet<u32>| {
            let skip: BTreeSet<u32> = skip.union(caught).copied().collect();
            found.describe(&its_proc, &its_query, &known, me, progress, &skip)
        };
        let survey = ReadTask::begin(proc, describe)?.finish(proc, me, &mut BTreeSet::new())?;
        proc.insist_on_all().and(survey)
    }
}

/// Who is worth a closer look.
#[derive(Debug, Default)]
struct Findings {
    candidates: BTreeSet<u32>,
    suspects: BTreeSet<u32>,
    /// Those that hold a lock for one of them.
    guards: BTreeMap<ProcessId, GuardView>,
}

/// Through which the processes go.
struct Prefilter {
    query: Arc<ScanRequest>,
    breadth: ScanScope,
    wanted: Option<MarkerSearch>,
    me: u32,
}

impl Prefilter {
    /// Takes each process in its share: every other one, as the kernel's own, of which there is
    /// less to read, all come first.
    fn begin(
        self: &Arc<Self>,
        proc: &Arc<ProcFs>,
        feed: &Arc<PidFeed>,
        share: usize,
        shares: usize,
    ) -> io::Result<ReadTask<Findings>> {
        let (sieve, its_proc, feed) = (Arc::clone(self), Arc::clone(proc), Arc::clone(feed));
        ReadTask::begin(proc, move |progress, skip| {
            let (mut buffers, mut found) = (ReadBuffers::of(&sieve.query), Findings::default());
            let mut known = 0;
            loop {
                let more = feed.after(known);
                if more.is_empty() {
                    return found;
                }
                let mine = (known..).zip(&more).filter(|(at, _)| at % shares == share);
                for pid in
                    mine.map(|(_, pid)| *pid).filter(|pid| *pid != sieve.me && !skip.contains(pid))
                {
                    progress.at(pid);
                    sieve.sift(&its_proc, pid, &mut buffers, &mut found);
                }
                known += more.len();
            }
        })
    }

    fn sift(&self, proc: &ProcFs, pid: u32, buffers: &mut ReadBuffers, found: &mut Findings) {
        match self.query.concern(proc, pid, self.me, self.breadth, buffers) {
            Relevance::None => {}
            Relevance::Suspect => drop(found.suspects.insert(pid)),
            Relevance::Candidate => drop(found.candidates.insert(pid)),
        }
        if let Some(wanted) = &self.wanted
            && !buffers.last_was_bare()
            && let Some(guard) = wanted.guard_of(proc, pid, buffers)
            && let Some(id) = guard.process
        {
            found.guards.entry(id).or_insert(guard);
        }
    }
}

impl Findings {
    fn describe(
        &self,
        proc: &Arc<ProcFs>,
        query: &ScanRequest,
        known: &BTreeSet<u32>,
        me: u32,
        progress: &ReadProgress,
        skip: &BTreeSet<u32>,
    ) -> io::Result<ScanResult> {
        // Who is whose parent matters for everybody only where there is a tree to be gathered.
        let lineage =
            if self.candidates.is_empty() { None } else { Some(ParentMap::read(proc, me)?) };
        let few: Stats;
        let stats = if let Some(lineage) = &lineage {
            lineage.stats()
        } else {
            few = self
                .suspects
                .iter()
                .chain([&me])
                .chain(&query.asked)
                .flat_map(|pid| chain(proc, *pid))
                .collect();
            &few
        };
        let mut all = with_descendants(self.candidates.clone(), stats, me);
        all.extend(&self.suspects);
        all.extend(query.asked);
        let mut describer = Describer::new(proc, query, stats, me);
        let mut buffers = ReadBuffers::default();
        let mut survey = ScanResult::default();
        for pid in all.into_iter().filter(|pid| !skip.contains(pid)) {
            progress.at(pid);
            if let Some((process, handle)) =
                describer.describe(pid, Fact::Known(known.contains(&pid)), &mut buffers)
            {
                survey.processes.push(process);
                survey.handles.insert(pid, handle);
            }
        }
        Ok(ScanResult { lineage, ..survey })
    }
}

/// A holder of the lock, described alone.
pub(crate) fn alone(
    proc: &Arc<ProcFs>,
    query: &Arc<ScanRequest>,
    pid: u32,
    me: u32,
) -> Option<(Process, ProcessHandle)> {
    let (its_proc, its_query) = (Arc::clone(proc), Arc::clone(query));
    let describe = move |progress: &ReadProgress, caught: &BTreeSet<u32>| {
        progress.at(pid);
        let stats: Stats = [pid, me].into_iter().flat_map(|pid| chain(&its_proc, pid)).collect();
        let mut describer = Describer::new(&its_proc, &its_query, &stats, me);
        let it = (!caught.contains(&pid))
            .then(|| describer.describe(pid, Fact::Known(true), &mut ReadBuffers::default()));
        it.flatten()
    };
    ReadTask::begin(proc, describe).ok()?.finish(proc, me, &mut BTreeSet::new()).ok()?
}
