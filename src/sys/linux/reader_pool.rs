//! Reading about processes on threads of their own, so that one that hangs in the kernel does not
//! hang the start.
//!
//! To read the command line of a process whose memory is locked blocks, and no signal but SIGKILL
//! ends that. A thread that is caught so is left behind, and its errand is run again without the
//! process that it was caught at.

use std::{
    collections::BTreeSet,
    fmt, io, iter,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::thread::CpuSet;

use crate::sys::linux::proc_fs::ProcFs;

/// How often to see whether a thread is caught; a healthy process takes some microseconds.
const GLANCE: Duration = Duration::from_millis(250);

/// Where a thread is, for whoever watches it.
#[derive(Debug, Default)]
pub(crate) struct ReadProgress {
    thread: AtomicU32,
    pid: AtomicU32,
}

impl ReadProgress {
    /// Notes that this process is being read about.
    pub(crate) fn at(&self, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
    }

    /// The process at which the thread waits in the kernel. One that only was not given a processor
    /// is not caught.
    fn caught_at(&self, proc: &ProcFs, me: u32) -> Option<u32> {
        let thread = self.thread.load(Ordering::Relaxed);
        let mut stat = Vec::new();
        proc.read(me, &format!("task/{thread}/stat"), &mut stat).ok()?;
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let waits = matches!(stat.get(name_end + 2), Some(b'D'));
        waits.then(|| self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }
}

/// The threads that have nothing to read just now. A look takes less time than a thread takes to
/// begin.
#[derive(Default)]
pub(crate) struct ReaderPool {
    idle: Mutex<Vec<ReaderThread>>,
    /// How many there have been.
    begun: AtomicU32,
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread, and how to give it something to do.
struct ReaderThread {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl ReaderPool {
    /// Gives this to a thread; who it is goes back by [`rest`](Self::rest) when the job is done.
    fn employ(&self, mut job: Job) -> io::Result<ReaderThread> {
        loop {
            let Some(reader) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
            else {
                return begin(job, self.begun.fetch_add(1, Ordering::Relaxed));
            };
            match reader.jobs.send(job) {
                Ok(()) => return Ok(reader),
                // Something that it read made it panic.
                Err(mpsc::SendError(returned)) => job = returned,
            }
        }
    }

    /// Whether one of them is there.
    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Ends them, and waits until they have ended. Others would begin where there is something to
    /// read again.
    pub(crate) fn dismiss(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let threads: Vec<JoinHandle<()>> = idle.into_iter().map(|reader| reader.thread).collect();
        for thread in threads {
            // One that something made panic has ended as well.
            let _ = thread.join();
        }
    }

    fn rest(&self, reader: ReaderThread) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
    }
}

impl fmt::Debug for ReaderPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readers")
    }
}

/// A thread that does this and then what it is sent, until nobody can send it anything any more. It
/// begins with its job: one that had to wait for it would sleep, and be woken.
fn begin(first: Job, nth: u32) -> io::Result<ReaderThread> {
    let (send, jobs) = mpsc::channel::<Job>();
    let work = move || {
        keep_to_its_processors(nth);
        iter::once(first).chain(jobs).for_each(|job| job());
    };
    let thread = thread::Builder::new().name("look".to_owned()).spawn(work)?;
    Ok(ReaderThread { jobs: send, thread })
}

/// Every other reader runs on every other processor. Left to the scheduler, one that another has
/// woken is put behind it while a virtual processor idles: one that was halted counts as taken by
/// its host.
fn keep_to_its_processors(nth: u32) {
    // Of the main thread, not of this one: readers begin readers.
    let Ok(all) = rustix::thread::sched_getaffinity(Some(rustix::process::getpid())) else {
        return;
    };
    let mut mine = CpuSet::new();
    let processors = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).take(all.count() as usize);
    processors.skip(usize::from(nth.is_multiple_of(2))).step_by(2).for_each(|cpu| mine.set(cpu));
    if mine.count() > 0 {
        // One that may run anywhere reads as well.
        let _ = rustix::thread::sched_setaffinity(None, &mine);
    }
}

type Work<T> = Arc<dyn Fn(&ReadProgress, &BTreeSet<u32>) -> T + Send + Sync>;

/// Something that is being read.
pub(crate) struct ReadTask<T> {
    work: Work<T>,
    progress: Arc<ReadProgress>,
    reader: ReaderThread,
    result: Receiver<T>,
}

impl<T: Send + 'static> ReadTask<T> {
    /// Sets out.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn begin(
        proc: &ProcFs,
        work: impl Fn(&ReadProgress, &BTreeSet<u32>) -> T + Send + Sync + 'static,
    ) -> io::Result<ReadTask<T>> {
        Self::again(proc.readers(), Arc::new(work), BTreeSet::new())
    }

    fn again(readers: &ReaderPool, work: Work<T>, skip: BTreeSet<u32>) -> io::Result<ReadTask<T>> {
        let progress = Arc::new(ReadProgress::default());
        let (send, result) = mpsc::sync_channel(1);
        let (its_work, its_progress) = (Arc::clone(&work), Arc::clone(&progress));
        let reader = readers.employ(Box::new(move || {
            its_progress.thread.store(
                rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs(),
                Ordering::Relaxed,
            );
            let read = its_work(&its_progress, &skip);
            // What it needed for that goes before the word that it is done.
            drop(its_work);
            // Nobody listens to a thread that was left behind.
            let _ = send.send(read);
        }))?;
        Ok(ReadTask { work, progress, reader, result })
    }

    /// Waits for what was read; whoever it was caught at is added to `skip`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn finish(
        mut self,
        proc: &ProcFs,
        me: u32,
        skip: &mut BTreeSet<u32>,
    ) -> io::Result<T> {
        let mut before = None;
        loop {
            match self.result.recv_timeout(GLANCE) {
                Ok(result) => {
                    proc.readers().rest(self.reader);
                    return Ok(result);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the look at the process table failed"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.progress.caught_at(proc, me);
            match (before, now) {
                (Some(before), Some(now)) if before == now => {
                    skip.insert(now);
                    self = Self::again(proc.readers(), Arc::clone(&self.work), skip.clone())?;
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
    fn two_that_read_beside_each_other_share_no_processor() {
        let all = rustix::thread::sched_getaffinity(Some(rustix::process::getpid())).unwrap();
        let readers = ReaderPool::default();
        let mut employed = Vec::new();
        let mut allowed_to_the_next = || {
            let (send, allowed) = mpsc::channel();
            employed.push(
                readers
                    .employ(Box::new(move || {
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
                "processor {cpu} is for both or for nobody"
            );
        }
        assert!(one.count() > 0 && other.count() > 0);
    }
}
