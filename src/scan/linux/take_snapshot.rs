//! Host → Snapshot: the locks, the guards and the processes, at one moment.

use std::{collections::BTreeSet, path::Path, time::Duration};

use crate::{
    engine::{
        process::ProcessId,
        snapshot::{Caller, GuardView, LockState, LockView, SignalSupport, Snapshot},
        start_history::Ticket,
    },
    scan::{
        linux::{
            Machine,
            find_by_marker::MarkerSearch,
            is_privileged,
            lock_holders::{self, IDENTIFY, LockListing, LockTable},
            prefilter::executable,
            scan::{self, RunningScan},
        },
        lock_probe::{DisplacedOwner, LockProbe, ScanScope, StartState},
    },
    state::{
        lock_file::{HeldLock, LockFile},
        record::{HostProcess, Record},
        state_dir::StateDir,
    },
    sys::{
        clock,
        file_id::FileId,
        linux::{pidfd::ProcessHandle, reader_pool::ReadTask},
    },
};

impl Machine {
    /// Looks at everything that this start has to know.
    ///
    /// # Errors
    /// The process table cannot be read.
    pub fn look(
        &mut self,
        sights: &[LockProbe<'_>],
        beside: Option<&StateDir>,
        standing: &StartState,
        breadth: ScanScope,
    ) -> std::io::Result<Snapshot> {
        let record = beside
            .and_then(StateDir::record)
            .filter(|record| record.holder.boot == self.whereabouts.boot);
        let record = record.filter(|record| record.holder != self.whereabouts);
        let me = self.whereabouts.process.pid;
        // Drawn up while the processes are looked through.
        let list = self.begin_listing(sights, record.as_ref())?;
        let sifting =
            RunningScan::begin(&self.proc, &self.query, breadth, self.wanted(sights), me)?;
        let list =
            list.map(|list| list.finish(&self.proc, me, &mut BTreeSet::new())).transpose()?;
        let views = self.lock_views(sights, record.as_ref(), list);
        let mut guards: Vec<GuardView> =
            record.and_then(|record| self.guard(&record, &views)).into_iter().collect();
        let mut sifted = sifting.finish(&self.proc, me)?;
        if guards.is_empty() {
            guards = sifted.guards();
        }
        let mut holders: BTreeSet<u32> =
            views.iter().flat_map(|view| holders(&view.state)).collect();
        holders.extend(guards.iter().filter_map(|guard| guard.process).map(|process| process.pid));
        let survey = sifted.describe(&self.proc, &self.query, &holders, me)?;
        self.lineage = survey.lineage;
        self.handles.extend(survey.handles.into_values().map(|handle| (handle.id, handle)));
        Ok(Snapshot {
            me: self.me(standing),
            locks: views,
            guards,
            processes: survey.processes,
            waited: standing.waited,
            history: standing.history.clone(),
        })
    }

    /// A guard that says that it runs and has this lock, and nothing else of the machine; `None`
    /// where the kernel does not say so too. What comes of it alone comes of it in any company, if
    /// it is a refusal.
    pub(crate) fn glance_at(
        &self,
        lock: &Path,
        record: &Record,
        standing: &StartState,
    ) -> Option<(Snapshot, ProcessHandle)> {
        let HostProcess { boot, pid_namespace, process } = &record.holder;
        let here =
            *boot == self.whereabouts.boot && *pid_namespace == self.whereabouts.pid_namespace;
        let file =
            FileId::lies_at(lock).filter(|_| here && *process != self.whereabouts.process)?;
        let has_it = !lock_holders::holders_among(&self.proc, file, &BTreeSet::from([process.pid]))
            .is_empty();
        let (described, handle) = has_it.then(|| {
            scan::alone(&self.proc, &self.query, process.pid, self.whereabouts.process.pid)
        })??;
        // One that is just ending has no facts left, and nothing must come of that.
        let is_whole = described.args.known().is_some_and(|args| !args.is_empty())
            && described.token.known().is_some()
            && described.user.known().is_some()
            && described.container.known().is_some()
            && described.exe.known().is_some();
        if !is_whole || handle.has_ended() {
            return None;
        }
        let views =
            vec![LockView { path: lock.to_owned(), state: LockState::Held(vec![process.pid]) }];
        let guard = self.guard(record, &views).filter(|_| handle.id == *process)?;
        let snapshot = Snapshot {
            me: self.me(standing),
            locks: views,
            guards: vec![guard],
            processes: vec![described],
            waited: standing.waited,
            history: standing.history.clone(),
        };
        Some((snapshot, handle))
    }

    fn me(&self, standing: &StartState) -> Caller {
        Caller {
            pid: self.whereabouts.process.pid,
            user: self.query.user.clone(),
            privileged: is_privileged(),
            signal_support: SignalSupport::Signals,
            ticket: standing.ticket,
        }
    }

    /// The locks, looked at again for a moment while nobody can be identified who has one: it may
    /// just be changing hands.
    fn lock_views(
        &self,
        sights: &[LockProbe<'_>],
        record: Option<&Record>,
        mut list: Option<LockTable>,
    ) -> Vec<LockView> {
        let until = clock::patience() + IDENTIFY;
        let mut first = true;
        loop {
            let list = list.take();
            // A try that failed is the word of that moment: later on it is for the lock itself to
            // say whether somebody has it.
            let state = |sight: &LockProbe<'_>| match *sight {
                LockProbe::Taken(lock) if !first => {
                    self.lock_state(LockProbe::Open(lock), record, list.as_ref())
                }
                sight => self.lock_state(sight, record, list.as_ref()),
            };
            let views: Vec<LockView> = sights
                .iter()
                .map(|sight| LockView { path: sight.path(), state: state(sight) })
                .collect();
            let nobody = |view: &LockView| matches!(&view.state, LockState::Held(holders) if holders.is_empty());
            let elsewhere = record.is_some_and(|record| {
                record.holder.pid_namespace != self.whereabouts.pid_namespace
            });
            if elsewhere || !views.iter().any(nobody) || clock::patience() >= until {
                return views;
            }
            first = false;
            // A signal that arrives meanwhile is taken by the next sleep that can tell of it.
            crate::sys::linux::poll::Poller::doze(
                None,
                Some(&self.watch),
                &[],
                Some(clock::patience() + Duration::from_millis(5)),
            );
        }
    }

    /// Begins to read the list of locks, where somebody may have one and does not say so.
    fn begin_listing(
        &self,
        sights: &[LockProbe<'_>],
        record: Option<&Record>,
    ) -> std::io::Result<Option<ReadTask<LockTable>>> {
        let open = sights.iter().filter_map(|sight| match sight {
            LockProbe::Open(lock) => Some(lock),
            LockProbe::Missing(_) | LockProbe::Taken(_) | LockProbe::Mine(_) => None,
        });
        let is_needed = open.into_iter().any(|lock| self.by_its_own_word(lock, record).is_empty());
        is_needed.then(|| ReadTask::begin(&self.proc, |_, _| LockTable::read())).transpose()
    }

    /// Who has this lock and says so.
    fn by_its_own_word(&self, lock: &LockFile, record: Option<&Record>) -> BTreeSet<u32> {
        let recorded = record.map(|record| record.holder.process.pid).into_iter().collect();
        lock_holders::holders_among(&self.proc, lock.id(), &recorded)
    }

    fn lock_state(
        &self,
        sight: LockProbe<'_>,
        record: Option<&Record>,
        list: Option<&LockTable>,
    ) -> LockState {
        let (lock, taken) = match sight {
            LockProbe::Missing(_) => return LockState::Free,
            LockProbe::Mine(_) => return LockState::Mine,
            LockProbe::Open(lock) => (lock, false),
            LockProbe::Taken(lock) => (lock, true),
        };
        // The guard by its own word; else whoever the kernel lists; else whoever has it open.
        let mut holders = self.by_its_own_word(lock, record);
        if holders.is_empty() {
            let read;
            let list = if let Some(list) = list {
                list
            } else {
                read = LockTable::read();
                &read
            };
            if !taken && self.is_free_by(list, lock) {
                return LockState::Free;
            }
            let lockers = match list.says_of(lock.as_file(), lock.id()) {
                LockListing::Held(lockers) => lockers,
                LockListing::No => BTreeSet::new(),
            };
            holders = lock_holders::holders(&self.proc, lock.id(), &lockers);
            let is_a_monopoll = |pid| {
                let exe = executable(&self.proc, pid);
                self.query.is_a_monopoll(
                    &self.proc,
                    pid,
                    exe.as_deref(),
                    self.whereabouts.process.pid,
                )
            };
            holders.retain(|pid| {
                !(is_a_monopoll(*pid) && lock_holders::only_shares(&self.proc, *pid, lock.id()))
            });
        }
        if holders.is_empty() && !taken && self.is_free(lock) {
            return LockState::Free;
        }
        LockState::Held(holders.into_iter().collect())
    }

    /// Guards whose lock was deleted, and their record with it; `COMMAND` and what it started still
    /// carry their mark.
    fn wanted(&self, sights: &[LockProbe<'_>]) -> Option<MarkerSearch> {
        let wrapper = self.query().wrapper.as_deref().and_then(Path::file_name)?.to_owned();
        let first = sights.first().filter(|_| sights.iter().any(LockProbe::is_new))?;
        Some(MarkerSearch { lock: first.path(), wrapper, me: self.whereabouts.process.pid })
    }

    /// A record counts for a living (boot, pid, start time) that has the lock; from another PID
    /// namespace, while it is held.
    fn guard(&self, record: &Record, views: &[LockView]) -> Option<GuardView> {
        let held: Vec<u32> = views.iter().flat_map(|view| holders(&view.state)).collect();
        let is_held = views.iter().any(|view| matches!(view.state, LockState::Held(_)));
        let same_namespace = record.holder.pid_namespace == self.whereabouts.pid_namespace;
        let process = held
            .iter()
            .find_map(|pid| self.is_it(record, *pid, same_namespace))
            .or_else(|| self.displaced(record));
        let counts = process.is_some() || (is_held && !same_namespace && held.is_empty());
        counts.then(|| GuardView {
            process,
            ticket: (record.ticket < Ticket::MAX).then_some(record.ticket),
            command: record.command.clone(),
            user: record.user.clone(),
            host: record.host.clone(),
            since: record.since,
        })
    }

    /// A living guard by the locks that it says it has, and the kernel says so too: their files may
    /// lie nowhere any more.
    fn displaced(&self, record: &Record) -> Option<ProcessId> {
        let here = record.holder.boot == self.whereabouts.boot
            && record.holder.pid_namespace == self.whereabouts.pid_namespace;
        let guard = Some(record.holder.process).filter(|_| here)?;
        let stat = self.proc.stat(guard.pid, &mut Vec::new()).ok()?;
        let lives = stat.start == guard.start && guard != self.whereabouts.process;
        let pid = BTreeSet::from([guard.pid]);
        let has_one =
            |lock: &FileId| !lock_holders::holders_among(&self.proc, *lock, &pid).is_empty();
        (lives && record.locks.iter().any(has_one)).then_some(guard)
    }

    /// Whether this record is a guard's that lives and has lost its lock to us: its file was
    /// deleted or replaced, and we have the new one. What lives in another PID namespace cannot be
    /// seen: there the record's word is taken for it.
    pub(crate) fn displaced_by(&self, record: &Record, mine: &[HeldLock]) -> DisplacedOwner {
        let whereabouts = &record.holder;
        if whereabouts.boot != self.whereabouts.boot || *whereabouts == self.whereabouts {
            DisplacedOwner::Nobody
        } else if whereabouts.pid_namespace == self.whereabouts.pid_namespace {
            if self.displaced(record).is_some() {
                DisplacedOwner::Guard
            } else {
                DisplacedOwner::Nobody
            }
        } else {
            let same = mine
                .iter()
                .filter_map(|held| held.file().known_id())
                .any(|id| record.locks.contains(&id));
            if same || record.locks.is_empty() {
                DisplacedOwner::Nobody
            } else {
                DisplacedOwner::Unseen
            }
        }
    }

    /// Whether the process with this pid of mine is the one that the record names by a pid of its
    /// own namespace.
    fn is_it(&self, record: &Record, pid: u32, same_namespace: bool) -> Option<ProcessId> {
        let mut buffer = Vec::new();
        let start = self.proc.stat(pid, &mut buffer).ok()?.start;
        let theirs = record.holder.process;
        let found = ProcessId { pid, start };
        if same_namespace {
            return (found == theirs).then_some(found);
        }
        self.proc.read(pid, "status", &mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer);
        let inner = text
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))?
            .split_whitespace()
            .next_back()?
            .parse::<u32>()
            .ok()?;
        let namespace = lock_holders::namespace(&self.proc, pid)?;
        (inner == theirs.pid && namespace == record.holder.pid_namespace).then_some(found)
    }

    /// A snapshot's processes that may be signalled later.
    pub(crate) fn forget_ended(&mut self) {
        self.handles.retain(|_, handle: &mut ProcessHandle| !handle.has_ended());
    }
}

fn holders(state: &LockState) -> Vec<u32> {
    match state {
        LockState::Held(holders) => holders.clone(),
        LockState::Free | LockState::Mine | LockState::Unknown => Vec::new(),
    }
}
