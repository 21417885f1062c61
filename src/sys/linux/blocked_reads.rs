//! The processes of which reads block in the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::sys::clock;
use crate::sys::linux::proc_stat::ProcStatus;

/// The time after the first such process in which more of them are accepted.
const BUDGET: Duration = Duration::from_secs(2);

/// What is read of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProcessPart {
    /// The command line and the environment.
    Memory,
    Others,
}

#[derive(Default)]
pub(super) struct BlockedReads {
    /// Lets every read skip the mutex on a healthy machine.
    is_used: AtomicBool,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// The processes of this user and of root, with what blocks: everything, or only the memory.
    processes: BTreeMap<u32, ProcessPart>,
    own: BTreeSet<u32>,
    /// Other users, with all of their processes: each could have any number that blocks.
    users: BTreeSet<u32>,
    first_at: Option<Duration>,
}

impl BlockedReads {
    pub(super) fn is_empty(&self) -> bool {
        !self.is_used.load(Ordering::Relaxed)
    }

    /// Notes a process. Fails if there are too many, or if nothing can be known about one of this
    /// user: it may be a bot.
    pub(super) fn note(&self, pid: u32, part: ProcessPart) -> io::Result<()> {
        self.note_at(clock::monotonic(), pid, part)
    }

    fn note_at(&self, now: Duration, pid: u32, part: ProcessPart) -> io::Result<()> {
        const ROOT: u32 = 0;
        let user = real_user(pid);
        let is_own = user == Some(rustix::process::getuid().as_raw());
        self.with(|found| {
            self.is_used.store(true, Ordering::Relaxed);
            let took = now.saturating_sub(*found.first_at.get_or_insert(now));
            if took > BUDGET {
                let seconds = BUDGET.as_secs();
                return Err(timed_out(&format!(
                    "reading processes took longer than {seconds}s, at last pid {pid}"
                )));
            }
            if is_own && part == ProcessPart::Others {
                return Err(timed_out(&format!("reading pid {pid} took too long")));
            }
            match user.filter(|user| *user != ROOT && !is_own) {
                Some(user) => {
                    found.users.insert(user);
                }
                None => {
                    found.processes.insert(pid, part);
                }
            }
            if is_own {
                found.own.insert(pid);
            }
            Ok(())
        })
    }

    /// Returns whether reading this part of a process blocks, as far as is known.
    pub(super) fn includes(&self, pid: u32, part: ProcessPart) -> bool {
        !self.is_empty()
            && self.with(|found| {
                found.processes.get(&pid).is_some_and(|blocked| part <= *blocked)
                    || !found.users.is_empty()
                        && part == ProcessPart::Memory
                        && real_user(pid).is_some_and(|user| found.users.contains(&user))
            })
    }

    pub(super) fn is_own(&self, pid: u32) -> bool {
        !self.is_empty() && self.with(|found| found.own.contains(&pid))
    }

    fn with<T>(&self, call: impl FnOnce(&mut Found) -> T) -> T {
        call(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Names both causes: a process that is stuck looks like one that a busy machine has no time for.
fn timed_out(what: &str) -> io::Error {
    let why = "it is stuck in the kernel, or this machine is overloaded";
    io::Error::new(io::ErrorKind::TimedOut, format!("{what}: {why}"))
}

/// Reading this never blocks.
fn real_user(pid: u32) -> Option<u32> {
    ProcStatus::parse(&std::fs::read(format!("/proc/{pid}/status")).ok()?).real_user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_took_too_long_and_does_not_claim_to_know_why() {
        let reads = BlockedReads::default();
        let me = std::process::id();
        let own = reads.note(me, ProcessPart::Others).unwrap_err();
        let why = "it is stuck in the kernel, or this machine is overloaded";
        assert_eq!(own.to_string(), format!("reading pid {me} took too long: {why}"));
        assert_eq!(own.kind(), io::ErrorKind::TimedOut);

        let reads = BlockedReads::default();
        reads.note_at(Duration::ZERO, me, ProcessPart::Memory).unwrap();
        reads.note_at(BUDGET, me, ProcessPart::Memory).unwrap();
        assert!(reads.includes(me, ProcessPart::Memory));
        let late = BUDGET + Duration::from_millis(1);
        let budget = reads.note_at(late, me, ProcessPart::Memory).unwrap_err().to_string();
        let expected = format!("reading processes took longer than 2s, at last pid {me}: {why}");
        assert_eq!(budget, expected);
    }
}
