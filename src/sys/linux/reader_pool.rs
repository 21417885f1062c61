//! Threads that read facts about processes, so that a read that blocks in the kernel does not block
//! the start.
//!
//! Reading a command line blocks while the memory of the process is locked, and reading anything
//! while it is stuck in execve(2); only SIGKILL would end that. Such a thread is left behind, and
//! its task is repeated without that process, whose facts stay unknown.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, iter};

use rustix::thread::CpuSet;

use crate::sys::linux::blocked_reads::{BlockedReads, ProcessPart};

/// The interval of checks for a stuck thread. Reading usually takes microseconds.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The interval once a process has been found that blocks reads: there may be many.
const NEXT_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// What a reader thread does.
#[derive(Debug, Default)]
struct ReadProgress {
    thread: AtomicU32,
    /// The process whose files it reads, or 0.
    pid: AtomicU32,
    is_memory: AtomicBool,
}

thread_local! {
    static PROGRESS: RefCell<Option<Arc<ReadProgress>>> = const { RefCell::new(None) };
}

/// Calls `read`, which reads this part of a process.
pub(super) fn reading<T>(pid: u32, part: ProcessPart, read: impl FnOnce() -> T) -> T {
    let note = |pid| {
        PROGRESS.with_borrow(|progress| {
            if let Some(progress) = progress {
                progress.is_memory.store(part == ProcessPart::Memory, Ordering::Relaxed);
                progress.pid.store(pid, Ordering::Relaxed);
            }
        });
    };
    note(pid);
    let result = read();
    note(0);
    result
}

impl ReadProgress {
    /// Returns the process whose files block the thread in the kernel (state D). A thread that
    /// waits for a processor is not stuck.
    fn hangs_at(&self) -> Option<(u32, ProcessPart)> {
        let thread = self.thread.load(Ordering::Relaxed);
        let stat = std::fs::read(format!("/proc/self/task/{thread}/stat")).ok()?;
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let waits = matches!(stat.get(name_end + 2), Some(b'D'));
        let pid = self.pid.load(Ordering::Relaxed);
        let is_memory = self.is_memory.load(Ordering::Relaxed);
        let part = if is_memory { ProcessPart::Memory } else { ProcessPart::Others };
        (waits && pid != 0).then_some((pid, part))
    }
}

/// The idle threads, kept because a scan takes less time than starting a thread.
#[derive(Default)]
pub(crate) struct ReaderPool {
    idle: Mutex<Vec<ReaderThread>>,
    started: AtomicU32,
    pub(super) blocked: BlockedReads,
}

type Job = Box<dyn FnOnce() + Send>;

struct ReaderThread {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl ReaderPool {
    /// Gives the job to a thread, which must be returned with [`put_back`](Self::put_back).
    fn run(&self, mut job: Job) -> io::Result<ReaderThread> {
        loop {
            let Some(reader) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
            else {
                return start_thread(job, self.started.fetch_add(1, Ordering::Relaxed));
            };
            match reader.jobs.send(job) {
                Ok(()) => return Ok(reader),
                // The thread has panicked.
                Err(mpsc::SendError(returned)) => job = returned,
            }
        }
    }

    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Ends the idle threads and waits for them. Further reads start new threads.
    pub(crate) fn end_threads(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let threads: Vec<JoinHandle<()>> = idle.into_iter().map(|reader| reader.thread).collect();
        for thread in threads {
            // A panicked thread has ended too.
            let _ = thread.join();
        }
    }

    fn put_back(&self, reader: ReaderThread) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
    }
}

/// Starts a thread for this job and later ones. The first job is not sent through the channel,
/// because the thread would first sleep and then have to be woken.
fn start_thread(first: Job, nth: u32) -> io::Result<ReaderThread> {
    let (send, jobs) = mpsc::channel::<Job>();
    let work = move || {
        use_own_processors(nth);
        iter::once(first).chain(jobs).for_each(|job| job());
    };
    let thread = thread::Builder::new().name("reader".to_owned()).spawn(work)?;
    Ok(ReaderThread { jobs: send, thread })
}

/// Alternates threads between two sets of processors. Otherwise, the scheduler would queue a woken
/// thread behind its waker while a virtual processor idles, because a halted one may be in use by
/// its host.
fn use_own_processors(nth: u32) {
    // Use the main thread's set, because readers start other readers.
    let Ok(all) = rustix::thread::sched_getaffinity(Some(rustix::process::getpid())) else {
        return;
    };
    let mut mine = CpuSet::new();
    let processors = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).take(all.count() as usize);
    processors.skip(usize::from(nth.is_multiple_of(2))).step_by(2).for_each(|cpu| mine.set(cpu));
    if mine.count() > 0 {
        // Reading also works without an affinity.
        let _ = rustix::thread::sched_setaffinity(None, &mine);
    }
}

type Work<T> = Arc<dyn Fn() -> T + Send + Sync>;

pub(crate) struct ReadTask<T> {
    work: Work<T>,
    progress: Arc<ReadProgress>,
    reader: ReaderThread,
    result: Receiver<T>,
}

impl<T: Send + 'static> ReadTask<T> {
    pub(crate) fn start(
        readers: &ReaderPool,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> io::Result<ReadTask<T>> {
        Self::run(readers, Arc::new(work))
    }

    fn run(readers: &ReaderPool, work: Work<T>) -> io::Result<ReadTask<T>> {
        let progress = Arc::new(ReadProgress::default());
        let (send, result) = mpsc::sync_channel(1);
        let (its_work, its_progress) = (Arc::clone(&work), Arc::clone(&progress));
        let reader = readers.run(Box::new(move || {
            its_progress.thread.store(
                rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs(),
                Ordering::Relaxed,
            );
            PROGRESS.set(Some(its_progress));
            let read = its_work();
            // Drop this before sending the result.
            drop(its_work);
            // Fails if the thread was left behind.
            let _ = send.send(read);
        }))?;
        Ok(ReadTask { work, progress, reader, result })
    }

    /// Waits for the result. Notes processes on which a thread got stuck, whose memory is not read
    /// again. Fails if there are too many.
    pub(crate) fn finish(mut self, readers: &ReaderPool) -> io::Result<T> {
        let mut before = None;
        loop {
            let interval =
                if readers.blocked.is_empty() { CHECK_INTERVAL } else { NEXT_CHECK_INTERVAL };
            match self.result.recv_timeout(interval) {
                Ok(result) => {
                    readers.put_back(self.reader);
                    return Ok(result);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("a reader thread failed"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.progress.hangs_at();
            match (before, now) {
                (Some(stuck), Some(now)) if stuck == now => {
                    let (pid, part) = now;
                    readers.blocked.note(pid, part)?;
                    self = Self::run(readers, Arc::clone(&self.work))?;
                    before = None;
                }
                _ => before = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_share_no_processor() {
        let all = rustix::thread::sched_getaffinity(Some(rustix::process::getpid())).unwrap();
        let readers = ReaderPool::default();
        let mut employed = Vec::new();
        let mut allowed_to_the_next = || {
            let (send, allowed) = mpsc::channel();
            employed.push(
                readers
                    .run(Box::new(move || {
                        send.send(rustix::thread::sched_getaffinity(None).unwrap()).unwrap();
                    }))
                    .unwrap(),
            );
            allowed.recv().unwrap()
        };
        let (one, other) = (allowed_to_the_next(), allowed_to_the_next());
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu) && all.count() > 1) {
            assert!(
                one.is_set(cpu) != other.is_set(cpu),
                "processor {cpu} is for both or for none"
            );
        }
        assert!(one.count() > 0 && other.count() > 0);
    }
}
