//! Scans the process table in two passes: the first finds the few processes that matter, the second
//! describes them.
//!
//! Both read on their own threads (see `reader_pool`). The first uses two, because it does all of
//! the work if nothing is found.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use tracing::trace;

use crate::engine::fact::{Fact, Truth};
use crate::engine::managed_by::ManagedBy;
use crate::engine::process::{Process, ProcessId, Role};
use crate::engine::snapshot::GuardView;
use crate::scan::linux::command_search::CommandSearch;
use crate::scan::linux::connections::{open_sockets, sockets_of_user};
use crate::scan::linux::describe::Describer;
use crate::scan::linux::find_by_marker::{FoundByMarker, MarkerSearch};
use crate::scan::linux::guarded_command::GuardedCommands;
use crate::scan::linux::own_folders::OwnFolders;
use crate::scan::linux::parents::{ParentMap, Stats, WORTH_A_SECOND_THREAD, with_ancestors};
use crate::scan::linux::pid_feed::{PidFeed, PidFeedEnd};
use crate::scan::linux::read_buffers::ReadBuffers;
use crate::scan::linux::systemd_units::SystemdUnits;
use crate::scan::process_tree::with_descendants;
use crate::scan::scan_request::{Relevance, ScanRequest, ScanScope};
use crate::scan::wrapper_programs::is_wrapper;
use crate::sys::linux::proc_fs::ProcFs;
use crate::sys::linux::process_handle::ProcessHandle;
use crate::sys::linux::reader_pool::ReadTask;

/// The bytes of the process list that are read at once: about a hundred processes.
const BATCH_BYTES: usize = 4 << 10;

#[derive(Default)]
pub(super) struct ScanResult {
    pub(super) processes: Vec<Process>,
    pub(super) handles: Vec<ProcessHandle>,
    pub(super) parents: Option<ParentMap>,
    /// The guards above one of the processes, by their markers.
    pub(super) other_guards: Vec<GuardView>,
}

impl ScanResult {
    /// Reads each parent again now that every process is pinned, then drops the processes that have
    /// ended. The rest kept their pids the whole time, so each parent's pid means the process
    /// described here, even if other pids were reused.
    fn keep_proven_parents(&mut self, proc: &ProcFs) {
        let mut buffer = Vec::new();
        for process in &mut self.processes {
            let stat = proc.stat(process.id.pid, &mut buffer);
            process.parent = stat.ok().map(|stat| stat.parent).into();
        }
        let described = std::mem::take(&mut self.processes).into_iter();
        let pinned = described.zip(std::mem::take(&mut self.handles));
        (self.processes, self.handles) = pinned.filter(|(_, handle)| !handle.has_ended()).unzip();
    }
}

pub(super) struct RunningScan {
    processes: usize,
    tasks: Vec<ReadTask<FoundProcesses>>,
}

impl RunningScan {
    pub(super) fn start(
        proc: &Arc<ProcFs>,
        request: &Arc<ScanRequest>,
        scope: ScanScope,
        marker: Option<MarkerSearch>,
        starters: StarterSearch,
        own_folders: Arc<OwnFolders>,
        me: u32,
    ) -> io::Result<RunningScan> {
        let request = Arc::clone(request);
        let search = Arc::new(request.command.as_ref().map(CommandSearch::new));
        let pass = FirstPass { request, search, own_folders, scope, marker, starters, me };
        let pass = Arc::new(pass);
        let (feed, mut tasks) = (Arc::new(PidFeed::default()), Vec::new());
        let feed_end = PidFeedEnd(&feed);
        proc.list(BATCH_BYTES, &mut |pids| {
            feed.extend(pids);
            if tasks.is_empty() && !pids.is_empty() {
                let shares = if pids.len() < WORTH_A_SECOND_THREAD { 1 } else { 2 };
                tasks = (0..shares)
                    .map(|share| pass.start(proc, &feed, share, shares))
                    .collect::<Result<_, _>>()?;
            }
            Ok(())
        })?;
        drop(feed_end);
        Ok(RunningScan { processes: feed.len(), tasks })
    }

