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
        const ROOT: u32 = 0;
        let user = real_user(pid);
        let is_own = user == Some(rustix::process::getuid().as_raw());
        self.with(|found| {
            self.is_used.store(true, Ordering::Relaxed);
            let now = clock::monotonic();
            let took = now.saturating_sub(*found.first_at.get_or_insert(now));
            if took > BUDGET || is_own && part == ProcessPart::Others {
                let what = format!("every read of pid {pid} blocks in the kernel");
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
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

/// Reading this never blocks.
fn real_user(pid: u32) -> Option<u32> {
    ProcStatus::parse(&std::fs::read(format!("/proc/{pid}/status")).ok()?).real_user
}
