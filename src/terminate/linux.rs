//! Carrying out a plan: who there still is, what is sent to them, and what guards are asked.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::Duration,
};

use rustix::io::Errno;

use crate::{
    engine::{
        ladder::StopOptions,
        process::ProcessId,
        signal::{SignalResult, SignalToSend},
        snapshot::GuardView,
        stop_progress::{JobState, Member},
    },
    scan::machine::{
        Machine,
        parents::{ParentMap, Stats, with_descendants},
    },
    sys::{
        clock,
        machine::{
            pidfd::{PinnedPid, ProcessHandle},
            proc_fs::ProcFs,
        },
        wake::Interrupted,
    },
    terminate::process_control::{AskOutcome, ProcessControl},
};

impl ProcessControl for Machine {
    fn now(&self) -> Duration {
        clock::patience()
    }

    fn members(&mut self, known: &BTreeSet<ProcessId>) -> Vec<Member> {
        // Who is not pinned may be there all the same.
        let known: BTreeSet<ProcessId> = known
            .iter()
            .copied()
            .filter(|id| self.handles.get(id).is_none_or(|handle| !handle.has_ended()))
            .collect();
        if known.is_empty() {
            return Vec::new();
        }
        let me = self.whereabouts.process.pid;
        let lineage = match self.lineage.take().filter(ParentMap::is_fresh) {
            Some(lineage) => Ok(lineage),
            None => ParentMap::read(&self.proc, me),
        };
        match lineage {
            Ok(lineage) => family(&self.proc, lineage.stats(), &known, me, &mut self.handles),
            Err(_) => unseen(&known, &self.handles),
        }
    }

    fn living(&mut self, known: &BTreeSet<ProcessId>) -> BTreeSet<ProcessId> {
        let mut living = known.clone();
        self.retain_living(&mut living);
        living
    }

    fn send(&mut self, to: ProcessId, signal: SignalToSend) -> SignalResult {
        self.handles.get(&to).map_or(SignalResult::Gone, |handle| handle.send(signal))
    }

    fn sleep(&mut self, ends_of: &BTreeSet<ProcessId>, until: Duration) -> Result<(), Interrupted> {
        let handles: Vec<&ProcessHandle> =
            ends_of.iter().filter_map(|id| self.handles.get(id)).collect();
        self.sleep_on(&handles, until).map(|_| ())
    }

    fn ask(&mut self, guard: &GuardView, manner: StopOptions) -> Result<AskOutcome, Interrupted> {
        let has_ended = || {
            guard
                .process
                .is_some_and(|id| self.handles.get(&id).is_none_or(ProcessHandle::has_ended))
        };
        let handle: Vec<&ProcessHandle> =
            guard.process.iter().filter_map(|id| self.handles.get(id)).collect();
        self.asking.ask(self.whereabouts.process, guard, manner, has_ended, |until| {
            self.sleep_on(&handle, until).map(drop)
        })
    }

    fn has_signed_off(&mut self, _guard: &GuardView) -> bool {
        self.asking.has_signed_off()
    }

    fn has_left(&mut self, _guard: &GuardView) -> bool {
        self.asking.has_left()
    }
}

/// Those of `known` that live, and everything below them but `me`; who is new is pinned into
/// `handles`. Where there are not descriptors enough for all, the others are members that are not
/// pinned.
pub(crate) fn family(
    proc: &ProcFs,
    stats: &Stats,
    known: &BTreeSet<ProcessId>,
    me: u32,
    handles: &mut BTreeMap<ProcessId, ProcessHandle>,
) -> Vec<Member> {
    handles.retain(|_, handle| !handle.has_ended());
    let is_there = |id: &&ProcessId| stats.get(&id.pid).is_some_and(|seen| seen.start == id.start);
    let all = with_descendants(known.iter().filter(is_there).map(|id| id.pid).collect(), stats, me);
    let mut buffer = Vec::new();
    let mut members = Vec::new();
    for pid in all {
        let Some(seen) = stats.get(&pid) else { continue };
        let id = ProcessId { pid, start: seen.start };
        if let Entry::Vacant(place) = handles.entry(id) {
            // Pinned first, then looked at again: whoever has the pid now must still be the one
            // that was seen.
            match PinnedPid::new(pid).map(|pin| (pin, proc.stat(pid, &mut buffer))) {
                Ok((pin, Ok(now))) if now.start == seen.start => {
                    place.insert(pin.into_handle(id));
                }
                Ok((_, Ok(_))) | Err(Errno::SRCH) => continue,
                Ok((_, Err(error)))
                    if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::SRCH)) =>
                {
                    continue;
                }
                Ok((_, Err(_))) | Err(_) => {}
            }
        }
        let job_state = match handles.get(&id) {
            Some(handle) if handle.has_ended() => continue,
            Some(_) if matches!(seen.state, b'T' | b't') => JobState::Stopped,
            Some(_) => JobState::Running,
            None => JobState::Unpinned,
        };
        members.push(Member { id, parent: seen.parent, job_state });
    }
    // Who could not be pinned is among them: what is read next is not the worse for it.
    let _ = proc.insist_on_all();
    members
}

/// Those that are there, for all that can be seen.
pub(crate) fn unseen(
    known: &BTreeSet<ProcessId>,
    handles: &BTreeMap<ProcessId, ProcessHandle>,
) -> Vec<Member> {
    let job_state =
        |id| if handles.contains_key(id) { JobState::Running } else { JobState::Unpinned };
    known.iter().map(|id| Member { id: *id, parent: 0, job_state: job_state(id) }).collect()
}