    pub(super) fn finish(self, proc: &ProcFs) -> io::Result<FoundProcesses> {
        let mut found = FoundProcesses::default();
        for task in self.tasks {
            let more = task.finish(&proc.readers)?;
            found.candidates.extend(more.candidates);
            found.suspects.extend(more.suspects);
            found.here.extend(more.here);
            found.guards.extend(more.guards);
            found.left_with_lock.extend(more.left_with_lock);
            found.guarded.extend(more.guarded);
            found.starters.extend(more.starters);
        }
        let (processes, candidates, suspects) =
            (self.processes, found.candidates.len(), found.suspects.len());
        trace!(
            processes,
            candidates, suspects, "of {processes} processes, {candidates} are candidates"
        );
        Ok(found)
    }
}

/// The search for shells and watchers that start the bot again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StarterSearch {
    On,
    /// This start has ended the bot of one, which now is in its pause, or this is no start.
    Off,
}

#[derive(Debug, Default)]
pub(super) struct FoundProcesses {
    candidates: BTreeSet<u32>,
    suspects: BTreeSet<u32>,
    /// Guards that were found by the marker of one of them.
    pub(super) guards: BTreeMap<ProcessId, GuardView>,
    /// What a killed guard left behind, with a lock that was deleted.
    pub(super) left_with_lock: BTreeSet<u32>,
    /// The COMMANDs of the guards that were looked at.
    guarded: GuardedCommands,
    /// Other processes of this start's folders, which may be connected.
    here: BTreeSet<u32>,
    /// Shells and watchers that start COMMAND.
    pub(super) starters: BTreeSet<u32>,
}

impl FoundProcesses {
    pub(super) fn is_candidate(&self, pid: u32) -> bool {
        self.candidates.contains(&pid)
    }

    /// Runs the second pass: describes the findings and `holders` with all their descendants, and
    /// only the process itself that `request` asks about. Fails if descriptors or memory were
    /// exhausted, because something may have been missed.
    pub(super) fn describe(
        mut self,
        proc: &Arc<ProcFs>,
        request: &Arc<ScanRequest>,
        holders: &BTreeSet<u32>,
        me: u32,
    ) -> io::Result<ScanResult> {
        self.candidates.extend(holders);
        let listed = self.suspects.len() + self.here.len() + self.starters.len();
        let found = self.candidates.len() + listed;
        if found == 0 && request.asked.is_none() {
            return proc.require_complete().map(|()| ScanResult::default());
        }
        let pass = SecondPass {
            found: self,
            proc: Arc::clone(proc),
            request: Arc::clone(request),
            holders: holders.clone(),
            me,
        };
        let task = ReadTask::start(&proc.readers, move || pass.describe_all())?;
        let result = task.finish(&proc.readers)?;
        proc.require_complete().and(result)
    }
}

struct SecondPass {
    found: FoundProcesses,
    proc: Arc<ProcFs>,
    request: Arc<ScanRequest>,
    holders: BTreeSet<u32>,
    me: u32,
}

impl SecondPass {
    /// Describes all; a suspect that turns out to poll is a candidate, whose tree matters too.
    fn describe_all(&self) -> io::Result<ScanResult> {
        let mut candidates = self.found.candidates.clone();
        let starters = self.found.unrelated_starters(&self.proc, self.me);
        candidates.extend(&starters);
        let connected = self.connected_nearby();
        loop {
            let mut result = self.describe(&candidates, &connected)?;
            self.found.mark_starters(&mut result, &starters);
            let polls = |process: &&Process| {
                let pid = process.id.pid;
                self.found.suspects.contains(&pid)
                    && !candidates.contains(&pid)
                    && self.request.polls(process)
            };
            let polling: BTreeSet<u32> =
                result.processes.iter().filter(polls).map(|process| process.id.pid).collect();
            if polling.is_empty() {
                if self.request.policy.may_end() {
                    self.ask_systemd(&mut result, candidates);
                }
                return Ok(result);
            }
            candidates.extend(polling);
        }
    }

