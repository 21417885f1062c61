//! Host → Snapshot: the locks, the guards and the processes, at one moment.

use std::{collections::BTreeSet, path::Path, time::Duration};

use crate::{
    engine::{
        process::ProcessId,
        snapshot::{Caller, GuardView, LockState, LockView, Snapshot},
        start_history::Ticket,
    },
    scan::{
        lock_probe::{DisplacedOwner, LockProbe, ScanScope, StartState},
        portable::{Machine, guard_tree::is_marked, identity, scan::survey, system},
    },
    state::{lock_file::HeldLock, record::Record, state_dir::StateDir},
    sys::{
        clock,
        portable::{
            pidfd::ProcessHandle,
            poll::Poller,
            process_table::{ProcessTable, TableFields},
        },
    },
};

/// How long to look for the holder before it counts as unknown (S8).
const IDENTIFY: Duration = Duration::from_millis(100);

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
        let (views, record) = self.lock_views(sights, beside);
        let holders: BTreeSet<u32> = views.iter().flat_map(|view| holders(&view.state)).collect();
        let table = ProcessTable::all(TableFields::Everything)?;
        let me = self.whereabouts.process.pid;
        let processes = survey(&table, &self.query, &holders, breadth, me, &mut self.handles);
        Ok(Snapshot {
            me: Caller {
                pid: me,
                user: self.query.user.clone(),
                privileged: system::is_privileged(),
                signal_support: system::REACH,
                ticket: standing.ticket,
            },
            locks: views,
            guards: record.and_then(|record| guard(&record, &holders)).into_iter().collect(),
            processes,
            waited: standing.waited,
            history: standing.history.clone(),
        })
    }

    /// A guard that has this lock, and nothing else of the machine: here that costs as much as a
    /// look at all of it.
    #[expect(clippy::unused_self, reason = "on Linux the kernel is asked")]
    pub(crate) fn glance_at(
        &self,
        _lock: &Path,
        _record: &Record,
        _standing: &StartState,
    ) -> Option<(Snapshot, ProcessHandle)> {
        None
    }

    /// The locks, and the record that says who has them. Both are looked at again for a moment
    /// while nobody can be identified who has one: it may just be changing hands.
    fn lock_views(
        &self,
        sights: &[LockProbe<'_>],
        beside: Option<&StateDir>,
    ) -> (Vec<LockView>, Option<Record>) {
        let until = clock::patience() + IDENTIFY;
        let mut first = true;
        loop {
            let record = beside.and_then(StateDir::record).filter(|record| {
                record.holder.boot == self.whereabouts.boot
                    && record.holder.process != self.whereabouts.process
            });
            let holder = record.as_ref().and_then(holder);
            // A try that failed is the word of that moment: later on it is for the lock itself to
            // say whether somebody has it.
            let state = |sight: &LockProbe<'_>| match *sight {
                LockProbe::Taken(lock) if !first => lock_state(LockProbe::Open(lock), holder),
                sight => lock_state(sight, holder),
            };
            let views: Vec<LockView> = sights
                .iter()
                .map(|sight| LockView { path: sight.path(), state: state(sight) })
                .collect();
            let nobody = |view: &LockView| matches!(&view.state, LockState::Held(holders) if holders.is_empty());
            if !views.iter().any(nobody) || clock::patience() >= until {
                return (views, record);
            }
            first = false;
            // A signal that arrives meanwhile is taken by the next sleep that can tell of it.
            Poller::doze(None, None, &[], Some(clock::patience() + Duration::from_millis(5)));
        }
    }

    /// Whether we have a lock that a living guard has lost: who has locked a file that lies nowhere
    /// any more cannot be seen here.
    #[expect(clippy::unused_self, reason = "on Linux the kernel is asked")]
    pub(crate) fn displaced_by(&self, _record: &Record, _mine: &[HeldLock]) -> DisplacedOwner {
        DisplacedOwner::Nobody
    }

    /// A snapshot's processes that may be signalled later.
    pub(crate) fn forget_ended(&mut self) {
        if let Ok(table) = ProcessTable::all(TableFields::Lineage) {
            self.handles.retain(|id, _| table.id(id.pid) == Some(*id));
        }
    }
}

/// Who has the instance by this record: the guard, else the child that it left behind.
#[derive(Debug, Clone, Copy)]
enum RecordedHolder {
    Guard(ProcessId),
    Child(ProcessId),
}

fn holder(record: &Record) -> Option<RecordedHolder> {
    let lives = |id: &ProcessId| identity(id.pid) == Some(*id);
    let guard = record.holder.process;
    if lives(&guard) {
        return Some(RecordedHolder::Guard(guard));
    }
    // The word of a guard that has ended is believed of a process that bears its mark, and of
    // nobody else (S22).
    let is_its_child = |child: &ProcessId| {
        ProcessTable::of(&[child.pid], TableFields::Environment).is_ok_and(|table| {
            table.id(child.pid) == Some(*child) && is_marked(&table, child.pid, guard)
        })
    };
    record.child.filter(is_its_child).map(RecordedHolder::Child)
}

fn lock_state(sight: LockProbe<'_>, holder: Option<RecordedHolder>) -> LockState {
    let is_free = match sight {
        LockProbe::Missing(_) => return LockState::Free,
        LockProbe::Mine(_) => return LockState::Mine,
        LockProbe::Open(lock) => lock.probe_is_free(),
        LockProbe::Taken(_) => false,
    };
    match (is_free, holder) {
        (true, None | Some(RecordedHolder::Guard(_))) => LockState::Free,
        // Where the lock is not inherited, it goes with the guard; what that left behind has the
        // instance all the same.
        (true, Some(RecordedHolder::Child(child))) => {
            if cfg!(windows) {
                LockState::Held(vec![child.pid])
            } else {
                LockState::Free
            }
        }
        (false, Some(RecordedHolder::Guard(holder) | RecordedHolder::Child(holder))) => {
            LockState::Held(vec![holder.pid])
        }
        (false, None) => LockState::Held(Vec::new()),
    }
}

/// A record counts for a living (pid, start time) that has the lock.
fn guard(record: &Record, holders: &BTreeSet<u32>) -> Option<GuardView> {
    let process = record.holder.process;
    holders.contains(&process.pid).then(|| GuardView {
        process: Some(process),
        ticket: (record.ticket < Ticket::MAX).then_some(record.ticket),
        command: record.command.clone(),
        user: record.user.clone(),
        host: record.host.clone(),
        since: record.since,
    })
}

fn holders(state: &LockState) -> Vec<u32> {
    match state {
        LockState::Held(holders) => holders.clone(),
        LockState::Free | LockState::Mine | LockState::Unknown => Vec::new(),
    }
}
