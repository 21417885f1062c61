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
        snapshot::{GuardView, Process, ProcessId},
    },
    scan::{
        linux::{
            describe::Describer,
            find_by_marker::Wanted,
            parents::{Lineage, Stats, WORTH_A_SECOND_THREAD, chain, with_descendants},
            pid_feed::{Feed, Listing},
            prefilter::Buffers,
        },
        request::{Concern, Query},
        types::Breadth,
    },
    sys::linux::{
        pidfd::Handle,
        proc_fs::Proc,
        reader_pool::{Errand, Progress},
    },
};

/// How much of the list of processes is waited for before they are read about, in bytes: about a
/// hundred of them.
const AT_ONCE: usize = 4 << 10;

/// What was seen of the processes.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) processes: Vec<Process>,
    pub(crate) handles: BTreeMap<u32, Handle>,
    /// Who was whose parent, where that was read of everybody.
    pub(crate) lineage: Option<Lineage>,
}

/// A look through all processes that has begun.
pub(crate) struct Sifting {
    processes: usize,
    sieves: Vec<Errand<Found>>,
}

impl Sifting {
    /// Begins to look for whoever concerns `query`.
    ///
    /// # Errors
    /// The processes cannot be listed, or there is no thread to be had.
    pub(crate) fn begin(
        proc: &Arc<Proc>,
        query: &Arc<Query>,
        breadth: Breadth,
        wanted: Option<Wanted>,
        me: u32,
    ) -> io::Result<Sifting> {
        let sieve = Arc::new(Sieve { query: Arc::clone(query), breadth, wanted, me });
        let (feed, mut sieves) = (Arc::new(Feed::default()), Vec::new());
        let listing = Listing(&feed);
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
        Ok(Sifting { processes: feed.len(), sieves })
    }

    /// Waits for what was found.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn finish(self, proc: &Proc, me: u32) -> io::Result<Sifted> {
        let (mut skip, mut found) = (BTreeSet::new(), Found::default());
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
        Ok(Sifted { skip, found })
    }
}

/// What a look through all processes has found.
pub(crate) struct Sifted {
    /// Who could not be read about.
    skip: BTreeSet<u32>,
    found: Found,
}

impl Sifted {
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
        proc: &Arc<Proc>,
        query: &Arc<Query>,
        known: &BTreeSet<u32>,
        me: u32,
    ) -> io::Result<Survey> {
        let Sifted { skip, mut found } = self;
        found.candidates.extend(known);
        if found.candidates.is_empty() && found.suspects.is_empty() && query.asked.is_none() {
            return proc.insist_on_all().map(|()| Survey::default());
        }
        let (its_proc, its_query, known) = (Arc::clone(proc), Arc::clone(query), known.clone());
        let describe = move |progress: &Progress, caught: &BTreeSet<u32>| {
            let skip: BTreeSet<u32> = skip.union(caught).copied().collect();
            found.describe(&its_proc, &its_query, &known, me, progress, &skip)
        };
        let survey = Errand::begin(proc, describe)?.finish(proc, me, &mut BTreeSet::new())?;
        proc.insist_on_all().and(survey)
    }
}

/// Who is worth a closer look.
#[derive(Debug, Default)]
struct Found {
    candidates: BTreeSet<u32>,
    suspects: BTreeSet<u32>,
    /// Those that hold a lock for one of them.
    guards: BTreeMap<ProcessId, GuardView>,
}

/// Through which the processes go.
struct Sieve {
    query: Arc<Query>,
    breadth: Breadth,
    wanted: Option<Wanted>,
    me: u32,
}

impl Sieve {
    /// Takes each process in its share: every other one, as the kernel's own, of which there is
    /// less to read, all come first.
    fn begin(
        self: &Arc<Self>,
        proc: &Arc<Proc>,
        feed: &Arc<Feed>,
        share: usize,
        shares: usize,
    ) -> io::Result<Errand<Found>> {
        let (sieve, its_proc, feed) = (Arc::clone(self), Arc::clone(proc), Arc::clone(feed));
        Errand::begin(proc, move |progress, skip| {
            let (mut buffers, mut found) = (Buffers::of(&sieve.query), Found::default());
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

    fn sift(&self, proc: &Proc, pid: u32, buffers: &mut Buffers, found: &mut Found) {
        match self.query.concern(proc, pid, self.me, self.breadth, buffers) {
            Concern::None => {}
            Concern::Suspect => drop(found.suspects.insert(pid)),
            Concern::Candidate => drop(found.candidates.insert(pid)),
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

impl Found {
    fn describe(
        &self,
        proc: &Arc<Proc>,
        query: &Query,
        known: &BTreeSet<u32>,
        me: u32,
        progress: &Progress,
        skip: &BTreeSet<u32>,
    ) -> io::Result<Survey> {
        // Who is whose parent matters for everybody only where there is a tree to be gathered.
        let lineage =
            if self.candidates.is_empty() { None } else { Some(Lineage::read(proc, me)?) };
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
        let mut buffers = Buffers::default();
        let mut survey = Survey::default();
        for pid in all.into_iter().filter(|pid| !skip.contains(pid)) {
            progress.at(pid);
            if let Some((process, handle)) =
                describer.describe(pid, Fact::Known(known.contains(&pid)), &mut buffers)
            {
                survey.processes.push(process);
                survey.handles.insert(pid, handle);
            }
        }
        Ok(Survey { lineage, ..survey })
    }
}

/// A holder of the lock, described alone.
pub(crate) fn alone(
    proc: &Arc<Proc>,
    query: &Arc<Query>,
    pid: u32,
    me: u32,
) -> Option<(Process, Handle)> {
    let (its_proc, its_query) = (Arc::clone(proc), Arc::clone(query));
    let describe = move |progress: &Progress, caught: &BTreeSet<u32>| {
        progress.at(pid);
        let stats: Stats = [pid, me].into_iter().flat_map(|pid| chain(&its_proc, pid)).collect();
        let mut describer = Describer::new(&its_proc, &its_query, &stats, me);
        let it = (!caught.contains(&pid))
            .then(|| describer.describe(pid, Fact::Known(true), &mut Buffers::default()));
        it.flatten()
    };
    Errand::begin(proc, describe).ok()?.finish(proc, me, &mut BTreeSet::new()).ok()?
}