    fn describe(
        &self,
        candidates: &BTreeSet<u32>,
        connected: &BTreeSet<u32>,
    ) -> io::Result<ScanResult> {
        let SecondPass { found, proc, request, holders, me } = self;
        let me = *me;
        // The table of all parents is needed only if there are trees to gather.
        let parents = if candidates.is_empty() { None } else { Some(ParentMap::read(proc)?) };
        let few: Stats;
        let stats = if let Some(parents) = &parents {
            &parents.stats
        } else {
            few = found
                .suspects
                .iter()
                .chain(connected)
                .chain([&me])
                .chain(&request.asked)
                .flat_map(|pid| with_ancestors(proc, *pid))
                .collect();
            &few
        };
        let pairs = stats.iter().map(|(pid, stat)| (*pid, stat.parent));
        let mut all = with_descendants(candidates.clone(), pairs, me);
        all.extend(found.suspects.iter().chain(connected));
        all.extend(request.asked);
        let mut describer = Describer::new(proc, request, stats, me);
        describer.guarded = found.guarded.clone();
        describer.connected_nearby.clone_from(connected);
        let mut buffers = ReadBuffers::default();
        let mut result = ScanResult::default();
        let mut open = all.clone();
        while let Some(pid) = open.pop_first() {
            let holds_lock = Fact::Known(holders.contains(&pid));
            let Some((process, handle)) = describer.describe(pid, holds_lock, &mut buffers) else {
                continue;
            };
            if let Some(guard) = process.guard_to_ask()
                && parents.is_some()
                && !all.contains(&guard.process.pid)
            {
                let pairs = stats.iter().map(|(pid, stat)| (*pid, stat.parent));
                let tree = with_descendants(BTreeSet::from([guard.process.pid]), pairs, me);
                open.extend(tree.difference(&all));
                all.extend(tree);
            }
            result.processes.push(process);
            result.handles.push(handle);
        }
        result.keep_proven_parents(proc);
        leave_launchers_to_guards(&mut result.processes, describer.guards.keys().copied(), stats);
        result.other_guards = describer
            .guards
            .into_iter()
            .filter(|(id, _)| all.contains(&id.pid))
            .map(|(_, view)| view)
            .collect();
        Ok(ScanResult { parents, ..result })
    }

    /// Returns the processes of this user that belong to COMMAND's project and are connected to the
    /// Bot API.
    fn connected_nearby(&self) -> BTreeSet<u32> {
        let SecondPass { found, proc, request, me, .. } = self;
        let mut here = found.here.clone();
        let Some(uid) = request.user.id.parse().ok().filter(|_| !here.is_empty()) else {
            return here;
        };
        let ancestors: Stats = with_ancestors(proc, *me).into_iter().collect();
        here.retain(|pid| !ancestors.contains_key(pid));
        let mut sockets = None;
        here.retain(|pid| {
            let sockets =
                sockets.get_or_insert_with(|| sockets_of_user(proc, &request.bot_api, *me, uid));
            !sockets.is_empty() && !sockets.is_disjoint(&open_sockets(proc, *pid))
        });
        here
    }

    /// Asks systemd about the services among the candidates and their trees.
    fn ask_systemd(&self, result: &mut ScanResult, candidates: BTreeSet<u32>) {
        let Some(parents) = &result.parents else { return };
        if !result.processes.iter().any(|it| it.manager().is_some_and(ManagedBy::is_systemd)) {
            return;
        }
        let pairs = parents.stats.iter().map(|(pid, stat)| (*pid, stat.parent));
        let tree = with_descendants(candidates, pairs, self.me);
        let mut units = SystemdUnits::new(&self.proc, &self.request.user.id);
        let in_tree = |process: &&mut Process| tree.contains(&process.id.pid);
        for process in result.processes.iter_mut().filter(in_tree) {
            process.restarts = units.restarts(process);
        }
    }
}

/// Marks the launchers of these guards as not the bot. A launcher may have the token on its command
/// line, as in `sudo … monopoll run`, or have started the program that became the guard, as in
/// `uv run main.py`. The guard is the process to ask.
fn leave_launchers_to_guards(
    processes: &mut [Process],
    guards: impl Iterator<Item = ProcessId>,
    stats: &Stats,
) {
    let parent = |pid: &u32| stats.get(pid).map(|stat| stat.parent);
    let launchers: BTreeSet<u32> = guards
        .flat_map(|guard| std::iter::successors(parent(&guard.pid), parent).take(stats.len()))
        .collect();
    for process in processes {
        if process.role == Role::Program
            && launchers.contains(&process.id.pid)
            && (process.is_same_command() == Truth::False
                || process.args.known().is_some_and(|args| is_wrapper(args)))
        {
            process.role = Role::ServesOthers;
        }
    }
}

struct FirstPass {
    request: Arc<ScanRequest>,
    search: Arc<Option<CommandSearch>>,
    /// Empty unless the scan lists near misses.
    own_folders: Arc<OwnFolders>,
    scope: ScanScope,
    marker: Option<MarkerSearch>,
    starters: StarterSearch,
    me: u32,
}

impl FirstPass {
    /// Starts a thread for its share of the processes: every second one, because kernel threads,
    /// which take less time, all come first.
    fn start(
        self: &Arc<Self>,
        proc: &Arc<ProcFs>,
        feed: &Arc<PidFeed>,
        share: usize,
        shares: usize,
    ) -> io::Result<ReadTask<FoundProcesses>> {
        let (pass, its_proc, feed) = (Arc::clone(self), Arc::clone(proc), Arc::clone(feed));
        ReadTask::start(&proc.readers, move || {
            let mut buffers = ReadBuffers::new(&pass.search, &pass.own_folders);
            let mut found = FoundProcesses::default();
            let mut known = 0;
            loop {
                let more = feed.after(known);
                if more.is_empty() {
                    return found;
                }
                let own = (known..).zip(&more).filter(|(at, _)| at % shares == share);
                for pid in own.map(|(_, pid)| *pid).filter(|pid| *pid != pass.me) {
                    pass.check(&its_proc, pid, &mut buffers, &mut found);
                }
                known += more.len();
            }
        })
    }

    fn check(
        &self,
        proc: &ProcFs,
        pid: u32,
        buffers: &mut ReadBuffers,
        found: &mut FoundProcesses,
    ) {
        let relevance = self.request.relevance(proc, pid, self.me, self.scope, buffers);
        if self.starters == StarterSearch::On
            && relevance != Relevance::Candidate
            && self.request.is_starter(proc, pid, self.me, buffers)
        {
            found.starters.insert(pid);
        }
        match relevance {
            Relevance::None => {}
            Relevance::InFolder => {
                found.here.insert(pid);
            }
            Relevance::Suspect => {
                found.suspects.insert(pid);
            }
            Relevance::Candidate => {
                found.candidates.insert(pid);
            }
        }
        if proc.is_own_and_blocks(pid) {
            found.candidates.insert(pid);
        }
        if !buffers.had_no_executable {
            let compared = &mut found.guarded;
            let started = self.request.guarded_as_mine(proc, pid, buffers, self.me, compared);
            found.candidates.extend(started);
        }
        if let Some(marker) = &self.marker
            && !buffers.had_no_executable
        {
            match marker.find(proc, pid, buffers) {
                Some(FoundByMarker::Guard(id, guard)) => {
                    found.guards.entry(id).or_insert(guard);
                }
                Some(FoundByMarker::LeftWithLock) => {
                    found.left_with_lock.insert(pid);
                }
                None => {}
            }
        }
    }
}

/// Describes these processes and their descendants.
pub(crate) fn describe_processes(
    request: ScanRequest,
    pids: BTreeSet<u32>,
) -> io::Result<Vec<Process>> {
    let (proc, me) = (Arc::new(ProcFs::open()?), std::process::id());
    let found = FoundProcesses { candidates: pids, ..FoundProcesses::default() };
    let result = found.describe(&proc, &Arc::new(request), &BTreeSet::new(), me);
    proc.readers.end_threads();
    Ok(result?.processes)
}

pub(super) fn describe_holder(
    proc: &Arc<ProcFs>,
    request: &Arc<ScanRequest>,
    pid: u32,
    me: u32,
) -> Option<(Process, ProcessHandle)> {
    let (its_proc, its_request) = (Arc::clone(proc), Arc::clone(request));
    let describe = move || {
        let stats: Stats =
            [pid, me].into_iter().flat_map(|pid| with_ancestors(&its_proc, pid)).collect();
        let mut describer = Describer::new(&its_proc, &its_request, &stats, me);
        describer.describe(pid, Fact::Known(true), &mut ReadBuffers::default())
    };
    let task = ReadTask::start(&proc.readers, describe).ok()?;
    task.finish(&proc.readers).ok()?
}
